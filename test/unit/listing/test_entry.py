from __future__ import annotations

from typing import Any

import pytest

from s3_sync.listing.entry import Entry, is_newer, iso_date
from s3_sync.model.objects import Link, ListedObject
from s3_sync.model.timestamps import parse_iso_date

A, B = "0cc175b9c0f1b6a831c399e269772661", "92eb5ffee6ae2fec3ad71c777531578f"
NOTHING = "d41d8cd98f00b204e9800998ecf8427e"
EARLY, LATE = "2026-01-02T03:04:05.000000", "2026-01-02T03:04:05.000010"


def test_entry_of_remote_object_has_the_fields_of_a_swift_listing() -> None:
    entry = Entry.from_object(ListedObject("n", 5, A, last_modified=parse_iso_date(LATE)))
    assert "subdir" not in entry.record
    assert entry == (
        "n",
        {
            "name": "n",
            "bytes": 5,
            "hash": A,
            "content_type": "application/octet-stream",
            "last_modified": LATE,
        },
    )


def test_entry_of_object_outside_the_default_class_names_its_class() -> None:
    assert (
        Entry.from_object(ListedObject("n", 5, A, storage_class="GLACIER")).record["storage_class"]
        == "GLACIER"
    )
    assert "storage_class" not in Entry.from_object(ListedObject("n", 5, A)).record


def test_entry_of_a_symlink_has_the_path_of_its_target() -> None:
    link = ListedObject("n", 0, NOTHING, link=Link("c ü", "a/b%2F"))
    assert Entry.from_object(link, "AUTH_a").record["symlink_path"] == "/v1/AUTH_a/c%20%C3%BC/a/b%252F"
    assert "symlink_path" not in Entry.from_object(ListedObject("n", 0, NOTHING), "AUTH_a").record


def test_entry_of_group_equals_that_of_a_subdir_record() -> None:
    assert Entry.group("a/") == Entry.from_record({"subdir": "a/"})
    assert "subdir" in Entry.group("a/").record


def test_iso_date_always_has_six_decimals() -> None:
    assert iso_date(0) == "1970-01-01T00:00:00.000000"
    assert iso_date(1234567890.5) == "2009-02-13T23:31:30.500000"


@pytest.mark.parametrize(
    ("local", "remote", "newer"),
    [
        ({"hash": A}, {"hash": A}, False),  # a copy, though stored later
        ({"hash": A}, {"hash": B}, True),
        ({"hash": A}, {"hash": B, "last_modified": EARLY}, False),
        ({"hash": A}, {"hash": f"{B}-3"}, False),  # the same size, made of parts
        ({"hash": A}, {"hash": f"{B}-3", "bytes": 2}, True),
        ({"hash": A, "bytes": 0}, {"hash": A}, True),
        ({"hash": A, "last_modified": ""}, {"hash": B}, True),
        ({"hash": A, "slo_etag": f'"{B}"'}, {"hash": B}, False),  # the MD5 of the whole, as one upload
        ({"hash": A, "slo_etag": f'"{B}"'}, {"hash": B, "bytes": 2}, True),
        ({"hash": NOTHING, "bytes": 0, "symlink_path": "/v1/a/c/o"}, {"hash": A}, False),
        ({"hash": A, "bytes": 0, "symlink_path": "/v1/a/c/o"}, {"hash": f"{B}-3"}, False),
        ({"hash": NOTHING, "bytes": 0}, {"hash": A, "bytes": 100}, False),  # a DLO
    ],
)
def test_is_newer_is_true_only_for_later_and_different_content(
    local: dict[str, Any], remote: dict[str, Any], newer: bool
) -> None:
    usual = {"name": "n", "bytes": 1}
    assert (
        is_newer(usual | {"last_modified": LATE} | remote, usual | {"last_modified": EARLY} | local) is newer
    )
