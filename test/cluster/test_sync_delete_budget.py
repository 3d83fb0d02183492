"""A delete budget for real, with a client's deletes and an operator's word."""

from __future__ import annotations

import json

from servers.daemon import NewDaemon, SyncDaemon
from servers.pair import Store, new_pair
from servers.process import wait_until
from servers.swift import SwiftCluster


def position_of(daemon: SyncDaemon, path: str) -> tuple[str, float | None]:
    """The position of an object's row, and until when it holds."""
    [mapping] = json.loads(daemon.ctl("explain", path, "--json").stdout)["mappings"]
    [row] = mapping["rows"]
    return row["position"], row["until"]


def test_deletes_beyond_the_limit_are_held_until_allowed(
    swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
) -> None:
    pair = new_pair(swift, s3api, delete_budget={"deletes": 2, "percent": 50})
    names = [f"o{number}" for number in range(6)]
    for name in names:
        pair.put(name)
    daemon = new_daemon(pair)
    daemon.start()
    wait_until(lambda: pair.arrived() == names, 20, "the copies")
    for name in names:
        pair.delete(name)
    wait_until(
        lambda: "further deletes wait until an operator allows them" in daemon.log_text(), 20, "the hold"
    )
    pair.put("another")
    wait_until(lambda: "another" in pair.arrived(), 20, "a copy meanwhile")
    assert len(pair.arrived()) == 5
    daemon.stop()
    daemon.start()
    assert '"state": "deletes held"' in daemon.ctl("--json", "status").stdout
    positions = {name: position_of(daemon, f"{pair.swift.account}/{pair.container}/{name}") for name in names}
    held = {name: ("held", None) if name in pair.arrived() else ("handled", None) for name in names}
    assert positions == held
    assert daemon.ctl("allow-deletes", "0").returncode == 0
    wait_until(lambda: pair.arrived() == ["another"], 20, "the deletes")
    assert "deletes resume: an operator allowed them" in daemon.log_text()
    assert daemon.unsettled() == {}
    assert "Traceback" not in daemon.log_text()
