"""Credentials of a file connector: those of the store that it looks like."""

from __future__ import annotations

from typing import Any

import pytest

from s3_sync.config.load import load_written

TOP = {"devices": "/", "items_chunk": 1, "status_dir": "/tmp"}
ENTRY = {"account": "AUTH_a", "container": "c", "aws_bucket": "b", "aws_identity": "id", "aws_secret": "s"}
S3, SWIFT = {"aws_endpoint": "https://nas:8080"}, {"aws_endpoint": "https://nas/auth/v1.0", "api": "swift"}


def loaded(**entry: Any) -> Any:
    return load_written({**TOP, "containers": [{**ENTRY, "protocol": "file_connector", **entry}]})


@pytest.mark.parametrize(("entry", "provider"), [(S3, "s3"), ({**S3, "api": "s3"}, "s3"), (SWIFT, "swift")])
def test_file_connector_is_the_same_destination_as_the_store_that_it_looks_like(
    entry: dict[str, str], provider: str
) -> None:
    [mapping] = loaded(**entry).settings.mappings
    own = {key: value for key, value in entry.items() if key != "api"}
    [plain] = loaded(**own, protocol=provider).settings.mappings
    assert mapping.credentials.provider == provider
    assert mapping.fingerprint == plain.fingerprint
    assert mapping.credentials.store_id == plain.credentials.store_id
    assert mapping.credentials.location == plain.credentials.location


@pytest.mark.parametrize("api", ["s3", "swift"])
def test_file_connector_without_an_endpoint_is_refused(api: str) -> None:
    """Without one, an S3 store would be Amazon."""
    places = [problem.place for problem in loaded(api=api).problems]
    assert places == ["containers[0].aws_endpoint"]


def test_file_connector_in_sections_has_the_checks_of_its_api() -> None:
    entry = {"provider": "file_connector", "endpoint": "http://nas:8080", "identity": "i", "secret": "s"}
    sections = {
        **TOP,
        "credentials": {"nas": {**entry, "store": "rclone"}},
        "profiles": {"move": {"type": "lifecycle", "delay_days": 1}},
        "mappings": [
            {"account": "A", "container": "c", "bucket": "b", "credentials": "nas", "profile": "move"}
        ],
    }
    found = load_written(sections)
    assert found.problems == ()
    assert any("forgets metadata when it is restarted" in str(each) for each in found.warnings)
    wrong = {**sections, "credentials": {"nas": {**entry, "api": "swift", "auth_type": "keystone_v2"}}}
    assert load_written(wrong).problems[0].place == "credentials.nas.tenant_name"


def test_api_has_no_effect_with_other_providers() -> None:
    found = loaded(**SWIFT, protocol="swift")
    assert found.settings
    assert [each.place for each in found.warnings] == ["containers[0].api"]
