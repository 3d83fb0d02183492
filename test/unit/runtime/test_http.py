"""The HTTP client against real sockets: each test scripts what the server does with each connection."""

from __future__ import annotations

import io
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import final

import pytest

from s3_sync.runtime import http_connection
from s3_sync.runtime.http import ConnectionPool, Headers, HttpError, Origin, Proxy, Response, Timeouts
from s3_sync.streams.reader import BytesBody

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Wire:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = b""

    def head(self) -> bytes:
        while b"\r\n\r\n" not in self.buffer:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError("the client closed the connection")
            self.buffer += data
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return head

    def body(self, size: int) -> bytes:
        while len(self.buffer) < size:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError("the client closed the connection")
            self.buffer += data
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        return body

    def request(self) -> tuple[bytes, bytes]:
        head = self.head()
        sizes = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return head, self.body(int(sizes[0].split(b":")[1])) if sizes else b""

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def reset(self) -> None:
        """Close with a RST instead of a FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()


Script = Callable[[Wire], object]


@final
class Server:
    """Accepts one connection for each script, in order, and runs it in a thread."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.origin = Origin("127.0.0.1", self.port)
        self.results: list[object] = []
        self.accepted = 0
        self._tls = tls
        self._scripts = scripts
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        for script in self._scripts:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            thread = threading.Thread(target=self._run, args=(script, sock), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, script: Script, sock: socket.socket) -> None:
        sock.settimeout(10)
        try:
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
            with sock:
                self.results.append(script(Wire(sock)))
        except OSError as error:
            self.results.append(error)

    def pool(self, size: int = 4, read: float = 5.0, acquire: float = 5.0) -> ConnectionPool:
        return ConnectionPool(self.origin, size=size, timeouts=Timeouts(5.0, read, acquire))

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.listener.close()


def answer(*answers: bytes) -> Script:
    """Read one request for each answer; the results are the requests."""

    def script(wire: Wire) -> list[tuple[bytes, bytes]]:
        requests = []
        for data in answers:
            requests.append(wire.request())
            wire.send(data)
        return requests

    return script


def hold(data: bytes, seconds: float = 2.0) -> Script:
    """Answer one request and keep the connection open."""

    def script(wire: Wire) -> None:
        wire.request()
        wire.send(data)
        time.sleep(seconds)

    return script


def fetch(data: bytes, method: str = "GET") -> tuple[Response, bytes]:
    with Server(answer(data)) as server:
        response = server.pool().request(method, "/")
        return response, response.read()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "never happened"
        time.sleep(0.005)


class Unrewindable(BytesBody):
    def rewind(self) -> None:
        raise io.UnsupportedOperation("gone")


# -- what goes out


def test_request_line_host_and_fields() -> None:
    with Server(answer(OK)) as server:
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


def test_the_callers_host_wins() -> None:
    with Server(answer(OK)) as server:
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
def test_authority(origin: Origin, authority: str) -> None:
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
def test_nothing_can_be_smuggled_into_a_request(
    method: str, target: str, headers: list[tuple[str, str]]
) -> None:
    with Server() as server, pytest.raises(ValueError, match="not a|sets"):
        server.pool().request(method, target, headers)


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 1_000_000])
@pytest.mark.parametrize("form", ["bytes", "body"])
def test_bodies_of_every_size_arrive_whole(size: int, form: str) -> None:
    data = bytes(i * 7 % 251 for i in range(size))
    with Server(answer(EMPTY)) as server:
        server.pool().request("PUT", "/", [], data if form == "bytes" else BytesBody(data))
        wait_until(lambda: bool(server.results))
        [[(head, body)]] = server.results
    assert f"Content-Length: {size}".encode() in head
    assert body == data


def test_head_and_small_body_travel_together() -> None:
    """One segment: the server's first read holds everything, even though it waits before reading."""

    def script(wire: Wire) -> int:
        data = wire.sock.recv(1 << 20)
        wire.send(EMPTY)
        return len(data)

    with Server(script) as server:
        server.pool().request("PUT", "/", [], b"x" * 4096)
        wait_until(lambda: bool(server.results))
    assert isinstance(server.results[0], int)
    assert server.results[0] > 4096


