"""Four nodes and three replicas: what was written while primaries were down is on a handoff."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from s3_sync.cluster.brokers import Brokers
from s3_sync.cluster.newest import Deleted, Present, Unknown
from s3_sync.cluster.rings import Node
from s3_sync.errors import LocalMissing, LocalUnavailable
from s3_sync.streams.reader import read_all
from servers.local import Local
from servers.swift import SwiftCluster

EC = 2


@pytest.fixture(scope="module")
def local(start_server: Callable[[SwiftCluster], SwiftCluster]) -> Iterator[Local]:
    cluster = start_server(SwiftCluster(nodes=4, ec_policies=["parity"]))
    with Local(cluster) as local:
        yield local


@pytest.fixture
def all_up(local: Local) -> Iterator[None]:
    yield
    for node in (1, 2, 3, 4):
        local.cluster.start_node(node)


def number(node: Node) -> int:
    return int(node.ip.rpartition(".")[2])


def places(local: Local, container: str, name: str) -> tuple[list[int], int]:
    """The nodes of the primaries, and the node of the only handoff."""
    placement = local.reader.rings.placement(0, local.account, container, name)
    (handoff,) = placement.handoffs()
    return [number(node) for node in placement.primaries], number(handoff)


def name_with_proxys_node_as_handoff(local: Local, container: str, node: int) -> str:
    """An object whose handoff is ``node``."""
    return next(f"o{n}" for n in range(1000) if places(local, container, f"o{n}")[1] == node)


@pytest.mark.parametrize("delete", [False, True])
@pytest.mark.usefixtures("all_up")
def test_handoff_has_the_newest_state_while_a_primary_is_down(
    local: Local, container_name: str, delete: bool
) -> None:
    """The only primary that took part in the last write is down; the other two are stale."""
    client = local.cluster.client()
    client.put_container(container_name)
    name = name_with_proxys_node_as_handoff(local, container_name, 4)
    (kept, *stale), handoff = places(local, container_name, name)
    client.put_object(container_name, name, b"old")
    for node in stale:
        local.cluster.stop_node(node)
    if delete:
        client.delete_object(container_name, name)
    else:
        client.put_object(container_name, name, b"newest")
    for node in stale:
        local.cluster.start_node(node)
    local.cluster.stop_node(kept)

    state = local.newest_of(container_name, name, [0])
    if delete:
        assert isinstance(state, Deleted)
    else:
        assert isinstance(state, Present)
        assert number(state.node) == handoff
        assert state.headers["content-length"] == "6"
        with local.reader.open(local.account, container_name, name, 0, state.data_timestamp) as found:
            assert read_all(found.body) == b"newest"

    local.cluster.stop_node(handoff)
    with pytest.raises(LocalUnavailable, match="handoffs"):
        local.newest_of(container_name, name, [0])


@pytest.mark.usefixtures("all_up")
def test_unknown_name_is_missing_only_if_the_handoff_answers_too(local: Local, container_name: str) -> None:
    client = local.cluster.client()
    client.put_container(container_name)
    with pytest.raises(LocalMissing, match="no server"):
        local.reader.open(local.account, container_name, "never", 0)
    assert local.newest_of(container_name, "never") == Unknown()
    _, handoff = places(local, container_name, "never")
    local.cluster.stop_node(handoff)
    with pytest.raises(LocalUnavailable):
        local.reader.open(local.account, container_name, "never", 0)
    assert local.newest_of(container_name, "never") == Unknown()  # every primary has answered


def test_erasure_coded_object_is_read_through_the_internal_client(local: Local, container_name: str) -> None:
    client = local.cluster.client()
    client.put_container(container_name, headers={"X-Storage-Policy": "parity"})
    body = bytes(n * 11 % 256 for n in range(300_000))
    etag = client.put_object(container_name, "ünï", body, headers={"X-Object-Meta-Größe": "groß"})
    state = local.newest_of(container_name, "ünï")
    assert isinstance(state, Present)
    assert state.policy == EC
    with local.reader.open(local.account, container_name, "ünï", EC, state.data_timestamp) as found:
        assert (found.kind, found.info.md5, found.info.size) == ("plain", etag, len(body))
        assert (found.info.data_timestamp, found.info.timestamp) == (state.data_timestamp, state.timestamp)
        assert found.info.meta.user == {"größe": "groß"}
        assert found.body.read(1000) == body[:1000]
        found.body.rewind()
        assert read_all(found.body) == body
    _check_metadata_that_one_server_missed(local, container_name, "ünï")
    client.delete_object(container_name, "ünï")
    with pytest.raises(LocalMissing):
        local.reader.open(local.account, container_name, "ünï", EC)
    assert isinstance(local.newest_of(container_name, "ünï"), Deleted)


def test_local_handoff_copies_of_a_container_have_no_ordinal(local: Local, container_name: str) -> None:
    local.cluster.client().put_container(container_name)
    replicas = {}
    for node in (1, 2, 3, 4):
        view = Local(local.cluster, node)
        replicas[node] = (view.settings, view.brokers.replicas(local.account, container_name))
        view.close()
    ordinals = [replica.ordinal for _, found in replicas.values() for replica in found]
    assert sorted(filter(lambda ordinal: ordinal is not None, ordinals)) == [0, 1, 2]
    assert len(ordinals) == 3
    (settings, _), (_, [primary]) = (
        next(entry for entry in replicas.values() if not entry[1]),
        next(entry for entry in replicas.values() if entry[1]),
    )
    tail = Path(primary.path).parent.relative_to(local.settings.devices.rpartition("/")[0])
    (device,) = Path(settings.devices).iterdir()
    shutil.copytree(Path(primary.path).parent, device.joinpath(*tail.parts[2:]))
    (copy,) = Brokers(settings).replicas(local.account, container_name)
    assert (copy.ordinal, copy.replicas) == (None, 3)
    with copy.open() as db:
        assert db.id


def _check_metadata_that_one_server_missed(local: Local, container: str, name: str) -> None:
    """A proxy takes the metadata of whichever server answers first."""
    local.cluster.client().post_object(container, name, {"X-Object-Meta-A": "new"})
    state = local.newest_of(container, name)
    assert isinstance(state, Present)
    others = [node for node in (1, 2, 3, 4) if node != number(state.node)]
    found_on = [list(local.cluster.object_dir(node, container, name, EC).glob("*.meta")) for node in others]
    next(metas[0] for metas in found_on if metas).unlink()
    reader = local.reader.starting_at(state.node, state.timestamp)
    for _ in range(20):
        with reader.open(local.account, container, name, EC, state.data_timestamp) as found:
            assert found.info.timestamp == state.timestamp
