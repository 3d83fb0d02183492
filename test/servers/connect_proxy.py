"""A forward proxy for https: CONNECT, and bytes to and fro. It runs in threads of the test's own process."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType


class ConnectProxy:
    """Whatever is asked for, it connects to ``target``. A context manager.

    ``heads``: of the requests that came, as text. Who does not send ``authorization`` is turned away.
    """

    def __init__(self, target: tuple[str, int], authorization: str = "") -> None:
        self._target = target
        self._authorization = authorization
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.heads: list[str] = []

    def __enter__(self) -> ConnectProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head and (data := client.recv(65536)):
                head += data
            text = head.decode("latin-1")
            self.heads.append(text)
            if not text.startswith("CONNECT ") or f"Authorization: {self._authorization}" not in text:
                client.sendall(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
                return
            with socket.create_connection(self._target) as server:
                client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                back = threading.Thread(target=_copy, args=(server, client), daemon=True)
                back.start()
                _copy(client, server)
                back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
