"""Writing objects without a proxy, on a cluster of three nodes some of which may be away."""

from __future__ import annotations

import gc
import hashlib
import time
from collections.abc import Callable, Iterator

import pytest
import swiftclient

from s3_sync.cluster.newest import Deleted, Present
from s3_sync.cluster.object_writer import ObjectWriter
from s3_sync.errors import BadDigest, LocalChanged, ObjectRefused, RemoteUnavailable
from s3_sync.model.migration import OWNER
from s3_sync.model.timestamps import Timestamp
from s3_sync.streams.reader import BytesBody
from servers.local import Local
from unit.daemon.thread_pool import ThreadPool

STAMP = Timestamp.from_seconds(1_600_000_000.12345)


class CutBody(BytesBody):
    """A body of a store whose connection breaks in the middle."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.length = 2 * len(data)

    def read(self, size: int = -1) -> bytes:
        if not (data := super().read(size)):
            raise RemoteUnavailable("the connection was reset")
        return data


@pytest.fixture
def writer(local: Local) -> Iterator[ObjectWriter]:
    reader = local.reader
    yield ObjectWriter(local.client, local.account, reader.rings, reader.servers, ThreadPool(8))
    gc.collect()  # Swift's proxy leaves a connection in a cycle when a server refuses another one


def headers(body: bytes, stamp: Timestamp = STAMP, **more: str) -> dict[str, str]:
    found = {"content-type": "text/plain", "x-timestamp": stamp.internal, OWNER: stamp.internal}
    found["etag"] = hashlib.md5(body).hexdigest()
    return found | {name.replace("_", "-"): value for name, value in more.items()}


def stored_on(local: Local, container: str, name: str) -> int:
    """How many nodes have the object."""
    nodes = range(1, 4)
    return sum(any(local.cluster.object_dir(node, container, name).glob("*.data")) for node in nodes)


@pytest.mark.parametrize("size", [0, 10, 3 * 1024 * 1024 + 1])
def test_put_object_is_on_every_primary_and_listed_with_its_time_and_metadata(
    local: Local, client: swiftclient.Connection, container_name: str, writer: ObjectWriter, size: int
) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    more = {"x_object_meta_colour": "grün", "content_encoding": "x"}
    writer.put_object(container_name, "a/ü", BytesBody(body), headers(body, **more))
    assert stored_on(local, container_name, "a/ü") == 3
    found, stored = client.get_object(container_name, "a/ü")
    assert stored == body
    assert (found["x-object-meta-colour"], found["content-encoding"]) == ("grün", "x")
    state = local.newest_of(container_name, "a/ü")
    assert isinstance(state, Present)
    assert (state.timestamp, state.headers[OWNER]) == (STAMP, STAMP.internal)
    (row,) = client.get_container(container_name)[1]
    assert (row["name"], row["bytes"], row["last_modified"]) == ("a/ü", size, "2020-09-13T12:26:40.123450")
    assert row["hash"] == hashlib.md5(body).hexdigest()


def test_put_object_asks_no_account_and_the_container_once(
    local: Local, client: swiftclient.Connection, container_name: str, writer: ObjectWriter
) -> None:
    with local.cluster.count_requests() as count:
        for name in "abc":
            writer.put_object(container_name, name, BytesBody(b"x"), headers(b"x"))
    kinds = [f"{request.server} {request.method}" for request in count.requests]
    assert kinds.count("object PUT") == 9
    assert kinds.count("container HEAD") <= 2
    assert "proxy PUT" not in kinds


@pytest.mark.parametrize("node", [1, 2, 3])
def test_put_object_while_a_node_is_away_is_durable_through_handoffs_of_a_proxy(
    local: Local,
    client: swiftclient.Connection,
    container_name: str,
    writer: ObjectWriter,
    down: Callable[[int], None],
    node: int,
) -> None:
    down(node)
    writer.put_object(container_name, "o", BytesBody(b"abc"), headers(b"abc"))
    assert stored_on(local, container_name, "o") == 2
    assert client.get_object(container_name, "o")[1] == b"abc"
    listed = [each["name"] for each in client.get_container(container_name)[1]]
    assert listed == ["o"]


def test_put_object_that_is_older_than_a_client_s_is_refused_and_changes_nothing(
    client: swiftclient.Connection, container_name: str, writer: ObjectWriter
) -> None:
    client.put_object(container_name, "o", b"newer")
    with pytest.raises(LocalChanged):
        writer.put_object(container_name, "o", BytesBody(b"abc"), headers(b"abc"))
    assert client.get_object(container_name, "o")[1] == b"newer"


def test_put_object_that_is_older_than_a_client_s_delete_is_refused(
    local: Local, client: swiftclient.Connection, container_name: str, writer: ObjectWriter
) -> None:
    client.put_object(container_name, "o", b"x")
    client.delete_object(container_name, "o")
    with pytest.raises(LocalChanged):
        writer.put_object(container_name, "o", BytesBody(b"abc"), headers(b"abc"))
    assert isinstance(local.newest_of(container_name, "o"), Deleted)


def test_put_object_with_other_bytes_than_its_etag_says_leaves_nothing(
    local: Local, client: swiftclient.Connection, container_name: str, writer: ObjectWriter
) -> None:
    with pytest.raises(BadDigest):
        writer.put_object(container_name, "o", BytesBody(b"abc"), headers(b"other"))
    assert stored_on(local, container_name, "o") == 0


@pytest.mark.parametrize("size", [10, 3 * 1024 * 1024])
def test_put_object_whose_body_is_cut_raises_its_error_and_leaves_nothing(
    local: Local, client: swiftclient.Connection, container_name: str, writer: ObjectWriter, size: int
) -> None:
    with pytest.raises(RemoteUnavailable):
        writer.put_object(container_name, "o", CutBody(bytes(size)), headers(bytes(2 * size)))
    assert stored_on(local, container_name, "o") == 0


def test_put_object_into_no_container_is_refused_without_a_byte_sent(
    local: Local, client: swiftclient.Connection, writer: ObjectWriter
) -> None:
    with local.cluster.count_requests() as count, pytest.raises(LocalChanged):
        writer.put_object("no-such-container", "o", BytesBody(b"abc"), headers(b"abc"))
    assert not [each for each in count.requests if each.method == "PUT" and each.server == "object"]


@pytest.mark.parametrize(
    "more",
    [
        {"x_delete_at": str(int(time.time()) + 1000)},  # a row for the expirer
        {"x_object_manifest": "segments/o"},
        {"x_symlink_target": "a/b"},
    ],
)
def test_put_object_that_a_proxy_treats_specially_is_left_to_it(
    local: Local,
    client: swiftclient.Connection,
    container_name: str,
    writer: ObjectWriter,
    more: dict[str, str],
) -> None:
    body = b"" if "x_symlink_target" in more else b"abc"
    with local.cluster.count_requests() as count:
        writer.put_object(container_name, "o", BytesBody(body), headers(body, **more))
    assert [each for each in count.requests if each.method == "HEAD" and each.server == "account"]
    assert stored_on(local, container_name, "o") == 3


def test_put_object_with_too_much_metadata_is_refused_as_by_a_proxy(
    client: swiftclient.Connection, container_name: str, writer: ObjectWriter
) -> None:
    with pytest.raises(ObjectRefused):
        writer.put_object(container_name, "o", BytesBody(b"abc"), headers(b"abc", x_object_meta_a="x" * 257))


def test_put_object_of_the_same_version_again_is_refused(
    client: swiftclient.Connection, container_name: str, writer: ObjectWriter
) -> None:
    writer.put_object(container_name, "o", BytesBody(b"abc"), headers(b"abc"))
    with pytest.raises(LocalChanged):
        writer.put_object(container_name, "o", BytesBody(b"abc"), headers(b"abc"))
