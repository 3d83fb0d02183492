"""Looking many names up: always the truth, never more requests than names."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_sync.errors import (
    AccessDenied,
    CredentialsRefused,
    InvalidRequest,
    ListingUnusable,
    NotFound,
    NotSupported,
    RemoteError,
    RemoteUnavailable,
    Throttled,
)
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ListedObject, ObjectMeta, PutOptions
from s3_sync.providers.store_limits import Limits
from s3_sync.streams.reader import BytesBody
from s3_sync.sync.rows.remote_lookup import (
    MIN_LIST_RETRY_DELAY,
    MIN_NAMES_TO_LIST,
    RemoteLookup,
    look_up_remote,
)
from s3_sync.sync.rows.remote_state import ListedState, Presumption, RemoteState
from unit.sync.store import WatchedBucket


def store(stored: set[str], page: int = 1000, namer: KeyNamer | None = None) -> WatchedBucket:
    bucket = WatchedBucket(namer or KeyNamer.literal("pre/"), lambda: 1.0, page=page, limits=Limits())
    for name in stored:
        bucket.inner.put_object(name, BytesBody(name.encode()), PutOptions(len(name.encode()), ObjectMeta()))
    return bucket


def check(bucket: WatchedBucket, stored: set[str], views: dict[str, RemoteState], names: set[str]) -> None:
    assert views.keys() == names
    unknown = 0
    for name, view in views.items():
        if isinstance(view, ListedState):
            assert (view.info is not None) == (name in stored), name
            assert view.info is None or (view.info.name, view.info.size) == (name, len(name.encode()))
        else:
            assert view is Presumption.UNKNOWN
            unknown += 1
    assert len(bucket.calls) + unknown <= len(names)


# few letters, so that names have much in common; and names from everywhere
alike = st.text("ab/~!\u00e9", min_size=1, max_size=6)
various = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=4)
edges = st.sampled_from(
    [
        "!",
        '"',
        " ",
        "a ",
        "a!",
        "\ue000",
        "\ud7ff",
        "a\U0010ffff",
        "\U0010fffd",
        "a\U0010fffd",
        "\x01",
        "\x7f",
        "ÿ",
    ]
)
names = st.sets(alike | various | edges, max_size=60)


@given(names, names, st.sampled_from([1, 2, 3, 7, 1000]))
@settings(deadline=None, max_examples=150)
def test_lookup_of_random_names_is_correct_within_one_request_per_name(
    stored: set[str], others: set[str], page: int
) -> None:
    wanted = others | set(sorted(stored)[::2])
    bucket = store(stored, page)
    check(bucket, stored, look_up_remote(bucket.list_objects, bucket, wanted), wanted)


@given(st.sets(st.integers(0, 5000), max_size=400), st.sets(st.integers(0, 5000), max_size=300))
@settings(deadline=None, max_examples=40)
def test_lookup_over_sparse_and_dense_keys_is_correct(there: set[int], asked: set[int]) -> None:
    stored = {f"photos/img{number}" for number in there}
    wanted = {f"photos/img{number}" for number in asked}
    bucket = store(stored, page=50)
    check(bucket, stored, look_up_remote(bucket.list_objects, bucket, wanted), wanted)


def test_dense_names_cost_one_request_per_page() -> None:
    stored = {f"{number:05d}" for number in range(3000)}
    bucket = store(stored)
    views = look_up_remote(bucket.list_objects, bucket, stored)
    check(bucket, stored, views, stored)
    assert not any(view is Presumption.UNKNOWN for view in views.values())
    assert len(bucket.calls) <= 4


def test_names_after_the_last_key_cost_one_page() -> None:
    bucket = store({"a"})
    wanted = {f"z{number}" for number in range(500)}
    assert set(look_up_remote(bucket.list_objects, bucket, wanted).values()) == {ListedState(None)}
    assert len(bucket.calls) == 1


def test_scattered_names_are_left_to_heads() -> None:
    stored = {f"{number:06d}" for number in range(20000)}
    bucket = store(stored)
    wanted = {f"{number:06d}" for number in range(0, 20000, 2000)}
    views = look_up_remote(bucket.list_objects, bucket, wanted)
    check(bucket, stored, views, wanted)
    assert len(bucket.calls) == 1


def test_many_keys_before_the_first_name_cost_no_extra_pages() -> None:
    """10,000 keys img1... stand directly before the first name, img2."""
    stored = {f"img1{number:04d}" for number in range(5000)} | {f"img{number}" for number in range(2, 10)}
    bucket = store(stored)
    wanted = {f"img{number}" for number in range(2, 10)}
    assert len(wanted) == MIN_NAMES_TO_LIST
    views = look_up_remote(bucket.list_objects, bucket, wanted)
    assert len(bucket.calls) == 1
    assert {
        name: isinstance(view, ListedState) and view.info is not None for name, view in views.items()
    } == (dict.fromkeys(wanted, True))


def test_few_names_are_left_to_heads() -> None:
    bucket = store({"a", "b"})
    assert look_up_remote(bucket.list_objects, bucket, ["a", "b", "c"]) == dict.fromkeys(
        "abc", Presumption.UNKNOWN
    )
    assert look_up_remote(bucket.list_objects, bucket, []) == {}
    assert bucket.calls == []


def test_name_longer_than_a_key_is_unknown_and_the_rest_are_looked_up() -> None:
    long = "a" * 1021
    bucket = store({"b"})
    wanted = {long, *(f"b{number}" for number in range(20))}

    def refuse(method: str, name: str) -> None:
        assert len(f"pre/{name}".encode()) <= 1024

    bucket.before = refuse
    views = look_up_remote(bucket.list_objects, bucket, wanted)
    assert views[long] is Presumption.UNKNOWN
    check(bucket, {"b"}, views, wanted)
    fits = {"a" * 1020, *wanted} - {long}
    check(store(set()), set(), look_up_remote(bucket.list_objects, bucket, fits), fits)


def test_listed_name_has_the_etag_of_its_listing() -> None:
    bucket = store({"a"})
    view = look_up_remote(bucket.list_objects, bucket, ["a", *"bcdefghij"])["a"]
    assert isinstance(view, ListedState)
    assert isinstance(view.info, ListedObject)
    assert view.info.etag == bucket.inner.head_object("a").etag


UNLISTED = [
    ListingUnusable("out of order"),
    AccessDenied("no ListBucket", status=403),
    NotSupported("no such operation", status=501),
    InvalidRequest("nonsense", status=400),
    RemoteUnavailable("too many deleted keys", status=500),
    Throttled("less listings, please", status=503),
    CredentialsRefused("a proxy has changed the query", status=403),
]


class Moment:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def moment() -> Moment:
    return Moment()


def refuse(bucket: WatchedBucket, error: RemoteError | None, methods: str) -> None:
    bucket.before = lambda method, name: error if method in methods.split() else None


class TestRemoteLookup:
    @pytest.mark.parametrize("error", UNLISTED, ids=lambda error: type(error).__name__)
    def test_look_up_with_refused_listings_leaves_names_to_heads(
        self, moment: Moment, caplog: pytest.LogCaptureFixture, error: RemoteError
    ) -> None:
        bucket = store({"a"})
        refuse(bucket, error, "list has_manifests")
        listings = RemoteLookup(bucket, "AUTH_a/c, store/bucket", moment)
        names = [f"n{number}" for number in range(50)]
        for _ in range(100):
            assert listings.look_up(names) == dict.fromkeys(names, Presumption.UNKNOWN)
            moment.now += MIN_LIST_RETRY_DELAY + 1
        (line,) = caplog.messages
        assert line.startswith("AUTH_a/c, store/bucket: ")
        assert line.endswith(f"{error.reason}: {error}")
        assert not listings.is_known_empty()
        assert listings.may_hold_manifests()

    def test_look_up_interrupted_by_an_error_keeps_names_listed_before_it(self, moment: Moment) -> None:
        names = [f"n{number:02d}" for number in range(50)]
        bucket = store(set(names), page=20)
        listings = RemoteLookup(bucket, "c", moment)
        out_of_order = ListingUnusable("out of order")
        bucket.before = lambda method, name: out_of_order if name == "n39" else None
        views = listings.look_up(names)
        assert [name for name in names if isinstance(views[name], ListedState)] == names[:40]

    @pytest.mark.parametrize(
        "error",
        [RemoteUnavailable("down"), CredentialsRefused("expired"), NotFound("no bucket")],
    )
    def test_look_up_at_a_store_without_answers_raises(self, moment: Moment, error: RemoteError) -> None:
        bucket = store(set())
        refuse(bucket, error, "list head")
        listings = RemoteLookup(bucket, "c", moment)
        with pytest.raises(type(error)):
            listings.look_up([str(number) for number in range(50)])
        assert not listings.store_answers()

    def test_refused_listing_is_repeated_after_a_rest_and_recovery_is_logged(
        self, moment: Moment, caplog: pytest.LogCaptureFixture
    ) -> None:
        bucket = store(set())
        refuse(bucket, NotSupported("no"), "list")
        listings = RemoteLookup(bucket, "c", moment)
        names = [str(number) for number in range(50)]
        for _ in range(10):
            listings.look_up(names)
        assert bucket.counts()["list"] == 1
        refuse(bucket, None, "")
        moment.now += MIN_LIST_RETRY_DELAY + 1
        with caplog.at_level("INFO"):
            assert set(listings.look_up(names).values()) == {ListedState(None)}
        assert "c: the bucket can be listed again" in caplog.messages
        moment.now -= 10 * MIN_LIST_RETRY_DELAY  # the clock is set back
        assert set(listings.look_up(names).values()) == {ListedState(None)}

    def test_store_answers_if_a_listing_or_a_head_does(self, moment: Moment) -> None:
        bucket = store(set())
        listings = RemoteLookup(bucket, "c", moment)
        assert listings.store_answers()
        refuse(bucket, AccessDenied("no"), "list")
        assert listings.store_answers()
        refuse(bucket, AccessDenied("no"), "list head")
        assert not listings.store_answers()
