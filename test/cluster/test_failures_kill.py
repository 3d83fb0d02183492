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
from servers.pair import Pair, Store, new_pair
from servers.process import wait_until
from servers.raw_swift import RawSwift
from servers.swift import SwiftCluster

OBJECTS = 60
DENIED = ("o17", "o44")
GONE = ("x1", "x2", "x3")
CHUNK = 5
WORKERS = 4
FULL = 80_000  # bytes: the journal begins with more than half of that

OPEN = "s3_sync.state.journal:Journal.open_window"
PUT = "s3_sync.providers.s3.transport.direct:DirectTransport.send"
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


def test_kill_at_each_step_of_a_batch_loses_nothing_and_repeats_little(
    pair: Pair, daemon: SyncDaemon, proxy: FaultProxy
) -> None:
    """Each process is killed one step later than the one before; the last one finishes."""
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


READ = "s3_sync.cluster.reader:ObjectReader.open"
NEWEST = "s3_sync.cluster.newest:NewestState.of"
#: every step of changing what is there already
CHANGING = [
    {"at": NEWEST},
    {"at": READ, "call": 2, "moment": "after"},
    {"at": "s3_sync.providers.s3.bucket:S3Bucket.head_object", "moment": "after"},
    {"at": "s3_sync.sync.rows.handler:upload"},
    {"at": "s3_sync.sync.rows.handler:upload", "moment": "after"},
    {"at": "s3_sync.sync.rows.handler:update_metadata"},
    {"at": "s3_sync.sync.rows.handler:update_metadata", "moment": "after"},
    {"at": "s3_sync.providers.s3.bucket:S3Bucket.delete_object"},
    {"at": "s3_sync.providers.s3.bucket:S3Bucket.delete_object", "moment": "after"},
    {"at": SETTLE, "moment": "after"},
    {"at": SAVE, "moment": "after"},
]


def test_kill_at_each_step_of_a_change_leaves_both_sides_equal(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, tmp_path: Path
) -> None:
    """Objects are overwritten, posted to and deleted; each process is killed one step later."""
    pair = new_pair(swift, store.behind(proxy.endpoint))
    daemon = SyncDaemon(swift, tmp_path / "daemon", [pair.mapping], items_chunk=6, workers=2)
    names = [f"{kind}{number:02}" for number in range(len(CHANGING)) for kind in ("over", "post", "gone")]
    for name in names:
        pair.put(name, b"1")
    assert daemon.once().returncode == 0
    for name in names:
        if name.startswith("over"):
            pair.put(name, b"2")
        elif name.startswith("post"):
            pair.post(name, {"X-Object-Meta-Colour": "blue"})
        else:
            pair.delete(name)
    since = len(proxy.calls())
    for step in CHANGING:
        daemon.alter(kill=step)
        assert daemon.once().returncode == -signal.SIGKILL, step
    daemon.alter()
    assert daemon.once().returncode == 0
    assert daemon.unsettled() == {}
    pair.check()
    again = sum(times - 1 for times in Counter(proxy.stored(since)).values())
    assert again <= 2 * len(CHANGING), "never more than was in flight"


def test_full_disk_fails_the_run_and_a_later_run_completes(
    pair: Pair, daemon: SyncDaemon, proxy: FaultProxy
) -> None:
    """The journal cannot grow: the cursor passes nothing that is not recorded, and little is sent again."""
    proxy.when(answers(501, "NotImplemented"), method="PUT", key="/o1")
    daemon.alter(largest_file=FULL)
    for _ in range(2):
        assert daemon.once().returncode == 1
    assert "disk" in daemon.log_text()
    assert "Traceback" not in daemon.log_text()
    assert repeated(proxy) <= 2 * CHUNK
    proxy.heal()
    daemon.alter()
    assert daemon.once().returncode == 0
    assert daemon.unsettled() == {}
    pair.check()
    assert [path for path in daemon.status_dir.rglob("*") if "tmp" in path.name] == []


@pytest.mark.parametrize("moment", [3, 31])
@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM])
def test_signal_during_puts_ends_the_daemon_and_next_run_completes(
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


def test_sigterm_with_hanging_store_ends_the_daemon_within_ten_seconds(
    pair: Pair, daemon: SyncDaemon, proxy: FaultProxy
) -> None:
    daemon.alter(values={"s3_sync.daemon.daemon:GRACE": 3.0})
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
