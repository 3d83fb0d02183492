"""A store that shows signs of life while it takes longer than anybody's time-out: a fault of `FaultProxy`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from faults.proxy import Exchange, Fault
from faults.rewritten import REFUSED
from faults.wire import Message


@dataclass(frozen=True)
class SignsOfLife:
    """``first`` comes at once, ``again`` five times within the time that it takes, ``last`` is made of the
    store's document."""

    first: bytes
    again: bytes
    last: Callable[[bytes], bytes]


def keeps_alive(seconds: float, signs: SignsOfLife, acts: bool = True) -> Fault:
    """An answer with 200 that takes so long, or as long as the store itself. Without ``acts`` that is not
    asked, and the document is REFUSED."""

    def fault(exchange: Exchange) -> None:
        exchange.read_body()
        send, until, done = exchange.client.send, time.monotonic() + seconds, threading.Event()

        def chunk(data: bytes) -> None:
            if data:
                send(b"%x\r\n%s\r\n" % (len(data), data))

        def live() -> None:
            while not done.wait(seconds / 5):
                chunk(signs.again)

        send(b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk(signs.first)
        alive = threading.Thread(target=live)
        alive.start()
        try:
            if acts:
                exchange.forward()
            done.wait(max(0.0, until - time.monotonic()))
        finally:
            done.set()
            alive.join()
        chunk(signs.last(_document(exchange.answer) if exchange.answer else REFUSED))
        send(b"0\r\n\r\n")

    return fault


def _document(answer: Message) -> bytes:
    """The body without chunks."""
    if "chunked" not in answer.header("transfer-encoding"):
        return answer.body
    pieces: list[bytes] = []
    rest = answer.body
    while size := int(rest.partition(b"\r\n")[0].split(b";")[0], 16):
        start = rest.index(b"\r\n") + 2
        pieces.append(rest[start : start + size])
        rest = rest[start + size + 2 :]
    return b"".join(pieces)
