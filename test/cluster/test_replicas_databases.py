"""Container databases that move, vanish, are made anew or cannot be read: progress goes by database."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from swift.container.backend import ContainerBroker

from servers.daemon import NewDaemon, SyncDaemon
from servers.local import Local
from servers.nodes import HOUR, Nodes, writes
from servers.pair import Pair, Store, new_pair
from servers.process import wait_until
from servers.shards import Sharding
from servers.swift import SwiftCluster
from servers.swift_conf import device_name

NAMES = [f"o{number:02}" for number in range(12)]


@pytest.fixture(scope="module")
def swift4(start_server: Callable[[SwiftCluster], SwiftCluster]) -> SwiftCluster:
    """Four nodes and three replicas: every container has one node that may hold a handoff copy."""
    return start_server(SwiftCluster(nodes=4))


@pytest.fixture
def pair4(swift4: SwiftCluster, s3api: Store) -> Pair:
    return new_pair(swift4, s3api)


@pytest.fixture
def nodes(swift4: SwiftCluster, pair4: Pair, tmp_path: Path) -> Iterator[Nodes]:
    with Nodes(swift4, pair4, tmp_path, verification_slack=60) as nodes:
        yield nodes


def database(cluster: SwiftCluster, node: int, container: str) -> Path:
    (found,) = cluster.container_dir(node, container).glob("*.db")
    return found


def put_all(pair: Pair, *names: str) -> None:
    for name in names:
        pair.put(name, f"of {name}".encode())


def test_handoff_sends_only_rows_left_over_after_the_slack(nodes: Nodes, pair4: Pair) -> None:
    """A handoff owns no rows; after the slack it verifies all of them."""
    put_all(pair4, *NAMES)
    shares = nodes.shares(NAMES)
    (handoff,) = {1, 2, 3, 4} - set(shares)
    somebody, another, _ = shares
    source = nodes.cluster.container_dir(somebody, pair4.container)
    place = nodes.cluster.container_dir(handoff, pair4.container)
    shutil.copytree(source, place)
    ContainerBroker(str(next(place.glob("*.db")))).newid("a handoff copy")

    assert writes(nodes.once(handoff)) == {}
    nodes.once(another)
    nodes.alter([handoff], clock=2 * HOUR)
    left = len(NAMES) - len(shares[another])
    assert writes(nodes.once(handoff)) == {"PutObject": left}
    pair4.check()
    shutil.rmtree(place)  # replicated home, and removed
    assert writes(nodes.once(handoff)) == {}


def test_node_without_its_device_does_nothing_until_it_is_back(nodes: Nodes, pair4: Pair) -> None:
    put_all(pair4, *NAMES[:6])
    shares = nodes.shares(NAMES)
    node = next(iter(shares))
    nodes.once(node)
    assert sorted(pair4.arrived()) == sorted(set(NAMES[:6]) & set(shares[node]))
    device = nodes.cluster.devices(node) / device_name(node)
    aside = device.with_name("unmounted")
    device.rename(aside)
    try:
        put_all(pair4, *NAMES[6:])
        assert nodes.once(node) == {}, "no database, nothing to do, and nothing made up"
        assert not device.exists()
    finally:
        shutil.rmtree(device, ignore_errors=True)
        aside.rename(device)
    nodes.replicate()
    nodes.once(node)
    assert sorted(pair4.arrived()) == sorted(shares[node])


def test_node_without_the_root_container_sends_its_rows_of_shards(nodes: Nodes, pair4: Pair) -> None:
    """Each node sends its own rows of each shard, by the ring of that shard. Some databases of the container
    itself are not sharded yet, and have the same rows."""
    names = [f"o{number:03}" for number in range(64)]
    put_all(pair4, *names)
    sharding = Sharding(pair4, [leader(nodes)])
    sharding.allow()
    sharding.finish()
    (outsider,) = {1, 2, 3, 4} - set(nodes.shares(names))
    shares = [nodes.shares([n for n in names if n in shard], shard.name) for shard in sharding.ranges()]
    assert writes(nodes.once(outsider)).get("PutObject", 0) == sum(len(s.get(outsider, ())) for s in shares)
    asked = nodes.once(*sorted({1, 2, 3, 4} - {outsider}))
    assert writes(asked)["PutObject"] == len(names) - len(nodes.stored(outsider))
    pair4.check()


def leader(nodes: Nodes) -> int:
    """The node whose sharder decides about a container: that of its first replica."""
    for node in range(1, nodes.cluster.spec.nodes + 1):
        with Local(nodes.cluster, node) as local:
            replicas = local.brokers.replicas(local.account, nodes.pair.container)
        if any(replica.ordinal == 0 for replica in replicas):
            return node
    raise AssertionError("no node has the first replica")


class TestOneNode:
    """What happens to a single database."""

    def test_container_deleted_and_recreated_at_once_loses_its_old_copies(
        self, swift: SwiftCluster, pair: Pair, daemon: SyncDaemon
    ) -> None:
        put_all(pair, *NAMES)
        daemon.once()
        for name in NAMES:
            pair.delete(name)
        pair.swift.request("DELETE", pair.container)
        pair.swift.put_container(pair.container)
        put_all(pair, "new")
        assert daemon.once().returncode == 0
        assert pair.arrived() == ["new"], "the deletes of before count, though there was no run in between"

    def test_container_recreated_after_reclaim_is_read_from_its_first_row(
        self, swift: SwiftCluster, pair: Pair, daemon: SyncDaemon
    ) -> None:
        put_all(pair, *NAMES)
        daemon.once()
        (old,) = daemon.status(pair.swift.account, pair.container)
        for name in NAMES:
            pair.delete(name)
        daemon.once()
        pair.swift.request("DELETE", pair.container)
        shutil.rmtree(swift.container_dir(1, pair.container))
        assert daemon.once().returncode == 0, "no database at all"
        pair.swift.put_container(pair.container)
        put_all(pair, "new1", "new2")
        assert daemon.once().returncode == 0
        assert sorted(pair.arrived()) == ["new1", "new2"]
        (new,) = set(daemon.status(pair.swift.account, pair.container)) - {old}
        assert daemon.status(pair.swift.account, pair.container)[new]["last_row"] == 2

    def test_database_replaced_under_running_daemon_sends_nothing_again(
        self, swift: SwiftCluster, pair: Pair, daemon: SyncDaemon, tmp_path: Path
    ) -> None:
        """The new database is that of a rebuilt replica, with another id."""
        put_all(pair, *NAMES)
        daemon.start()
        wait_until(lambda: len(pair.arrived()) == len(NAMES), 30, "copies")
        copies = {name: stored_at(pair, name) for name in NAMES}
        file = database(swift, 1, pair.container)
        (old,) = daemon.status(pair.swift.account, pair.container)
        with held(file.parent / ".lock"):
            copy = Path(shutil.copy(file, tmp_path / file.name))
            ContainerBroker(str(copy)).newid("rebuilt")
            shutil.copy(copy, file.with_suffix(".new")).rename(file)
        pair.put("new", b"after that")
        pair.delete(NAMES[0])
        wait_until(lambda: "new" in pair.arrived() and NAMES[0] not in pair.arrived(), 30, "what came later")
        assert set(daemon.status(pair.swift.account, pair.container)) > {old}
        assert {name: stored_at(pair, name) for name in NAMES[1:]} == {n: copies[n] for n in NAMES[1:]}
        pair.check()

    @pytest.mark.ends_in_the_middle
    @pytest.mark.parametrize("lock", ["rows", "pending"])
    def test_locked_database_delays_only_its_own_mapping(
        self, swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon, lock: str
    ) -> None:
        locked, free = new_pair(swift, s3api), new_pair(swift, s3api)
        daemon = new_daemon(locked, free)
        daemon.alter(values={"s3_sync.cluster.brokers:_LOCK_WAIT": 0.3})
        put_all(locked, *NAMES[:4])
        file = database(swift, 1, locked.container)
        hold = held(file.parent / ".lock") if lock == "pending" else exclusive(file)
        with hold:
            daemon.start()
            put_all(free, *NAMES)
            wait_until(lambda: len(free.arrived()) == len(NAMES), 30, "the other mapping")
            wait_until(lambda: locked.container in daemon.log_text(), 30, "word of the lock")
            assert locked.arrived() == []
        wait_until(lambda: len(locked.arrived()) == 4, 30, "the rest")
        locked.check()
        errors = [line for line in daemon.log_text().splitlines() if "[ERROR]" in line]
        assert len(errors) == 1, "said once"


def stored_at(pair: Pair, name: str) -> object:
    return pair.s3.head_object(Bucket=pair.bucket, Key=pair.prefix + name)["LastModified"]


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock that Swift's servers take for a container's folder."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def exclusive(file: Path) -> Iterator[None]:
    """Keep everybody from reading the database."""
    db = sqlite3.connect(f"file:{file}?mode=rw", uri=True, isolation_level=None)
    try:
        db.execute("BEGIN EXCLUSIVE")
        yield
        db.execute("ROLLBACK")
    finally:
        db.close()
