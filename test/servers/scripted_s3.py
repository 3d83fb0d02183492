"""An S3 that answers what a test tells it to, and keeps every request: for faults that no real store makes.

It runs in a thread of this process, and checks nothing.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from servers.in_process import InProcessServer, QuietHandler


@dataclass(frozen=True)
class Answer:
    """``cut``: the connection is closed after so many bytes of the body. ``drop``: without any answer.

    ``early``: without reading the request's body.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int | None = None
    drop: bool = False
    early: bool = False


@dataclass(frozen=True)
class Received:
    """One request; header names in lower case. ``port``: the client's, which tells connections apart."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    port: int


def error(status: int, code: str, message: str = "", **headers: str) -> Answer:
    """An answer with S3's error document; ``retry_after="3"`` becomes Retry-After."""
    document = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"Content-Type": "application/xml", **named}, document)


class _Handler(QuietHandler):
    script: ScriptedS3

    def serve(self) -> None:
        answer = self.script.next_answer()
        self._receive(answer)
        if answer.drop:
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        usual = {"Date": self.date_time_string()}
        framing = {} if "Transfer-Encoding" in answer.headers else {"Content-Length": str(len(answer.body))}
        for name, value in (usual | framing | answer.headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: answer.cut])
        if answer.cut is not None:
            self.close_connection = True

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve

    def handle_expect_100(self) -> bool:
        return True  # serve decides

    def _receive(self, answer: Answer) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        length = int(headers.get("content-length", 0))
        if answer.early:
            self.close_connection = True
            length = 0
        elif "expect" in headers:
            self.send_response_only(100)
            self.end_headers()
        body = self.rfile.read(length)
        request = Received(self.command, self.path, headers, body, self.client_address[1])
        self.script.requests.append(request)


class ScriptedS3(InProcessServer):
    """``answers`` are given in turn, the last one again and again. A context manager.

    ``tls``: a file with a certificate and its key, for https.
    """

    def __init__(self, answers: Sequence[Answer] = (), *, tls: Path | None = None) -> None:
        super().__init__(_Handler, script=self)
        self.answers = list(answers)
        self.requests: list[Received] = []
        self._scheme = "https" if tls else "http"
        self._lock = threading.Lock()
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    @property
    def endpoint(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def next_answer(self) -> Answer:
        with self._lock:
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
