"""Long bodies that arrive fast: some bytes are gathered before the reader wakes up, and none is kept back."""

from __future__ import annotations

import random
import threading

import pytest

from s3_sync.http.pool import ConnectionPool, HttpError, Receiving, Response, Timeouts
from servers.scripted import OK, Script, ScriptedServer, Wire

MIB = 1 << 20
GATHER = 256 * 1024
BODY = random.Random(1).randbytes(4 * MIB)
HEAD = f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
#: where the server pauses: a few bytes more than what is gathered
PAUSE = 2 * MIB + 1000


def pool_of(server: ScriptedServer, read: float) -> ConnectionPool:
    timeouts = Timeouts(5.0, read, 5.0)
    return ConnectionPool(server.origin, size=1, timeouts=timeouts, receiving=Receiving(gather=GATHER))


def pauses(go_on: threading.Event) -> Script:
    def script(wire: Wire) -> None:
        wire.request()
        wire.send(HEAD + BODY[:PAUSE])
        go_on.wait(20)
        wire.send(BODY[PAUSE:])
        wire.request()
        wire.send(OK)

    return script


def read_until(response: Response, size: int) -> bytes:
    read = b""
    while len(read) < size and (data := response.read(GATHER)):
        read += data
    return read


def gathered(response: Response) -> int:
    connection = response._connection
    return 1 if connection is None else connection._at_least


def test_long_body_is_gathered_whole_and_its_connection_reused() -> None:
    go_on = threading.Event()
    go_on.set()
    with ScriptedServer(pauses(go_on)) as server:
        pool = pool_of(server, 5.0)
        response = pool.request("GET", "/")
        read, most = b"", 1
        while data := response.read(GATHER):
            read += data
            most = max(most, gathered(response))
        assert read == BODY
        assert most == GATHER, "else nothing was tried here"
        assert pool.request("GET", "/").read() == b"ok"


@pytest.mark.parametrize("patience", [0.3, 20.0])
def test_bytes_before_a_pause_are_returned_at_timeout_or_with_more(patience: float) -> None:
    go_on = threading.Event()
    with ScriptedServer(pauses(go_on)) as server:
        response = pool_of(server, patience).request("GET", "/")
        if patience > 1.0:
            threading.Timer(0.3, go_on.set).start()
        read = read_until(response, PAUSE)
        assert read == BODY[: len(read)]
        if patience < 1.0:
            assert len(read) == PAUSE
            with pytest.raises(HttpError) as caught:
                response.read(GATHER)
            assert caught.value.timed_out
        else:
            assert read + read_until(response, len(BODY)) == BODY
        go_on.set()


def test_connection_closed_in_the_body_raises_ended_early() -> None:
    def breaks_off(wire: Wire) -> None:
        wire.request()
        wire.send(HEAD + BODY[:PAUSE])

    with ScriptedServer(breaks_off) as server:
        response = pool_of(server, 20.0).request("GET", "/")
        with pytest.raises(HttpError, match="early"):
            read_until(response, len(BODY))


def test_slow_body_is_returned_as_it_arrives() -> None:
    steps = [threading.Event() for _ in range(5)]

    def drips(wire: Wire) -> None:
        wire.request()
        wire.send(HEAD)
        for number, step in enumerate(steps):
            wire.send(BODY[number * 1000 : number * 1000 + 1000])
            step.wait(20)

    with ScriptedServer(drips) as server:
        response = pool_of(server, 20.0).request("GET", "/")
        for number, step in enumerate(steps):
            assert read_until(response, 1000) == BODY[number * 1000 : number * 1000 + 1000]
            threading.Timer(0.02, step.set).start()
