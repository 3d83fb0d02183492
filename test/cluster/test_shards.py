"""Containers that Swift shards, before, during and after: everything arrives, and nothing is sent twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from servers.daemon import NewDaemon
from servers.large import Large
from servers.nodes import Nodes, writes
from servers.pair import Pair, Store, new_pair
from servers.shards import Sharding
from servers.swift import SwiftCluster

NAMES = [f"o{number:03}" for number in range(64)]


@pytest.fixture(scope="module")
def swift(start_server: Callable[[SwiftCluster], SwiftCluster]) -> SwiftCluster:
    """A Swift of this file alone: the sharder visits every container there is."""
    return start_server(SwiftCluster())


@pytest.fixture(scope="module")
def s3api(swift: SwiftCluster, other_store: Store | None) -> Store:
    return other_store or Store.s3api(swift)


@pytest.fixture
def nodes(swift: SwiftCluster, pair: Pair, tmp_path: Path) -> Iterator[Nodes]:
    with Nodes(swift, pair, tmp_path) as nodes:
        yield nodes


class Changes:
    """Makes changes: one of each kind in each shard, of objects that were not changed before."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.number = 0

    def make(self) -> dict[str, int]:
        """Two overwritten, two new, two posted to, two deleted; what that is at the store."""
        self.number += 4
        for start in (0, 32):
            n = self.number + start
            self.pair.put(NAMES[n], b"overwritten")
            self.pair.put(f"{NAMES[n]}-new", b"new")
            self.pair.post(NAMES[n + 1], {"X-Object-Meta-Colour": "green"})
            self.pair.delete(NAMES[n + 2])
        return {"PutObject": 4, "CopyObject": 2, "DeleteObjects": 2}


def test_container_sharded_and_shrunk_sends_each_change_once(nodes: Nodes, pair: Pair) -> None:
    sharding, changes = Sharding(pair), Changes(pair)
    for name in NAMES:
        pair.put(name, f"of {name}".encode())
    assert writes(nodes.once(1)) == {"PutObject": len(NAMES)}

    sharding.allow()
    expected = changes.make()  # seen by nobody before the database retires
    sharding.sharder()
    assert (sharding.state(), len(sharding.ranges())) == ("sharding", 2)
    assert writes(nodes.once(1)) == expected, "from the retiring database, or the first shard"
    pair.check()

    expected = changes.make()  # misplaced: the proxy has not heard of the shards
    assert writes(nodes.once(1)) == expected, "from the fresh database"
    sharding.allow()
    expected = changes.make()
    assert writes(nodes.once(1)) == expected, "Swift lists less than there is now, until these rows are moved"

    expected = changes.make()
    sharding.finish()
    assert writes(nodes.once(1)) == expected, "nothing but what has changed"
    expected = changes.make()
    assert writes(nodes.once(1)) == expected
    sharding.sharder()  # takes what was misplaced where it belongs
    assert writes(nodes.once(1)) == {}
    pair.check()

    sharding.shrink()
    expected = changes.make()
    sharding.collapse()
    assert writes(nodes.once(1)) == {**expected, "DeleteObjects": 1}, (
        "one request, as there are many tombstones"
    )
    expected = changes.make()
    assert writes(nodes.once(1)) == expected, "from the container's own database again"
    pair.check()


def test_sharded_container_with_large_object_is_moved_completely(
    swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
) -> None:
    """A large object and its segments lie in different shards."""
    pair = new_pair(swift, s3api, retain_local=False)
    daemon = new_daemon(pair)
    large = Large(pair)
    large.container = pair.container
    large.put_slo("z", [large.segment(f"a{number}", 1000) for number in range(2)])
    for name in NAMES[:58]:  # two shards, and the large object is in the second one
        pair.put(name, f"of {name}".encode())
    sharding = Sharding(pair)
    sharding.allow()
    sharding.finish()
    for _ in range(2):
        assert daemon.once().returncode == 0, daemon.log_text()
    assert pair.swift.names(pair.container) == []
    assert sorted(pair.arrived()) == ["a0", "a1", *NAMES[:58], "z"]
    assert pair.landed("z").size == 2000
