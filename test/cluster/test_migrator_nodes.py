"""Three nodes share one migration."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from faults.proxy import Exchange, passes
from servers.local import Local
from servers.migrator import S3Migration
from servers.migrator_nodes import MigratorNodes
from servers.pair import Store
from servers.process import wait_until
from servers.swift import SwiftCluster

ALL = (1, 2, 3)
NAMES = [f"o{number:02}" for number in range(36)]
WORKERS = 4
NEWEST = {"X-Newest": "true"}
#: a node does what others have left undone without waiting for them
AT_ONCE: dict[str, Any] = {"values": {"s3_sync.migrate.container_migration:HELP_AFTER_POLLS": 0}}
NewNodes = Callable[..., MigratorNodes]


@pytest.fixture
def migration(swift3: SwiftCluster, moto_store: Store) -> S3Migration:
    migration = S3Migration(swift3, moto_store)
    for name in NAMES:
        migration.put(name, name.encode(), Metadata={"version": "1"})
    return migration


@pytest.fixture
def new_nodes(
    swift3: SwiftCluster, migration: S3Migration, moto_store: Store, tmp_path: Path
) -> Iterator[NewNodes]:
    made: list[MigratorNodes] = []

    def new(**settings: Any) -> MigratorNodes:
        options = {"poll_interval": 2.0, "workers": WORKERS, **settings}
        made.append(MigratorNodes(migration, moto_store, tmp_path / str(len(made)), ALL, **options))
        return made[-1]

    yield new
    for each in made:
        each.close()
    for node in ALL:
        swift3.start_node(node)


def content(migration: S3Migration) -> dict[str, bytes]:
    """What clients can read. Listings lack what was written while a node was away."""
    swift, container = migration.swift, migration.container
    found = ((name, swift.ask("GET", container, name, headers=NEWEST)) for name in NAMES)
    return {name: answer.body for name, answer in found if answer.status == 200}


def check(migration: S3Migration) -> None:
    assert content(migration) == {name: name.encode() for name in NAMES}


def test_nodes_that_share_a_migration_download_each_object_once(
    migration: S3Migration, new_nodes: NewNodes
) -> None:
    nodes = new_nodes()
    nodes.once(*ALL)
    check(migration)
    assert nodes.repeated() == 0
    assert all(len(NAMES) / 6 < len(nodes.read_by(node)) < len(NAMES) / 2 for node in ALL)
    nodes.alter(**AT_ONCE)
    nodes.once(*ALL)
    assert nodes.repeated() == 0


@pytest.mark.ends_in_the_middle
def test_share_of_a_node_that_is_killed_is_taken_over_and_left_when_it_is_back(
    migration: S3Migration, new_nodes: NewNodes
) -> None:
    """Its Swift servers die with it."""
    nodes = new_nodes(poll_interval=0.5)
    victim = nodes.migrators[2]
    nodes.proxies[2].when(kills(lambda: victim.child.pid if victim.child else 0), key="/o", skip=3, times=1)
    for node in ALL:
        nodes.migrators[node].start()
    wait_until(lambda: not victim.running, 30, "the end of a node")
    migration.cluster.stop_node(2)
    wait_until(lambda: len(content(migration)) == len(NAMES), 30, "the others")
    migration.cluster.start_node(2)
    before = len(nodes.read_by(2))
    victim.start()
    again = NAMES[:6]
    for name in again:
        migration.put(name, b"again")
    wanted = {name: b"again" if name in again else name.encode() for name in NAMES}
    wait_until(lambda: content(migration) == wanted, 30, "the changes")
    assert set(nodes.read_by(2)[before:]) <= set(again)


def kills(pid: Callable[[], int]) -> Callable[[Exchange], None]:
    def fault(exchange: Exchange) -> None:
        os.kill(pid(), signal.SIGKILL)
        passes(exchange)

    return fault


def test_writes_of_clients_that_a_node_has_missed_are_neither_lost_nor_undone(
    migration: S3Migration, new_nodes: NewNodes
) -> None:
    """The node comes back with old replicas, and with a clock that is ahead; the source has nothing new."""
    nodes, swift, container = new_nodes(), migration.swift, migration.container
    nodes.alter(**AT_ONCE)
    nodes.once(*ALL)
    before = nodes.repeated()
    migration.cluster.stop_node(3)
    for name in NAMES[:6]:
        swift.put(container, name, b"a client's", {"X-Object-Meta-Version": "2"})
        swift.delete(container, NAMES[6 + int(name[1:])])
        swift.post(container, NAMES[12 + int(name[1:])], {"X-Object-Meta-Version": "2"})
    migration.cluster.start_node(3)
    nodes.migrators[3].alter(clock=60.0, **AT_ONCE)
    nodes.once(*ALL)
    nodes.once(3)
    assert content(migration) == {
        **{name: b"a client's" for name in NAMES[:6]},
        **{name: name.encode() for name in NAMES[12:]},
    }
    with Local(migration.cluster) as local:
        states = [local.version(container, name).headers for name in NAMES if name not in NAMES[6:12]]
    versions = [headers["x-object-meta-version"] for headers in states]
    assert versions == ["2"] * 12 + ["1"] * (len(NAMES) - 18)
    assert nodes.repeated() == before
