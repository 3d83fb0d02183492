"""The HTTP client against real sockets: requests as they go out, and the pool of connections."""

from __future__ import annotations

import threading
import time

import pytest

from s3_sync.http import connection as http_connection
from s3_sync.http.pool import (
    HttpError,
    NoFreeConnection,
    Origin,
)
from s3_sync.streams.reader import BytesBody
from servers.scripted import EMPTY, OK, ScriptedServer, Wire, answer, hold, wait_until

# -- what goes out


def test_get_with_headers_sends_request_line_host_and_headers() -> None:
    with ScriptedServer(answer(OK)) as server:
        server.pool().request("GET", "/a/%C3%BC?x=1", [("X-One", "ü"), ("X-Two", "2")]).read()
        wait_until(lambda: bool(server.results))
        [[(head, body)]] = server.results
    assert head.decode().split("\r\n") == [
        "GET /a/%C3%BC?x=1 HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        "X-One: ü",
        "X-Two: 2",
    ]
    assert body == b""


def test_host_header_of_the_caller_replaces_the_default() -> None:
    with ScriptedServer(answer(OK)) as server:
        server.pool().request("GET", "/", [("host", "bucket.example.org")]).read()
        wait_until(lambda: bool(server.results))
        [[(head, _)]] = server.results
    assert head == b"GET / HTTP/1.1\r\nhost: bucket.example.org"


@pytest.mark.parametrize(
    ("origin", "authority"),
    [
        (Origin("s3.example.org", 443, True), "s3.example.org"),
        (Origin("s3.example.org", 443), "s3.example.org:443"),
        (Origin("s3.example.org", 80), "s3.example.org"),
        (Origin("s3.example.org", 9000, True), "s3.example.org:9000"),
        (Origin("::1", 8080), "[::1]:8080"),
    ],
)
def test_authority_omits_the_default_port_and_brackets_ipv6(origin: Origin, authority: str) -> None:
    assert origin.authority == authority


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET", "/", [("X-A", "1\r\nX-B: 2")]),
        ("GET", "/", [("X-A", "1\nX-B: 2")]),
        ("GET", "/", [("X-A", "1\rX-B: 2")]),
        ("GET", "/", [("X-A", "\0")]),
        ("GET", "/", [("X-A: 1\r\nX-B", "2")]),
        ("GET", "/", [("X A", "1")]),
        ("GET", "/", [("", "1")]),
        ("GET", "/a b", []),
        ("GET", "/\r\nX: 1", []),
        ("GET", "/ü", []),
        ("GET", "", []),
        ("GET / HTTP/1.1\r\nX: 1\r\n\r\nGET", "/", []),
        ("PUT", "/", [("Content-Length", "5")]),
        ("PUT", "/", [("transfer-encoding", "chunked")]),
    ],
)
def test_request_with_illegal_method_target_or_header_is_refused(
    method: str, target: str, headers: list[tuple[str, str]]
) -> None:
    with ScriptedServer() as server, pytest.raises(ValueError, match="not a|sets"):
        server.pool().request(method, target, headers)


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 1_000_000])
@pytest.mark.parametrize("form", ["bytes", "body"])
def test_bodies_of_every_size_arrive_whole(size: int, form: str) -> None:
    data = bytes(i * 7 % 251 for i in range(size))
    with ScriptedServer(answer(EMPTY)) as server:
        server.pool().request("PUT", "/", [], data if form == "bytes" else BytesBody(data))
        wait_until(lambda: bool(server.results))
        [[(head, body)]] = server.results
    assert f"Content-Length: {size}".encode() in head
    assert body == data


def test_small_body_is_sent_together_with_the_head() -> None:
    """The server's first read gives both."""

    def script(wire: Wire) -> int:
        data = wire.sock.recv(1 << 20)
        wire.send(EMPTY)
        return len(data)

    with ScriptedServer(script) as server:
        server.pool().request("PUT", "/", [], b"x" * 4096)
        wait_until(lambda: bool(server.results))
    assert isinstance(server.results[0], int)
    assert server.results[0] > 4096


def test_length_shorter_than_the_body_sends_only_that_much() -> None:
    with ScriptedServer(answer(EMPTY)) as server:
        server.pool().request("PUT", "/", [], BytesBody(b"abcdef"), length=4)
        wait_until(lambda: bool(server.results))
        assert server.results[0][0][1] == b"abcd"


def test_a_request_body_that_ends_early_is_an_error_and_frees_the_slot() -> None:
    class Short(BytesBody):
        pass

    body = Short(b"x" * 100_000)
    body.length = 200_000
    with ScriptedServer(lambda wire: wire.request(), answer(OK)) as server:
        pool = server.pool(size=1)
        with pytest.raises(HttpError, match="ended 100000 bytes early"):
            pool.request("PUT", "/", [], body)
        assert pool.request("GET", "/").read() == b"ok"


