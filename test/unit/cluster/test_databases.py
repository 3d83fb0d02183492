"""The databases of a container on a node, and the requests that it takes to find them."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from swift.common.utils import ShardRange
from swift.common.utils.timestamp import Timestamp
from swift.container.backend import ContainerBroker

from s3_sync.cluster.brokers import LocalReplica
from s3_sync.cluster.client import Shards
from s3_sync.cluster.databases import (
    MAX_REQUESTS_PER_SECOND,
    SHARDED_INTERVAL,
    UNSHARDED_INTERVAL,
    LocalDatabases,
)
from s3_sync.errors import LocalUnavailable

HASH = "0123456789abcdef0123456789abcdef"
EPOCH = "1700000000.00000"
SHARD = (".shards_a", "c-0")


@dataclass
class Node:
    """Brokers and LocalSwift in one. ``here``: container -> its replicas on this node."""

    root: Path
    here: dict[str, list[LocalReplica]] = field(default_factory=dict)
    shards_of: dict[str, Shards] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    away: bool = False
    time: float = 0.0

    def add(self, container: str, *files: str, ordinal: int | None = 0) -> LocalReplica:
        folder = self.root / container / str(len(self.here.get(container, ())))
        folder.mkdir(parents=True)
        for name in files:
            (folder / name).touch()
        replica = LocalReplica(str(folder / f"{HASH}.db"), ordinal, 3)
        self.here.setdefault(container, []).append(replica)
        return replica

    def replicas(self, account: str, container: str) -> list[LocalReplica]:
        return list(self.here.get(container, ()))

    def shards(self, account: str, container: str) -> Shards:
        self.asked.append(container)
        if self.away:
            raise LocalUnavailable("no answer")
        return self.shards_of.get(container, Shards())


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def databases(node: Node, **options: Any) -> LocalDatabases:
    return LocalDatabases(cast(Any, node), cast(Any, node), now=lambda: node.time, **options)


def container_database(replica: LocalReplica) -> ContainerBroker:
    broker = ContainerBroker(replica.path, account="a", container="c")
    broker.initialize(Timestamp.now().internal, 0)
    return broker


def test_replicas_of_a_never_sharded_container_makes_no_request(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the database does not change it is not opened again, either."""
    replica = node.add("c")
    container_database(replica)
    before = time.time() - 60
    for path in (Path(replica.path), Path(replica.path).parent):
        os.utime(path, (before, before))
    known = databases(node)
    assert known.replicas("a", "c") == [replica]
    monkeypatch.setattr(LocalReplica, "open", None)
    assert known.replicas("a", "c") == [replica]
    assert node.asked == []


def test_replicas_includes_shards_once_the_database_has_shard_ranges(node: Node) -> None:
    """The sharder of another node was faster: its shard ranges have been replicated."""
    replica, shard = node.add("c"), node.add(SHARD[1])
    broker = container_database(replica)
    node.shards_of["c"] = Shards((SHARD,))
    known = databases(node)
    assert known.replicas("a", "c") == [replica]
    broker.merge_shard_ranges(ShardRange("/".join(SHARD), Timestamp.now(), "", "m"))
    assert known.replicas("a", "c") == [replica, shard]


def test_replicas_keeps_a_replica_whose_directory_cannot_be_read(node: Node) -> None:
    """Reading its rows raises the error; the other replicas are read all the same."""
    replica, other = node.add("c"), node.add("c", f"{HASH}_{EPOCH}.db", ordinal=1)
    Path(replica.path).parent.rmdir()
    Path(replica.path).parent.touch()
    assert databases(node).replicas("a", "c") == [replica, other]


def test_replicas_with_a_damaged_database_raises_at_the_first_look(node: Node) -> None:
    """Swift moves the database to quarantine when it is opened; from then on there is none."""
    replica = node.add("c")
    container_database(replica)
    Path(replica.path).write_bytes(b"no database" * 1000)
    known = databases(node)
    with pytest.raises(LocalUnavailable, match="(?i)quarantined"):
        known.replicas("a", "c")
    assert replica.fingerprint() is None
    assert known.replicas("a", "c") == [replica]


def test_replicas_during_sharding_includes_the_retiring_database(node: Node) -> None:
    root = node.add("c", f"{HASH}.db", f"{HASH}_{EPOCH}.db")
    shard = node.add(SHARD[1], f"{HASH}_{EPOCH}.db", ordinal=2)
    node.shards_of["c"] = Shards((SHARD,))
    assert databases(node).replicas("a", "c") == [root, shard, LocalReplica(root.path, 0, 3, retiring=True)]
    assert LocalReplica(root.path, 0, 3, retiring=True).fingerprint() is not None
    Path(root.path).unlink()
    assert databases(node).replicas("a", "c") == [root, shard]
    assert LocalReplica(root.path, 0, 3, retiring=True).fingerprint() is None


@pytest.mark.parametrize("files", [(), (f"{HASH}_{EPOCH}.db",)])
def test_replicas_without_an_unsharded_primary_requests_the_shards(
    node: Node, files: tuple[str, ...]
) -> None:
    """The primary database is missing or sharded; a handoff does not count."""
    node.add("c", *files)
    node.add("c", f"{HASH}.db", ordinal=None)
    shard = node.add(SHARD[1])
    node.shards_of["c"] = Shards((SHARD,))
    assert databases(node).replicas("a", "c")[2:] == [shard]


def test_shards_and_versioning_are_requested_again_after_a_minute(node: Node) -> None:
    node.shards_of["c"] = Shards((SHARD,))
    known = databases(node)
    for _ in range(10):
        known.replicas("a", "c")
    assert node.asked == ["c"]
    another = node.add("c-1")
    node.shards_of["c"] = Shards((SHARD, (".shards_a", "c-1")), versioned=True)
    node.time += SHARDED_INTERVAL
    assert known.replicas("a", "c") == [another]
    assert known.is_versioned("a", "c")
    assert not known.is_versioned("a", "d")


def test_many_containers_without_shards_make_few_requests(node: Node) -> None:
    """Each container is requested, and none of them twice."""
    known, containers = databases(node), [f"c{number}" for number in range(100)]
    seconds = int(UNSHARDED_INTERVAL) - 20
    for _ in range(4 * seconds):
        node.time += 0.25
        for container in containers:
            known.replicas("a", container)
    assert sorted(node.asked) == sorted(containers)
    assert len(node.asked) / seconds <= MAX_REQUESTS_PER_SECOND


def test_known_shards_are_kept_while_requests_fail(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    shard = node.add(SHARD[1])
    node.shards_of["c"] = Shards((SHARD,))
    known = databases(node)
    known.replicas("a", "c")
    node.away = True
    for _ in range(3):
        node.time += SHARDED_INTERVAL
        assert known.replicas("a", "c") == [shard]
    assert len(node.asked) == 4
    assert [record.levelname for record in caplog.records] == ["WARNING"], "said once"


def test_at_once_requests_shards_at_every_call_and_raises_failures(node: Node) -> None:
    """A run that ends after one round must not overlook shards."""
    known = databases(node, at_once=True)
    for container in ("c", "d", "c"):
        known.replicas("a", container)
    assert node.asked == ["c", "d", "c"]
    node.away = True
    with pytest.raises(LocalUnavailable):
        known.replicas("a", "c")
