"""`python -m bench.bare ORDER`: what this machine could do if a copy cost nothing.

Threads read objects from an object server and write them to the sink, with requests that were made
beforehand, over connections that stay open, and look at nothing but lengths and statuses. There is no
signature, no metadata, no error handling and no state.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections import deque
from pathlib import Path
from typing import Any

BUFFER = 1024 * 1024


class Peer:
    """One open connection."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(BUFFER)
        self._view = memoryview(self._buffer)

    def send(self, data: bytes | memoryview) -> None:
        self._socket.sendall(data)

    def head(self) -> tuple[bytes, memoryview]:
        """An answer's head, and what came of its body with it."""
        have = 0
        while (end := self._buffer.find(b"\r\n\r\n", 0, have)) < 0:
            have += self._more(have)
        return bytes(self._view[:end]).lower(), self._view[end + 4 : have]

    def piece(self) -> memoryview:
        return self._view[: self._more(0)]

    def skip(self, head: bytes, rest: memoryview) -> None:
        """Read an answer's body to its end."""
        if b"transfer-encoding: chunked" in head:
            data = bytes(rest)
            while not data.endswith(b"0\r\n\r\n"):
                data += self.piece()
            return
        left = int(field(head, b"content-length")) - len(rest)
        while left > 0:
            left -= len(self.piece())

    def _more(self, at: int) -> int:
        count = self._socket.recv_into(self._view[at:])
        if not count:
            raise ConnectionError("closed")
        return count


def field(head: bytes, name: bytes) -> bytes:
    start = head.index(b"\r\n" + name + b": ") + len(name) + 4
    return head[start:].split(b"\r\n", 1)[0]


def copy(source: Peer, sink: Peer, path: str, upload: str) -> None:
    """``upload``: the head of the request to the sink but for the Content-Length."""
    source.send(f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Backend-Storage-Policy-Index: 0\r\n\r\n".encode())
    head, body = source.head()
    length = int(field(head, b"content-length"))
    request = f"{upload}Content-Length: {length}\r\n\r\n".encode()
    if length <= len(body):
        sink.send(request + bytes(body))
    else:
        sink.send(request)
        left = length
        while left:
            sink.send(body)
            left -= len(body)
            body = source.piece() if left else body
    answer, rest = sink.head()
    sink.skip(answer, rest)
    if b" 200 " not in head or not answer.startswith((b"http/1.1 200", b"http/1.1 201")):
        raise RuntimeError(f"{head!r} {answer!r}")


def main(path: str) -> None:
    order: dict[str, Any] = json.loads(Path(path).read_text())
    source_address, sink_address = ((host, int(port)) for host, port in (order["source"], order["sink"]))
    method = order.get("method", "PUT")
    rest = f"HTTP/1.1\r\nHost: {sink_address[0]}:{sink_address[1]}\r\n{order.get('headers', '')}"
    waiting = deque(order["pairs"])

    def work() -> None:
        source, sink = Peer(source_address), Peer(sink_address)
        while waiting:
            try:
                source_path, target = waiting.popleft()
            except IndexError:
                return
            copy(source, sink, source_path, f"{method} {target} {rest}")

    threads = [threading.Thread(target=work) for _ in range(order["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if waiting:
        sys.exit("not all was copied")


if __name__ == "__main__":
    main(sys.argv[1])
