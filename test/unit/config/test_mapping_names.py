"""Which mapping is meant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.mapping_names import number_of, select
from s3_sync.config.settings import Mapping, MigrationOptions, Profile
from s3_sync.errors import UsageError
from s3_sync.model.keys import KeyNamer


def mapping(container: str, bucket: str, place: str) -> Mapping:
    namer = KeyNamer.hashed("AUTH_a", container)
    return Mapping("AUTH_a", container, bucket, S3Credentials(), Profile(), namer, place=place)


MAPPINGS = [
    mapping("c", "one", "containers[0]"),
    mapping("c", "two", "containers[1]"),
    mapping("#d#0123", "one", "containers[4]"),
    mapping("/*", "all", "containers[5]"),
    mapping("7", "one", "containers[6]"),
]


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("0", 0),
        ("containers[1]", 1),
        ("4", 2),
        ("AUTH_a/#d#0123", 2),
        ("AUTH_a/*", 3),
        ("AUTH_a//*", 3),
        ("AUTH_a/7", 4),
        (f"AUTH_a/c#{MAPPINGS[1].fingerprint}", 1),
        (f"AUTH_a/c#{MAPPINGS[0].fingerprint[:6]}", 0),
    ],
)
def test_select_finds_mapping_by_number_place_or_container(name: str, index: int) -> None:
    assert select(MAPPINGS, name) is MAPPINGS[index]


def test_number_of_a_migration_is_told_from_that_of_a_mapping() -> None:
    migrations = [
        replace(mapping(name, "b", f"migrations[{number}]"), migration=MigrationOptions())
        for number, name in enumerate("xy")
    ]
    both = [*MAPPINGS, *migrations]
    assert select(both, "1") is MAPPINGS[1]
    assert select(both, "migrations[1]") is migrations[1]
    assert select(both, "AUTH_a/x") is migrations[0]
    assert select(migrations, "1") is migrations[1]
    with pytest.raises(UsageError, match="no usable mapping"):
        select(both, "migrations[4]")


@pytest.mark.parametrize(
    "name", ["2", "AUTH_a", "AUTH_a/d", "c", "", "AUTH_a/c#", "AUTH_a/c#0", "containers[x]"]
)
def test_select_without_a_match_raises_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match="no usable mapping"):
        select(MAPPINGS, name)


def test_select_of_ambiguous_container_lists_names_with_fingerprints() -> None:
    with pytest.raises(UsageError) as caught:
        select(MAPPINGS, "AUTH_a/c")
    for each in MAPPINGS[:2]:
        assert f"AUTH_a/c#{each.fingerprint[:8]}" in str(caught.value)
        assert select(MAPPINGS, f"AUTH_a/c#{each.fingerprint[:8]}") is each


def test_number_of_is_the_index_of_the_place_or_none() -> None:
    assert [number_of(each) for each in MAPPINGS] == [0, 1, 4, 5, 6]
    assert number_of(mapping("c", "b", "")) is None
