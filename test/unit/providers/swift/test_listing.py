"""Listings of another Swift: until a page is empty, in order, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

import pytest

from conformance.samples import names
from s3_sync.errors import ListingUnusable, PreconditionFailed
from s3_sync.http.message import Headers
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ListedObject
from s3_sync.providers.base import ListPage, ListQuery
from s3_sync.providers.swift.listing import Lister

NAMES = [f"o{number:03}" for number in range(50)]


class Answer:
    status = 200

    def __init__(self, body: bytes, **headers: str) -> None:
        """Names of headers have ``_`` for ``-``."""
        self._body = body
        self.headers = Headers([(name.replace("_", "-").lower(), value) for name, value in headers.items()])

    def read_all(self, limit: int) -> bytes:
        return self.read(limit)

    def read(self, size: int = -1) -> bytes:
        body, self._body = self._body[:size], self._body[size:]
        return body

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Listed:
    """A transport to a container with these rows, which gives ``shown`` of them at a time, and refuses a
    limit above ``highest``."""

    def __init__(self, rows: Sequence[Any], shown: int = 10_000, highest: int = 10_000) -> None:
        self.rows = rows
        self.shown = shown
        self.highest = highest
        self.limits: list[int] = []

    def request(self, method: str, path: str, *, query: str) -> Answer:
        assert (method, path) == ("GET", "/c")
        asked = {key: values[0] for key, values in parse_qs(query).items()}
        limit, marker = int(asked["limit"]), asked.get("marker", "")
        self.limits.append(limit)
        if limit > self.highest:
            raise PreconditionFailed("Maximum limit is something else", status=412)
        rows = [row for row in self.rows if not isinstance(row, dict) or str(row.get("name", "z")) > marker]
        return Answer(json.dumps(rows[: min(limit, self.shown)]).encode())

    def lister(self) -> Lister:
        return Lister(self, "c", KeyNamer.plain())  # type: ignore[arg-type]

    def list_objects(self, query: ListQuery) -> ListPage:
        return self.lister().page(query)


def row(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name, "bytes": 3, "hash": "a" * 32, "content_type": "a/b",
        "last_modified": "2026-01-02T03:04:05.678900", **changes,
    }  # fmt: skip


@pytest.mark.parametrize("shown", [1, 7, 50, 10_000])
def test_short_page_is_not_the_last_one(shown: int) -> None:
    listed = Listed([row(name) for name in NAMES], shown)
    assert names(listed) == NAMES  # type: ignore[arg-type]
    assert len(listed.limits) == -(-len(NAMES) // shown) + 1


def test_entry_has_size_etag_and_date() -> None:
    slo = row("slo", slo_etag=f'"{"b" * 32}"', bytes=7)
    page = Listed([row("a"), slo]).list_objects(ListQuery())
    assert page.objects == (
        ListedObject("a", 3, "a" * 32, 1767323045.6789),
        ListedObject("slo", 7, "b" * 32, 1767323045.6789),
    )
    assert page.next_after == "slo"


def test_limit_above_that_of_the_cluster_is_lowered() -> None:
    listed = Listed([row(name) for name in NAMES], highest=1000)
    lister = listed.lister()
    assert len(lister.page(ListQuery(limit=5000)).objects) == len(NAMES)
    lister.page(ListQuery(limit=5000))
    assert listed.limits == [5000, 1000, 1000]
    with pytest.raises(PreconditionFailed):
        Listed([], highest=10).list_objects(ListQuery(limit=50))


@pytest.mark.parametrize(
    "rows",
    [
        [row("b"), row("a")],
        [row("a"), row("a")],
        [row("a"), {"subdir": "A/"}],
        [row("a"), {"subdir": "b/"}],
        {"name": "a"},
        ["a"],
        [{"name": 1}],
        [{"name": "\ud800"}],
        [{}],
    ],
)
def test_page_that_is_no_listing_in_order_is_refused(rows: Any) -> None:
    with pytest.raises(ListingUnusable):
        Listed(rows).list_objects(ListQuery())
    with pytest.raises(ListingUnusable):
        Listed([row("other")]).list_objects(ListQuery(prefix="o/"))
