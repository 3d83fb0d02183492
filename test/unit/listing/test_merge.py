from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3_sync.errors import InvalidRequest, LocalError
from s3_sync.listing.entry import Entry
from s3_sync.listing.merge import ListingMerger
from unit.listing.oracle import NAMES

WHERE = "AWS S3;bucket;prefix/"


def local(*names: str) -> list[Entry]:
    return [Entry(name, {"name": name, "bytes": 1, "hash": "here", "slo_etag": "kept"}) for name in names]


def remote(*names: str, size: int = 1) -> list[Entry]:
    date = "2026-01-02T03:04:05.000000"
    return [
        Entry(name, {"name": name, "bytes": size, "hash": "there", "last_modified": date}) for name in names
    ]


def spliced(
    here: list[Entry], there: list[Entry], limit: int = 100, reverse: bool = False
) -> list[tuple[str, Any]]:
    records = ListingMerger(here, there, reverse=reverse).spliced(limit, WHERE)
    return [(Entry.from_record(record).name, record.get("content_location")) for record in records]


@given(st.lists(NAMES, unique=True), st.lists(NAMES, unique=True), st.booleans(), st.integers(0, 8))
def test_spliced_sorts_both_sides_and_tells_where_each_name_lies(
    here: list[str], there: list[str], reverse: bool, limit: int
) -> None:
    def in_order(names: list[str]) -> list[str]:
        return sorted(names, key=str.encode, reverse=reverse)

    found = spliced(local(*in_order(here)), remote(*in_order(there)), limit, reverse)
    where = {name: [WHERE] for name in there} | {name: None for name in here}
    where |= {name: [WHERE, "swift"] for name in set(here) & set(there)}
    assert found == [(name, where[name]) for name in in_order(list(where))][:limit]


def test_pairs_join_equal_names_of_both_sides() -> None:
    (a, b), (c, d) = local("a", "b"), remote("b", "c")
    assert list(ListingMerger([a, b], [c, d]).pairs()) == [(a, None), (b, c), (None, d)]


def test_spliced_group_of_both_sides_is_shown_once() -> None:
    group = Entry.group("g/")
    records = list(ListingMerger([group], [group]).spliced(10, WHERE))
    assert records == [{"subdir": "g/", "content_location": [WHERE, "swift"]}]


def test_spliced_name_on_both_sides_shows_the_newer_version() -> None:
    (record,) = ListingMerger(local("a"), remote("a")).spliced(1, WHERE)
    assert (record["hash"], record["slo_etag"]) == ("here", "kept")
    (record,) = ListingMerger(local("a"), remote("a", size=2)).spliced(1, WHERE)
    assert (record["hash"], record["bytes"]) == ("there", 2)


@pytest.mark.parametrize("names", [("b", "a"), ("a", "a"), ("\uffef", "\U0001f600", "z")])
def test_spliced_names_out_of_order_raise_the_error_of_their_side(names: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequest, match="out of order"):
        spliced([], remote(*names))
    with pytest.raises(LocalError, match="out of order"):
        spliced(local(*names), [])
    with pytest.raises(InvalidRequest, match="out of order"):
        spliced([], remote("a", "b"), reverse=True)


def test_spliced_reads_no_more_entries_than_the_limit() -> None:
    def endless() -> Any:
        yield from remote("a", "b")
        pytest.fail("one too many")

    assert [name for name, _ in spliced([], endless(), limit=2)] == ["a", "b"]