def test_length_sends_a_part_of_a_longer_body() -> None:
    with Server(answer(EMPTY)) as server:
        server.pool().request("PUT", "/", [], BytesBody(b"abcdef"), length=4)
        wait_until(lambda: bool(server.results))
        assert server.results[0][0][1] == b"abcd"  # type: ignore[index]


def test_a_request_body_that_ends_early_is_an_error_and_frees_the_slot() -> None:
    class Short(BytesBody):
        pass

    body = Short(b"x" * 100_000)
    body.length = 200_000
    with Server(lambda wire: wire.request(), answer(OK)) as server:
        pool = server.pool(size=1)
        with pytest.raises(HttpError, match="ended 3"):
            pool.request("PUT", "/", [], body)
        assert pool.request("GET", "/").read() == b"ok"


def test_an_unknown_length_is_refused() -> None:
    body = BytesBody(b"abc")
    body.length = None
    with Server() as server, pytest.raises(ValueError, match="length"):
        server.pool().request("PUT", "/", [], body)


# -- what comes in


def test_status_reason_and_fields() -> None:
    response, body = fetch(
        b'HTTP/1.1 404 Not  Found\r\nETag: "x"\r\nX-A: 1\r\nx-a:2\r\nX-Empty:\r\nContent-Length: 4\r\n\r\nbody'
    )
    assert (response.status, response.reason, response.length, body) == (404, "Not  Found", 4, b"body")
    assert response.headers.items() == [
        ("etag", '"x"'),
        ("x-a", "1"),
        ("x-a", "2"),
        ("x-empty", ""),
        ("content-length", "4"),
    ]
    assert response.headers.get("X-A") == "1"
    assert response.headers.get_all("X-A") == ["1", "2"]
    assert response.headers.get("X-None") is None
    assert response.headers.get("X-None", "d") == "d"
    assert "ETAG" in response.headers


def test_no_reason_phrase() -> None:
    assert fetch(b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n")[0].reason == ""
    assert fetch(b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n")[0].reason == ""


def test_non_ascii_names_and_values_do_not_end_the_parsing() -> None:
    response, body = fetch(
        "HTTP/1.1 200 OK\r\nX-Object-Meta-Größe: groß\r\nX-Object-Meta-☃: \u2028 \x85\r\n".encode()
        + b"X-Latin: caf\xe9\r\nContent-Length: 2\r\n\r\nok"
    )
    assert response.headers.get("x-object-meta-größe") == "groß"
    assert response.headers.get("X-Object-Meta-☃") == "\u2028 \x85"
    assert response.headers.get("x-latin") == "café"
    assert body == b"ok"


def test_folded_field_is_joined() -> None:
    response, _ = fetch(b"HTTP/1.1 200 OK\r\nX-A: one\r\n  two\r\nContent-Length: 0\r\n\r\n")
    assert response.headers.get("x-a") == "one two"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/2 200 OK",
        b"HTTP/1.1 99 Low",
        b"HTTP/1.1 600 High",
        b"HTTP/1.1  200 OK",
        b"ICY 200 OK",
        b"HTTP/1.1 200 OK\r\nno colon here",
        b"HTTP/1.1 200 OK\r\n: no name",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1_0",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x10",
        "HTTP/1.1 200 OK\r\nContent-Length: ²".encode(),
        b"HTTP/1.1 200 OK\r\nContent-Length:",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked",
        b"HTTP/1.1 101 Switching Protocols",
        b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 2000 + b"X-B: 2",
    ],
)
def test_malformed_heads_are_errors(head: bytes) -> None:
    with Server(hold(head + b"\r\n\r\n"), answer(OK)) as server:
        pool = server.pool(size=1)
        with pytest.raises(HttpError) as caught:
            pool.request("GET", "/")
        assert caught.value.sent
        assert not caught.value.timed_out
        assert pool.request("GET", "/").read() == b"ok"


def test_a_head_without_end_is_bounded() -> None:
    head = b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 100_000
    with Server(hold(head)) as server, pytest.raises(HttpError, match="larger than"):
        server.pool().request("GET", "/")


