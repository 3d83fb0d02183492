"""Budgets for real: what is limited takes its time, what is not does not wait for it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from servers.daemon import NewDaemon, SyncDaemon
from servers.pair import Pair, Store, new_pair
from servers.process import wait_until
from servers.swift import SwiftCluster

#: nothing at all, at any time of the week, in two entries
CLOSED = [
    {"days": "mon-sun", "from": "20:00", "to": "08:00", "requests_per_second": 0},
    {"from": "08:00", "to": "20:00", "bytes_per_second": 0},
]


def logged(daemon: SyncDaemon, pair: Pair, what: str) -> datetime:
    """When the daemon last said something about a mapping."""
    label = re.escape(f"{pair.swift.account}/{pair.container}")
    found = re.findall(rf"^\[(.*?),(\d+)\] .*{what} .* {label}$", daemon.log_text(), re.MULTILINE)
    day, milliseconds = found[-1]
    return datetime.fromisoformat(f"{day}.{milliseconds}")


def configure(daemon: SyncDaemon, store: Store, budgets: dict[str, Any], *pairs: Pair) -> None:
    """In the form in which credentials have budgets: the account ``shared`` is what the name says."""
    key = {"endpoint": store.endpoint, "identity": store.identity, "secret": store.secret}
    daemon.settings.pop("containers", None)
    daemon.settings["credentials"] = {"free": key, "shared": {**key, "budget": {"bytes_per_second": 100_000}}}
    daemon.settings["profiles"] = {"mirror": {"type": "sync"}}
    daemon.settings["mappings"] = [
        {
            "account": pair.swift.account,
            "container": pair.container,
            "bucket": pair.bucket,
            "profile": "mirror",
            "credentials": "free",
            **budgets.get(pair.container, {}),
        }
        for pair in pairs
    ]


def test_rate_limits_and_timetable_delay_only_their_own_mappings(
    swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
) -> None:
    """300 kB at 100 kB a second, the first 100 kB free, of one mapping, and of two mappings together;
    25 requests at 10 a second; and a timetable that allows nothing."""
    slow, few, one, other, closed, free = (new_pair(swift, s3api) for _ in range(6))
    budgets = {
        slow.container: {"budget": {"bytes_per_second": 100_000}},
        few.container: {"budget": {"requests_per_second": 10}},
        one.container: {"credentials": "shared"},
        other.container: {"credentials": "shared"},
        closed.container: {"budget": {"timezone": "Asia/Tokyo", "timetable": CLOSED}},
    }
    for pair, size in ((slow, 300_000), (one, 150_000), (other, 150_000), (free, 300_000), (closed, 10)):
        pair.put("large", b"x" * size)
    for number in range(25):
        few.put(f"o{number}")
    daemon = new_daemon()
    configure(daemon, s3api, budgets, slow, few, one, other, closed, free)
    daemon.start()
    wait_until(lambda: free.arrived() == ["large"], 20, "what is not limited")
    limited = (slow, one, other)
    wait_until(lambda: all(pair.arrived() == ["large"] for pair in limited), 60, "what is limited")
    wait_until(lambda: len(few.arrived()) == 25, 60, "many requests")
    wait_until(lambda: daemon.log_text().count("Processed") >= 5, 20, "the end of all")
    for pairs in ([slow], [few], [one, other]):
        begun = min(logged(daemon, pair, "Processing") for pair in pairs)
        ended = max(logged(daemon, pair, "Processed") for pair in pairs)
        assert 1.4 < (ended - begun).total_seconds() < 40
        assert logged(daemon, free, "Processed") < ended
    slow.check()
    assert closed.arrived() == []
    assert "nothing is started until the timetable allows it" in daemon.log_text()

    # the timetable is another one
    budgets[closed.container]["budget"]["timetable"] = [{"bytes_per_second": 50_000}]
    configure(daemon, s3api, budgets, slow, few, one, other, closed, free)
    daemon.write()
    wait_until(lambda: closed.arrived() == ["large"], 30, "what had to wait")
    assert daemon.unsettled() == {}
    assert "ERROR" not in daemon.log_text()
