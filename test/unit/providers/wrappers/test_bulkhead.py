"""A slow or dead remote gets so many of our requests, and no more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from s3_sync.errors import AccessDenied, NotFound, RemoteError, RemoteUnavailable
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import PutOptions
from s3_sync.providers.memory import MemoryProvider
from s3_sync.providers.wrappers.bulkhead import (
    Bulkhead,
    BulkheadBucket,
    BulkheadListener,
    BulkheadPolicy,
    BulkheadProvider,
)
from s3_sync.providers.wrappers.circuit_breaker import BreakerPolicy, State
from s3_sync.streams.reader import Body, BytesBody


class Ear(BulkheadListener):
    def __init__(self) -> None:
        self.answers: list[RemoteError | None] = []
        self.states: list[State] = []

    def answered(self, seconds: float, error: RemoteError | None) -> None:
        self.answers.append(error)

    def changed(self, state: State) -> None:
        self.states.append(state)


@pytest.fixture
def ear() -> Ear:
    return Ear()


class FakeClock:
    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def guarded(ear: Ear, places: int = 3, wait: float = 0.05, clock: FakeClock | None = None) -> BulkheadBucket:
    return containers(ear, ["a/"], places, wait, clock)[0]


def containers(
    ear: Ear,
    prefixes: Sequence[str],
    places: int,
    wait: float = 0.05,
    clock: FakeClock | None = None,
) -> list[BulkheadBucket]:
    """Guarded buckets of one store, each with an object."""
    store = MemoryProvider()
    store.create_bucket("b")
    policy = BulkheadPolicy(places=places, wait=wait, breaker=BreakerPolicy(failures=3, pause=60.0))
    guard = Bulkhead("store", policy, ear, (clock or FakeClock()).now)
    provider = BulkheadProvider(store, guard)
    buckets = [provider.bucket("b", KeyNamer.literal(prefix)) for prefix in prefixes]
    for bucket in buckets:
        bucket.put_object("o", BytesBody(b"body"), PutOptions(4))
    return buckets


def raising(error: RemoteError) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call


def test_open_reads_at_the_limit_make_further_requests_fail(ear: Ear) -> None:
    bucket = guarded(ear)
    with bucket.get_object("o"), bucket.get_object("o"), pytest.raises(RemoteUnavailable, match="busy"):
        bucket.head_object("o")
    assert bucket.head_object("o").size == 4


def test_failed_or_closed_read_frees_its_place(ear: Ear) -> None:
    bucket = guarded(ear)
    for _ in range(5):
        with pytest.raises(NotFound):
            bucket.get_object("absent")
    result = bucket.get_object("o")
    for _ in range(3):
        result.close()
    with bucket.get_object("o"), bucket.get_object("o"):
        pass


def test_waiting_request_gets_the_place_of_a_closed_read(ear: Ear) -> None:
    bucket = guarded(ear, places=1, wait=30.0)
    reading = bucket.get_object("o")
    found: list[int] = []
    waiting = threading.Thread(target=lambda: found.append(bucket.head_object("o").size))
    waiting.start()
    reading.close()
    waiting.join(30.0)
    assert found == [4]


def test_requests_without_answer_open_the_circuit_breaker(ear: Ear) -> None:
    bucket = guarded(ear)
    gone = RemoteUnavailable("no answer")
    for _ in range(3):
        with pytest.raises(RemoteUnavailable, match="no answer"):
            bucket._guard.call(raising(gone))
    with pytest.raises(RemoteUnavailable, match="does not respond"):
        bucket.head_object("o")
    assert ear.states == ["open"]
    assert ear.answers == [None, gone, gone, gone]


def test_refusals_do_not_open_the_circuit_breaker(ear: Ear) -> None:
    bucket = guarded(ear)
    for _ in range(10):
        with pytest.raises(AccessDenied):
            bucket._guard.call(raising(AccessDenied("no")))
    assert bucket.head_object("o").size == 4


def test_internal_errors_do_not_open_the_circuit_breaker(ear: Ear) -> None:
    """Whoever asks for it again and again keeps nobody from the others."""
    bucket = guarded(ear)
    for _ in range(10):
        with pytest.raises(RemoteUnavailable):
            bucket._guard.call(raising(RemoteUnavailable("InternalError", status=500)))
    assert bucket.head_object("o").size == 4
    assert ear.states == []


@pytest.mark.parametrize("status", [0, 502, 504])
def test_gateway_errors_open_the_circuit_breaker(ear: Ear, status: int) -> None:
    bucket = guarded(ear)
    for _ in range(10):
        with pytest.raises(RemoteUnavailable):
            bucket._guard.call(raising(RemoteUnavailable("no upstream", status=status)))
    assert ear.states == ["open"]


def test_broken_bodies_open_the_circuit_breaker(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = guarded(ear)

    def broken(_: Body, size: int = -1) -> bytes:
        raise RemoteUnavailable("reset")

    monkeypatch.setattr("s3_sync.providers.memory_object.MemoryBody.read", broken)
    with bucket.get_object("o") as result:
        for _ in range(3):
            with pytest.raises(RemoteUnavailable):
                result.body.read(10)
    assert ear.states == ["open"]


def test_container_at_its_share_is_refused_and_others_are_served(ear: Ear) -> None:
    busy, other, another = containers(ear, ["busy/", "other/", "another/"], places=4)
    with busy.get_object("o"), busy.get_object("o"):
        for _ in range(3):
            with pytest.raises(RemoteUnavailable, match=r"2 of 4 requests .* 2 of them for b/busy/$"):
                busy.get_object("o")
        with other.get_object("o"):
            assert another.head_object("o").size == 4
            with pytest.raises(RemoteUnavailable, match=r"3 of 4 requests .* 1 of them for b/other/$"):
                other.get_object("o")
    with busy.get_object("o"), busy.get_object("o"):
        pass


def test_two_buckets_of_one_container_have_one_share(ear: Ear) -> None:
    before, after = containers(ear, ["c/", "c/"], places=2)
    with before.get_object("o"), pytest.raises(RemoteUnavailable, match="busy"):
        after.head_object("o")


@pytest.mark.parametrize(("away", "states"), [(1.0, ["open"]), (6.0, [])])
def test_broken_read_opens_circuit_breaker_unless_its_reader_paused(
    ear: Ear, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, away: float, states: list[State]
) -> None:
    """Stores give slow readers up."""

    def broken(_: Body, size: int = -1) -> bytes:
        raise RemoteUnavailable("reset")

    bucket = guarded(ear, clock=clock)
    monkeypatch.setattr("s3_sync.providers.memory_object.MemoryBody.read", broken)
    with bucket.get_object("o") as result:
        for _ in range(3):
            clock.time += away
            with pytest.raises(RemoteUnavailable):
                result.body.read(10)
    assert ear.states == states
