"""Credentials of Azure storage accounts, in the file and as a value."""

from __future__ import annotations

from typing import Any

import pytest

from s3_sync.config.credentials.azure import AzureCredentials, parse_connection_string
from s3_sync.config.load import Loaded, load_written
from s3_sync.config.secret import Secret

TOP = {"devices": "/srv/node", "items_chunk": 1, "status_dir": "/tmp/s"}
KEY = "c2VjcmV0"
TEXT = f"DefaultEndpointsProtocol=https;AccountName=labs;AccountKey={KEY}==;EndpointSuffix=core.windows.net"
SAS = "sv=2021-12-02&sp=rw&sig=s3cret%3D"


def load(
    bucket: str = "scans", container: str = "c", place: dict[str, Any] | None = None, **given: Any
) -> Loaded:
    credentials = {"provider": "azure", **given}
    mapping = {"account": "AUTH_a", "container": container, "bucket": bucket, "credentials": "blobs",
               "profile": "mirror", **(place or {})}  # fmt: skip
    sections = {"credentials": {"blobs": credentials}, "profiles": {"mirror": {"type": "sync"}}}
    return load_written({**TOP, **sections, "mappings": [mapping]})


def credentials_of(**given: Any) -> AzureCredentials:
    loaded = load(**given)
    assert loaded.problems == ()
    assert loaded.settings
    found = loaded.settings.mappings[0].credentials
    assert isinstance(found, AzureCredentials)
    return found


def problems(**given: Any) -> list[str]:
    return [str(problem) for problem in load(**given).problems]


class TestStorageAccount:
    @pytest.mark.parametrize(
        ("given", "endpoint"),
        [
            ({"identity": "labs", "secret": KEY}, "https://labs.blob.core.windows.net"),
            ({"identity": "labs", "secret": KEY, "azure_cloud": "china"},
             "https://labs.blob.core.chinacloudapi.cn"),
            ({"identity": "labs", "sas_token": SAS, "azure_cloud": "usgov"},
             "https://labs.blob.core.usgovcloudapi.net"),
            ({"identity": "labs", "secret": KEY, "endpoint": "http://127.0.0.1:10000/labs"},
             "http://127.0.0.1:10000/labs"),
            ({"connection_string": TEXT}, "https://labs.blob.core.windows.net"),
            ({"connection_string": f"BlobEndpoint=https://x.example.org/;SharedAccessSignature={SAS}"},
             "https://x.example.org"),
            ({"connection_string": "UseDevelopmentStorage=true"}, "http://127.0.0.1:10000/devstoreaccount1"),
            ({"identity": "labs", "azure_login": "managed_identity"}, "https://labs.blob.core.windows.net"),
        ],
    )  # fmt: skip
    def test_endpoint_follows_from_what_is_given(self, given: dict[str, Any], endpoint: str) -> None:
        assert credentials_of(**given).storage_account.endpoint == endpoint

    def test_store_is_the_account_however_it_is_named(self) -> None:
        one = credentials_of(identity="labs", secret=KEY)
        other = credentials_of(connection_string=TEXT)
        assert one.store_id == other.store_id == "labs.blob.core.windows.net"
        assert other.storage_account.name == "labs"
        assert other.storage_account.key == Secret(f"{KEY}==")

    def test_secrets_are_never_shown(self) -> None:
        for given in ({"connection_string": TEXT}, {"identity": "labs", "sas_token": SAS}):
            found = credentials_of(**given)
            shown = found.described() + repr(found) + str(dict(found.options()))
            for secret in (KEY, "s3cret", SAS):
                assert secret not in shown
            assert {secret.reveal() for secret in found.secrets()} & {f"{KEY}==", SAS}
        assert "s3cret%3D" in {secret.reveal() for secret in found.secrets()}


