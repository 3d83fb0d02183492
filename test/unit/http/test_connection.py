"""The HTTP client against real sockets: connections that die, early answers, TLS and proxies."""

from __future__ import annotations

import io
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from s3_sync.http.pool import (
    CONTINUE_WAIT,
    ConnectionPool,
    Headers,
    HttpError,
    Origin,
    Proxy,
)
from s3_sync.streams.reader import BytesBody
from servers.certificate import write_certificate
from servers.scripted import OK, Script, ScriptedServer, Wire, answer, hold, wait_until


class Unrewindable(BytesBody):
    def rewind(self) -> None:
        raise io.UnsupportedOperation("gone")


# -- connections that die


def test_connection_closed_while_idle_is_replaced_before_the_body_is_sent() -> None:
    with ScriptedServer(answer(OK), answer(OK)) as server:
        pool = server.pool(size=1)
        pool.request("PUT", "/", [], Unrewindable(b"x")).read()
        wait_until(lambda: len(server.results) == 1)
        time.sleep(0.05)
        assert pool.request("PUT", "/", [], Unrewindable(b"x" * 100_000)).read() == b"ok"
    assert server.accepted == 2


def die_on_second(wire: Wire) -> int:
    """Answer one request, read the next one, and close without an answer."""
    wire.request()
    wire.send(OK)
    return len(wire.request()[1])


@pytest.mark.parametrize("size", [0, 10, 200_000])
@pytest.mark.parametrize("form", ["bytes", "body"])
def test_reused_connection_closed_without_answer_repeats_the_request(size: int, form: str) -> None:
    data = bytes(i * 7 % 251 for i in range(size))
    with ScriptedServer(die_on_second, answer(OK)) as server:
        pool = server.pool(size=1)
        pool.request("GET", "/").read()
        assert pool.request("PUT", "/", [], data if form == "bytes" else BytesBody(data)).read() == b"ok"
        wait_until(lambda: len(server.results) == 2)
    assert server.results[1][0][1] == data


def test_reused_connection_reset_without_answer_repeats_the_request() -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(OK)
        wire.request()
        wire.reset()

    with ScriptedServer(script, answer(OK)) as server:
        pool = server.pool(size=1)
        pool.request("GET", "/").read()
        assert pool.request("GET", "/").read() == b"ok"


def test_a_body_that_cannot_be_rewound_is_not_sent_twice() -> None:
    with ScriptedServer(die_on_second, answer(OK), answer(OK)) as server:
        pool = server.pool(size=1)
        pool.request("GET", "/").read()
        with pytest.raises(HttpError) as caught:
            pool.request("PUT", "/", [], Unrewindable(b"x" * 200_000))
        assert caught.value.sent
        assert pool.request("GET", "/").read() == b"ok"


def test_second_connection_closed_without_answer_raises_no_response() -> None:
    with ScriptedServer(die_on_second, lambda wire: wire.request(), answer(OK)) as server:
        pool = server.pool(size=1)
        pool.request("GET", "/").read()
        with pytest.raises(HttpError, match="no response") as caught:
            pool.request("GET", "/")
        assert caught.value.sent
    assert server.accepted == 2


def test_answer_that_ends_in_its_head_raises_and_is_not_repeated() -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(OK)
        wire.request()
        wire.send(b"HTTP/1.1 200")

    with ScriptedServer(script, answer(OK)) as server:
        pool = server.pool(size=1)
        pool.request("GET", "/").read()
        with pytest.raises(HttpError, match="closed in the response head"):
            pool.request("GET", "/")
    assert server.accepted == 1


def test_connection_refused_raises_not_sent_and_frees_the_slot() -> None:
    with ScriptedServer() as server:
        pool = server.pool(size=1)
    for _ in range(2):  # the slot is free again
        with pytest.raises(HttpError, match="cannot connect") as caught:
            pool.request("GET", "/")
        assert not caught.value.sent
        assert not caught.value.timed_out