def test_request_body_of_unknown_length_is_refused() -> None:
    body = BytesBody(b"abc")
    body.length = None
    with ScriptedServer() as server, pytest.raises(ValueError, match="length"):
        server.pool().request("PUT", "/", [], body)


# -- the pool


def test_connection_is_reused_after_its_answer_was_read() -> None:
    with ScriptedServer(answer(OK, OK, OK)) as server:
        pool = server.pool(size=1)
        for _ in range(3):
            with pool.request("GET", "/") as response:
                assert response.read() == b"ok"
    assert server.accepted == 1


@pytest.mark.parametrize(
    ("head", "reused"),
    [
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n", True),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n", True),
    ],
)
def test_connection_is_reused_only_if_version_and_header_allow_it(head: bytes, reused: bool) -> None:
    first = head + b"Content-Length: 2\r\n\r\nok"
    with ScriptedServer(answer(first, OK), answer(OK)) as server:
        pool = server.pool(size=1)
        pool.request("GET", "/").read()
        pool.request("GET", "/").read()
    assert server.accepted == (1 if reused else 2)


def test_a_response_closed_early_drops_its_connection() -> None:
    with ScriptedServer(hold(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), answer(OK)) as server:
        pool = server.pool(size=1)
        with pool.request("GET", "/") as response:
            assert response.read(1) == b"a"
        assert response.read() == b""
        assert pool.request("GET", "/").read() == b"ok"
    assert server.accepted == 2


@pytest.mark.parametrize(("limit", "connections"), [(100, 1), (10, 1), (9, 2)])
def test_drain_lets_a_connection_be_reused_only_within_its_limit(limit: int, connections: int) -> None:
    with ScriptedServer(
        answer(b"HTTP/1.1 404 No\r\nContent-Length: 10\r\n\r\n0123456789", OK), answer(OK)
    ) as server:
        pool = server.pool(size=1)
        pool.request("GET", "/").drain(limit)
        assert pool.request("GET", "/").read() == b"ok"
    assert server.accepted == connections


def test_drain_of_a_body_that_ends_early_does_not_raise() -> None:
    with ScriptedServer(answer(b"HTTP/1.1 404 No\r\nContent-Length: 10\r\n\r\n0"), answer(OK)) as server:
        pool = server.pool(size=1)
        pool.request("GET", "/").drain()
        assert pool.request("GET", "/").read() == b"ok"


def test_bytes_after_the_answer_are_not_taken_for_the_next_one() -> None:
    with ScriptedServer(hold(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"), answer(OK)) as server:
        pool = server.pool(size=1)
        assert pool.request("GET", "/").read() == b"ok"
        assert pool.request("GET", "/").read() == b"ok"
    assert server.accepted == 2


def test_request_while_all_connections_are_used_raises_after_timeout() -> None:
    with ScriptedServer(answer(OK, OK)) as server:
        pool = server.pool(size=1, acquire=0.1)
        first = pool.request("GET", "/")
        with pytest.raises(NoFreeConnection, match="no free connection") as caught:
            pool.request("GET", "/")
        assert caught.value.timed_out
        assert not caught.value.sent
        first.read()
        assert pool.request("GET", "/").read() == b"ok"


def test_waiting_request_gets_the_connection_that_becomes_free() -> None:
    with ScriptedServer(answer(OK, OK)) as server:
        pool = server.pool(size=1)
        first = pool.request("GET", "/")
        threading.Timer(0.1, first.read).start()
        assert pool.request("GET", "/").read() == b"ok"
    assert server.accepted == 1


def test_requests_of_many_threads_get_their_own_answers() -> None:
    def echo(wire: Wire) -> None:
        while True:
            head, _ = wire.request()
            path = head.split(b" ")[1]
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(path), path))

    wrong: list[bytes] = []
    with ScriptedServer(*[echo] * 3) as server:
        pool = server.pool(size=3)

        def work(number: int) -> None:
            for index in range(50):
                path = f"/{number}/{index}"
                with pool.request("GET", path) as response:
                    body = response.read()
                if body != path.encode():
                    wrong.append(body)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert server.accepted <= 3
        pool.close()


def test_close_ends_idle_connections_now_and_used_ones_later() -> None:
    def script(wire: Wire) -> bytes:
        wire.request()
        wire.send(OK)
        return wire.sock.recv(1)

    with ScriptedServer(script, script) as server:
        pool = server.pool()
        one, two = pool.request("GET", "/"), pool.request("GET", "/")
        one.read()
        pool.close()
        two.read()
        wait_until(lambda: len(server.results) == 2)
    assert server.results == [b"", b""]


def test_an_old_idle_connection_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = time.monotonic()
    with ScriptedServer(answer(OK, OK), answer(OK)) as server:
        pool = server.pool(size=1)
        pool.request("GET", "/").read()
        monkeypatch.setattr(http_connection.time, "monotonic", lambda: clock + 51)
        pool.request("GET", "/").read()
    assert server.accepted == 2
