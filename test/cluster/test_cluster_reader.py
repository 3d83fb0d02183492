"""Reading objects of a real cluster, in every state that they and their servers can be in."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable

import pytest
import swiftclient

from s3_sync import __version__
from s3_sync.errors import LocalChanged, LocalMissing, LocalUnavailable
from s3_sync.model.objects import ByteRange
from s3_sync.model.timestamps import Timestamp
from s3_sync.streams.reader import read_all
from servers.expiry import expire
from servers.local import Local, Open

BODY = bytes(n * 13 % 256 for n in range(200_000))


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 3_000_000])
def test_open_after_put_and_post_returns_bytes_and_metadata(
    local: Local, client: swiftclient.Connection, container_name: str, opened: Open, size: int
) -> None:
    body = os.urandom(size)
    sent = {
        "X-Object-Meta-Colour": "grün ☃",
        "X-Object-Meta-Größe": "groß",
        "Content-Encoding": "gzip",
        "Content-Disposition": "attachment",
        "Cache-Control": "no-store",
    }
    client.put_object(container_name, "o", body, content_type="text/plain; charset=utf-8", headers=sent)
    client.post_object(container_name, "o", {**sent, "X-Object-Meta-Colour": "rot"})
    state = local.version(container_name, "o")
    found = opened("o")
    assert found.kind == "plain"
    assert found.info.size == found.body.length == size
    assert found.info.md5 == found.info.etag == hashlib.md5(body).hexdigest()
    assert (found.info.data_timestamp, found.info.timestamp) == (state.data_timestamp, state.timestamp)
    assert found.info.last_modified == state.timestamp.seconds
    assert found.info.meta.user == {"colour": "rot", "größe": "groß"}
    assert found.info.meta.headers == {
        "content-type": "text/plain; charset=utf-8",
        "content-encoding": "gzip",
        "content-disposition": "attachment",
        "cache-control": "no-store",
    }
    assert found.headers["x-object-meta-colour"] == "rot"
    assert read_all(found.body) == body
    assert found.body.read(10) == b""


NAMES = ["ünï/☃/\U0001f40d", "a//b", "/lead", "trail/", "..", "./x", "100% + &?#=;", "a\nb", "x" * 1024]


@pytest.mark.parametrize("name", NAMES)
def test_open_with_hostile_name_finds_the_object_and_its_row(
    local: Local, client: swiftclient.Connection, container_name: str, opened: Open, name: str
) -> None:
    local.put(container_name, name, name.encode())
    found = opened(name)
    assert found.info.name == name
    assert read_all(found.body) == name.encode()
    with local.primary(container_name).open() as db:
        rows, _ = db.rows_since(0, 10)
    assert [row.name for row in rows] == [name]
    assert found.info.data_timestamp == rows[0].data_timestamp


def test_open_sends_one_get_to_the_local_object_server(
    local: Local, client: swiftclient.Connection, container_name: str, opened: Open
) -> None:
    client.put_object(container_name, "o", BODY)
    with local.cluster.count_requests(quiet=0.3) as count:
        for _ in range(5):
            assert read_all(opened("o").body) == BODY
    assert len(count.requests) == 5
    assert {(request.server, request.node, request.method) for request in count.requests} == {
        ("object", 1, "GET")
    }
    assert {request.agent for request in count.requests} == {f"swift-s3-sync/{__version__}"}


@pytest.mark.parametrize(
    ("byte_range", "expected"),
    [
        (ByteRange(0, 0), BODY[:1]),
        (ByteRange(1000, 99_999), BODY[1000:100_000]),
        (ByteRange(199_990), BODY[199_990:]),
        (ByteRange(199_990, 500_000), BODY[199_990:]),
    ],
)
def test_open_with_byte_range_returns_that_range_also_after_rewind(
    client: swiftclient.Connection,
    container_name: str,
    opened: Open,
    byte_range: ByteRange,
    expected: bytes,
) -> None:
    client.put_object(container_name, "o", BODY)
    found = opened("o", 0, None, byte_range)
    assert (found.info.size, found.body.length) == (len(BODY), len(expected))
    assert read_all(found.body) == expected
    found.body.rewind()
    assert read_all(found.body) == expected


def test_open_with_range_beyond_the_end_raises_changed(
    client: swiftclient.Connection, container_name: str, opened: Open
) -> None:
    client.put_object(container_name, "o", b"short")
    with pytest.raises(LocalChanged):
        opened("o", 0, None, ByteRange(100))


def test_open_with_expected_timestamp_reads_that_version_or_raises(
    local: Local, client: swiftclient.Connection, container_name: str, opened: Open
) -> None:
    client.put_object(container_name, "o", b"one")
    first = local.version(container_name, "o").data_timestamp
    assert read_all(opened("o", 0, first).body) == b"one"
    client.post_object(container_name, "o", {"X-Object-Meta-A": "1"})
    assert read_all(opened("o", 0, first).body) == b"one"
    client.put_object(container_name, "o", b"two")
    with pytest.raises(LocalChanged):
        opened("o", 0, first)
    with pytest.raises(LocalUnavailable):
        opened("o", 0, Timestamp.from_seconds(time.time() + 60))
    client.delete_object(container_name, "o")
    with pytest.raises(LocalMissing):
        opened("o", 0, first)


def test_open_with_expected_timestamp_skips_a_stale_replica(
    local: Local,
    client: swiftclient.Connection,
    container_name: str,
    opened: Open,
    down: Callable[[int], None],
) -> None:
    """Node 1 is read first, because it is local, and has the old bytes."""
    client.put_object(container_name, "o", b"old")
    client.put_object(container_name, "deleted", b"old")
    old = local.version(container_name, "o").data_timestamp
    down(1)
    client.put_object(container_name, "o", b"newer")
    client.delete_object(container_name, "deleted")
    client.put_object(container_name, "deleted", b"back")
    local.cluster.start_node(1)
    assert read_all(opened("o").body) == b"old"
    for name, body in (("o", b"newer"), ("deleted", b"back")):
        state = local.version(container_name, name)
        assert read_all(opened(name, 0, state.data_timestamp, ByteRange(3)).body) == body[3:]
        assert read_all(opened(name, 0, state.data_timestamp).body) == body
        reader = local.reader.starting_at(state.node)
        with reader.open(local.account, container_name, name, 0) as found:
            assert read_all(found.body) == body
    local.cluster.stop_node(2)
    local.cluster.stop_node(3)
    try:
        with pytest.raises(LocalUnavailable):
            opened("o", 0, state.data_timestamp)
        assert read_all(opened("o", 0, old).body) == b"old"
    finally:
        local.cluster.start_node(2)
        local.cluster.start_node(3)


def test_open_skips_a_stale_tombstone_on_the_local_node(
    local: Local,
    client: swiftclient.Connection,
    container_name: str,
    opened: Open,
    down: Callable[[int], None],
) -> None:
    client.put_object(container_name, "o", b"one")
    client.delete_object(container_name, "o")
    down(1)
    client.put_object(container_name, "o", b"two")
    local.cluster.start_node(1)
    assert read_all(opened("o").body) == b"two"
    assert read_all(opened("o", 0, local.version(container_name, "o").data_timestamp).body) == b"two"


def test_open_and_rewind_with_local_node_down_read_another_replica(
    client: swiftclient.Connection, container_name: str, opened: Open, down: Callable[[int], None]
) -> None:
    client.put_object(container_name, "o", BODY)
    first = opened("o")
    assert first.body.read(1000) == BODY[:1000]
    down(1)
    assert read_all(opened("o").body) == BODY
    first.body.rewind()
    assert read_all(first.body) == BODY


def test_open_and_listing_with_all_nodes_down_raise_unavailable(
    local: Local,
    client: swiftclient.Connection,
    container_name: str,
    opened: Open,
    down: Callable[[int], None],
) -> None:
    client.put_object(container_name, "o", b"abc")
    for node in (1, 2, 3):
        down(node)
    with pytest.raises(LocalUnavailable):
        opened("o")
    with pytest.raises(LocalUnavailable):
        next(local.client.containers(local.account))


def test_open_of_unknown_or_deleted_object_raises_missing(
    client: swiftclient.Connection, container_name: str, opened: Open
) -> None:
    with pytest.raises(LocalMissing, match="no server"):
        opened("never")
    client.put_object(container_name, "o", b"abc")
    client.delete_object(container_name, "o")
    with pytest.raises(LocalMissing, match="deleted"):
        opened("o")


def test_open_of_unknown_object_with_a_node_down_raises_unavailable(
    client: swiftclient.Connection, container_name: str, opened: Open, down: Callable[[int], None]
) -> None:
    down(2)
    with pytest.raises(LocalUnavailable):
        opened("never")


def test_open_of_expired_object_raises_missing(
    local: Local, client: swiftclient.Connection, container_name: str, opened: Open
) -> None:
    client.put_object(container_name, "o", b"abc", headers={"X-Delete-After": "3600"})
    stamp = local.version(container_name, "o").data_timestamp
    found = opened("o", 0, stamp)
    assert found.info.meta.marks["x-delete-at"].isdigit()
    expire(client, container_name, "o")
    for expect in (None, stamp):
        with pytest.raises(LocalMissing):
            opened("o", 0, expect)


def test_rewind_reads_the_same_version_again_or_raises_changed(
    client: swiftclient.Connection, container_name: str, opened: Open
) -> None:
    client.put_object(container_name, "o", BODY)
    found = opened("o")
    for size in (1, 100_000, len(BODY)):
        assert len(found.body.read(size)) > 0
        found.body.rewind()
    assert read_all(found.body) == BODY
    client.post_object(container_name, "o", {"X-Object-Meta-A": "1"})
    with pytest.raises(LocalChanged):
        found.body.rewind()
    other = opened("o")
    other.body.read(1)
    client.put_object(container_name, "o", BODY)
    with pytest.raises(LocalChanged):
        other.body.rewind()


def test_open_object_keeps_its_bytes_while_it_is_overwritten(
    client: swiftclient.Connection, container_name: str, opened: Open
) -> None:
    client.put_object(container_name, "o", BODY * 20)
    found = opened("o")
    client.put_object(container_name, "o", b"new")
    assert read_all(found.body) == BODY * 20


def test_read_over_a_broken_connection_raises_and_rewind_recovers(
    client: swiftclient.Connection, container_name: str, opened: Open, down: Callable[[int], None]
) -> None:
    client.put_object(container_name, "o", BODY * 100)
    found = opened("o")
    found.body.read(1000)
    down(1)
    with pytest.raises(LocalUnavailable):
        read_all(found.body, limit=len(BODY) * 100)
    found.body.rewind()
    assert read_all(found.body, limit=len(BODY) * 100) == BODY * 100


def test_open_with_policy_index_reads_only_that_policy(
    local: Local, container_name: str, opened: Open
) -> None:
    client = local.cluster.client()
    client.put_container(container_name, headers={"X-Storage-Policy": "silver"})
    client.put_object(container_name, "o", b"abc")
    assert read_all(opened("o", 1).body) == b"abc"
    with pytest.raises(LocalMissing):
        opened("o", 0)
    with pytest.raises(LocalUnavailable):
        opened("o", 7)
