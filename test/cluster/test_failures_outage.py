"""The store goes away and comes back: nothing is forgotten, little is repeated, and soon all is well."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from faults.proxy import FaultProxy, answers, waits_for
from servers.daemon import NewDaemon, SyncDaemon
from servers.operations import operation
from servers.pair import Pair, Store, new_pair
from servers.process import wait_until
from servers.swift import SwiftCluster

WORKERS = 4
#: seconds from the store's return until everything is there; a short outage is forgotten soon
SOON = 20.0
#: how the daemon is told to give up sooner on a store that does not answer, and to slow down less
IMPATIENT = {
    "retries": {"attempts": 2, "base": 0.2},
    "values": {
        "s3_sync.providers.wrappers.adaptive_throttle:MIN_RATE": 20.0,
    },
}

BreakIt = Callable[[FaultProxy], Callable[[], None]]


@pytest.fixture
def store(s3api: Store) -> Store:
    return s3api


@pytest.fixture
def watched(swift: SwiftCluster, store: Store, proxy: FaultProxy) -> Pair:
    """A pair whose store is behind the proxy."""
    return new_pair(swift, store.behind(proxy.endpoint), read_timeout=1.0)


@pytest.fixture
def daemon(watched: Pair, new_daemon: NewDaemon) -> SyncDaemon:
    daemon = new_daemon(watched, workers=WORKERS)
    daemon.alter(**IMPATIENT)
    return daemon


def refused(proxy: FaultProxy) -> Callable[[], None]:
    proxy.refuse()
    return proxy.accept


def frozen(proxy: FaultProxy) -> Callable[[], None]:
    """Connections are accepted, requests are taken, and nothing comes back."""
    thawed = threading.Event()
    proxy.when(waits_for(thawed))

    def thaw() -> None:
        proxy.heal()
        thawed.set()

    return thaw


def slow_down(proxy: FaultProxy) -> Callable[[], None]:
    proxy.when(answers(503, "SlowDown"))
    return proxy.heal


def read_only(proxy: FaultProxy) -> Callable[[], None]:
    """It can be looked at; whatever would change it is refused."""
    for method in ("PUT", "POST", "DELETE"):
        proxy.when(answers(403, "AccessDenied"), method=method)
    return proxy.heal


def lines(daemon: SyncDaemon, text: str) -> int:
    return daemon.log_text().count(text)


@pytest.mark.parametrize("break_it", [refused, frozen, slow_down, read_only])
def test_outage_of_the_store_is_followed_by_quick_recovery(
    watched: Pair, daemon: SyncDaemon, proxy: FaultProxy, break_it: BreakIt
) -> None:
    names = [f"o{number:02}" for number in range(18)]
    for name in names:
        watched.put(name, b"1")
    daemon.start()
    wait_until(lambda: len(watched.arrived()) == 18, 30, "the first copies")
    before = len(proxy.calls())

    mend = break_it(proxy)
    for name in names[:6]:
        watched.put(name, b"2")
    for name in names[6:12]:
        watched.post(name, {"X-Object-Meta-Changed": "yes"})
    for name in names[12:]:
        watched.delete(name)
    for number in range(12):
        watched.put(f"new{number:02}", b"3")
    wait_until(lambda: lines(daemon, "Failed to process") > 0, 60, "the pause")
    waiting = daemon.unsettled()
    mend()
    mended = time.monotonic()
    wait_until(lambda: len(watched.arrived()) == 24 and not daemon.unsettled(), 90, "recovery")
    wait_until(lambda: agree(watched), 90, "agreement of both sides")
    took = time.monotonic() - mended
    print(f"{break_it.__name__}: recovered after {took:.1f} s; {len(waiting)} in the journal")
    assert took < SOON

    assert lines(daemon, "Failed to process") == 1, "said once"
    assert lines(daemon, "working again") == 1
    assert len(waiting) <= 3 * WORKERS, "the rest waits in the container's database"
    repeated = [name for name, count in Counter(proxy.stored(before)).items() if count > 1]
    # a store that was frozen may take afterwards what nobody waits for any more
    assert len(repeated) <= (3 * WORKERS if break_it is frozen else WORKERS)


def agree(pair: Pair) -> bool:
    try:
        pair.check()
    except (AssertionError, pair.s3.exceptions.ClientError):
        return False
    return True


def test_change_during_an_outage_is_copied_before_its_backoff_ends(
    watched: Pair, daemon: SyncDaemon, proxy: FaultProxy
) -> None:
    """The next try is half a minute away, but the daemon notices earlier that the store is back."""
    watched.put("old")
    daemon.start()
    wait_until(lambda: watched.arrived() == ["old"], 30, "the first copy")
    proxy.refuse()
    watched.put("new")
    wait_until(lambda: lines(daemon, "Failed to process") > 0, 30, "the failure")
    assert set(daemon.unsettled()) == {"new"}
    proxy.accept()
    back = time.monotonic()
    wait_until(lambda: "new" in watched.arrived(), 60, "recovery")
    assert time.monotonic() - back < SOON
    wait_until(lambda: not daemon.unsettled(), 10, "the end of it")


def test_restart_after_an_outage_retries_everything_at_once(
    watched: Pair, daemon: SyncDaemon, proxy: FaultProxy
) -> None:
    names = [f"o{number}" for number in range(12)]
    for name in names:
        watched.put(name)
    proxy.when(answers(503, "SlowDown"), method="PUT")
    daemon.start()
    wait_until(lambda: lines(daemon, "Failed to process") > 0, 30, "failures")
    daemon.stop()
    assert len(daemon.unsettled()) >= WORKERS
    proxy.heal()
    started = time.monotonic()
    daemon.start()
    wait_until(lambda: len(watched.arrived()) == 12 and not daemon.unsettled(), 60, "recovery")
    assert time.monotonic() - started < SOON


def test_once_during_an_outage_fails_and_a_later_run_completes(
    watched: Pair, daemon: SyncDaemon, proxy: FaultProxy
) -> None:
    for number in range(40):
        watched.put(f"o{number:02}")
    proxy.when(answers(500, "InternalError"), method="PUT")
    assert daemon.once(seconds=60).returncode == 1
    assert len(daemon.unsettled()) <= 3 * WORKERS
    proxy.heal()
    assert daemon.once().returncode == 0
    watched.check()


def test_slow_down_with_retry_after_delays_each_repetition(
    watched: Pair, daemon: SyncDaemon, proxy: FaultProxy
) -> None:
    """No PUT is repeated before the second of Retry-After has passed."""
    daemon.alter(values={"s3_sync.providers.wrappers.adaptive_throttle:MIN_RATE": 20.0})
    rule = proxy.when(answers(503, "SlowDown", retry_after=1), method="PUT", times=6)
    for number in range(6):
        watched.put(f"o{number}")
    assert daemon.once().returncode == 0
    assert rule.hits == 6
    watched.check()
    puts: dict[str, list[float]] = {}
    for call in proxy.calls("PUT"):
        assert operation(call) == "PutObject"
        puts.setdefault(call.path, []).append(call.at)
    gaps = [
        later - sooner for times in puts.values() for sooner, later in zip(times, times[1:], strict=False)
    ]
    assert len(gaps) == 6
    assert min(gaps) >= 1.0


@pytest.fixture(autouse=True)
def _thaw(proxy: FaultProxy) -> Iterator[None]:
    yield
    proxy.heal()
