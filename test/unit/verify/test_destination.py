"""Where the probes are: keys of earlier versions, and places of their own."""

from __future__ import annotations

import re

import pytest

from s3_sync.config.credentials.kinds import KINDS, Kind
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.verify.arguments import parse
from s3_sync.verify.destination import Destination, host_id, of_arguments, of_mapping
from toy_provider.credentials import ToyCredentials
from unit.verify.store import mapping

STORE = ["--endpoint", "http://127.0.0.1:9", "--username", "id", "--password", "sesame"]


def at(*arguments: str, protocol: str = "s3") -> Destination:
    return of_arguments(parse(["--protocol", protocol, *STORE, "--bucket", "b", *arguments]))


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ([], "4dbbd/verify-auth/testing-\u00ef/fabcab/cloud_sync_test"),
        (["--prefix", "p"], "p/cloud_sync_test"),
        (["--prefix", "/p/q/"], "p/q/cloud_sync_test"),
        (["--prefix", ""], "fabcab/cloud_sync_test"),
    ],
)
def test_object_has_the_key_of_earlier_versions(arguments: list[str], key: str) -> None:
    found = at(*arguments)
    assert found.namer.key(found.name) == key
    assert found.folder == f"{key}.{host_id()}/"
    assert not found.is_configured


def test_probes_of_a_mapping_are_in_a_folder_of_this_machine() -> None:
    found = of_mapping(mapping())
    assert re.fullmatch(r"p/\.swift-s3-verify\.[0-9a-f]{8}/", found.folder)
    assert found.namer.key(found.name) == f"{found.folder}object"
    assert found.title == "AUTH_a/c (mappings[0]): bucket bucket at http://127.0.0.1:9"


@pytest.mark.parametrize("endpoint", ["https://s3.amazonaws.com", "http://s3.eu-west-1.amazonaws.com"])
def test_endpoint_of_amazon_is_left_out(endpoint: str) -> None:
    found = of_arguments(parse(["--protocol", "s3", "--endpoint", endpoint, *STORE[2:], "--bucket", "bkt"]))
    assert found.mapping.credentials.endpoint is None


def test_options_set_any_other_key_of_the_credentials() -> None:
    options = ["store=ceph", "region=eu-1", "verify_tls=false", 'dialect={"max_parts": 7}', "read_timeout=5"]
    credentials = at(*(word for option in options for word in ("--option", option))).mapping.credentials
    assert isinstance(credentials, S3Credentials)
    assert (credentials.store, credentials.region, credentials.verify_tls) == ("ceph", "eu-1", False)
    assert credentials.effective_dialect.max_parts == 7
    assert credentials.read_timeout == 5


class OwnBuckets(ToyCredentials):
    """With a bucket for each container, as another Swift has."""

    shares_bucket = False
    remote_account: str | None = None


def test_kind_with_a_bucket_for_each_container_has_the_names_of_earlier_versions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(KINDS, "toy", Kind(OwnBuckets, "toy_provider.provider:ToyProvider"))
    one = at("--option", "owner=me", "--account", "AUTH_b", protocol="toy")
    assert (one.name, one.mapping.bucket, one.creates_bucket) == ("cloud_sync_test_object", "b", False)
    whole = at("--option", "owner=me", "--bucket", "/*", protocol="toy")
    assert (whole.mapping.bucket, whole.creates_bucket) == (".cloudsync_test_container-\u00ef", True)
