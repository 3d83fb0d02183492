"""The rate of requests to a store that asks for patience, second by second on a clock of our own."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Any

import pytest

from s3_sync.errors import NotFound, RemoteError, RemoteUnavailable, Throttled
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.providers.memory import MemoryProvider
from s3_sync.providers.wrappers.adaptive_throttle import (
    MAX_RATE_WAIT,
    MIN_RATE,
    OBJECT_WINDOW,
    RECOVERY,
    AdaptiveThrottle,
    ThrottledProvider,
)
from s3_sync.streams.reader import BytesBody


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Store:
    """``refuse`` says what is wrong with the request of this moment."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.asked: list[float] = []
        self.refused = 0
        self.refuse: Callable[[], RemoteError | None] = lambda: None

    def __call__(self) -> str:
        self.asked.append(self.clock.now)
        if error := self.refuse():
            self.refused += 1
            raise error
        return "done"

    def since(self, moment: float) -> int:
        return sum(asked >= moment for asked in self.asked)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Store:
    return Store(clock)


@pytest.fixture
def pace(clock: Clock) -> AdaptiveThrottle:
    return AdaptiveThrottle("store", workers=10, max_wait=30.0, clock=clock, sleep=clock.sleep)


def ask(pace: AdaptiveThrottle, store: Store) -> None:
    with contextlib.suppress(RemoteError):
        assert pace.call(store) == "done"


def ask_for(pace: AdaptiveThrottle, store: Store, seconds: float, each: float = 0.01) -> None:
    """As fast as we are let, a request taking ``each``."""
    until = store.clock.now + seconds
    while store.clock.now < until:
        ask(pace, store)
        store.clock.now += each


def test_requests_without_throttling_are_not_delayed(
    pace: AdaptiveThrottle, store: Store, clock: Clock
) -> None:
    ask_for(pace, store, 10.0)
    store.refuse = lambda: NotFound("no such key", status=404)
    ask_for(pace, store, 1.0)
    store.refuse = lambda: RemoteUnavailable("broken", status=500)
    ask_for(pace, store, 1.0)
    assert pace.limit() is None
    assert clock.slept == []
    assert len(store.asked) == pytest.approx(1200, abs=5)


@pytest.mark.parametrize(
    "error",
    [
        Throttled("x", status=503, code="SlowDown"),
        Throttled("x", status=429),
        Throttled("x", status=200, code="SlowDown"),
        RemoteUnavailable("x", status=503),
    ],
)
def test_throttling_halves_the_rate_once_a_second(
    pace: AdaptiveThrottle, store: Store, error: RemoteError
) -> None:
    ask_for(pace, store, 3.0)
    store.refuse = lambda: error
    ask(pace, store)
    assert pace.limit() == pytest.approx(50, abs=1)
    ask_for(pace, store, 0.9)
    assert pace.limit() == pytest.approx(50, abs=5), "the store still counts what came before"
    store.clock.now += 0.5
    ask(pace, store)
    assert pace.limit() == pytest.approx(26, abs=2)


def test_throttling_of_requests_under_way_halves_the_rate_once(pace: AdaptiveThrottle, clock: Clock) -> None:
    def begin(others: int) -> None:
        """One inside the other: all have begun when the first one is refused."""
        if others:
            with pytest.raises(Throttled):
                pace.call(lambda: begin(others - 1))
        raise Throttled("x", status=503)

    for _ in range(95):
        pace.call(lambda: None)
    with pytest.raises(Throttled):
        begin(5)
    assert pace.limit() == 50.0


def test_continued_throttling_stops_at_the_minimum_rate(
    pace: AdaptiveThrottle, store: Store, clock: Clock
) -> None:
    store.refuse = lambda: Throttled("x", status=503)
    ask_for(pace, store, 60.0)
    assert pace.limit() == pytest.approx(MIN_RATE, rel=0.2)
    assert max(clock.slept) <= 1 / MIN_RATE + 0.01
    assert store.since(clock.now - 10.0) == pytest.approx(10 * MIN_RATE, abs=3)


