"""A walk through a store's pages shows exactly what the query asks for, whatever the store is like."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_sync.errors import InvalidRequest
from s3_sync.listing.query import ListingQuery
from s3_sync.listing.walk import Walk
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ListedObject, PutOptions
from s3_sync.providers.base import ListPage, ListQuery
from s3_sync.providers.memory import MemoryProvider
from s3_sync.streams.reader import BytesBody
from unit.listing.oracle import NAMES, Store, expected, queries


def walked(walk: Walk) -> list[str]:
    return [entry.name for page in walk.pages() for entry in page]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_walk_of_any_store_gives_the_expected_names(data: st.DataObject) -> None:
    names = data.draw(st.lists(NAMES, max_size=25, unique=True))
    store = Store(
        names,
        page=data.draw(st.sampled_from([1, 2, 3, 1000])),
        obeys=data.draw(st.booleans()),
        forgets=data.draw(st.booleans()),
    )
    query = data.draw(queries(names))
    assert walked(Walk(store, query, rolls_up=data.draw(st.booleans()))) == expected(names, query)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_reverse_walk_with_search_gives_the_expected_names(data: st.DataObject) -> None:
    names = data.draw(st.lists(NAMES, min_size=5, max_size=25, unique=True))
    store = Store(names, page=data.draw(st.sampled_from([1, 3])), forgets=data.draw(st.booleans()))
    query = replace(data.draw(queries(names)), reverse=True, limit=data.draw(st.integers(1, 4)))
    walk = Walk(
        store,
        query,
        rolls_up=data.draw(st.booleans()),
        read_before_search=1,
        probe_size=data.draw(st.integers(1, 2)),
    )
    assert walked(walk) == expected(names, query)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_walk_of_the_memory_provider_gives_the_expected_names(data: st.DataObject) -> None:
    names = data.draw(st.lists(NAMES, max_size=15, unique=True))
    provider = MemoryProvider()
    provider.create_bucket("b")
    bucket = provider.bucket("b", KeyNamer.literal("some/where-"))
    for name in names:
        bucket.put_object(name, BytesBody(b"x"), PutOptions(1))
    page = data.draw(st.integers(1, 5))

    def fetch(prefix: str, start_after: str, delimiter: str, limit: int) -> ListPage:
        return bucket.list_objects(ListQuery(prefix, start_after, delimiter, min(limit, page)))

    query = data.draw(queries(names))
    assert walked(Walk(fetch, query, rolls_up=data.draw(st.booleans()))) == expected(names, query)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_hidden_keys_do_not_count_towards_the_limit(data: st.DataObject) -> None:
    names = data.draw(st.lists(NAMES, max_size=15, unique=True))
    hidden = {name for name in names if data.draw(st.booleans())}
    store = Store(names, page=2, hidden=hidden)
    query = replace(data.draw(queries(names)), delimiter="", level=False)
    assert walked(Walk(store, query)) == expected(set(names) - hidden, query)


def test_many_hidden_keys_are_passed_in_few_requests() -> None:
    store = Store(["z"], hidden=[f".manifests/{number:05}" for number in range(5000)])
    assert walked(Walk(store, ListingQuery(limit=1))) == ["z"]
    assert len(store.asked) <= 7


class TestLargeGroup:
    """One group of a million names costs a request, not a thousand."""

    names = ["a", *(f"big/{number:06}" for number in range(20_000)), "c/1", "d"]

    @pytest.mark.parametrize("obeys", [True, False])
    @pytest.mark.parametrize("rolls_up", [True, False])
    @pytest.mark.parametrize("reverse", [True, False])
    def test_delimiter_passes_the_group_in_few_requests(
        self, obeys: bool, rolls_up: bool, reverse: bool
    ) -> None:
        store = Store(self.names, obeys=obeys)
        query = ListingQuery(delimiter="/", reverse=reverse)
        shown = ["a", "big/", "c/", "d"]
        assert walked(Walk(store, query, rolls_up=rolls_up)) == (shown[::-1] if reverse else shown)
        assert len(store.asked) <= 3

    def test_path_passes_the_group_in_two_requests(self) -> None:
        store = Store(self.names)
        assert walked(Walk(store, ListingQuery.from_request({"path": ""}))) == ["a", "d"]
        assert len(store.asked) == 2

    def test_marker_inside_the_group_shows_it_in_two_requests(self) -> None:
        store = Store(self.names)
        query = ListingQuery(delimiter="/", after="big/010000")
        assert walked(Walk(store, query)) == ["big/", "c/", "d"]
        assert len(store.asked) == 2

    def test_end_marker_inside_the_group_shows_it_if_a_name_precedes(self) -> None:
        store = Store(self.names)
        assert walked(Walk(store, ListingQuery(delimiter="/", before="big/000000"))) == ["a"]
        assert walked(Walk(store, ListingQuery(delimiter="/", before="big/000001"))) == ["a", "big/"]
        assert len(store.asked) == 4


class TestReverseWalk:
    """Forwards, each of these would take a thousand requests."""

    @pytest.mark.parametrize("limit", [1, 10, 1000, 2500])
    def test_last_names_of_a_large_store_take_few_requests(self, limit: int) -> None:
        names = [f"logs/2020/{number:06}.gz" for number in range(100_000)]
        store = Store(names, page=100)
        query = ListingQuery(prefix="logs/", limit=limit, reverse=True)
        assert walked(Walk(store, query)) == names[-limit:][::-1]
        assert len(store.asked) < 300

    def test_small_store_is_read_forwards_without_a_search(self) -> None:
        names = [f"{number:06}" for number in range(2500)]
        store = Store(names)
        assert walked(Walk(store, ListingQuery(limit=5, reverse=True))) == names[-5:][::-1]
        assert len(store.asked) == 3

    def test_names_before_a_marker_take_few_requests(self) -> None:
        names = [f"{number:06}" for number in range(100_000)]
        store = Store(names, page=100)
        query = ListingQuery(limit=5, before="050000", reverse=True)
        assert walked(Walk(store, query)) == ["049999", "049998", "049997", "049996", "049995"]
        assert len(store.asked) < 100

    @pytest.mark.parametrize(
        ("names", "before"),
        [
            (["0", "a/1", "a/3"], "a/5"),  # guesses inside the group that was found
            (["a%", "a/1", "a/2"], "a9"),  # a guess that is the group itself
        ],
    )
    def test_guess_inside_or_equal_to_a_group_misses_no_name(self, names: list[str], before: str) -> None:
        query = ListingQuery(delimiter="/", before=before, reverse=True)
        for limit in (1, 2, 3):
            walk = Walk(Store(names, page=1), replace(query, limit=limit), read_before_search=1, probe_size=1)
            assert walked(walk) == expected(names, query)[:limit]

    def test_names_without_a_midpoint_are_found(self) -> None:
        names = sorted(["\x01" * count for count in range(1, 200)] + ["\x02" * 3])
        query = ListingQuery(limit=3, reverse=True)
        assert (
            walked(Walk(Store(names, page=10), query, read_before_search=1, probe_size=1)) == names[-3:][::-1]
        )


class TestLimits:
    def test_limit_of_the_query_is_that_of_the_request(self) -> None:
        store = Store(f"{number:03}" for number in range(100))
        assert walked(Walk(store, ListingQuery(limit=7))) == [f"{number:03}" for number in range(7)]
        assert [query.limit for query in store.asked] == [7]

    @pytest.mark.parametrize(
        "query",
        [
            ListingQuery(limit=0),
            ListingQuery(after="b", before="b"),
            ListingQuery(prefix="b", after="c"),
            ListingQuery(prefix="b", before="b"),
            ListingQuery(prefix="b", before="a", reverse=True),
        ],
    )
    def test_query_that_nothing_can_match_sends_no_request(self, query: ListingQuery) -> None:
        store = Store(["b"])
        assert walked(Walk(store, query)) == []
        assert store.asked == []

    def test_reserved_names_are_not_shown(self) -> None:
        store = Store(["\0versions\0a", "a", "b\0/c"])
        assert walked(Walk(store, ListingQuery())) == ["a"]
        assert walked(Walk(store, ListingQuery(delimiter="/"))) == ["a"]


def test_listing_that_does_not_advance_is_refused() -> None:
    def fetch(prefix: str, start_after: str, delimiter: str, limit: int) -> ListPage:
        return ListPage((ListedObject("a", 1),), (), "a")

    with pytest.raises(InvalidRequest, match="does not advance"):
        walked(Walk(fetch, ListingQuery()))


def test_listing_that_does_not_leave_a_group_is_refused() -> None:
    def fetch(prefix: str, start_after: str, delimiter: str, limit: int) -> ListPage:
        return ListPage((ListedObject("a/1", 1),), (), "a/1")

    with pytest.raises(InvalidRequest, match="does not advance"):
        walked(Walk(fetch, ListingQuery(delimiter="/")))
