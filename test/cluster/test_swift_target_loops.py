"""Clusters that copy to each other, and mappings into their own source: all of it comes to rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from servers.daemon import NewDaemon, SyncDaemon
from servers.raw_swift import RawSwift
from servers.server import AnyServer
from servers.swift import SwiftCluster
from servers.swift_pair import SwiftPair
from servers.swift_spec import TESTER, TESTER2
from servers.timely import TimelySwift


@pytest.fixture(scope="module", params=["takes X-Timestamp", "ignores X-Timestamp"])
def cluster(
    request: pytest.FixtureRequest, start_server: Callable[[AnyServer], AnyServer], swift: SwiftCluster
) -> SwiftCluster:
    return start_server(TimelySwift()) if request.param.startswith("takes") else swift


class Both:
    """Two accounts, each of which is mapped to the other one. ``daemons[0]`` copies from the first."""

    def __init__(self, cluster: SwiftCluster, new_daemon: NewDaemon, container: str) -> None:
        self.sides = [RawSwift(cluster, TESTER.name), RawSwift(cluster, TESTER2.name)]
        self.container = container
        self.daemons: list[SyncDaemon] = []
        for here, there, user in ((0, 1, TESTER2), (1, 0, TESTER)):
            pair = SwiftPair(self.sides[here], self.sides[there], container, bucket=container).create()
            pair.mapping |= {"aws_identity": user.name, "aws_secret": user.key}
            self.daemons.append(new_daemon(pair, cluster=cluster))

    def run(self, *numbers: int) -> None:
        """Each of these daemons, one after the other. What has to wait for the other side is no success."""
        for number in numbers:
            self.daemons[number].once()

    def bodies(self, name: str) -> list[bytes | None]:
        answers = [side.ask("GET", self.container, name) for side in self.sides]
        return [answer.body if answer.status == 200 else None for answer in answers]

    def state(self) -> list[Any]:
        """Everything that a write would change."""
        listings = [side.request("GET", self.container, query="format=json").body for side in self.sides]
        heads = [
            side.request("HEAD", self.container, name).headers["x-timestamp"]
            for side in self.sides
            for name in side.names(self.container)
        ]
        return [listings, heads]

    def check_at_rest(self) -> None:
        """Nothing is left to do: nothing changes, and nothing waits."""
        before = self.state()
        for daemon in self.daemons:
            assert daemon.once().returncode == 0, daemon.log_text()
            assert daemon.unsettled() == {}
        assert self.state() == before


@pytest.fixture
def both(cluster: SwiftCluster, new_daemon: NewDaemon, container_name: str) -> Both:
    return Both(cluster, new_daemon, container_name)


@pytest.mark.parametrize("first", [0, 1])
def test_newer_of_two_writes_is_on_both_sides_in_the_end(both: Both, first: int) -> None:
    one, other = both.sides
    for name, early, late in (("to the right", one, other), ("to the left", other, one)):
        early.put(both.container, name, b"older", {"X-Object-Meta-Colour": "red"})
        late.put(both.container, name, b"newer", {"X-Object-Meta-Colour": "blue"})
    # deleted on one side, written later on the other one
    for side in both.sides:
        side.put(both.container, "deleted", b"older")
    one.delete(both.container, "deleted")
    other.put(both.container, "deleted", b"newer")
    both.run(first, 1 - first, first, 1 - first)
    for name in ("to the right", "to the left", "deleted"):
        assert both.bodies(name) == [b"newer"] * 2
    both.check_at_rest()


def test_changes_of_copies_come_back_once(both: Both) -> None:
    one, other = both.sides
    for name in ("posted", "copied", "over", "deleted", "overwritten"):
        one.put(both.container, name, name.encode(), {"X-Object-Meta-Colour": "red"})
    both.run(0, 1)
    both.check_at_rest()
    other.post(both.container, "posted", {"X-Object-Meta-Colour": "Blue"})
    # takes the marks of another copy along
    other.request("COPY", both.container, "copied", headers={"Destination": f"{both.container}/over"})
    other.delete(both.container, "deleted")
    other.put(both.container, "overwritten", b"new")
    both.run(1, 0)
    assert both.bodies("over") == [b"copied"] * 2
    assert both.bodies("deleted") == [None] * 2
    assert both.bodies("overwritten") == [b"new"] * 2
    assert both.bodies("posted") == [b"posted"] * 2
    for side in both.sides:
        assert side.request("HEAD", both.container, "posted").headers["x-object-meta-colour"] == "Blue"
    both.check_at_rest()
    one.delete(both.container, "over")
    both.run(0, 1)
    assert both.bodies("over") == [None] * 2
    both.check_at_rest()


def into_itself(cluster: SwiftCluster, **options: Any) -> SwiftPair:
    """The endpoint does not show that it is this cluster's own account."""
    side = RawSwift(cluster)
    pair = SwiftPair(side, side, "container-of-its-own", bucket="container-of-its-own", **options)
    pair.mapping |= {"aws_identity": TESTER.name, "aws_secret": TESTER.key}
    return pair


class TestSourceIsTarget:
    def test_copies_nothing(self, cluster: SwiftCluster, new_daemon: NewDaemon) -> None:
        pair = into_itself(cluster).create()
        daemon = new_daemon(pair, cluster=cluster)
        pair.put("a", b"1")
        before = pair.remote_headers("a")
        for _ in range(2):
            assert daemon.once().returncode == 0
        assert pair.remote_headers("a")["x-timestamp"] == before["x-timestamp"]
        pair.delete("a")
        assert daemon.once().returncode == 0

    def test_moves_nothing_away(self, cluster: SwiftCluster, new_daemon: NewDaemon) -> None:
        pair = into_itself(cluster, retain_local=False).create()
        daemon = new_daemon(pair, cluster=cluster)
        for number in range(3):
            pair.put(f"o{number}", b"the only copy", {"X-Object-Meta-Colour": "red"})
        daemon.once()  # this one marks what looks like its own copy, and finds the mark on both sides
        for _ in range(2):
            assert daemon.once().returncode == 1, daemon.log_text()
        assert pair.arrived() == ["o0", "o1", "o2"]
        assert pair.remote_headers("o0")["x-object-meta-colour"] == "red"
        assert {entry[1] for entry in daemon.unsettled().values()} == {"target_is_source"}

    def test_account_does_not_grow(
        self, cluster: SwiftCluster, new_daemon: NewDaemon, container_name: str
    ) -> None:
        side = RawSwift(cluster, "admin:admin", f"AUTH_{container_name}")
        pair = SwiftPair(side, side, "c", bucket="copy of ", remote_account=side.account)
        pair.mapping |= {"container": "/*", "aws_identity": "admin:admin", "aws_secret": "admin"}
        pair.mapping["aws_endpoint"] = pair.mapping["aws_endpoint"].replace("127.0.0.1", "0x7f000001")
        pair.create()
        pair.put("a", b"1")
        daemon = new_daemon(pair, cluster=cluster)
        for _ in range(3):
            assert daemon.once().returncode == 0, daemon.log_text()
        listed = json.loads(side.request("GET", "", query="format=json").body)
        assert [entry["name"] for entry in listed] == ["c", "copy of c"]
        assert "its target is its own account" in daemon.log_text()