def test_a_head_of_60_kb_in_small_pieces_is_read() -> None:
    fields = b"".join(b"X-%d: %s\r\n" % (i, b"v" * 500) for i in range(115))
    head = b"HTTP/1.1 200 OK\r\n" + fields + b"Content-Length: 2\r\n\r\nok"

    def script(wire: Wire) -> None:
        wire.request()
        for start in range(0, len(head), 1000):
            wire.send(head[start : start + 1000])

    with Server(script) as server:
        response = server.pool().request("GET", "/")
        assert response.read() == b"ok"
        assert response.headers.get("x-114") == "v" * 500


def test_equal_lengths_twice_are_one_length() -> None:
    assert fetch(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok")[1] == b"ok"


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("DELETE", 204), ("HEAD", 404)]
)
def test_answers_without_a_body(method: str, status: int) -> None:
    data = f"HTTP/1.1 {status} X\r\nContent-Length: 17\r\n\r\n".encode()
    with Server(answer(data, OK)) as server:
        pool = server.pool(size=1)
        response = pool.request(method, "/")
        assert (response.read(), response.length) == (b"", 0)
        assert response.headers.get("content-length") == "17"
        assert pool.request("GET", "/").read() == b"ok"
    assert server.accepted == 1


def test_interim_answers_are_skipped() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
    assert fetch(early + OK)[1] == b"ok"


def test_endless_interim_answers_are_an_error() -> None:
    with pytest.raises(HttpError, match="interim"):
        fetch(b"HTTP/1.1 102 Processing\r\n\r\n" * 100)


def test_chunked_body_with_extensions_and_trailers() -> None:
    body = b"4\r\nWiki\r\n5;name=value\r\npedia\r\nE\r\n in\r\n\r\nchunks.\r\n0\r\nX-Trailer: 1\r\n\r\n"
    with Server(answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n" + body, OK)) as server:
        pool = server.pool(size=1)
        response = pool.request("GET", "/")
        assert response.length is None
        assert response.read() == b"Wikipedia in\r\n\r\nchunks."
        assert pool.request("GET", "/").read() == b"ok"
    assert server.accepted == 1


def test_chunked_body_a_byte_at_a_time() -> None:
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWiki\r\n5\r\npedia\r\n0\r\n\r\n"

    def script(wire: Wire) -> None:
        wire.request()
        for index in range(len(data)):
            wire.send(data[index : index + 1])
            time.sleep(0.001)

    with Server(script) as server:
        response = server.pool().request("GET", "/")
        got = b"".join(iter(lambda: response.read(3), b""))
    assert got == b"Wikipedia"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"4\r\nWi",
        b"4\r\nWiki",
        b"4\r\nWiki\r",
        b"4\r\nWiki\r\n",
        b"4\r\nWiki\r\n0\r\n",
        b"4\r\nWikipedia\r\n0\r\n\r\n",
        b"4\r\nWiki\r\n\r\n",
        b"-4\r\nWiki\r\n0\r\n\r\n",
        b"0x4\r\nWiki\r\n0\r\n\r\n",
        b"11111111111111111\r\nWiki",
        b"4" + b";" * 20_000 + b"\r\nWiki\r\n0\r\n\r\n",
        b"4\r\nWiki\r\n0\r\nno colon\r\n\r\n",
        b"4\r\nWiki\r\n0\r\n" + b"X: 1\r\n" * 100 + b"\r\n",
    ],
)
def test_malformed_or_truncated_chunks_are_errors(body: bytes) -> None:
    with pytest.raises(HttpError):
        fetch(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)


@pytest.mark.parametrize("size", [1, 9])
def test_a_body_that_ends_early_is_an_error(size: int) -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" + b"x" * size
    with Server(answer(data), answer(OK)) as server:
        pool = server.pool(size=1)
        response = pool.request("GET", "/")
        assert response.read(size) == b"x" * size
        with pytest.raises(HttpError, match=f"{10 - size} bytes early"):
            response.read(5)
        assert pool.request("GET", "/").read() == b"ok"


