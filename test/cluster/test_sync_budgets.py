"""Budgets for real: what is limited takes its time, what is not does not wait for it."""

from __future__ import annotations

import re
from datetime import datetime

from servers.daemon import NewDaemon, SyncDaemon
from servers.pair import Pair, Store, new_pair
from servers.process import wait_until
from servers.swift import SwiftCluster


def logged(daemon: SyncDaemon, pair: Pair, what: str) -> datetime:
    """When the daemon last said something about a mapping."""
    label = re.escape(f"{pair.swift.account}/{pair.container}")
    found = re.findall(rf"^\[(.*?),(\d+)\] .*{what} .* {label}$", daemon.log_text(), re.MULTILINE)
    day, milliseconds = found[-1]
    return datetime.fromisoformat(f"{day}.{milliseconds}")


def test_bytes_and_requests(swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon) -> None:
    """300 kB at 100 kB a second, of which the first 100 kB are free; 25 requests at 10 a second."""
    slow = new_pair(swift, s3api, budget={"bytes_per_second": 100_000})
    few = new_pair(swift, s3api, budget={"requests_per_second": 10})
    free = new_pair(swift, s3api)
    slow.put("large", b"x" * 300_000)
    for number in range(25):
        few.put(f"o{number}")
    free.put("large", b"x" * 300_000)
    daemon = new_daemon(slow, few, free)
    daemon.start()
    wait_until(lambda: free.arrived() == ["large"], 20, "what is not limited")
    wait_until(lambda: slow.arrived() == ["large"] and len(few.arrived()) == 25, 60, "what is limited")
    wait_until(lambda: daemon.log_text().count("Processed") >= 3, 20, "its end")
    for pair in (slow, few):
        seconds = (logged(daemon, pair, "Processed") - logged(daemon, pair, "Processing")).total_seconds()
        assert 1.4 < seconds < 40
        assert logged(daemon, free, "Processed") < logged(daemon, pair, "Processed")
    slow.check()
    assert daemon.unsettled() == {}
    assert "ERROR" not in daemon.log_text()
