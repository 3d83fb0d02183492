"""The rate of requests to a store that asks for patience, second by second on a clock of our own."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable

import pytest

from s3_sync.errors import NotFound, RemoteError, RemoteUnavailable, Throttled
from s3_sync.providers.wrappers.pace import LONGEST_WAIT, RECOVERY, SLOWEST, Pace


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
def pace(clock: Clock) -> Pace:
    return Pace("store", workers=10, patience=30.0, clock=clock, sleep=clock.sleep)


def ask(pace: Pace, store: Store) -> None:
    with contextlib.suppress(RemoteError):
        assert pace.call(store) == "done"


def ask_for(pace: Pace, store: Store, seconds: float, each: float = 0.01) -> None:
    """As fast as we are let, a request taking ``each``."""
    until = store.clock.now + seconds
    while store.clock.now < until:
        ask(pace, store)
        store.clock.now += each


def test_nothing_is_slow(pace: Pace, store: Store, clock: Clock) -> None:
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
def test_a_complaint_halves_the_rate(pace: Pace, store: Store, error: RemoteError) -> None:
    ask_for(pace, store, 3.0)
    store.refuse = lambda: error
    ask(pace, store)
    assert pace.limit() == pytest.approx(50, abs=1)
    ask_for(pace, store, 0.9)
    assert pace.limit() == pytest.approx(50, abs=5), "the store still counts what came before"
    store.clock.now += 0.5
    ask(pace, store)
    assert pace.limit() == pytest.approx(26, abs=2)


def test_requests_that_were_under_way_do_not_count_again(pace: Pace, clock: Clock) -> None:
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


def test_never_slower_than_that(pace: Pace, store: Store, clock: Clock) -> None:
    store.refuse = lambda: Throttled("x", status=503)
    ask_for(pace, store, 60.0)
    assert pace.limit() == pytest.approx(SLOWEST, rel=0.2)
    assert max(clock.slept) <= 1 / SLOWEST + 0.01
    assert store.since(clock.now - 10.0) == pytest.approx(10 * SLOWEST, abs=3)


def test_many_workers_all_get_a_turn_in_time(clock: Clock) -> None:
    """A hundred threads that all want to go on at once; each waits on its own."""
    waits: list[float] = []
    pace = Pace("store", workers=100, patience=30.0, clock=clock, sleep=waits.append)
    store = Store(clock)
    store.refuse = lambda: Throttled("x", status=503)
    ask(pace, store)
    store.refuse = lambda: None
    for _ in range(100):
        pace.call(store)
    assert max(waits) <= LONGEST_WAIT


def test_the_rate_comes_back_within_a_minute(
    pace: Pace, store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
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
    assert caplog.text.count("asks for patience") == 1, "a line for each change of state"
    assert caplog.text.count("as fast as before") == 1


@pytest.mark.parametrize("capacity", [5, 40])
def test_a_store_that_takes_so_many_a_second(pace: Pace, store: Store, clock: Clock, capacity: int) -> None:
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
    def test_nobody_asks_before(self, pace: Pace, store: Store, clock: Clock) -> None:
        ask_for(pace, store, 2.0)
        store.refuse = lambda: Throttled("x", status=503, retry_after=7.0)
        ask(pace, store)
        told = clock.now
        store.refuse = lambda: None
        ask_for(pace, store, 10.0)
        assert store.since(told + 0.001) == store.since(told + 7.0)
        assert store.since(told + 7.0) > 0

    def test_who_waits_already_waits_longer(self, clock: Clock) -> None:
        store = Store(clock)

        def tell(seconds: float) -> None:
            """Another request is told to wait while this one does."""
            clock.sleep(seconds)
            if len(store.asked) == 1:
                store.asked.append(clock.now)
                pace._slow_down(clock.now, 5.0)

        pace = Pace("store", workers=10, patience=30.0, clock=clock, sleep=tell)
        store.refuse = lambda: Throttled("x", status=503, retry_after=1.0)
        ask(pace, store)
        store.refuse = lambda: None
        ask(pace, store)
        assert store.asked[-1] - store.asked[0] == pytest.approx(6.0, abs=0.6)

    def test_for_ever_is_an_hour(self, pace: Pace, store: Store, clock: Clock) -> None:
        store.refuse = lambda: Throttled("x", status=503, retry_after=1e9)
        ask(pace, store)
        clock.now += 3601.0
        store.refuse = lambda: None
        ask(pace, store)
        assert len(store.asked) == 2

    def test_a_long_one_is_told_to_the_caller(self, pace: Pace, store: Store, clock: Clock) -> None:
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
