"""Three nodes, three replicas, a daemon on each: everything is sent, and by one of them only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.local import Local
from servers.nodes import HOUR, Nodes, writes
from servers.pair import Pair, Store, new_pair
from servers.process import wait_until
from servers.swift import SwiftCluster

ALL = (1, 2, 3)
NAMES = [f"o{number:02}" for number in range(24)]


@pytest.fixture
def pair(swift3: SwiftCluster, s3api: Store) -> Pair:
    return new_pair(swift3, s3api)


@pytest.fixture
def nodes(swift3: SwiftCluster, pair: Pair, tmp_path: Path) -> Iterator[Nodes]:
    with Nodes(swift3, pair, tmp_path, verification_slack=60) as nodes:
        yield nodes


def put_all(pair: Pair, names: list[str] = NAMES) -> None:
    for name in names:
        pair.put(name, f"of {name}".encode())


def later(nodes: Nodes, seconds: float = 2 * HOUR) -> None:
    """The daemons' clocks are moved on: the slack is over."""
    nodes.alter(ALL, clock=seconds)


def change_some(pair: Pair) -> None:
    for name in NAMES[:6]:
        pair.put(name, f"of {name}, again".encode())
    for name in NAMES[6:12]:
        pair.post(name, {"X-Object-Meta-Colour": "green"})
    for name in NAMES[12:18]:
        pair.delete(name)


def test_each_node_sends_its_own_rows_only(nodes: Nodes, pair: Pair) -> None:
    put_all(pair)
    nodes.once_together(*ALL)
    pair.check()
    assert {node: sorted(nodes.stored(node)) for node in ALL} == nodes.shares(NAMES)

    change_some(pair)
    asked = nodes.once_together(*ALL)
    pair.check()
    assert writes(asked) == {"PutObject": 6, "CopyObject": 6, "DeleteObjects": 6}

    later(nodes)
    assert writes(nodes.once_together(*ALL)) == {}, "the verify pass finds everything in place"


def test_rows_of_an_absent_node_are_sent_by_another_after_the_slack(nodes: Nodes, pair: Pair) -> None:
    put_all(pair)
    nodes.once_together(1, 2)
    own = nodes.shares(NAMES)
    assert sorted(pair.arrived()) == sorted(own[1] + own[2]), "not before the slack"

    later(nodes)
    assert writes(nodes.once(1)) == {"PutObject": len(own[3])}
    pair.check()
    assert writes(nodes.once(2)) == {}, "one of the two is enough"

    nodes.alter(ALL)
    change_some(pair)
    later(nodes)
    asked = nodes.once(2, 1)
    assert writes(asked) == {"PutObject": 6, "CopyObject": 6, "DeleteObjects": 6}
    pair.check()
    assert writes(nodes.once(3)) == {}, "the third is back and finds everything done"
    pair.check()


def test_rows_older_than_the_slack_are_sent_once_by_their_owners(nodes: Nodes, pair: Pair) -> None:
    """All rows are older than the slack, but each daemon leaves the others time for theirs."""
    put_all(pair)
    later(nodes)
    nodes.once_together(*ALL)
    assert {node: sorted(nodes.stored(node)) for node in ALL} == nodes.shares(NAMES)
    later(nodes, 4 * HOUR)
    assert writes(nodes.once_together(*ALL)) == {}
    pair.check()


def test_without_slack_first_daemon_sends_all_and_others_nothing(nodes: Nodes, pair: Pair) -> None:
    nodes.configure(verification_slack=0)
    put_all(pair)
    assert writes(nodes.once(1)) == {"PutObject": len(NAMES)}
    assert writes(nodes.once_together(2, 3)) == {}
    change_some(pair)
    assert writes(nodes.once(3)) == {"PutObject": 6, "CopyObject": 6, "DeleteObjects": 6}
    assert writes(nodes.once_together(2, 1)) == {}
    pair.check()


def test_running_daemons_send_each_new_object_once(nodes: Nodes, pair: Pair) -> None:
    """The slack passes while the three daemons run."""
    nodes.alter(ALL, clock=nodes.clock)
    for node in ALL:
        nodes.daemon(node).start()
    for node in ALL:
        wait_until(lambda node=node: is_up(nodes, node), 60, f"daemon {node}")
    put_all(pair)
    wait_until(lambda: len(pair.arrived()) == len(NAMES), 60, "copies")
    for name in NAMES[:6]:
        pair.delete(name)
    wait_until(lambda: len(pair.arrived()) == len(NAMES) - 6, 60, "deletes")
    nodes.move_clocks(2 * HOUR)
    wait_until(lambda: all(is_verified(nodes, node) for node in ALL), 60, "the verify passes")
    pair.check()
    assert sorted(name for node in ALL for name in nodes.stored(node)) == NAMES, "each is PUT once"
    asked = nodes.asked_of_all(dict.fromkeys(ALL, 0))
    assert writes(asked) == {"PutObject": len(NAMES), "DeleteObjects": 6}


def is_up(nodes: Nodes, node: int) -> bool:
    """It has looked at the container for the first time."""
    return bool(nodes.daemon(node).status(nodes.pair.swift.account, nodes.pair.container))


def is_verified(nodes: Nodes, node: int) -> bool:
    (entry,) = nodes.daemon(node).status(nodes.pair.swift.account, nodes.pair.container).values()
    with Local(nodes.cluster, node) as local, local.primary(nodes.pair.container).open() as db:
        return bool(entry["last_row"] == entry["last_verified_row"] == db.max_rowid())