def test_a_body_that_breaks_off_is_an_error() -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        time.sleep(0.2)
        wire.reset()

    with Server(script) as server:
        response = server.pool().request("GET", "/")
        with pytest.raises(HttpError, match="broke"):
            response.read()


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
def test_without_a_length_the_body_ends_with_the_connection(version: bytes) -> None:
    response, body = fetch(version + b" 200 OK\r\n\r\nall of it")
    assert (response.length, body) == (None, b"all of it")


def test_read_in_pieces_never_passes_the_end() -> None:
    with Server(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", OK)) as server:
        response = server.pool().request("GET", "/")
        assert [response.read(2), response.read(0), response.read(9), response.read(9)] == [
            b"he",
            b"",
            b"llo",
            b"",
        ]


# -- the pool


def test_connections_are_reused() -> None:
    with Server(answer(OK, OK, OK)) as server:
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
def test_the_server_says_whether_a_connection_lives(head: bytes, reused: bool) -> None:
    first = head + b"Content-Length: 2\r\n\r\nok"
    with Server(answer(first, OK), answer(OK)) as server:
        pool = server.pool(size=1)
        pool.request("GET", "/").read()
        pool.request("GET", "/").read()
    assert server.accepted == (1 if reused else 2)


def test_a_response_closed_early_drops_its_connection() -> None:
    with Server(hold(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), answer(OK)) as server:
        pool = server.pool(size=1)
        with pool.request("GET", "/") as response:
            assert response.read(1) == b"a"
        assert response.read() == b""
        assert pool.request("GET", "/").read() == b"ok"
    assert server.accepted == 2


@pytest.mark.parametrize(("limit", "connections"), [(100, 1), (10, 1), (9, 2)])
def test_drain_saves_a_connection_within_its_limit(limit: int, connections: int) -> None:
    with Server(answer(b"HTTP/1.1 404 No\r\nContent-Length: 10\r\n\r\n0123456789", OK), answer(OK)) as server:
        pool = server.pool(size=1)
        pool.request("GET", "/").drain(limit)
        assert pool.request("GET", "/").read() == b"ok"
    assert server.accepted == connections


def test_drain_does_not_raise() -> None:
    with Server(answer(b"HTTP/1.1 404 No\r\nContent-Length: 10\r\n\r\n0"), answer(OK)) as server:
        pool = server.pool(size=1)
        pool.request("GET", "/").drain()
        assert pool.request("GET", "/").read() == b"ok"


def test_bytes_after_the_answer_are_not_taken_for_the_next_one() -> None:
    with Server(hold(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"), answer(OK)) as server:
        pool = server.pool(size=1)
        assert pool.request("GET", "/").read() == b"ok"
        assert pool.request("GET", "/").read() == b"ok"
    assert server.accepted == 2


def test_the_number_of_connections_is_bounded_and_waiting_ends() -> None:
    with Server(answer(OK, OK)) as server:
        pool = server.pool(size=1, acquire=0.1)
        first = pool.request("GET", "/")
        with pytest.raises(HttpError, match="no free connection") as caught:
            pool.request("GET", "/")
        assert caught.value.timed_out
        assert not caught.value.sent
        first.read()
        assert pool.request("GET", "/").read() == b"ok"


def test_a_waiting_request_gets_the_connection_that_comes_back() -> None:
    with Server(answer(OK, OK)) as server:
        pool = server.pool(size=1)
        first = pool.request("GET", "/")
        threading.Timer(0.1, first.read).start()
        assert pool.request("GET", "/").read() == b"ok"
    assert server.accepted == 1


def test_many_threads_share_a_pool() -> None:
    def echo(wire: Wire) -> None:
        while True:
            head, _ = wire.request()
            path = head.split(b" ")[1]
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(path), path))

    wrong: list[bytes] = []
    with Server(*[echo] * 3) as server:
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


def test_close_ends_idle_connections_and_those_in_use_later() -> None:
    def script(wire: Wire) -> bytes:
        wire.request()
        wire.send(OK)
        return wire.sock.recv(1)

    with Server(script, script) as server:
        pool = server.pool()
        one, two = pool.request("GET", "/"), pool.request("GET", "/")
        one.read()
        pool.close()
        two.read()
        wait_until(lambda: len(server.results) == 2)
    assert server.results == [b"", b""]


def test_an_old_idle_connection_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = time.monotonic()
    with Server(answer(OK, OK), answer(OK)) as server:
        pool = server.pool(size=1)
        pool.request("GET", "/").read()
        monkeypatch.setattr(http_connection.time, "monotonic", lambda: clock + 51)
        pool.request("GET", "/").read()
    assert server.accepted == 2


# -- connections that die


def test_a_connection_closed_while_idle_is_noticed_before_it_is_used() -> None:
    with Server(answer(OK), answer(OK)) as server:
        pool = server.pool(size=1)
        pool.request("PUT", "/", [], Unrewindable(b"x")).read()
        wait_until(lambda: len(server.results) == 1)
        time.sleep(0.05)
        assert pool.request("PUT", "/", [], Unrewindable(b"x" * 100_000)).read() == b"ok"
    assert server.accepted == 2


def die_on_second(wire: Wire) -> int:
    """Answer one request, read the next one, and close without a word."""
    wire.request()
    wire.send(OK)
    return len(wire.request()[1])


@pytest.mark.parametrize("size", [0, 10, 200_000])
@pytest.mark.parametrize("form", ["bytes", "body"])
def test_a_dead_reused_connection_is_replaced_once_for_free(size: int, form: str) -> None:
    data = bytes(i * 7 % 251 for i in range(size))
    with Server(die_on_second, answer(OK)) as server:
        pool = server.pool(size=1)
        pool.request("GET", "/").read()
        assert pool.request("PUT", "/", [], data if form == "bytes" else BytesBody(data)).read() == b"ok"
        wait_until(lambda: len(server.results) == 2)
    assert server.results[1][0][1] == data  # type: ignore[index]


def test_a_dead_reused_connection_with_a_reset() -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(OK)
        wire.request()
        wire.reset()

    with Server(script, answer(OK)) as server:
        pool = server.pool(size=1)
        pool.request("GET", "/").read()
        assert pool.request("GET", "/").read() == b"ok"


def test_a_body_that_cannot_be_rewound_is_not_sent_twice() -> None:
    with Server(die_on_second, answer(OK), answer(OK)) as server:
        pool = server.pool(size=1)
        pool.request("GET", "/").read()
        with pytest.raises(HttpError) as caught:
            pool.request("PUT", "/", [], Unrewindable(b"x" * 200_000))
        assert caught.value.sent
        assert pool.request("GET", "/").read() == b"ok"


def test_the_second_connection_gets_no_third() -> None:
    with Server(die_on_second, lambda wire: wire.request(), answer(OK)) as server:
        pool = server.pool(size=1)
        pool.request("GET", "/").read()
        with pytest.raises(HttpError, match="no answer") as caught:
            pool.request("GET", "/")
        assert caught.value.sent
    assert server.accepted == 2


def test_half_a_head_is_no_reason_to_ask_again() -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(OK)
        wire.request()
        wire.send(b"HTTP/1.1 200")

    with Server(script, answer(OK)) as server:
        pool = server.pool(size=1)
        pool.request("GET", "/").read()
        with pytest.raises(HttpError, match="ended in its head"):
            pool.request("GET", "/")
    assert server.accepted == 1


def test_nobody_listens() -> None:
    with Server() as server:
        pool = server.pool(size=1)
    for _ in range(2):  # the slot is free again
        with pytest.raises(HttpError, match="cannot connect") as caught:
            pool.request("GET", "/")
        assert not caught.value.sent
        assert not caught.value.timed_out


def test_read_time_outs_are_told_apart() -> None:
    with Server(hold(b""), hold(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")) as server:
        pool = server.pool(size=1, read=0.2)
        with pytest.raises(HttpError) as caught:
            pool.request("GET", "/")
        assert caught.value.timed_out
        assert caught.value.sent
        response = pool.request("GET", "/")
        with pytest.raises(HttpError) as caught:
            response.read()
        assert caught.value.timed_out


def test_a_server_that_stops_reading_is_a_time_out() -> None:
    with Server(lambda wire: time.sleep(3)) as server:
        pool = server.pool(size=1, read=0.3)
        with pytest.raises(HttpError, match="sending") as caught:
            pool.request("PUT", "/", [], b"x" * 50_000_000)
        assert caught.value.timed_out


# -- answers that come before the body was sent


def early(status: bytes, then: Callable[[Wire], object]) -> Script:
    def script(wire: Wire) -> None:
        wire.head()
        wire.send(b"HTTP/1.1 " + status + b"\r\nContent-Length: 5\r\n\r\nsorry")
        then(wire)

    return script


@pytest.mark.parametrize("status", [b"403 Forbidden", b"412 Precondition Failed", b"503 Slow Down"])
@pytest.mark.parametrize(
    "then",
    [
        pytest.param(lambda wire: None, id="and closes"),
        pytest.param(lambda wire: wire.sock.shutdown(socket.SHUT_WR) or time.sleep(1), id="and half-closes"),
        pytest.param(lambda wire: time.sleep(3), id="and does not read on"),
    ],
)
def test_an_early_answer_is_heard(status: bytes, then: Callable[[Wire], object]) -> None:
    with Server(early(status, then), answer(OK)) as server:
        pool = server.pool(size=1)
        started = time.monotonic()
        response = pool.request("PUT", "/", [], BytesBody(b"x" * 50_000_000))
        assert (response.status, response.read()) == (int(status[:3]), b"sorry")
        assert time.monotonic() - started < 2.5
        assert pool.request("GET", "/").read() == b"ok"
    assert server.accepted == 2


def test_an_interim_answer_does_not_stop_the_upload() -> None:
    def script(wire: Wire) -> int:
        wire.head()
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        size = len(wire.body(5_000_000))
        wire.send(OK)
        return size

    with Server(script) as server:
        assert server.pool().request("PUT", "/", [], b"x" * 5_000_000).read() == b"ok"
        wait_until(lambda: server.results == [5_000_000])


def test_expect_continue_sends_the_body_when_asked() -> None:
    def script(wire: Wire) -> tuple[bytes, bytes, bytes]:
        head = wire.head()
        time.sleep(0.1)
        before = wire.buffer
        wire.send(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
        body = wire.body(4)
        wire.send(OK)
        return head, before, body

    with Server(script) as server:
        assert server.pool().request("PUT", "/", [], b"data", expect_continue=True).read() == b"ok"
        wait_until(lambda: bool(server.results))
    head, before, body = server.results[0]  # type: ignore[misc]
    assert b"Expect: 100-continue" in head
    assert (before, body) == (b"", b"data")


def test_expect_continue_sends_no_body_after_a_final_answer() -> None:
    def script(wire: Wire) -> bytes:
        wire.head()
        wire.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        return wire.sock.recv(100)

    with Server(script, answer(OK)) as server:
        pool = server.pool(size=1)
        with pool.request("PUT", "/", [], b"data", expect_continue=True) as response:
            assert (response.status, response.read()) == (403, b"no")
        wait_until(lambda: server.results == [b""])
        assert pool.request("GET", "/").read() == b"ok"


def test_expect_continue_does_not_wait_for_ever() -> None:
    def script(wire: Wire) -> tuple[bytes, bytes]:
        request = wire.request()
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)
        return request

    with Server(script) as server:
        started = time.monotonic()
        assert server.pool().request("PUT", "/", [], b"data", expect_continue=True).read() == b"ok"
        assert 0.9 < time.monotonic() - started < 3


def test_expect_continue_on_a_dead_connection_is_retried() -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(OK)
        wire.head()

    with Server(script, answer(OK)) as server:
        pool = server.pool(size=1)
        pool.request("GET", "/").read()
        assert pool.request("PUT", "/", [], b"data", expect_continue=True).read() == b"ok"


# -- TLS and proxies


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(
        [*command, *names, "-keyout", path, "-out", f"{path}.crt"], check=True, capture_output=True
    )
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def client_tls(certificate: Path) -> Iterator[ssl.SSLContext]:
    yield ssl.create_default_context(cafile=str(certificate))


def test_tls(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    data = b"x" * 300_000
    with Server(answer(OK, OK, OK), tls=server_tls) as server:
        origin = Origin("localhost", server.port, tls=True)
        pool = ConnectionPool(origin, size=1, tls_context=client_tls)
        for _ in range(2):
            assert pool.request("PUT", "/", [], BytesBody(data)).read() == b"ok"
        assert pool.request("GET", "/").read() == b"ok"
        wait_until(lambda: bool(server.results))
    assert [body for _, body in server.results[0]] == [data, data, b""]  # type: ignore[attr-defined]


def test_tls_upload_with_an_early_answer(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    with Server(early(b"403 Forbidden", lambda wire: time.sleep(0.5)), tls=server_tls) as server:
        pool = ConnectionPool(Origin("localhost", server.port, True), size=1, tls_context=client_tls)
        response = pool.request("PUT", "/", [], b"x" * 20_000_000)
        assert (response.status, response.read()) == (403, b"sorry")


def test_an_untrusted_certificate_is_refused(server_tls: ssl.SSLContext) -> None:
    with Server(answer(OK), tls=server_tls) as server:
        pool = ConnectionPool(Origin("localhost", server.port, True), size=1)
        with pytest.raises(HttpError, match="(?i)certificate") as caught:
            pool.request("GET", "/")
    assert not caught.value.sent


def test_tls_with_a_server_that_speaks_none(client_tls: ssl.SSLContext) -> None:
    with Server(lambda wire: wire.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        pool = ConnectionPool(Origin("localhost", server.port, True), size=1, tls_context=client_tls)
        with pytest.raises(HttpError, match="TLS"):
            pool.request("GET", "/")


def tunnel(server_tls: ssl.SSLContext) -> Script:
    def script(wire: Wire) -> tuple[bytes, bytes]:
        connect = wire.head()
        wire.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        inner = Wire(server_tls.wrap_socket(wire.sock, server_side=True))
        request, _ = inner.request()
        inner.send(OK)
        return connect, request

    return script


def test_tls_through_a_proxy(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    with Server(tunnel(server_tls)) as server:
        proxy = Proxy("127.0.0.1", server.port, authorization="Basic eDp5")
        pool = ConnectionPool(Origin("localhost", 443, True), size=1, tls_context=client_tls, proxy=proxy)
        assert pool.request("GET", "/a").read() == b"ok"
        wait_until(lambda: bool(server.results))
    connect, request = server.results[0]  # type: ignore[misc]
    assert connect.split(b"\r\n") == [
        b"CONNECT localhost:443 HTTP/1.1",
        b"Host: localhost:443",
        b"Proxy-Authorization: Basic eDp5",
    ]
    assert request == b"GET /a HTTP/1.1\r\nHost: localhost"
    assert "eDp5" not in repr(proxy)


@pytest.mark.parametrize("data", [b"HTTP/1.1 407 Authentication Required\r\nContent-Length: 0\r\n\r\n", b""])
def test_a_proxy_that_refuses(client_tls: ssl.SSLContext, data: bytes) -> None:
    with Server(answer(data)) as server:
        proxy = Origin("127.0.0.1", server.port)
        pool = ConnectionPool(Origin("localhost", 443, True), size=1, tls_context=client_tls, proxy=proxy)
        with pytest.raises(HttpError, match="proxy") as caught:
            pool.request("GET", "/a")
    assert not caught.value.sent


def test_plain_http_through_a_proxy() -> None:
    with Server(answer(OK)) as server:
        proxy = Proxy("127.0.0.1", server.port, authorization="Basic eDp5")
        pool = ConnectionPool(Origin("store.example.org", 9000), size=1, proxy=proxy)
        assert pool.request("GET", "/a").read() == b"ok"
        wait_until(lambda: bool(server.results))
    [[(head, _)]] = server.results
    assert head.split(b"\r\n") == [
        b"GET http://store.example.org:9000/a HTTP/1.1",
        b"Host: store.example.org:9000",
        b"Proxy-Authorization: Basic eDp5",
    ]


def test_https_proxies_are_refused() -> None:
    with pytest.raises(ValueError, match="https prox"):
        ConnectionPool(Origin("a", 443, True), size=1, proxy=Origin("proxy", 3128, True))


def test_headers_repr_shows_the_items() -> None:
    assert repr(Headers([("a", "1")])) == "Headers([('a', '1')])"
    assert len(Headers([("a", "1")])) == 1
