"""A node that was away comes back with an old truth, and its daemon looks before Swift has repaired it.

Nothing newer at the store may be overwritten or deleted on the word of such a node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from faults.proxy import answers
from servers.landed import Stored
from servers.nodes import Nodes, writes
from servers.pair import Pair, Store, new_pair
from servers.swift import SwiftCluster

ALL = (1, 2, 3)
#: a store that cannot refuse to overwrite, and one that does where it is asked to
CONDITIONS = {"s3api": {}, "moto": {"put_if_absent": True, "put_if_match": True}}
both_stores = pytest.mark.parametrize("store", ["s3api", "moto_store"], indirect=True)


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(getattr(request, "param", "s3api"))
    return found


@pytest.fixture
def pair(swift3: SwiftCluster, store: Store) -> Pair:
    return new_pair(swift3, store)


@pytest.fixture
def nodes(swift3: SwiftCluster, pair: Pair, store: Store, tmp_path: Path) -> Iterator[Nodes]:
    with Nodes(swift3, pair, tmp_path) as nodes:
        nodes.alter(ALL, dialect=CONDITIONS.get(store.name, {}))
        yield nodes
    for node in ALL:
        swift3.start_node(node)


def everything(pair: Pair) -> dict[str, Stored]:
    return {name: pair.landed(name) for name in pair.arrived()}


def change_everything(pair: Pair) -> None:
    """What the absent node misses: an overwrite, a POST, a DELETE, a PUT after a DELETE, a first PUT."""
    for name in ("over1", "over2", "over3"):
        pair.put(name, b"the newer version", {"X-Object-Meta-Version": "2"})
    for name in ("meta1", "meta2", "meta3"):
        pair.post(name, {"X-Object-Meta-Version": "2"})
    for name in ("gone1", "gone2", "gone3", "back1", "back2", "back3"):
        pair.delete(name)
    for name in ("back1", "back2", "back3"):
        pair.put(name, b"back again", {"X-Object-Meta-Version": "2"})
    for name in ("new1", "new2", "new3", *AGAIN):
        pair.put(name, b"new")


OLD = [f"{kind}{n}" for kind in ("over", "meta", "gone", "back", "kept") for n in (1, 2, 3)]


#: the last that the absent node hears of them is that they were deleted
AGAIN = ("again1", "again2", "again3")


def put_old(pair: Pair) -> None:
    for name in (*OLD, *AGAIN):
        pair.put(name, b"old", {"X-Object-Meta-Version": "1"})


def delete_some(pair: Pair) -> None:
    for name in AGAIN:
        pair.delete(name)


def test_stale_node_that_had_copied_the_old_state_sends_nothing(nodes: Nodes, pair: Pair) -> None:
    put_old(pair)
    nodes.once(1, 3)
    delete_some(pair)
    nodes.cluster.stop_node(3)
    change_everything(pair)
    nodes.once_together(1, 2)
    assert "gone1" not in pair.arrived()
    before = everything(pair)
    nodes.cluster.start_node(3)

    assert writes(nodes.once(3)) == {}, "it has nothing new to say"
    assert everything(pair) == before

    nodes.replicate(1)
    assert writes(nodes.once(3)) == {}, "what it learns was sent by the others"
    assert everything(pair) == before
    pair.check()


@pytest.mark.parametrize("store", ["moto_store"], indirect=True)
def test_stale_node_in_its_initial_comparison_sends_nothing(nodes: Nodes, pair: Pair) -> None:
    """Its daemon compares with the store, and takes no copy for older than its own view."""
    put_old(pair)
    nodes.once(1)
    delete_some(pair)
    nodes.cluster.stop_node(3)
    change_everything(pair)
    nodes.once_together(1, 2)
    before = everything(pair)
    nodes.cluster.start_node(3)

    assert writes(nodes.once(3)) == {}, "nothing is overwritten, deleted, or brought back"
    assert everything(pair) == before

    nodes.replicate(1)
    assert writes(nodes.once(3)) == {}
    assert everything(pair) == before
    pair.check()


def test_journal_entries_of_a_stale_node_are_settled_without_sending(nodes: Nodes, pair: Pair) -> None:
    for name in ("over", "gone", "kept"):
        pair.put(name, b"old")
    fault = nodes.proxy(3).when(answers(403, "AccessDenied"), method="PUT")
    nodes.once(3, code=1)
    assert fault.hits >= 3
    assert set(nodes.daemon(3).unsettled()) == {"over", "gone", "kept"}
    nodes.proxy(3).heal()
    nodes.cluster.stop_node(3)
    pair.put("over", b"the newer version")
    pair.delete("gone")
    nodes.once_together(1, 2)
    before = everything(pair)
    nodes.cluster.start_node(3)
    assert writes(nodes.once(3)) == {}
    assert nodes.daemon(3).unsettled() == {}
    assert everything(pair) == before
    nodes.replicate(1)
    assert writes(nodes.once(3)) == {}
    pair.check()


def hidden(cluster: SwiftCluster, node: int, container: str, name: str) -> Callable[[], Any]:
    """Take an object away from one node, as a lost disk does; returns how to give it back."""
    place = cluster.object_dir(node, container, name)
    aside = place.with_name(place.name + "-aside")
    place.rename(aside)
    return lambda: aside.rename(place)


def test_copy_newer_than_every_local_answer_is_left_alone(nodes: Nodes, pair: Pair) -> None:
    pair.put("o", b"old")
    pair.put("other", b"x")
    nodes.cluster.stop_node(1)
    pair.put("o", b"the newer version")
    nodes.once(2)
    newest = pair.landed("o")
    give_back = [hidden(nodes.cluster, node, pair.container, "o") for node in (2, 3)]
    nodes.cluster.start_node(1)

    assert writes(nodes.once(1, code=1)) == {}
    assert pair.landed("o") == newest
    state, reason, _ = nodes.daemon(1).unsettled()["o"]
    assert (state, reason) == ("retry", "local_behind")

    for give in give_back:
        give()
    nodes.replicate(2)
    assert writes(nodes.once(1)) == {}
    assert nodes.daemon(1).unsettled() == {}
    pair.check()


@both_stores
def test_two_of_three_object_servers_down_defers_overwrites_and_deletes(
    nodes: Nodes, pair: Pair, store: Store
) -> None:
    """The journal has the reason. A store that refuses to overwrite still gets first copies."""
    nodes.configure(verification_slack=60)
    own = nodes.shares([f"o{number}" for number in range(60)])[1]
    over, meta, gone, kept, new = own[:5]
    for name in (over, meta, gone, kept):
        pair.put(name, b"old", {"X-Object-Meta-Version": "1"})
    nodes.once(1)
    before = everything(pair)
    assert set(before) == {over, meta, gone, kept}
    pair.put(over, b"the newer version")
    pair.post(meta, {"X-Object-Meta-Version": "2"})
    pair.delete(gone)
    pair.put(new, b"new")
    nodes.cluster.stop_node(2)
    nodes.cluster.stop_node(3)

    nodes.once(1, code=1)
    waiting = nodes.daemon(1).unsettled()
    after = everything(pair)
    if store.name == "moto":  # it refuses to overwrite: then one replica will do for a first copy
        assert after.pop(new).size == 3
        assert set(waiting) == {over, meta, gone}
    else:
        assert set(waiting) == {over, meta, gone, new}
    assert {reason for _, reason, _ in waiting.values()} == {"local_unavailable"}
    assert after == before

    nodes.cluster.start_node(2)
    nodes.cluster.start_node(3)
    nodes.once(1)
    assert nodes.daemon(1).unsettled() == {}
    pair.check()
