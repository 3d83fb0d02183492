"""An HTTP server that does exactly what a test says, connection by connection."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, final

from s3_sync.http.pool import ConnectionPool, Origin, Timeouts

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
class ScriptedServer:
    """Accepts one connection for each script, in order, and runs it in a thread."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.origin = Origin("127.0.0.1", self.port)
        self.results: list[Any] = []
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

    def wait_for_results(self, count: int) -> None:
        """Until so many scripts have ended."""
        wait_until(lambda: len(self.results) >= count)

    def pool(self, size: int = 4, read: float = 5.0, acquire: float = 5.0) -> ConnectionPool:
        return ConnectionPool(self.origin, size=size, timeouts=Timeouts(5.0, read, acquire))

    def __enter__(self) -> ScriptedServer:
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


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "never happened"
        time.sleep(0.005)