def test_wait_of_many_workers_stays_below_the_maximum(clock: Clock) -> None:
    """A hundred threads that all want to go on at once; each waits on its own."""
    waits: list[float] = []
    pace = AdaptiveThrottle("store", workers=100, max_wait=30.0, clock=clock, sleep=waits.append)
    store = Store(clock)
    store.refuse = lambda: Throttled("x", status=503)
    ask(pace, store)
    store.refuse = lambda: None
    for _ in range(100):
        pace.call(store)
    assert max(waits) <= MAX_RATE_WAIT


def test_rate_after_throttling_recovers_within_a_minute(
    pace: AdaptiveThrottle, store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        ask_for(pace, store, 5.0)
        store.refuse = lambda: Throttled("x", status=503)
        ask_for(pace, store, 30.0)
        store.refuse = lambda: None
        healed = clock.now
        ask_for(pace, store, RECOVERY / 2)
        half = pace.limit()
        assert half is not None
        assert 0.4 * 100 < half < 0.6 * 100
        ask_for(pace, store, RECOVERY / 2 + 1)
        assert pace.limit() is None
        assert clock.now - healed < 60.0
        before = len(store.asked)
        ask_for(pace, store, 1.0)
    assert len(store.asked) - before == pytest.approx(100, abs=2)
    assert caplog.text.count("throttles requests: slowing down") == 1, "a line for each change of state"
    assert caplog.text.count("no longer throttled") == 1


@pytest.mark.parametrize("capacity", [5, 40])
def test_rate_settles_near_the_capacity_of_the_store(
    pace: AdaptiveThrottle, store: Store, clock: Clock, capacity: int
) -> None:
    """It settles around that, and little is refused."""
    store.refuse = lambda: (
        Throttled("x", status=503, code="SlowDown")
        if sum(asked > clock.now - 1.0 for asked in store.asked[-200:]) > capacity
        else None
    )
    ask_for(pace, store, 20.0, each=0.005)
    start, refused = clock.now, store.refused
    ask_for(pace, store, 120.0, each=0.005)
    done = store.since(start) - (store.refused - refused)
    assert done / 120.0 > capacity * 0.5
    assert (store.refused - refused) / done < 0.2


class TestRetryAfter:
    def test_no_request_is_sent_before_it_has_passed(
        self, pace: AdaptiveThrottle, store: Store, clock: Clock
    ) -> None:
        ask_for(pace, store, 2.0)
        store.refuse = lambda: Throttled("x", status=503, retry_after=7.0)
        ask(pace, store)
        told = clock.now
        store.refuse = lambda: None
        ask_for(pace, store, 10.0)
        assert store.since(told + 0.001) == store.since(told + 7.0)
        assert store.since(told + 7.0) > 0

    def test_longer_one_prolongs_the_wait_of_a_waiting_request(self, clock: Clock) -> None:
        store = Store(clock)

        def tell(seconds: float) -> None:
            """Another request is told to wait while this one does."""
            clock.sleep(seconds)
            if len(store.asked) == 1:
                store.asked.append(clock.now)
                pace._slow_down(clock.now, 5.0)

        pace = AdaptiveThrottle("store", workers=10, max_wait=30.0, clock=clock, sleep=tell)
        store.refuse = lambda: Throttled("x", status=503, retry_after=1.0)
        ask(pace, store)
        store.refuse = lambda: None
        ask(pace, store)
        assert store.asked[-1] - store.asked[0] == pytest.approx(6.0, abs=0.6)

    def test_very_long_one_is_cut_to_an_hour(
        self, pace: AdaptiveThrottle, store: Store, clock: Clock
    ) -> None:
        store.refuse = lambda: Throttled("x", status=503, retry_after=1e9)
        ask(pace, store)
        clock.now += 3601.0
        store.refuse = lambda: None
        ask(pace, store)
        assert len(store.asked) == 2

    def test_longer_than_maximum_wait_raises_throttled(
        self, pace: AdaptiveThrottle, store: Store, clock: Clock
    ) -> None:
        store.refuse = lambda: Throttled("x", status=503, retry_after=600.0)
        ask(pace, store)
        clock.now += 100.0
        with pytest.raises(Throttled) as told:
            pace.call(store)
        assert told.value.retry_after == pytest.approx(500.0)
        assert len(store.asked) == 1, "the store was left alone"
        clock.now += 499.0
        store.refuse = lambda: None
        ask(pace, store)
        assert clock.slept == [pytest.approx(1.0)]
        ask_for(pace, store, RECOVERY + 1)
        assert pace.limit() is None


def complain(pace: AdaptiveThrottle, about: str, retry_after: float | None = None) -> None:
    def refuse() -> None:
        raise Throttled("one write a second", status=429, retry_after=retry_after)

    with pytest.raises(Throttled):
        pace.call(refuse, about=about)


class TestThrottledObject:
    def test_throttling_of_one_object_delays_that_object_only(
        self, pace: AdaptiveThrottle, store: Store, clock: Clock
    ) -> None:
        pauses = []
        for _ in range(6):
            begun = clock.now
            complain(pace, "bucket/hot")
            pauses.append(clock.now - begun)
            assert pace.limit() is None
            clock.slept = []
            for number in range(100):
                pace.call(store, about=f"bucket/o{number}")
                pace.call(store)
            assert clock.slept == [], "nobody else waits"
        assert pauses == [0.0, 1.0, 2.0, 4.0, 8.0, 8.0]
        clock.now += 8.0 + OBJECT_WINDOW + 0.1
        begun = clock.now
        pace.call(store, about="bucket/hot")
        assert clock.now == begun, "forgotten"

    def test_throttling_of_two_objects_limits_the_account(self, pace: AdaptiveThrottle, clock: Clock) -> None:
        complain(pace, "bucket/a")
        assert pace.limit() is None
        clock.now += OBJECT_WINDOW / 2
        complain(pace, "bucket/b")
        assert pace.limit() is not None

    def test_throttling_of_a_listing_limits_the_account(self, pace: AdaptiveThrottle, clock: Clock) -> None:
        complain(pace, "")
        assert pace.limit() is not None

    def test_continued_throttling_of_one_object_lets_the_account_recover(
        self, pace: AdaptiveThrottle, clock: Clock
    ) -> None:
        for name in ("bucket/a", "bucket/hot"):
            complain(pace, name)
        assert pace.limit() is not None
        until = clock.now + OBJECT_WINDOW + RECOVERY + 1
        while clock.now < until:
            complain(pace, "bucket/hot")
            clock.now += 0.5
        assert pace.limit() is None

    def test_retry_after_beyond_maximum_wait_raises_without_a_request(
        self, pace: AdaptiveThrottle, store: Store, clock: Clock
    ) -> None:
        complain(pace, "bucket/hot", retry_after=100.0)
        with pytest.raises(Throttled, match=r"store throttles requests for bucket/hot for another 100 s"):
            pace.call(store, about="bucket/hot")
        assert (store.asked, clock.slept) == ([], [])
        pace.call(store, about="bucket/other")
        clock.now += 100.0
        pace.call(store, about="bucket/hot")
        assert len(store.asked) == 2

    def test_requests_of_bucket_name_bucket_and_key(self, pace: AdaptiveThrottle) -> None:
        provider = MemoryProvider()
        provider.create_bucket("bucket")
        bucket = ThrottledProvider(provider, pace).bucket("bucket", KeyNamer.literal("p/"))
        about: list[str] = []

        def call(function: Callable[[], Any], body: Any = None, about_: str = "", **named: str) -> Any:
            about.append(named.get("about", ""))
            return function()

        pace.call = call  # type: ignore[method-assign,assignment]
        with contextlib.suppress(NotFound):
            bucket.head_object("x")
        bucket.put_object("x", BytesBody(b"1"), PutOptions(1, ObjectMeta()))
        bucket.delete_object("x")
        assert about == ["bucket/p/x"] * 3
        upload = bucket.create_upload("y", ObjectMeta())
        upload.upload_part(1, BytesBody(b"1"), 1)
        bucket.upload_by_id("y", upload.upload_id).abort()
        bucket.manifests.put("y", b"[]")
        assert about[3:] == ["bucket/p/y"] * 4
        bucket.manifests.has_any()
        assert len(about) == 7, "that concerns no object"
