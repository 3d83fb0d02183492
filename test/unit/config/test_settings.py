"""The model: secrets stay hidden; names that the outside relies on never change."""

from __future__ import annotations

import dataclasses
import logging
import pickle
from typing import Any

import pytest

from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.config.settings import Mapping, Profile, Secret, Settings
from s3_sync.model.keys import KeyNamer


def mapping(**changes: object) -> Mapping:
    usual = Mapping(
        account="AUTH_test",
        container="bucket",
        bucket="bucket",
        credentials=S3Credentials(identity="id", secret=Secret("s3cr3t-s3cr3t")),
        profile=Profile(),
        namer=KeyNamer.hashed("AUTH_test", "bucket"),
        place="containers[0]",
    )
    return dataclasses.replace(usual, **changes)  # type: ignore[arg-type]


def test_secret_is_hidden_in_repr_str_and_log_messages() -> None:
    secret = Secret("s3cr3t-s3cr3t")
    settings = Settings(
        "/srv/node", 10, "/status", (mapping(),), https_proxy="http://u:s3cr3t-s3cr3t@proxy:1"
    )
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r}",
        "%s %r" % (secret, secret),  # noqa: UP031 (logging formats like this)
        repr(settings),
        repr(dataclasses.asdict(mapping())),
        logging.makeLogRecord({"msg": "%s", "args": (settings,)}).getMessage(),
    ]
    assert "s3cr3t" not in " ".join(shown)
    assert secret.reveal() == "s3cr3t-s3cr3t"


def test_secrets_returns_keys_tokens_and_proxy_passwords() -> None:
    credentials = S3Credentials(identity="id", secret=Secret("one"), session_token=Secret("two"))
    settings = Settings(
        "/srv/node",
        10,
        "/status",
        (mapping(credentials=credentials), mapping(credentials=S3Credentials())),
        http_proxy="http://proxy:3128",
        https_proxy="http://user:three@proxy:3128",
    )
    assert [secret.reveal() for secret in settings.secrets()] == ["one", "two", "three"]


def test_credentials_with_equal_values_are_one_cache_key() -> None:
    one = S3Credentials(identity="id", secret=Secret("a"))
    same = S3Credentials(identity="id", secret=Secret("a"))
    other = S3Credentials(identity="id", secret=Secret("b"))
    assert one == same
    assert one != other
    assert Secret("a") != "a"
    assert len({one, same, other}) == 2


def test_mapping_and_profile_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        mapping().bucket = "other"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        Profile().copy_after = 1  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(Profile(copy_after=5))) == Profile(copy_after=5)


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        (None, True),
        ("https://s3.amazonaws.com", True),
        ("https://s3.eu-west-1.amazonaws.com/", True),
        ("http://S3.AMAZONAWS.COM:80", True),
        ("https://s3.cn-north-1.amazonaws.com.cn", True),
        ("https://storage.googleapis.com", False),
        ("http://127.0.0.1:8080", False),
        ("https://evilamazonaws.com", False),
        ("https://amazonaws.com.example.org", False),
        ("https://example.org/amazonaws.com", False),
    ],
)
def test_is_aws_is_true_for_amazon_hosts_only(endpoint: str | None, expected: bool) -> None:
    assert S3Credentials(endpoint=endpoint).is_aws is expected


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (None, "https://s3.eu-west-1.amazonaws.com", True),
        (None, "https://s3.cn-north-1.amazonaws.com.cn", False),
        ("https://s3.example.org", "http://S3.example.org:80/", True),
        ("https://s3.example.org", "https://s3.example.org:9000", False),
        ("https://s3.example.org/a", "https://s3.example.org/b", False),
        ("http://[::1]:9000", "http://[::1]:9000/", True),
    ],
)
def test_store_of_endpoint_depends_on_host_port_and_path(
    one: str | None, other: str | None, same: bool
) -> None:
    assert (S3Credentials(endpoint=one).store_id == S3Credentials(endpoint=other).store_id) is same


def test_store_of_aws_partition_has_its_own_name() -> None:
    assert S3Credentials(region="us-gov-west-1").store_id == "aws-us-gov"
    assert S3Credentials(region="cn-north-1").store_id == "aws-cn"
    assert S3Credentials(region="eu-west-1").store_id == "aws"


