"""The table of S3 stores, and how one of its lines is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.credentials.s3_dialects import CLONE, DIALECTS, HOSTS, Dialect, StoreName
from s3_sync.config.credentials.s3_dialects_page import tables
from s3_sync.config.load import load
from unit.config.written import MAPPING, problems_of, warnings_of

PAGE = Path(__file__).parents[3] / "docs" / "stores.md"
CONDITIONS = '"x-amz-copy-source-if-match" or "x-amz-copy-if-match"'
CLONE_AT = "https://s3.example.org"
BELIEVED = (
    f"is believed to enforce conditions of writes at {CLONE_AT}; "
    "with conditional_put true, each start probes that"
)


def test_page_of_stores_holds_the_generated_tables() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for table in tables().split("\n\n"):
        assert table in page, "see s3_sync/config/credentials/s3_dialects_page.py"


def test_every_store_can_be_named_and_every_host_belongs_to_one() -> None:
    assert set(get_args(StoreName)) == set(DIALECTS)
    assert set(HOSTS) <= set(DIALECTS)


def test_no_default_takes_more_for_granted_than_any_known_store() -> None:
    for dialect in DIALECTS.values():
        assert CLONE.max_parts <= dialect.max_parts
        assert CLONE.max_metadata <= dialect.max_metadata
        for promise in ("put_if_absent", "put_if_match", "encrypts", "declared_checksums"):
            assert getattr(CLONE, promise) <= getattr(dialect, promise)


@pytest.mark.parametrize(
    ("endpoint", "name"),
    [
        (None, "aws"),
        ("https://s3.eu-west-1.amazonaws.com", "aws"),
        ("https://bucket.s3.cn-north-1.amazonaws.com.cn", "aws"),
        ("https://0123.r2.cloudflarestorage.com", "cloudflare"),
        ("https://s3.us-west-004.backblazeb2.com", "backblaze"),
        ("https://notamazonaws.com", "clone"),
        ("https://r2.cloudflarestorage.com.example.org", "clone"),
        (CLONE_AT, "clone"),
    ],
)
def test_store_is_recognised_by_its_endpoint(endpoint: str | None, name: str) -> None:
    assert S3Credentials(endpoint=endpoint).known_store.name == name


def test_configured_store_wins_over_the_endpoint() -> None:
    credentials = S3Credentials(endpoint="https://s3.scw.cloud", store="ceph")
    assert credentials.effective_dialect == DIALECTS["ceph"]


def test_configured_property_wins_over_that_of_the_store() -> None:
    credentials = S3Credentials(endpoint=CLONE_AT, store="ceph", dialect=Dialect(max_parts=7, encrypts=True))
    expected = DIALECTS["ceph"].model_copy(update={"max_parts": 7, "encrypts": True})
    assert credentials.effective_dialect == expected


def test_conditional_put_false_switches_the_conditions_of_the_store_off() -> None:
    dialect = S3Credentials(conditional_put=False).effective_dialect
    assert (dialect.put_if_absent, dialect.put_if_match) == (False, False)


@pytest.mark.parametrize(
    ("changes", "problems", "warnings"),
    [
        ({"store": "ceph"}, [], []),
        ({"dialect": {"max_part": 6 << 20}}, [], []),
        ({"dialect": {"max_parts": 0}}, ["dialect.max_parts: must be at least 1, not 0"], []),
        ({"dialect": {"region": ""}}, ["dialect.region: must not be empty"], []),
        (
            {"dialect": {"min_part": 9, "max_part": 5}},
            ["dialect: min_part is above max_part: no part has a legal size (9 and 5 bytes)"],
            [],
        ),
        (
            {"dialect": {"copy_condition": "x\r\ny"}},
            [f'dialect.copy_condition: must be one of {CONDITIONS}, not "x\\r\\ny"'],
            [],
        ),
        ({"dialect": {"max_parts": "7"}}, ['dialect.max_parts: must be a whole number, not "7"'], []),
        (
            {"dialect": {"max_pats": 7}},
            [],
            ['dialect.max_pats: is not a known key and has no effect; did you mean "max_parts"?'],
        ),
        (
            {"dialect": {"name": "x"}},
            [],
            ['dialect.name: is not a known key and has no effect; did you mean "max_name"?'],
        ),
        (
            {"store": "scaleway", "storage_class": "COLD"},
            [],
            [
                "storage_class: scaleway has no COLD; its storage classes are STANDARD, ONEZONE_IA, GLACIER",
            ],
        ),
        (
            {"store": "cloudflare", "signature_version": "s3"},
            [],
            ["signature_version: cloudflare rejects signature version 2; use s3v4"],
        ),
        ({"store": "aws"}, [], [f"store: {BELIEVED}"]),
        ({"store": "aws", "dialect": {"max_parts": 7}}, [], [f"store: {BELIEVED}"]),
        ({"dialect": {"put_if_match": True}}, [], [f"dialect: {BELIEVED}"]),
        ({"store": "aws", "conditional_put": True}, [], []),
        ({"store": "aws", "conditional_put": False}, [], []),
        ({"store": "swift"}, [], []),
        (
            {"dialect": {"put_if_absent": True}, "conditional_put": False},
            [],
            ["conditional_put: is false, but conditions of writes are used: the dialect says so"],
        ),
        (
            {"aws_endpoint": "https://s3.amazonaws.com", "store": "ceph"},
            [],
            ["store: is ceph, but https://s3.amazonaws.com is an address of aws: check which one it is"],
        ),
        ({"aws_endpoint": "https://s3.amazonaws.com", "store": "aws"}, [], []),
        (
            {"store": "ceph", "checksum": "crc32"},
            [],
            ["checksum: has no effect without trailing_checksums (ceph): md5 is used"],
        ),
        (
            {"store": "google", "checksum": "crc32"},
            ['checksum: cannot be "crc32": Google takes "md5" or "none"'],
            [],
        ),
        ({"store": "google", "checksum": "none"}, [], []),
        (
            {"dialect": {"declared_checksums": True, "trailing_checksums": False}, "checksum": "crc32"},
            ["dialect: declared_checksums needs trailing_checksums, or no part has its crc32"],
            [],
        ),
    ],
)
def test_store_and_dialect_are_checked(
    write: Any, changes: dict[str, Any], problems: list[str], warnings: list[str]
) -> None:
    loaded = load(write(MAPPING | {"aws_endpoint": CLONE_AT} | changes))
    assert problems_of(loaded) == [f"containers[0].{problem}" for problem in problems]
    assert warnings_of(loaded) == [f"containers[0].{warning}" for warning in warnings]
    assert loaded.settings
    assert len(loaded.settings.mappings) == (0 if problems else 1)


@pytest.mark.parametrize("name", DIALECTS)
def test_every_property_can_be_set_in_a_file(write: Any, name: str) -> None:
    dialect = DIALECTS[name]
    loaded = load(write(MAPPING | {"aws_endpoint": CLONE_AT, "dialect": dialect.model_dump(mode="json")}))
    assert problems_of(loaded) == []
    assert loaded.settings
    credentials = loaded.settings.mappings[0].credentials
    assert isinstance(credentials, S3Credentials)
    assert credentials.effective_dialect == dialect.model_copy(update={"name": "clone"})


def test_unknown_store_is_refused_with_the_known_ones(write: Any) -> None:
    loaded = load(write(MAPPING | {"store": "cephalopod"}))
    [problem] = problems_of(loaded)
    assert problem.startswith('containers[0].store: must be one of "aws", "google", "swift", "ceph",')


def test_rule_of_a_store_without_lifecycle_rules_is_refused(write: Any) -> None:
    changes = {"aws_endpoint": CLONE_AT, "store": "storj", "remote_delete_after": 86400}
    loaded = load(write(MAPPING | changes))
    assert problems_of(loaded) == [
        "containers[0].remote_delete_after: the store (storj) has no lifecycle rules"
    ]
