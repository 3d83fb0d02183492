"""HTTP/1.1 messages as bytes: read, kept as they are, sent on."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass


@dataclass
class Message:
    """A request or an answer. ``first``: its first line. ``body``: as it was on the wire, chunks and all."""

    first: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    @property
    def status(self) -> int:
        return int(self.first.split(" ")[1])

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")

    def remove(self, name: str) -> None:
        self.headers = [(key, value) for key, value in self.headers if key.lower() != name]

    def raw(self) -> bytes:
        lines = [self.first, *(f"{name}:{value}" for name, value in self.headers)]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + self.body


class Wire:
    """One end of a connection. Everything raises OSError when the other end is gone."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._buffer = bytearray()

    def read_head(self) -> Message:
        while b"\r\n\r\n" not in self._buffer:
            self._receive()
        head = self._take(self._buffer.index(b"\r\n\r\n") + 4)[:-4]
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = [line.partition(":") for line in lines]
        return Message(first, [(name, value) for name, _, value in fields])

    def read_body(self, message: Message, part: float = 1.0) -> None:
        """The body that belongs to this head; with ``part``, only so much of one of known length."""
        if "chunked" in message.header("transfer-encoding").lower():
            message.body = self._chunks()
        elif length := message.header("content-length").strip():
            message.body = self._take(int(int(length) * part))

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)

    def reset(self) -> None:
        """Close with a RST instead of a FIN, from whichever thread."""
        with contextlib.suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self._sock.shutdown(socket.SHUT_RD)
        self.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.close()

    def _chunks(self) -> bytes:
        body = bytearray()
        while True:
            line = self._line()
            size = int(line.split(b";")[0], 16)
            body += line + (self._take(size + 2) if size else b"")
            if not size:
                while line := self._line():  # trailers, and the empty line that ends it all
                    body += line
                    if line == b"\r\n":
                        return bytes(body)

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._receive()
        return self._take(self._buffer.index(b"\r\n") + 2)

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._receive()
        data = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return data

    def _receive(self) -> None:
        data = self._sock.recv(1 << 20)
        if not data:
            raise ConnectionError("the other end closed the connection")
        self._buffer += data
