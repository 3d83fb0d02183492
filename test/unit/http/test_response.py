"""The HTTP client against real sockets: what it makes of answers, good and bad."""

from __future__ import annotations

import time

import pytest

from s3_sync.http.pool import (
    HttpError,
    Response,
)
from servers.scripted import OK, ScriptedServer, Wire, answer, hold


def fetch(data: bytes, method: str = "GET") -> tuple[Response, bytes]:
    with ScriptedServer(answer(data)) as server:
        response = server.pool().request(method, "/")
        return response, response.read()


# -- what comes in


def test_head_is_parsed_into_status_reason_length_and_headers() -> None:
    response, body = fetch(
        b'HTTP/1.1 404 Not  Found\r\nETag: "x"\r\nX-A: 1\r\nx-a:2\r\nX-Empty:\r\n'
        b"Content-Length: 4\r\n\r\nbody"
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


def test_head_without_reason_phrase_gives_empty_reason() -> None:
    assert fetch(b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n")[0].reason == ""
    assert fetch(b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n")[0].reason == ""


def test_non_ascii_header_names_and_values_are_decoded() -> None:
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
    with ScriptedServer(hold(head + b"\r\n\r\n"), answer(OK)) as server:
        pool = server.pool(size=1)
        with pytest.raises(HttpError) as caught:
            pool.request("GET", "/")
        assert caught.value.sent
        assert not caught.value.timed_out
        assert pool.request("GET", "/").read() == b"ok"


def test_head_without_end_raises_at_the_size_limit() -> None:
    head = b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 100_000
    with ScriptedServer(hold(head)) as server, pytest.raises(HttpError, match="larger than"):
        server.pool().request("GET", "/")


def test_a_head_of_60_kb_in_small_pieces_is_read() -> None:
    fields = b"".join(b"X-%d: %s\r\n" % (i, b"v" * 500) for i in range(115))
    head = b"HTTP/1.1 200 OK\r\n" + fields + b"Content-Length: 2\r\n\r\nok"

    def script(wire: Wire) -> None:
        wire.request()
        for start in range(0, len(head), 1000):
            wire.send(head[start : start + 1000])

    with ScriptedServer(script) as server:
        response = server.pool().request("GET", "/")
        assert response.read() == b"ok"
        assert response.headers.get("x-114") == "v" * 500


def test_equal_content_lengths_are_taken_as_one() -> None:
    assert fetch(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok")[1] == b"ok"


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("DELETE", 204), ("HEAD", 404)]
)
def test_answer_that_cannot_have_a_body_ignores_its_content_length(method: str, status: int) -> None:
    data = f"HTTP/1.1 {status} X\r\nContent-Length: 17\r\n\r\n".encode()
    with ScriptedServer(answer(data, OK)) as server:
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


def test_chunked_body_with_extensions_and_trailers_is_decoded() -> None:
    body = b"4\r\nWiki\r\n5;name=value\r\npedia\r\nE\r\n in\r\n\r\nchunks.\r\n0\r\nX-Trailer: 1\r\n\r\n"
    with ScriptedServer(
        answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n" + body, OK)
    ) as server:
        pool = server.pool(size=1)
        response = pool.request("GET", "/")
        assert response.length is None
        assert response.read() == b"Wikipedia in\r\n\r\nchunks."
        assert pool.request("GET", "/").read() == b"ok"
    assert server.accepted == 1


def test_chunked_body_received_byte_by_byte_is_decoded() -> None:
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWiki\r\n5\r\npedia\r\n0\r\n\r\n"

    def script(wire: Wire) -> None:
        wire.request()
        for index in range(len(data)):
            wire.send(data[index : index + 1])
            time.sleep(0.001)

    with ScriptedServer(script) as server:
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
    with ScriptedServer(answer(data), answer(OK)) as server:
        pool = server.pool(size=1)
        response = pool.request("GET", "/")
        assert response.read(size) == b"x" * size
        with pytest.raises(HttpError, match=f"{10 - size} bytes early"):
            response.read(5)
        assert pool.request("GET", "/").read() == b"ok"


def test_connection_reset_in_the_body_is_an_error() -> None:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        time.sleep(0.2)
        wire.reset()

    with ScriptedServer(script) as server:
        response = server.pool().request("GET", "/")
        with pytest.raises(HttpError, match="broke|early"):
            response.read()


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
def test_body_without_length_ends_with_the_connection(version: bytes) -> None:
    response, body = fetch(version + b" 200 OK\r\n\r\nall of it")
    assert (response.length, body) == (None, b"all of it")


def test_read_of_more_than_is_left_ends_with_the_body() -> None:
    with ScriptedServer(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", OK)) as server:
        response = server.pool().request("GET", "/")
        assert [response.read(2), response.read(0), response.read(9), response.read(9)] == [
            b"he",
            b"",
            b"llo",
            b"",
        ]