class TestChecks:
    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            ({"identity": "labs"}, "secret: give exactly one of secret, sas_token, connection_string, "),
            ({"identity": "labs", "secret": KEY, "sas_token": SAS}, "sas_token: give exactly one of"),
            ({"secret": KEY}, "identity: is required: the name of the storage account"),
            ({"identity": "Labs!", "secret": KEY}, "identity: must be a storage account"),
            ({"identity": "labs", "secret": "not base64!"}, "secret: must be an account key in Base64"),
            ({"identity": "labs", "sas_token": "sv=1"}, "sas_token: is no shared access signature"),
            ({"identity": "labs", "sas_token": "sig=a b"}, "sas_token: is no shared access signature"),
            ({"connection_string": "nonsense"}, "connection_string: is no connection string"),
            ({"connection_string": "AccountName=labs"}, "connection_string: must have exactly one"),
            ({"connection_string": f"{TEXT};DefaultEndpointsProtocol=ftp"}, "connection_string: has a Def"),
            ({"connection_string": f"BlobEndpoint=x;AccountKey={KEY}"}, "connection_string: has a Blob"),
            ({"identity": "labs", "azure_login": "managed_identity", "endpoint": "http://labs.example.org"},
             "endpoint: must be https"),
        ],
    )  # fmt: skip
    def test_mistake_gets_one_line_at_its_place(self, given: dict[str, Any], problem: str) -> None:
        found = problems(**given)
        assert found[1:] == ["mappings[0].credentials: is invalid: see credentials.blobs"]
        assert found[0].startswith(f"credentials.blobs.{problem}")
        assert KEY not in found[0]

    @pytest.mark.parametrize(
        "bucket", ["Scans", "a_b", "ab", "a--b", "-abc", "abc-", "a" * 64, "ü-container", "a.b"]
    )
    def test_container_that_azure_cannot_have_leaves_the_mapping_out(self, bucket: str) -> None:
        (problem,) = problems(bucket=bucket, identity="labs", secret=KEY)
        assert problem.startswith(f'mappings[0].bucket: "{bucket}" is no name of a container in Azure')

    @pytest.mark.parametrize("bucket", ["abc", "a-b-c", "0" * 63, "$root"])
    def test_container_with_a_dns_name_is_usable(self, bucket: str) -> None:
        assert problems(bucket=bucket, identity="labs", secret=KEY) == []

    def test_unencrypted_sas_and_useless_options_are_warned_of(self) -> None:
        loaded = load(identity="labs", sas_token=SAS, endpoint="http://labs.example.org", client_id="x")
        told = [str(warning) for warning in loaded.warnings]
        assert any("the SAS, good for anybody, is sent unencrypted" in each for each in told)
        assert any("client_id: has no effect without azure_login" in each for each in told)

    def test_tiers_are_known(self) -> None:
        lab = AzureCredentials(provider="azure", identity="labs")
        assert [lab.check_storage_class(tier) for tier in ("Hot", "Cool", "Cold", "Archive")] == [""] * 4
        assert "GLACIER" in lab.check_storage_class("GLACIER")

    def test_expiry_rule_needs_an_identity(self) -> None:
        flat = {"account": "AUTH_a", "container": "c", "aws_bucket": "scans", "protocol": "azure",
                "aws_identity": "labs", "remote_delete_after": 86400}  # fmt: skip
        refused = load_written({**TOP, "containers": [{**flat, "aws_secret": KEY}]})
        assert "management policy" in str(refused.problems[0])
        login = {"azure_login": "managed_identity", "subscription_id": "s", "resource_group": "r"}
        assert load_written({**TOP, "containers": [{**flat, **login}]}).problems == ()


class TestKeys:
    @pytest.mark.parametrize(
        ("place", "prefix"),
        [
            ({}, ""),
            ({"prefix": "p/"}, "p/"),
            ({"hashed_prefix": True}, "15dca6/AUTH_a/c/"),
            ({"hashed_prefix": False}, ""),
        ],
    )
    def test_blob_has_the_name_of_its_object_unless_a_prefix_is_asked_for(
        self, place: dict[str, Any], prefix: str
    ) -> None:
        loaded = load(place=place, identity="labs", secret=KEY)
        assert loaded.settings
        (mapping,) = loaded.settings.mappings
        assert mapping.namer.prefix == prefix
        assert mapping.location == ";".join(filter(None, ("Azure", "scans", prefix)))

    def test_whole_account_always_has_hashed_prefixes(self) -> None:
        loaded = load(container="/*", identity="labs", secret=KEY)
        assert loaded.settings
        (mapping,) = loaded.settings.mappings
        assert mapping.of_container("c").namer.prefix == "15dca6/AUTH_a/c/"
        (problem,) = problems(container="/*", place={"hashed_prefix": False}, identity="labs", secret=KEY)
        assert problem.startswith("mappings[0].hashed_prefix: cannot be false")
        (problem,) = problems(place={"hashed_prefix": True, "prefix": "p/"}, identity="labs", secret=KEY)
        assert problem == "mappings[0].hashed_prefix: cannot be used with prefix"


def test_connection_string_is_read_as_the_sdks_do() -> None:
    assert parse_connection_string(" accountname = labs ; ACCOUNTKEY=YQ==; Other=x;") == {
        "AccountName": "labs",
        "AccountKey": "YQ==",
        "Other": "x",
    }


def test_move_with_md5_warns_by_the_name_of_the_option() -> None:
    entry = {"account": "AUTH_a", "container": "c", "protocol": "azure", "aws_bucket": "scans",
             "aws_identity": "labs", "aws_secret": KEY, "azure_checksum": "md5",
             "retain_local": False, "merge_namespaces": True}  # fmt: skip
    loaded = load_written({**TOP, "containers": [entry]})
    places = [each.place for each in loaded.warnings if "known beforehand" in each.message]
    assert places == ["containers[0].azure_checksum"]
