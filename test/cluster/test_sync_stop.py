"""A daemon that is told to stop: what it finishes, what it breaks off, and how long that takes."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from faults.proxy import Exchange, FaultProxy, passes, waits_for
from s3_sync.daemon.daemon import CLEAN_UP, GRACE
from servers.daemon import NewDaemon, SyncDaemon
from servers.pair import Pair, Store, new_pair, sync
from servers.process import wait_until
from servers.swift import SwiftCluster

MIB = 1024 * 1024
#: the seconds that transfers get, so much less than usual that a busy machine ends in ten, too
SHORT_GRACE = {"s3_sync.daemon.daemon:GRACE": 3.0}


def test_grace_and_clean_up_take_at_most_nine_seconds() -> None:
    assert GRACE + CLEAN_UP <= 9


def slow(exchange: Exchange) -> None:
    time.sleep(0.4)
    passes(exchange)


class TestSignals:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_idle_daemon_exits_at_once_with_0(
        self, pair: Pair, daemon: SyncDaemon, number: signal.Signals
    ) -> None:
        child = daemon.start()
        pair.put("o")
        wait_until(lambda: pair.arrived() == ["o"], 10, "the copy")
        child.signal(number)
        assert child.wait(3) == 0
        assert "Traceback" not in child.log.read_text() + daemon.log_text()

    def test_hanging_transfers_are_aborted_within_ten_seconds(
        self, swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
    ) -> None:
        """A PUT and a multipart upload hang. Nothing remains of them; the next start sends both."""
        released = threading.Event()
        with FaultProxy.before(s3api.endpoint) as proxy:
            pair = new_pair(swift, s3api.behind(proxy.endpoint))
            limits = {"max_put": 6 * MIB, "min_part": 5 * MIB}
            daemon = new_daemon(pair, altered={"limits": limits, "values": SHORT_GRACE})
            pair.put("one piece", bytes(4 * MIB))
            pair.put("parts", bytes(13 * MIB))
            proxy.when(waits_for(released), method="PUT", key="one piece")
            proxy.when(waits_for(released), method="PUT", key="parts", skip=1)
            child = daemon.start()
            wait_until(lambda: len(proxy.calls("PUT")) == 3, 20, "transfers in flight")
            started = time.monotonic()
            child.signal(signal.SIGTERM)
            assert child.wait(10) == 0
            assert time.monotonic() - started < 10
            assert "Traceback" not in child.log.read_text() + daemon.log_text()
            proxy.refuse()
            released.set()
            assert pair.arrived() == []
            assert pair.s3.list_multipart_uploads(Bucket=pair.bucket).get("Uploads", []) == []
            proxy.heal()
            proxy.accept()
            assert daemon.once().returncode == 0, daemon.log_text()
            pair.check()

    def test_transfers_in_progress_are_finished_and_no_other_begun(
        self, swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
    ) -> None:
        names = [f"o{number:02}" for number in range(12)]
        with FaultProxy.before(s3api.endpoint) as proxy:
            pair = new_pair(swift, s3api.behind(proxy.endpoint))
            daemon = new_daemon(pair, workers=2)
            for name in names:
                pair.put(name)
            proxy.when(slow, method="PUT")
            child = daemon.start()
            wait_until(lambda: len(proxy.calls("PUT")) == 2, 20, "transfers in flight")
            child.signal(signal.SIGTERM)
            assert child.wait(10) == 0
            # what was begun is done, the rest was not begun
            done = proxy.stored()
            assert 2 <= len(done) == len(proxy.calls("PUT")) < len(names)
            proxy.heal()
            sync(daemon, pair)
            pair.check()
            assert len(proxy.stored()) == len(names)

    def test_stopped_once_run_exits_with_1(
        self, swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
    ) -> None:
        released = threading.Event()
        with FaultProxy.before(s3api.endpoint) as proxy:
            pair = new_pair(swift, s3api.behind(proxy.endpoint))
            pair.put("o")
            proxy.when(waits_for(released), method="PUT")
            child = new_daemon(pair).start("--once")
            wait_until(lambda: len(proxy.calls("PUT")) == 1, 20, "a transfer in flight")
            child.signal(signal.SIGTERM)
            released.set()
            assert child.wait(10) == 1
