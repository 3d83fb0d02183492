"""The daemon is killed in the middle of its work: the next one misses nothing and repeats little."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from faults.proxy import Exchange, Fault, FaultProxy, answers, passes, waits_for
from servers.daemon import SyncDaemon
from servers.pair import Pair, Store
from servers.process import wait_until
from servers.raw_swift import RawSwift
from servers.swift import SwiftCluster

OBJECTS = 60
DENIED = ("o17", "o44")
GONE = ("x1", "x2", "x3")
CHUNK = 5
WORKERS = 4

OPEN = "s3_sync.state.journal:Journal.open_window"
PUT = "s3_sync.providers.s3.direct:DirectWriter.send"
SETTLE = "s3_sync.state.journal:Journal.settle"
SAVE = "s3_sync.state.checkpoint:StatusFiles.save"
#: every step of a batch, and the middle of a write to disk
STEPS = [
    {"at": SAVE},
    {"at": SAVE, "moment": "after"},
    {"at": OPEN},
    {"at": OPEN, "moment": "after"},
    {"at": PUT, "call": 3},
    {"at": PUT, "call": 3, "moment": "after"},
    {"at": SETTLE},
    {"at": SETTLE, "moment": "after"},
    {"at": SAVE, "call": 2},
    {"at": "s3_sync.state.atomic:os.fchmod", "call": 2},
    {"at": "s3_sync.state.atomic:sync_directory", "call": 2},
    {"at": SAVE, "call": 2, "moment": "after"},
]


@pytest.fixture
def store(rclone_store: Store) -> Store:
    return rclone_store


@pytest.fixture(scope="module")
def filled(swift: SwiftCluster) -> str:
    """A container that every test copies to a bucket of its own: objects, and rows of deleted ones."""
    client = RawSwift(swift)
    container = "killed-in-the-middle"
    client.put_container(container)
    for name in GONE:
        client.put(container, name)
    for number in range(OBJECTS):
        client.put(container, f"o{number:02}", f"of {number}".encode())
    client.names(container)  # all that came so far has a row of its own now
    for name in GONE:
        client.delete(container, name)
    return container


@pytest.fixture
def pair(swift: SwiftCluster, store: Store, proxy: FaultProxy, filled: str) -> Pair:
    pair = Pair(RawSwift(swift), store.behind(proxy.endpoint), filled)
    pair.s3.create_bucket(Bucket=pair.bucket)
    return pair


@pytest.fixture
def daemon(swift: SwiftCluster, pair: Pair, tmp_path: Path) -> SyncDaemon:
    mappings = [pair.mapping]
    return SyncDaemon(swift, tmp_path / "daemon", mappings, items_chunk=CHUNK, workers=WORKERS)


def repeated(proxy: FaultProxy) -> int:
    return sum(times - 1 for times in Counter(proxy.stored()).values())


def test_killed_at_every_step(pair: Pair, daemon: SyncDaemon, proxy: FaultProxy) -> None:
    """Each process is killed at the next step, until one may finish."""
    for name in DENIED:
        proxy.when(answers(403, "AccessDenied"), method="PUT", key=name)
    for step in STEPS:
        before = repeated(proxy)
        daemon.alter(kill=step)
        assert daemon.once().returncode == -signal.SIGKILL, step
        assert repeated(proxy) - before <= WORKERS, step
    daemon.alter()
    assert daemon.once().returncode == 1
    assert repeated(proxy) <= WORKERS * 2, "only the two kills within a PUT could make one be repeated"
    found = {name: (state, reason) for name, (state, reason, _) in daemon.unsettled().items()}
    assert found == dict.fromkeys(DENIED, ("retry", "remote_denied"))
    (entry,) = daemon.status(pair.swift.account, pair.container).values()
    assert entry["last_row"] == 2 * len(GONE) + OBJECTS
    proxy.heal()
    assert daemon.once().returncode == 0
    pair.check()


@pytest.mark.parametrize("moment", [3, 31])
@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM])
def test_while_requests_are_on_their_way(
    pair: Pair, daemon: SyncDaemon, proxy: FaultProxy, moment: int, kind: signal.Signals
) -> None:
    daemon.settings["items_chunk"] = 1000
    process = daemon.start()
    rule = proxy.when(signals(process.pid, kind), method="PUT", skip=moment)
    code = process.wait(30)
    assert code == (-signal.SIGKILL if kind is signal.SIGKILL else 0)
    assert time.monotonic() - first_hit(proxy) <= 10.0
    assert len(proxy.stored()) < OBJECTS, "it did not go on to the end"
    rule.times = 0
    assert daemon.once().returncode == 0
    pair.check()
    assert repeated(proxy) <= (WORKERS if kind is signal.SIGKILL else 0)


def first_hit(proxy: FaultProxy) -> float:
    return next(call.at for call in proxy.calls() if call.fault)


def signals(pid: int, number: signal.Signals) -> Fault:
    """The process that sent the first of these requests gets a signal; they go on, at a moderate pace."""
    told: list[int] = []

    def fault(exchange: Exchange) -> None:
        told.append(pid)
        if len(told) == 1:
            os.kill(pid, number)
        time.sleep(0.05)
        passes(exchange)

    return fault


def test_told_to_end_while_the_store_is_frozen(pair: Pair, daemon: SyncDaemon, proxy: FaultProxy) -> None:
    frozen = threading.Event()
    rule = proxy.when(waits_for(frozen), method="PUT", skip=10)
    process = daemon.start()
    wait_until(lambda: rule.hits == WORKERS, 30, "the freeze")
    told = time.monotonic()
    process.signal(signal.SIGTERM)
    assert process.wait(15) == 0
    assert time.monotonic() - told <= 10.0
    proxy.heal()
    frozen.set()
    assert daemon.once().returncode == 0
    pair.check()
    assert repeated(proxy) <= WORKERS
