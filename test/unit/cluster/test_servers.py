"""The choice of object servers, and the memory of those that did not answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from s3_sync.cluster import servers
from s3_sync.cluster.rings import Node, Placement
from s3_sync.cluster.servers import ObjectServers
from s3_sync.http.pool import HttpError, NoFreeConnection, Timeouts
from servers.scripted import OK, ScriptedServer, answer, hold

PLACEMENT = Placement(1, (), lambda: iter(()), "/7/a/c/o%20o")


@pytest.fixture
def object_servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServers]:
    monkeypatch.setattr(servers, "_TIMEOUTS", Timeouts(connect=0.5, read=0.2, acquire=0.2))
    object_servers = ObjectServers(1, ["127.0.0.1"])
    yield object_servers
    object_servers.close()


def test_order_puts_local_nodes_first_and_shuffles_the_others() -> None:
    nodes = [Node(f"10.0.0.{n}", 6200, "d") for n in (1, 2, 3, 4)]
    object_servers = ObjectServers(1, ["10.0.0.3"])
    orders = {tuple(object_servers.order(nodes)) for _ in range(100)}
    assert {order[0] for order in orders} == {nodes[2]}
    assert {order[1] for order in orders} == {nodes[0], nodes[1], nodes[3]}
    assert object_servers.order(nodes, nodes[3])[:2] == [nodes[3], nodes[2]]


def test_request_sends_device_path_policy_index_and_range(object_servers: ObjectServers) -> None:
    with ScriptedServer(answer(OK)) as server:
        node = Node("127.0.0.1", server.port, "sd b1")
        object_servers.request("GET", node, PLACEMENT, [("Range", "bytes=0-1")]).read()
        server.wait_for_results(1)
    [[(head, _)]] = server.results
    lines = head.decode().split("\r\n")
    assert lines[0] == "GET /sd%20b1/7/a/c/o%20o HTTP/1.1"
    assert "X-Backend-Storage-Policy-Index: 1" in lines
    assert "Range: bytes=0-1" in lines


def test_server_that_timed_out_is_avoided_for_a_while(
    object_servers: ObjectServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer(hold(b""), answer(OK)) as server:
        node = Node("127.0.0.1", server.port, "d")
        other = Node("10.0.0.1", 6200, "d")
        with pytest.raises(HttpError, match="timed out"):
            object_servers.request("GET", node, PLACEMENT)
        with pytest.raises(HttpError, match="timed out less than 10 s ago") as caught:
            object_servers.request("GET", node, PLACEMENT)
        assert server.accepted == 1
        assert not caught.value.sent
        assert object_servers.order([node, other]) == [other, node]
        later = time.monotonic() + servers._TIMEOUT_PENALTY
        monkeypatch.setattr(servers, "time", SimpleNamespace(monotonic=lambda: later))
        assert object_servers.request("GET", node, PLACEMENT).read() == b"ok"


def test_server_that_refused_a_connection_is_tried_again_at_once(object_servers: ObjectServers) -> None:
    with ScriptedServer() as server:
        node = Node("127.0.0.1", server.port, "d")
    for _ in range(2):
        with pytest.raises(HttpError, match="cannot connect"):
            object_servers.request("GET", node, PLACEMENT)


def test_server_is_not_avoided_after_the_pool_was_exhausted(object_servers: ObjectServers) -> None:
    with ScriptedServer(answer(OK, OK)) as server:
        node = Node("127.0.0.1", server.port, "d")
        first = object_servers.request("GET", node, PLACEMENT)
        with pytest.raises(NoFreeConnection):
            object_servers.request("GET", node, PLACEMENT)
        first.read()
        assert object_servers.request("GET", node, PLACEMENT).read() == b"ok"
