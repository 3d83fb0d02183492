"""Moves on three nodes: every replica lets go, and one that was away brings nothing back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from swift.container.backend import ContainerBroker

from servers.daemon import SyncDaemon
from servers.pair import Pair, Store, new_pair
from servers.process import wait_until
from servers.raw_swift import Refused
from servers.swift import SwiftCluster

NODES = (1, 2, 3)
NAMES = [f"o{number}" for number in range(6)]


#: deletes are propagated, unless a test says that it is about both
both = pytest.mark.parametrize("pair", [True, False], indirect=True)


@pytest.fixture
def pair(swift3: SwiftCluster, moto_store: Store, request: pytest.FixtureRequest) -> Pair:
    propagate = getattr(request, "param", True)
    return new_pair(swift3, moto_store, retain_local=False, propagate_delete=propagate)


@pytest.fixture
def daemons(swift3: SwiftCluster, pair: Pair, tmp_path: Path) -> dict[int, SyncDaemon]:
    return {node: SyncDaemon(swift3, tmp_path / str(node), [pair.mapping], node=node) for node in NODES}


@pytest.fixture
def away(swift3: SwiftCluster) -> Iterator[Callable[[int], Any]]:
    """`away(node)` stops a node and gives what brings it back; the end of the test does so at the latest."""
    with ExitStack() as stack:

        def stop(node: int) -> Callable[[], None]:
            swift3.stop_node(node)
            back = [lambda: swift3.start_node(node)]

            def start() -> None:
                if back:
                    back.pop()()

            stack.callback(start)
            return start

        yield stop


def run(daemons: dict[int, SyncDaemon], *nodes: int, codes: tuple[int, ...] = (0,)) -> None:
    for node in nodes:
        result = daemons[node].once()
        assert result.returncode in codes, result.stderr + daemons[node].log_text()


def replicate(cluster: SwiftCluster) -> None:
    for node in NODES:
        cluster.run_daemon(node, "object-replicator")
        cluster.run_daemon(node, "container-replicator")
        cluster.run_daemon(node, "object-updater")


def bytes_on(cluster: SwiftCluster, pair: Pair, node: int) -> list[str]:
    """The names of which this node holds data."""
    return [name for name in NAMES if list(cluster.object_dir(node, pair.container, name).glob("*.data"))]


def objects(pair: Pair) -> dict[str, bytes]:
    return {
        name: pair.s3.get_object(Bucket=pair.bucket, Key=pair.prefix + name)["Body"].read()
        for name in pair.arrived()
    }


def put_all(pair: Pair) -> dict[str, bytes]:
    for name in NAMES:
        pair.put(name, name.encode())
    for node in NODES:
        (file,) = pair.swift.cluster.container_dir(node, pair.container).glob("*.db")
        db = ContainerBroker(str(file))
        wait_until(lambda db=db: db.get_info()["object_count"] == len(NAMES), 30, f"rows on node {node}")
    return {name: name.encode() for name in NAMES}


def test_daemons_of_three_nodes_move_objects_from_all_replicas(
    swift3: SwiftCluster, pair: Pair, daemons: dict[int, SyncDaemon]
) -> None:
    """Each daemon moves its own rows, and verifies those of the others."""
    expected = put_all(pair)
    run(daemons, *NODES)
    run(daemons, *NODES)
    assert objects(pair) == expected
    assert [bytes_on(swift3, pair, node) for node in NODES] == [[], [], []]
    assert pair.swift.names(pair.container) == []


@pytest.mark.ends_in_the_middle
def test_node_back_after_the_move_sends_nothing_and_keeps_no_object(
    swift3: SwiftCluster, pair: Pair, daemons: dict[int, SyncDaemon], away: Callable[[int], Any]
) -> None:
    """The node still has the objects and their rows, and its daemon runs first."""
    expected = put_all(pair)
    back = away(3)
    run(daemons, 1, 2, codes=(0, 1))
    run(daemons, 1, 2)
    assert objects(pair) == expected
    back()
    assert bytes_on(swift3, pair, 3) == NAMES
    before = {
        each["Key"]: each["LastModified"] for each in pair.s3.list_objects_v2(Bucket=pair.bucket)["Contents"]
    }
    run(daemons, 3)
    run(daemons, 3, 1, 2)
    assert objects(pair) == expected
    after = {
        each["Key"]: each["LastModified"] for each in pair.s3.list_objects_v2(Bucket=pair.bucket)["Contents"]
    }
    assert after == before
    replicate(swift3)
    run(daemons, 3, 1, 2)
    assert [bytes_on(swift3, pair, node) for node in NODES] == [[], [], []]
    assert pair.swift.names(pair.container) == []
    assert objects(pair) == expected
    for daemon in daemons.values():
        assert daemon.unsettled() == {}


def test_node_that_missed_an_overwrite_does_not_move_the_old_version(
    swift3: SwiftCluster, pair: Pair, daemons: dict[int, SyncDaemon], away: Callable[[int], Any]
) -> None:
    put_all(pair)
    back = away(2)
    for name in NAMES:
        pair.put(name, b"new")
    back()
    run(daemons, 2, codes=(0, 1))
    assert set(objects(pair).values()) <= {b"new"}
    run(daemons, 1, 3)
    run(daemons, 1, 3)
    assert objects(pair) == dict.fromkeys(NAMES, b"new")
    run(daemons, 2, codes=(0, 1))
    assert objects(pair) == dict.fromkeys(NAMES, b"new")
    replicate(swift3)
    run(daemons, *NODES)
    assert objects(pair) == dict.fromkeys(NAMES, b"new")
    assert [bytes_on(swift3, pair, node) for node in NODES] == [[], [], []]


def test_move_with_two_of_three_nodes_down_waits_for_their_return(
    pair: Pair, daemons: dict[int, SyncDaemon], away: Callable[[int], Any]
) -> None:
    expected = put_all(pair)
    back = [away(2), away(3)]
    run(daemons, 1, codes=(1,))
    assert pair.arrived() == []
    assert {entry[1] for entry in daemons[1].unsettled().values()} <= {"local_unavailable"}
    for start in back:
        start()
    run(daemons, 1, 2, 3)
    run(daemons, 1, 2, 3)
    assert objects(pair) == expected


@both
def test_client_delete_missed_by_a_node_is_propagated_only_if_enabled(
    swift3: SwiftCluster, pair: Pair, daemons: dict[int, SyncDaemon], away: Callable[[int], Any]
) -> None:
    expected = put_all(pair)
    run(daemons, *NODES)
    back = away(1)
    with pytest.raises(Refused, match="404"):
        pair.delete("o0")
    pair.put("o1", b"o1")
    back()
    run(daemons, 1)  # knows of neither
    assert objects(pair) == expected
    run(daemons, 2, 3)
    run(daemons, 1, 2, 3)
    if pair.mapping["propagate_delete"]:
        del expected["o0"]
    assert objects(pair) == expected
    replicate(swift3)
    run(daemons, *NODES)
    assert objects(pair) == expected
    assert pair.swift.names(pair.container) == []
