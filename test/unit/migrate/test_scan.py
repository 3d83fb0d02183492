from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3_sync.errors import ListingUnusable, LocalUnavailable, RemoteUnavailable
from s3_sync.migrate.decide import LocalEntry
from s3_sync.migrate.scan import Pair, Scan
from s3_sync.model.objects import ListedObject
from s3_sync.providers.base import ListPage, ListQuery
from s3_sync.runtime.concurrency import SerialPool

NAMES = st.text(st.sampled_from("abé\U0001f600"), min_size=1, max_size=4)
SETS = st.sets(NAMES, max_size=25).map(sorted)


class Listed:
    """The listing of a source. ``page``: entries per page, whatever is requested. ``empty_pages``: before
    each page there is one with nothing, and the end is an empty page, as of some stores."""

    def __init__(self, names: Sequence[str], page: int = 1000, empty_pages: bool = False) -> None:
        self.names = names
        self.page = page
        self.empty_pages = empty_pages
        self.requested: list[str] = []
        self._shown: set[str] = set()

    def list_objects(self, query: ListQuery) -> ListPage:
        self.requested.append(query.start_after)
        rest = [name for name in self.names if name > query.start_after and name.startswith(query.prefix)]
        if self.empty_pages and query.start_after not in self._shown and rest:
            self._shown.add(query.start_after)
            return ListPage((), next_after=query.start_after)
        found = rest[: min(self.page, query.limit)]
        is_last = not rest if self.empty_pages else len(rest) == len(found)
        objects = tuple(ListedObject(name, 1) for name in found)
        return ListPage(objects, next_after=None if is_last else found[-1])


def scan(source: Any, here: Sequence[str], chunk: int = 3, prefix: str = "") -> Scan:
    def local(after: str) -> Iterator[LocalEntry]:
        return (LocalEntry(name, 1, "", 0.0) for name in here if name > after and name.startswith(prefix))

    return Scan(source, local, prefix, chunk, SerialPool())


def names(pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    return [(source.name if source else "", local.name if local else "") for source, local in pairs]


@given(
    SETS,
    SETS,
    st.tuples(st.integers(1, 7), st.integers(1, 7), st.booleans()),
    st.sampled_from(["", "a", "é"]),
    NAMES,
)
def test_batches_pair_every_name_once_and_in_order(
    there: list[str], here: list[str], pages: tuple[int, int, bool], prefix: str, after: str
) -> None:
    page, chunk, empty_pages = pages
    batches = list(scan(Listed(there, page, empty_pages), here, chunk, prefix).batches(after))
    found = [pair for batch in batches for pair in names(batch.pairs)]
    wanted = sorted({name for name in (*there, *here) if name > after and name.startswith(prefix)})
    assert found == [(name if name in there else "", name if name in here else "") for name in wanted]
    assert sum(batch.listed for batch in batches) == sum(name in there for name in wanted)
    assert batches[-1].last is None


@given(SETS, SETS, st.integers(1, 5))
def test_batches_after_the_end_of_any_batch_are_the_rest(
    there: list[str], here: list[str], chunk: int
) -> None:
    batches = list(scan(Listed(there), here, chunk).batches())
    for number, batch in enumerate(batches[:-1], 1):
        assert batch.last is not None
        rest = scan(Listed(there), here, chunk).batches(batch.last)
        assert [pair for each in rest for pair in names(each.pairs)] == [
            pair for each in batches[number:] for pair in names(each.pairs)
        ]


def test_pages_of_several_ranges_are_requested_before_the_first_is_handled() -> None:
    all_names = [f"{number:03d}" for number in range(12)]
    source = Listed(all_names)
    next(scan(source, all_names, chunk=3).batches())
    assert source.requested == ["", "002", "005", "008"]


def test_the_next_page_of_a_range_is_requested_while_one_is_handled() -> None:
    source = Listed([f"{number:03d}" for number in range(12)])
    next(scan(source, [], chunk=3).batches())
    assert source.requested == ["", "002"]


@pytest.mark.parametrize("listed", [["b", "a"], ["a", "a"], ["x"]])
def test_source_that_lists_out_of_order_or_beyond_the_prefix_is_refused(listed: list[str]) -> None:
    class Disordered(Listed):
        def list_objects(self, query: ListQuery) -> ListPage:
            return ListPage(tuple(ListedObject(name, 1) for name in self.names))

    prefix = "a" if listed == ["x"] else ""
    with pytest.raises(ListingUnusable):
        list(scan(Disordered(listed), [], prefix=prefix).batches())


def test_source_whose_pages_go_back_is_refused() -> None:
    class Circular(Listed):
        def list_objects(self, query: ListQuery) -> ListPage:
            return ListPage((ListedObject("b", 1),), next_after="a")

    with pytest.raises(ListingUnusable):
        list(scan(Circular([]), []).batches())


def test_local_listing_out_of_order_is_refused() -> None:
    entries = [LocalEntry(name, 1, "", 0.0) for name in ("b", "a")]
    with pytest.raises(LocalUnavailable):
        list(Scan(Listed([]), lambda after: iter(entries), "", 3, SerialPool()).batches())  # type: ignore[arg-type]


def test_error_of_a_page_is_raised_where_the_page_would_be_and_no_batch_follows() -> None:
    class Failing(Listed):
        def list_objects(self, query: ListQuery) -> ListPage:
            if query.start_after:
                raise RemoteUnavailable("gone")
            return super().list_objects(query)

    batches = scan(Failing(["a", "b", "c", "d"]), ["a", "c"], chunk=2).batches()
    assert next(batches).last == "b"
    with pytest.raises(RemoteUnavailable):
        next(batches)
