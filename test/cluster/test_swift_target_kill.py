"""The daemon is killed in the middle of changes at another Swift, or there are nodes with an old state on one
side: in the end, both sides are equal."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servers.daemon import NewDaemon
from servers.nodes import Nodes
from servers.raw_swift import RawSwift
from servers.swift import SwiftCluster
from servers.swift_large import SwiftLarge
from servers.swift_pair import SwiftPair

WRITER = "s3_sync.providers.swift.writes:Writer"
LEFT = "s3_sync.state.left_segments:LeftSegments"
SEND = "s3_sync.transfer.native_upload"
#: what a change consists of at another Swift, large objects included
STEPS: list[dict[str, Any]] = [
    {"at": f"{WRITER}.put", "call": 3, "moment": "after"},  # the first is refused: there is an object
    {"at": f"{WRITER}.post", "moment": "after"},
    {"at": f"{WRITER}.delete", "moment": "after"},
    {"at": f"{LEFT}.note", "moment": "after"},
    {"at": f"{SEND}:_put", "moment": "after"},
    {"at": f"{WRITER}.put_manifest", "moment": "after"},
    {"at": f"{LEFT}.conclude"},
]
#: objects of each kind: a process that is killed completes few of them
OBJECTS = 4
MOVES: dict[str, Any] = {"retain_local": False, "propagate_delete": False}


def test_kill_at_each_step_of_a_change_leaves_both_sides_equal(
    swift: SwiftCluster, new_daemon: NewDaemon
) -> None:
    """Objects are overwritten, posted to and deleted, large ones get other segments; each process is killed
    one step later than the one before."""
    large = SwiftLarge(swift)
    pair, numbers = large.pair, range(OBJECTS)
    daemon = new_daemon(pair, items_chunk=4, workers=2)
    old, *new = (large.segment(name, 3000) for name in ("old", *(f"new{number}" for number in numbers)))
    for number in numbers:
        for kind in ("over", "post", "gone"):
            pair.put(f"{number:02}-{kind}", b"1")
        large.put_slo(f"{number:02}-slo", [old])
    assert daemon.once().returncode == 0
    for number in numbers:
        pair.put(f"{number:02}-over", b"2")
        pair.post(f"{number:02}-post", {"X-Object-Meta-Colour": "blue"})
        pair.delete(f"{number:02}-gone")
        large.put_slo(f"{number:02}-slo", [new[number]])
    for step in STEPS:
        daemon.alter(kill=step)
        assert daemon.once().returncode == -signal.SIGKILL, step
    daemon.alter()
    assert daemon.once().returncode == 0, daemon.log_text()
    assert daemon.unsettled() == {}
    names = pair.swift.names(pair.container)
    assert pair.arrived() == names
    for name in names:
        if not name.endswith("-slo"):
            pair.check_object(name)
    large.check_there(*(name for name in names if name.endswith("-slo")))
    assert large.names(large.segments) == [each.name for each in new]


@pytest.mark.parametrize(
    "kill",
    [
        {"at": "s3_sync.cluster.guarded_delete:GuardedDelete.delete_version", "moment": "after"},
        {"at": "s3_sync.state.segment_cleanups:SegmentCleanups.settle"},
    ],
)
def test_move_of_a_large_object_after_a_kill_loses_nothing(
    swift: SwiftCluster, new_daemon: NewDaemon, kill: dict[str, Any]
) -> None:
    large = SwiftLarge(swift, **MOVES)
    daemon = new_daemon(large.pair, altered={"kill": kill})
    segments = [large.segment(f"s/{number}", 4000 + number) for number in range(3)]
    large.put_slo("slo", segments)
    assert daemon.once().returncode == -signal.SIGKILL
    daemon.alter()
    for _ in range(2):  # segments go when their manifest is gone
        assert daemon.once().returncode == 0, daemon.log_text()
    assert daemon.unsettled() == {}
    assert large.pair.swift.names(large.pair.container) == []
    assert large.read("slo").body == b"".join(each.body for each in segments)


def test_node_there_that_comes_back_with_an_old_state_brings_nothing_back(
    swift: SwiftCluster, swift3: SwiftCluster, new_daemon: NewDaemon
) -> None:
    """It is alone at first, and then one of three; nothing has been replicated to it."""
    pair = SwiftPair(RawSwift(swift), RawSwift(swift3, "test2:tester2")).create()
    daemon = new_daemon(pair, altered={"retries": {"attempts": 1}})
    for name in ("over", "gone"):
        pair.put(name, b"1")
    assert daemon.once().returncode == 0
    swift3.stop_node(2)
    pair.put("over", b"2")
    pair.put("new", b"3")
    pair.delete("gone")
    assert daemon.once().returncode == 0
    for node in (1, 3):
        swift3.stop_node(node)
    swift3.start_node(2)
    assert daemon.ctl("reset", "0").returncode == 0
    assert daemon.once().returncode == 1, "one of three accepts nothing"
    for node in (1, 3):
        swift3.start_node(node)
    daemon.ctl("failed", "--retry")
    assert daemon.once().returncode == 0, daemon.log_text()
    assert daemon.unsettled() == {}
    newest = {"X-Newest": "true"}
    for name, body in (("over", b"2"), ("new", b"3")):
        assert pair.remote.request("GET", pair.bucket, name, headers=newest).body == body
    assert pair.remote.ask("GET", pair.bucket, "gone", headers=newest).status == 404


@pytest.mark.ends_in_the_middle
class TestOldLocalNode:
    """One of three was away, comes back, and its daemon looks before Swift has repaired it."""

    @pytest.fixture
    def large(self, swift: SwiftCluster, swift3: SwiftCluster, request: pytest.FixtureRequest) -> SwiftLarge:
        return SwiftLarge(swift3, remote=swift, **getattr(request, "param", {}))

    @pytest.fixture
    def nodes(self, swift3: SwiftCluster, large: SwiftLarge, tmp_path: Path) -> Iterator[Nodes]:
        with Nodes(swift3, large.pair, tmp_path) as nodes:
            yield nodes
        swift3.start_node(3)

    @staticmethod
    def fill(large: SwiftLarge) -> None:
        for name in ("over", "meta", "gone", "back", "kept"):
            large.pair.put(name, b"old", {"X-Object-Meta-Version": "1"})
        for name in ("slo over", "slo gone", "slo meta"):
            large.put_slo(name, [large.segment(f"{name}/{number}", 2000) for number in range(2)])

    @staticmethod
    def change(large: SwiftLarge) -> None:
        pair = large.pair
        pair.put("over", b"the newer version", {"X-Object-Meta-Version": "2"})
        for name in ("meta", "slo meta"):
            pair.post(name, {"X-Object-Meta-Version": "2"})
        for name in ("gone", "back", "slo gone"):
            pair.delete(name)
        for name in ("back", "new"):
            pair.put(name, b"new")
        # a segment that is overwritten, and another one
        large.put_slo("slo over", [large.segment("slo over/0", 2500), large.segment("slo over/2", 2000)])

    @staticmethod
    def there(large: SwiftLarge) -> dict[str, Any]:
        """Bytes and metadata of all objects at the other Swift, and its segments."""
        found: dict[str, Any] = {}
        for name in large.names():
            answer = large.read(name)
            found[name] = (
                answer.body,
                {k: v for k, v in answer.headers.items() if k.startswith("x-object-meta")},
            )
        for name in large.names(large.segments):
            found[f"segment {name}"] = large.there.request("GET", large.segments, name).body
        return found

    @staticmethod
    def written(nodes: Nodes, since: int) -> list[str]:
        calls = nodes.proxy(3).calls(since=since)
        return [f"{call.method} {call.path}" for call in calls if call.method in ("PUT", "POST", "DELETE")]

    @pytest.mark.parametrize("has_copied", [True, False])
    def test_it_changes_nothing_there(self, nodes: Nodes, large: SwiftLarge, has_copied: bool) -> None:
        self.fill(large)
        nodes.once(3 if has_copied else 1)
        nodes.cluster.stop_node(3)
        self.change(large)
        nodes.once(1, 2)
        before, since = self.there(large), len(nodes.proxy(3).calls())
        assert "gone" not in before
        nodes.cluster.start_node(3)
        nodes.once(3)
        nodes.replicate(1)
        nodes.once(3)
        assert self.written(nodes, since) == []
        assert self.there(large) == before
        slos, plain = ["slo meta", "slo over"], ["back", "kept", "meta", "new", "over"]
        assert large.names() == large.pair.swift.names(large.pair.container) == plain + slos
        for name in plain:
            large.pair.check_object(name)
        large.check_there(*slos)

    @pytest.mark.parametrize("large", [{"retain_local": False, "propagate_delete": True}], indirect=True)
    def test_what_was_moved_without_it_stays_there(self, nodes: Nodes, large: SwiftLarge) -> None:
        self.fill(large)
        nodes.cluster.stop_node(3)
        self.change(large)
        nodes.once(1, 2)
        nodes.once(1, 2)
        before, since = self.there(large), len(nodes.proxy(3).calls())
        nodes.cluster.start_node(3)
        nodes.once(3)
        assert self.there(large) == before
        nodes.replicate(1, 2)
        nodes.once(1, 2, 3)
        assert self.there(large) == before
        assert self.written(nodes, since) == []
        assert large.pair.swift.names(large.pair.container) == []
        assert before["over"][0] == b"the newer version"
        assert len(before["slo over"][0]) == 4500
