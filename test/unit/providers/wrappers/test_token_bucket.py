"""So much a second, fairly: on a clock of our own, and with real threads that wait."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from s3_sync.providers.wrappers.token_bucket import BURST_SECONDS, FairTokenBucket


class Clock:
    """Who waits moves it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits = 0

    def __call__(self) -> float:
        return self.now

    def wait(self, changed: threading.Condition, seconds: float | None) -> None:
        assert seconds is not None, "nobody else is in the queue"
        self.waits += 1
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def valve(clock: Clock, rate: float | None) -> FairTokenBucket:
    return FairTokenBucket(rate, clock=clock, wait=clock.wait)


@pytest.mark.parametrize(("rate", "amount"), [(100.0, 1.0), (0.5, 1.0), (1e6, 65536.0), (1000.0, 5000.0)])
def test_acquire_admits_no_more_than_rate_and_burst(clock: Clock, rate: float, amount: float) -> None:
    passes, begun = valve(clock, rate), clock.now
    for count in range(1, 201):
        passes.acquire(amount, "a")
        assert count * amount <= rate * (clock.now - begun + BURST_SECONDS) + amount + 1e-6
    assert clock.now - begun == pytest.approx(200 * amount / rate, abs=BURST_SECONDS + amount / rate)


def test_acquire_beyond_the_burst_waits_once_for_each_call(clock: Clock) -> None:
    passes = valve(clock, 10.0)
    for _ in range(50):
        passes.acquire(1.0, "a")
    assert clock.waits == 40  # ten had been kept


def test_acquire_without_a_rate_does_not_wait(clock: Clock) -> None:
    passes = valve(clock, None)
    for _ in range(1000):
        passes.acquire(1e9, "a")
    assert (clock.now, clock.waits) == (1000.0, 0)


def test_unused_tokens_are_kept_for_one_burst_only(clock: Clock) -> None:
    passes = valve(clock, 10.0)
    clock.now += 3600
    begun = clock.now
    for _ in range(20):
        passes.acquire(1.0, "a")
    assert clock.now - begun == pytest.approx(1.0)


def test_set_rate_applies_to_later_calls(clock: Clock) -> None:
    passes = valve(clock, 10.0)
    for _ in range(10):
        passes.acquire(1.0, "a")
    passes.set_rate(1.0)
    begun = clock.now
    for _ in range(5):
        passes.acquire(1.0, "a")
    assert clock.now - begun == pytest.approx(5.0)
    passes.set_rate(None)
    begun = clock.now
    passes.acquire(1000.0, "a")
    assert clock.now == begun


def wait_for(condition: object, seconds: float = 30.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_owners_with_unequal_numbers_of_threads_get_equal_shares() -> None:
    """One with 9 threads and one with a single thread, at a rate that neither reaches alone."""
    passes, passed, stop = FairTokenBucket(1000.0), Counter[str](), threading.Event()

    def work(owner: str) -> None:
        while not stop.is_set():
            passes.acquire(5.0, owner)
            passed[owner] += 5

    threads = [threading.Thread(target=work, args=(name,)) for name in ["many"] * 9 + ["single"]]
    for thread in threads:
        thread.start()
    wait_for(lambda: sum(passed.values()) > 2500)
    stop.set()
    passes.set_rate(None)
    for thread in threads:
        thread.join()
    assert passed["single"] > 0.35 * passed["many"]


def test_set_rate_applies_to_waiting_threads_at_once() -> None:
    passes, done = FairTokenBucket(0.001), threading.Event()
    passes._level = 0.0
    threads = [
        threading.Thread(target=lambda: (passes.acquire(1.0, "a"), done.set()), daemon=True) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    wait_for(lambda: passes.waiting == 3)
    passes.set_rate(1000.0)
    for thread in threads:
        thread.join(30)
    assert done.is_set()
    assert passes.waiting == 0


def test_killed_thread_leaves_the_queue_to_the_others() -> None:
    """As a green thread is killed: by an exception that is raised where it waits."""

    class Killed(BaseException):
        pass

    def wait(changed: threading.Condition, seconds: float | None) -> None:
        if threading.current_thread().name == "victim":
            entered.set()
            killed.wait()
            raise Killed
        changed.wait(seconds)

    entered, killed = threading.Event(), threading.Event()
    passes, passed = FairTokenBucket(100.0, wait=wait), threading.Event()
    passes._level = 0.0

    def victim() -> None:
        with pytest.raises(Killed):
            passes.acquire(50.0, "a")

    first = threading.Thread(target=victim, name="victim")
    first.start()
    assert entered.wait(30)
    killed.set()
    second = threading.Thread(target=lambda: (passes.acquire(1.0, "b"), passed.set()), daemon=True)
    second.start()
    assert passed.wait(30)
    first.join()
    assert passes.waiting == 0
