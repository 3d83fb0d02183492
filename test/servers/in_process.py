"""HTTP servers in threads of this process: what fakes of stores and of logins have in common."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar

from servers.process import LOOPBACK

_AnyServer = TypeVar("_AnyServer", bound="InProcessServer")


class InProcessServer:
    """Listens on a free port from its creation, and answers while its context lasts.

    ``handler`` serves each connection; ``attributes`` are those of its class that lead to this server.
    """

    def __init__(self, handler: type[BaseHTTPRequestHandler], **attributes: object) -> None:
        self._server = _Server((LOOPBACK, 0), type("Handler", (handler,), attributes))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def endpoint(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def __enter__(self: _AnyServer) -> _AnyServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # clients whose connections break come again all at once


class QuietHandler(BaseHTTPRequestHandler):
    """Keeps connections open, and logs nothing."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass
