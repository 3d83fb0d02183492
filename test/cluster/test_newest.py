"""The newest state of an object, on a cluster whose nodes go away and come back with an old truth."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import swiftclient

from s3_sync.cluster.newest import Deleted, Present, Unknown
from s3_sync.cluster.rings import Node
from s3_sync.errors import LocalUnavailable
from s3_sync.model.timestamps import Timestamp
from servers.expiry import expire
from servers.local import Local


def node_number(node: Node) -> int:
    return int(node.ip.rpartition(".")[2])


def test_put_object_is_present_with_its_headers_and_timestamps(
    local: Local, client: swiftclient.Connection, container_name: str
) -> None:
    etag = client.put_object(container_name, "o", b"abc", headers={"X-Object-Meta-Colour": "grün"})
    state = local.newest_of(container_name, "o")
    assert isinstance(state, Present)
    assert state.headers["etag"] == f'"{etag}"'
    assert state.headers["x-object-meta-colour"] == "grün"
    assert state.headers["content-length"] == "3"
    assert state.data_timestamp == state.timestamp
    assert state.timestamp.normal == client.head_object(container_name, "o")["x-timestamp"]
    assert (state.policy, state.expired) == (0, False)


def test_post_changes_timestamp_but_not_data_timestamp(
    local: Local, client: swiftclient.Connection, container_name: str
) -> None:
    client.put_object(container_name, "o", b"abc")
    before = local.newest_of(container_name, "o")
    client.post_object(container_name, "o", {"X-Object-Meta-A": "1"})
    after = local.newest_of(container_name, "o")
    assert isinstance(before, Present)
    assert isinstance(after, Present)
    assert after.data_timestamp == before.data_timestamp
    assert after.timestamp > before.timestamp
    assert after.headers["x-object-meta-a"] == "1"


@pytest.mark.parametrize("absent", [1, 2, 3])
def test_overwrite_missed_by_one_node_is_the_newest_state(
    local: Local,
    client: swiftclient.Connection,
    container_name: str,
    down: Callable[[int], None],
    absent: int,
) -> None:
    client.put_object(container_name, "o", b"old")
    down(absent)
    etag = client.put_object(container_name, "o", b"new")
    local.cluster.start_node(absent)
    state = local.newest_of(container_name, "o")
    assert isinstance(state, Present)
    assert state.headers["etag"] == f'"{etag}"'
    assert node_number(state.node) != absent


def test_post_missed_by_one_node_is_the_newest_state(
    local: Local, client: swiftclient.Connection, container_name: str, down: Callable[[int], None]
) -> None:
    client.put_object(container_name, "o", b"abc", headers={"X-Object-Meta-A": "old"})
    down(1)
    client.post_object(container_name, "o", {"X-Object-Meta-A": "new"})
    local.cluster.start_node(1)
    state = local.newest_of(container_name, "o")
    assert isinstance(state, Present)
    assert state.headers["x-object-meta-a"] == "new"
    assert node_number(state.node) != 1


def test_delete_missed_by_one_node_is_the_newest_state(
    local: Local, client: swiftclient.Connection, container_name: str, down: Callable[[int], None]
) -> None:
    client.put_object(container_name, "o", b"abc")
    down(2)
    client.delete_object(container_name, "o")
    local.cluster.start_node(2)
    state = local.newest_of(container_name, "o")
    assert isinstance(state, Deleted)
    assert state.by_client
    with pytest.raises(swiftclient.ClientException):
        client.head_object(container_name, "o", headers={"X-Newest": "true"})


def test_post_to_node_that_missed_the_delete_leaves_the_object_deleted(
    local: Local, client: swiftclient.Connection, container_name: str, down: Callable[[int], None]
) -> None:
    client.put_object(container_name, "o", b"abc")
    put = local.newest_of(container_name, "o")
    assert isinstance(put, Present)
    down(2)
    client.delete_object(container_name, "o")
    local.cluster.start_node(2)
    placement = local.reader.rings.placement(0, local.account, container_name, "o")
    (second,) = [node for node in placement.primaries if node_number(node) == 2]
    later = Timestamp.from_seconds(time.time() + 1).normal
    headers = [("X-Timestamp", later), ("X-Object-Meta-A", "1")]
    with local.reader.servers.request("POST", second, placement, headers) as response:
        assert response.status == 202
    state = local.newest_of(container_name, "o")
    assert isinstance(state, Deleted)
    assert put.timestamp < state.timestamp < Timestamp.parse(later)


def test_put_after_delete_is_present(
    local: Local, client: swiftclient.Connection, container_name: str
) -> None:
    client.put_object(container_name, "o", b"abc")
    client.delete_object(container_name, "o")
    client.put_object(container_name, "o", b"abcd")
    state = local.newest_of(container_name, "o")
    assert isinstance(state, Present)
    assert state.headers["content-length"] == "4"


def test_delete_with_offset_timestamp_is_not_by_client(
    local: Local, client: swiftclient.Connection, container_name: str
) -> None:
    client.put_object(container_name, "o", b"abc")
    state = local.newest_of(container_name, "o")
    assert isinstance(state, Present)
    stamp = state.data_timestamp.after().internal
    answer = local.client.request("DELETE", f"{local.account}/{container_name}/o", {"X-Timestamp": stamp})
    answer.close()
    assert answer.status == 204
    deleted = local.newest_of(container_name, "o")
    assert deleted == Deleted(state.data_timestamp.after())
    assert isinstance(deleted, Deleted)
    assert not deleted.by_client


def test_name_never_written_is_unknown(local: Local, container_name: str) -> None:
    assert local.newest_of(container_name, "never") == Unknown()


def test_deleted_name_without_tombstones_is_unknown(
    local: Local, client: swiftclient.Connection, container_name: str
) -> None:
    client.put_object(container_name, "o", b"abc")
    client.delete_object(container_name, "o")
    for node in (1, 2, 3):
        for tombstone in local.cluster.devices(node).glob("*/objects/**/*.ts"):
            tombstone.unlink()
    assert local.newest_of(container_name, "o") == Unknown()


def test_expired_object_is_present_and_marked_as_expired(
    local: Local, client: swiftclient.Connection, container_name: str
) -> None:
    client.put_object(container_name, "o", b"abc", headers={"X-Delete-After": "3600"})
    state = local.newest_of(container_name, "o")
    assert isinstance(state, Present)
    assert not state.expired
    expire(client, container_name, "o")
    later = local.newest_of(container_name, "o")
    assert isinstance(later, Present)
    assert later.expired
    assert later.data_timestamp == state.data_timestamp


def test_object_is_found_in_any_policy_unless_policies_are_given(local: Local, container_name: str) -> None:
    client = local.cluster.client()
    client.put_container(container_name, headers={"X-Storage-Policy": "silver"})
    client.put_object(container_name, "o", b"abc")
    state = local.newest_of(container_name, "o")
    assert isinstance(state, Present)
    assert state.policy == 1
    assert local.newest_of(container_name, "o", [1]) == state
    assert local.newest_of(container_name, "o", [0]) == Unknown()


def test_policy_without_a_ring_raises_unavailable(local: Local, container_name: str) -> None:
    with pytest.raises(LocalUnavailable, match="policy 7"):
        local.newest_of(container_name, "o", [7])


def test_two_of_three_answers_without_handoffs_are_enough(
    local: Local, client: swiftclient.Connection, container_name: str, down: Callable[[int], None]
) -> None:
    client.put_object(container_name, "o", b"abc")
    down(3)
    assert isinstance(local.newest_of(container_name, "o"), Present)
    assert local.newest_of(container_name, "never") == Unknown()


def test_one_of_three_answers_raises_unavailable(
    local: Local, client: swiftclient.Connection, container_name: str, down: Callable[[int], None]
) -> None:
    client.put_object(container_name, "o", b"abc")
    down(2)
    down(3)
    with pytest.raises(LocalUnavailable, match="majority"):
        local.newest_of(container_name, "o")


def test_answer_507_does_not_count_towards_the_majority(
    local: Local, client: swiftclient.Connection, container_name: str, down: Callable[[int], None]
) -> None:
    """A device that is unmounted must not pass for one that has no tombstone."""
    client.put_object(container_name, "o", b"abc")
    down(3)
    placement = local.reader.rings.placement(0, local.account, container_name, "o")
    device = local.cluster.devices(2) / next(n.device for n in placement.primaries if node_number(n) == 2)
    hidden = device.with_name("hidden")
    device.rename(hidden)
    device.write_text("a file where the disk should be")
    try:
        with pytest.raises(LocalUnavailable, match="majority"):
            local.newest_of(container_name, "o")
    finally:
        device.unlink()
        hidden.rename(device)


NAMES = ["ünï/☃/\U0001f40d", "a//b", "/lead", "trail/", "..", "./x", "100% + &?#=;", "a\nb", "x" * 1024]


@pytest.mark.parametrize("name", NAMES)
def test_object_with_hostile_name_is_present(
    local: Local, client: swiftclient.Connection, container_name: str, name: str
) -> None:
    etag = local.put(container_name, name, name.encode())
    state = local.newest_of(container_name, name)
    assert isinstance(state, Present)
    assert state.headers["etag"] == f'"{etag}"'