@pytest.mark.parametrize(
    ("endpoint", "account", "bucket", "prefix", "container", "expected"),
    [
        (
            "http://127.0.0.1:5000/auth/v1.0",
            "accôunt",
            "bucket/myobjïcts",
            None,
            "cõntainer",
            "http%3A%2F%2F127%2E0%2E0%2E1%3A5000%2Fauth%2Fv1%2E0.acc%C3%B4unt.bucket%2Fmyobj%C3%AFcts.c%C3%B5ntainer",
        ),
        (
            "https://storage.googleapis.com",
            "AUTH_test",
            "bkt",
            "pre",
            "cont",
            "https%3A%2F%2Fstorage%2Egoogleapis%2Ecom.AUTH_test.bkt%2Fpre.cont",
        ),
        (None, "AUTH_test", "bucket", None, "bucket", "S3.AUTH_test.bucket.bucket"),
        (None, "AUTH_test", "bucket", "", "bucket", "S3.AUTH_test.bucket.bucket"),
        (None, "AUTH_test", "b.b", "p/", "~c d", "S3.AUTH_test.b%2Eb%2Fp%2F.%7Ec%20d"),
    ],
)
def test_stats_prefix_escapes_each_component(
    endpoint: str | None, account: str, bucket: str, prefix: str | None, container: str, expected: str
) -> None:
    changed = mapping(
        credentials=S3Credentials(endpoint=endpoint),
        account=account,
        bucket=bucket,
        custom_prefix=prefix,
        container=container,
    )
    assert changed.stats_prefix == expected


def test_fingerprint_depends_on_the_destination_only() -> None:
    usual = mapping()
    assert usual.fingerprint == "97eb492a57f4c0f6"
    same = [
        mapping(credentials=S3Credentials(identity="other", secret=Secret("x"), region="eu-west-1")),
        mapping(credentials=S3Credentials(endpoint="https://s3.eu-west-1.amazonaws.com", checksum="sha256")),
        mapping(profile=Profile(copy_after=5, propagate_delete=False), place="containers[7]"),
        mapping(cloud_connector=False),
    ]
    assert {one.fingerprint for one in same} == {usual.fingerprint}
    different = [
        mapping(bucket="other"),
        mapping(namer=KeyNamer.literal("")),
        mapping(namer=KeyNamer.hashed("AUTH_test", "other")),
        mapping(credentials=S3Credentials(endpoint="https://s3.example.org")),
        mapping(credentials=SwiftCredentials(provider="swift", endpoint="https://swift.example.org")),
        mapping(
            credentials=SwiftCredentials(
                provider="swift", endpoint="https://swift.example.org", remote_account="AUTH_other"
            )
        ),
    ]
    assert len({one.fingerprint for one in [usual, *different]}) == len(different) + 1


def test_label_and_mode_name_container_and_profile_type() -> None:
    assert mapping().label == "AUTH_test/bucket"
    assert Profile().mode == "sync"
    assert Profile(retain_local=False).mode == "lifecycle"


@pytest.mark.parametrize(
    ("endpoint", "namer", "location"),
    [
        (None, KeyNamer.hashed("account", "container"), "AWS S3;bucket;356b9d/account/container/"),
        (None, KeyNamer.literal(""), "AWS S3;bucket"),
        ("https://storage.googleapis.com", KeyNamer.directory("/a/b/"), "Google Cloud Storage;bucket;a/b/"),
        ("http://10.0.0.1:9000/s3", KeyNamer.literal("x-"), "http://10.0.0.1:9000/s3;bucket;x-"),
    ],
)
def test_location_names_store_bucket_and_prefix(endpoint: str | None, namer: KeyNamer, location: str) -> None:
    credentials = S3Credentials(endpoint=endpoint)
    assert mapping(bucket="bucket", credentials=credentials, namer=namer).location == location


@pytest.mark.parametrize(
    ("options", "alone"),
    [
        ({"retain_local": True}, True),
        ({"retain_local": False}, False),
        ({"retain_local": True, "remote_listing_failure": "fail"}, False),
        ({"retain_local": False, "remote_listing_failure": "local"}, True),
    ],
)
def test_lists_local_alone_if_objects_stay_local_or_option_says_so(
    options: dict[str, Any], alone: bool
) -> None:
    assert Profile(**options).lists_local_alone is alone