def test_read_timeout_in_head_or_body_raises_timed_out() -> None:
    with ScriptedServer(hold(b""), hold(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")) as server:
        pool = server.pool(size=1, read=0.2)
        with pytest.raises(HttpError) as caught:
            pool.request("GET", "/")
        assert caught.value.timed_out
        assert caught.value.sent
        response = pool.request("GET", "/")
        with pytest.raises(HttpError) as caught:
            response.read()
        assert caught.value.timed_out


def test_upload_to_server_that_stops_reading_raises_timed_out() -> None:
    with ScriptedServer(lambda wire: time.sleep(3)) as server:
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
def test_upload_answered_early_stops_and_returns_the_answer(
    status: bytes, then: Callable[[Wire], object]
) -> None:
    with ScriptedServer(early(status, then), answer(OK)) as server:
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

    with ScriptedServer(script) as server:
        assert server.pool().request("PUT", "/", [], b"x" * 5_000_000).read() == b"ok"
        wait_until(lambda: server.results == [5_000_000])


def test_continue_wait_sends_the_body_after_100_continue() -> None:
    def script(wire: Wire) -> tuple[bytes, bytes, bytes]:
        head = wire.head()
        time.sleep(0.1)
        before = wire.buffer
        wire.send(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
        body = wire.body(4)
        wire.send(OK)
        return head, before, body

    with ScriptedServer(script) as server:
        assert server.pool().request("PUT", "/", [], b"data", continue_wait=CONTINUE_WAIT).read() == b"ok"
        wait_until(lambda: bool(server.results))
    head, before, body = server.results[0]
    assert b"Expect: 100-continue" in head
    assert (before, body) == (b"", b"data")


def test_continue_wait_neither_reads_nor_sends_a_body_after_a_final_answer() -> None:
    def script(wire: Wire) -> bytes:
        wire.head()
        wire.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        return wire.sock.recv(100)

    with ScriptedServer(script, answer(OK)) as server:
        pool, body = server.pool(size=1), Unrewindable(b"data")
        with pool.request("PUT", "/", [], body, continue_wait=CONTINUE_WAIT) as response:
            assert (response.status, response.read()) == (403, b"no")
        assert body.read() == b"data"
        wait_until(lambda: server.results == [b""])
        assert pool.request("GET", "/").read() == b"ok"


def test_interim_answers_without_end_are_given_up() -> None:
    def script(wire: Wire) -> None:
        wire.head()
        for _ in range(100_000):
            wire.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 100)

    for wait in (0.0, 5.0):
        with ScriptedServer(script) as server, pytest.raises(HttpError, match="too many interim"):
            server.pool().request("PUT", "/", [], b"data", continue_wait=wait)


def test_continue_wait_without_interim_answer_sends_the_body_anyway() -> None:
    def script(wire: Wire) -> tuple[bytes, bytes]:
        request = wire.request()
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)
        return request

    with ScriptedServer(script) as server:
        started = time.monotonic()
        assert server.pool().request("PUT", "/", [], b"data", continue_wait=CONTINUE_WAIT).read() == b"ok"
        assert 0.9 < time.monotonic() - started < 30


def test_continue_wait_on_connection_closed_without_answer_is_repeated() -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(OK)
        wire.head()

    with ScriptedServer(script, answer(OK)) as server:
        pool = server.pool(size=1)
        pool.request("GET", "/").read()
        assert pool.request("PUT", "/", [], b"data", continue_wait=CONTINUE_WAIT).read() == b"ok"


# -- TLS and proxies


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("tls") / "both.pem")


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def client_tls(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


def test_tls_requests_on_one_connection_arrive_whole(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    data = b"x" * 300_000
    with ScriptedServer(answer(OK, OK, OK), tls=server_tls) as server:
        origin = Origin("localhost", server.port, tls=True)
        pool = ConnectionPool(origin, size=1, tls_context=client_tls)
        for _ in range(2):
            assert pool.request("PUT", "/", [], BytesBody(data)).read() == b"ok"
        assert pool.request("GET", "/").read() == b"ok"
        wait_until(lambda: bool(server.results))
    assert [body for _, body in server.results[0]] == [data, data, b""]


def test_tls_upload_answered_early_returns_the_answer(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    with ScriptedServer(early(b"403 Forbidden", lambda wire: time.sleep(0.5)), tls=server_tls) as server:
        pool = ConnectionPool(Origin("localhost", server.port, True), size=1, tls_context=client_tls)
        response = pool.request("PUT", "/", [], b"x" * 20_000_000)
        assert (response.status, response.read()) == (403, b"sorry")


def test_an_untrusted_certificate_is_refused(server_tls: ssl.SSLContext) -> None:
    with ScriptedServer(answer(OK), tls=server_tls) as server:
        pool = ConnectionPool(Origin("localhost", server.port, True), size=1)
        with pytest.raises(HttpError, match="(?i)certificate") as caught:
            pool.request("GET", "/")
    assert not caught.value.sent


def test_tls_to_server_without_tls_raises_http_error(client_tls: ssl.SSLContext) -> None:
    with ScriptedServer(lambda wire: wire.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
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


def test_tls_through_a_proxy_opens_a_tunnel_with_connect(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    with ScriptedServer(tunnel(server_tls)) as server:
        proxy = Proxy("127.0.0.1", server.port, authorization="Basic eDp5")
        pool = ConnectionPool(Origin("localhost", 443, True), size=1, tls_context=client_tls, proxy=proxy)
        assert pool.request("GET", "/a").read() == b"ok"
        wait_until(lambda: bool(server.results))
    connect, request = server.results[0]
    assert connect.split(b"\r\n") == [
        b"CONNECT localhost:443 HTTP/1.1",
        b"Host: localhost:443",
        b"Proxy-Authorization: Basic eDp5",
    ]
    assert request == b"GET /a HTTP/1.1\r\nHost: localhost"
    assert "eDp5" not in repr(proxy)


@pytest.mark.parametrize("data", [b"HTTP/1.1 407 Authentication Required\r\nContent-Length: 0\r\n\r\n", b""])
def test_tunnel_refused_by_the_proxy_raises_not_sent(client_tls: ssl.SSLContext, data: bytes) -> None:
    with ScriptedServer(answer(data)) as server:
        proxy = Origin("127.0.0.1", server.port)
        pool = ConnectionPool(Origin("localhost", 443, True), size=1, tls_context=client_tls, proxy=proxy)
        with pytest.raises(HttpError, match="proxy") as caught:
            pool.request("GET", "/a")
    assert not caught.value.sent


def test_plain_http_through_a_proxy_sends_the_absolute_url() -> None:
    with ScriptedServer(answer(OK)) as server:
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
