"""A large object on its way: others pass it, and a kill forgets neither."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from pathlib import Path

import pytest

from faults.proxy import FaultProxy, waits_for
from servers.daemon import SyncDaemon
from servers.large import Large
from servers.pair import Store, new_pair
from servers.process import wait_until
from servers.swift import SwiftCluster

LARGE_OBJECT_BYTES = 50_000
ALTERED = {
    "values": {
        "s3_sync.sync.rows.services:LARGE_OBJECT_BYTES": LARGE_OBJECT_BYTES,
        "s3_sync.daemon.daemon:GRACE": 0.5,
    },
    "limits": {"min_part": 1},
}
SMALL = [f"o{number}" for number in range(8)]

SETTLE = "s3_sync.state.journal:Journal.settle"
SAVE = "s3_sync.state.checkpoint:StatusFiles.save"
#: every step of what the lane does, one large object after the other
STEPS = [
    {"at": SETTLE, "moment": "after"},
    {"at": SAVE, "call": 2, "moment": "after"},
    {"at": "s3_sync.sync.rows.handler:upload"},
    {"at": "s3_sync.providers.s3.bucket:S3Bucket.create_upload", "moment": "after"},
    {"at": "s3_sync.providers.s3.multipart:S3Upload.upload_part", "call": 2, "moment": "after"},
    {"at": "s3_sync.providers.s3.multipart:S3Upload.complete", "moment": "after"},
    {"at": "s3_sync.transfer.large_upload:write_manifest", "moment": "after"},
    {"at": "s3_sync.sync.rows.batch:BatchRunner.send_large", "moment": "after"},
]


@pytest.fixture
def store(rclone_store: Store) -> Store:
    return rclone_store


@pytest.fixture
def large(swift: SwiftCluster, store: Store, proxy: FaultProxy) -> Large:
    return Large(new_pair(swift, store.behind(proxy.endpoint)))


@pytest.fixture
def daemon(swift: SwiftCluster, large: Large, tmp_path: Path) -> SyncDaemon:
    return SyncDaemon(swift, tmp_path / "daemon", [large.pair.mapping], workers=4, poll_interval=0.2)


def test_kill_at_each_step_of_a_large_upload_leaves_no_open_upload(
    large: Large, daemon: SyncDaemon, proxy: FaultProxy
) -> None:
    pair = large.pair
    large.put_slo("slo", [large.segment(f"s{number}", 30_000) for number in range(3)])
    pair.put("huge", bytes(LARGE_OBJECT_BYTES + 1))
    for name in SMALL:
        pair.put(name)
    for step in STEPS:
        daemon.alter(**ALTERED, kill=step)
        assert daemon.once().returncode == -signal.SIGKILL, step
    daemon.alter(**ALTERED)
    assert daemon.once().returncode == 0, daemon.log_text()
    assert daemon.unsettled() == {}
    assert large.open_uploads() == []
    pair.check()
    assert sent_small(proxy) == dict.fromkeys(SMALL, 1)


def sent_small(proxy: FaultProxy) -> dict[str, int]:
    sent = Counter(key.rpartition("/")[2] for key in proxy.stored())
    return {name: times for name, times in sent.items() if name in SMALL}


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_small_objects_are_copied_while_a_large_one_hangs(
    large: Large, daemon: SyncDaemon, proxy: FaultProxy, end: signal.Signals
) -> None:
    """The store does not answer for the large object. A later row of its name waits; then the daemon ends."""
    pair, answers = large.pair, threading.Event()
    held = proxy.when(waits_for(answers), method="PUT", key="/huge")
    pair.put("huge", bytes(LARGE_OBJECT_BYTES + 1))
    daemon.alter(**ALTERED)
    process = daemon.start()
    wait_until(lambda: held.hits == 1, 30, "the large object's transfer")
    for name in SMALL:
        pair.put(name)
    pair.put("huge", b"small now")
    wait_until(lambda: sorted(pair.arrived()) == SMALL, 30, "small objects beside it")
    wait_until(lambda: rows_passed(large, daemon), 30, "the cursor")
    ((name, (state, reason, _)),) = daemon.unsettled().items()
    assert (name, state, reason) == ("huge", "waiting", "large")
    process.signal(end)
    assert process.wait(15) == (0 if end is signal.SIGTERM else -end)
    answers.set()
    proxy.heal()
    assert daemon.once().returncode == 0, daemon.log_text()
    assert daemon.unsettled() == {}
    pair.check()
    assert sent_small(proxy) == dict.fromkeys(SMALL, 1)


def rows_passed(large: Large, daemon: SyncDaemon) -> bool:
    pair = large.pair
    (entry,) = daemon.status(pair.swift.account, pair.container).values()
    _, last = pair.database()
    return bool(entry["last_row"] >= last)


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_small_objects_are_copied_while_the_store_delays_another(
    large: Large, daemon: SyncDaemon, proxy: FaultProxy, method: str
) -> None:
    pair, answers = large.pair, threading.Event()
    daemon.alter(values={"s3_sync.sync.rows.stragglers:STRAGGLER_TIMEOUT": 0.2})
    process = daemon.start()
    if method == "POST":
        pair.put("slow")
        wait_until(lambda: pair.arrived() == ["slow"], 30, "the object")
    held = proxy.when(waits_for(answers), method="PUT", key="/slow")
    for name in SMALL:
        pair.put(name)
    if method == "POST":
        pair.post("slow", {"X-Object-Meta-Changed": "yes"})
    else:
        pair.put("slow")
    wait_until(lambda: held.hits == 1, 30, "the slow request")
    pair.put("later")
    wait_until(lambda: {*SMALL, "later"} <= set(pair.arrived()), 30, "others")
    wait_until(lambda: rows_passed(large, daemon), 30, "the cursor")
    ((name, (state, reason, _)),) = daemon.unsettled().items()
    assert (name, state, reason) == ("slow", "waiting", "large")
    answers.set()
    wait_until(lambda: not daemon.unsettled(), 30, "the slow one")
    process.signal(signal.SIGTERM)
    assert process.wait(15) == 0
    pair.check()
    assert sent_small(proxy) == dict.fromkeys(SMALL, 1)
    assert held.hits == 1
