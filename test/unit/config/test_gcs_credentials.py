"""Credentials of Google Cloud Storage in the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from s3_sync.config.credentials.gcs import KINDS, GcsCredentials
from s3_sync.config.credentials.permissions import Operation
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.load import load_written

KEY = {
    "type": "service_account",
    "client_email": "a@b.iam.gserviceaccount.com",
    "private_key": "hush",
    "token_uri": "https://oauth2.googleapis.com/token",
}
TOP = {"devices": "/srv/node", "items_chunk": 1, "status_dir": "/tmp/s"}
ENTRY = {"account": "AUTH_a", "container": "c", "aws_bucket": "bucket", "protocol": "gcs"}


def problems(**changes: Any) -> list[str]:
    return [str(problem) for problem in load_written({**TOP, "containers": [ENTRY | changes]}).problems]


def warnings(**changes: Any) -> list[str]:
    return [str(warning) for warning in load_written({**TOP, "containers": [ENTRY | changes]}).warnings]


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        (json.dumps(KEY), []),
        ("/no/such/key.json", []),
        ("hush", ["must be JSON, or the absolute path of a file with JSON credentials"]),
        ('{"hush', ["begins like JSON, but is not valid JSON"]),
        (
            '{"type": "hush"}',
            [f'needs a "type", one of {", ".join(KINDS)}'],
        ),
        (json.dumps({**KEY, "private_key": 1}), ["the service_account lacks private_key"]),
        (
            '{"type": "external_account"}',
            ["the external_account lacks audience, subject_token_type, token_url"],
        ),
    ],
)
def test_secret_is_json_or_the_path_of_a_file(secret: str, expected: list[str]) -> None:
    found = problems(aws_secret=secret)
    assert found == [f"containers[0].aws_secret: {message}" for message in expected]
    assert "hush" not in str(found)


def test_mapping_without_secret_is_valid_and_says_how_credentials_are_found() -> None:
    settings = load_written({**TOP, "containers": [ENTRY]}).settings
    assert settings
    assert "GOOGLE_APPLICATION_CREDENTIALS" in settings.mappings[0].credentials.described()


def test_what_has_no_effect_or_is_dangerous_gets_a_warning() -> None:
    found = warnings(aws_secret="/no/such/key.json", aws_identity="me", aws_endpoint="http://h")
    assert [warning.partition(": ")[2] for warning in found if warning.startswith("containers")] == [
        "has no effect with gcs: the credentials name their account",
        "tokens and objects are sent unencrypted; use https",
        "the file of credentials does not exist on this machine",
    ]


def test_store_is_the_one_of_the_interoperability_endpoint() -> None:
    endpoint = "https://storage.googleapis.com"
    native = GcsCredentials(provider="gcs")
    assert native.store_id == S3Credentials(endpoint=endpoint).store_id
    assert native.store_id == GcsCredentials(provider="gcs", endpoint=endpoint).store_id
    assert native.location == S3Credentials(endpoint=endpoint).location == "Google Cloud Storage"


@pytest.mark.parametrize("bucket", ["Upper", "a", "-a-", "a..b", "a/b"])
def test_invalid_bucket_name_is_refused(bucket: str) -> None:
    assert len(problems(aws_bucket=bucket)) == 1


def test_storage_class_of_another_store_is_refused() -> None:
    native = GcsCredentials(provider="gcs")
    assert native.check_storage_class("NEARLINE") == ""
    assert "Google has no GLACIER" in native.check_storage_class("GLACIER")


def test_grant_names_what_the_json_api_needs(tmp_path: Path) -> None:
    native = GcsCredentials(provider="gcs")
    assert native.grant(Operation.POST, "b") == "a role with storage.objects.get, storage.objects.update on b"
    assert native.grant(Operation.LIST_BUCKETS, "b") == "a role with storage.buckets.list on the project"
    assert native.grant(Operation.TAG, "b") == ""
