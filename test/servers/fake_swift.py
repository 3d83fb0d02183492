"""A strict Swift in this process, for what a real one does not do on demand: tokens that last some seconds of
a clock that the test moves, 403 for an expired one as Ceph has it, and logins at Keystone's version 2.

It refuses whatever the protocols do not have, and counts the bytes of each body that it receives.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, final
from urllib.parse import unquote, urlsplit

from servers.in_process import InProcessServer, QuietHandler

USER, KEY = "test:tester", "a secret for tests"
ACCOUNT = "AUTH_test"
TENANT = "lab"
REGIONS = ("north", "south")
LOGINS = ("/auth/v1.0", "/v2.0/tokens")


@dataclass
class Request:
    """``received``: bytes of the body that arrived. ``token``: its number, from 1; 0 for an unknown one."""

    method: str
    path: str
    query: str
    token: int = 0
    status: int = 0
    received: int = 0


@dataclass
class Faults:
    """How it differs from a Swift that is well. ``expired``: the status for an expired or revoked token."""

    expired: int = 401
    #: paths below the account that no token may reach
    forbidden: set[str] = field(default_factory=set)
    #: refuse a token only when the body has been read, as a proxy in between may
    late: bool = False
    #: instead of the response to a login
    login: Callable[[BaseHTTPRequestHandler], object] | None = None
    #: waited for before a login is answered
    gate: threading.Event | None = None
    #: path of the account's storage URL, up to the account
    prefix: str = "/v1"
    #: make ``/c/o`` of ``/c/a/../o``, as some proxies do
    dots: bool = False
    #: name no expiry, as some servers do
    no_expiry: bool = False


@final
class FakeSwift(InProcessServer):
    """``clock``: seconds. ``life``: of tokens, in seconds."""

    def __init__(self, clock: Callable[[], float], life: float = 86400) -> None:
        super().__init__(_Handler, swift=self)
        self.clock = clock
        self.life = life
        self.faults = Faults()
        self.requests: list[Request] = []
        self.objects: dict[str, bytes] = {}
        self.containers: set[str] = {"c"}
        self._tokens: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return self.endpoint

    @property
    def auth_url(self) -> str:
        return f"{self.url}/auth/v1.0"

    @property
    def logins(self) -> int:
        """Those that were answered with a token."""
        return len(self._tokens)

    def attempts(self) -> int:
        """Requests for a token."""
        return sum(request.path in LOGINS for request in self.requests)

    def below_account(self, method: str | None = None) -> list[Request]:
        """The requests that were no logins; of those that have been answered, all is known."""
        start = f"{self.faults.prefix}/"
        return [
            request
            for request in self.requests
            if request.path.startswith(start) and method in (None, request.method)
        ]

    def new_token(self) -> tuple[str, float]:
        """A token and the time of its expiry."""
        with self._lock:
            number = len(self._tokens) + 1
            value, expires = f"tk-{number}-secret", self.clock() + self.life
            self._tokens[value] = number, expires
            return value, expires

    def revoke_all(self) -> None:
        with self._lock:
            self._tokens = {value: (number, 0.0) for value, (number, _) in self._tokens.items()}

    def number_of(self, value: str | None) -> int:
        return self._tokens.get(value or "", (0, 0.0))[0]

    def is_valid(self, value: str | None) -> bool:
        return self._tokens.get(value or "", (0, 0.0))[1] > self.clock()


class _Handler(QuietHandler):
    swift: FakeSwift

    def handle_expect_100(self) -> bool:
        return True  # sent when the body is read

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.noted = Request(self.command, unquote(url.path), url.query)
        self.swift.requests.append(self.noted)
        if url.path in LOGINS:
            self._log_in(url.path)
        else:
            path = posixpath.normpath(url.path) if self.swift.faults.dots else url.path
            self._answer_below_account(unquote(path))

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def respond(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Names of headers have ``_`` for ``-``."""
        self.noted.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("X-Trans-Id", "tx-fake")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        if status >= 400:
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    # Logins

    def _log_in(self, path: str) -> None:
        faults = self.swift.faults
        if faults.gate is not None:
            assert faults.gate.wait(30)
        if faults.login is not None:
            faults.login(self)
        elif path == "/auth/v1.0":
            self._log_in_v1()
        else:
            self._log_in_v2()

    def _log_in_v1(self) -> None:
        if self.command != "GET":
            return self.respond(405)
        if (self.headers.get("X-Auth-User"), self.headers.get("X-Auth-Key")) != (USER, KEY):
            return self.respond(401)
        value, expires = self.swift.new_token()
        named = {"X_Auth_Token": value, "X_Storage_Url": self._storage("127.0.0.1")}
        if not self.swift.faults.no_expiry:
            named["X_Auth_Token_Expires"] = str(int(expires - self.swift.clock()))
        return self.respond(200, **named)

    def _storage(self, host: str) -> str:
        _, _, port = self.swift.url.rpartition(":")
        return f"http://{host}:{port}{self.swift.faults.prefix}/{ACCOUNT}"

    def _log_in_v2(self) -> None:
        """Identity API v2.0, "Authenticate": exactly this document, and nothing that it does not have."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.command != "POST" or self.headers.get("Content-Type") != "application/json":
            return self._keystone_error(400, "Expecting to find auth in request body.")
        asked = json.loads(body)
        if set(asked) != {"auth"} or set(asked["auth"]) != {"passwordCredentials", "tenantName"}:
            return self._keystone_error(400, "Expecting to find auth in request body.")
        user = asked["auth"]["passwordCredentials"]
        if user != {"username": USER, "password": KEY} or asked["auth"]["tenantName"] != TENANT:
            return self._keystone_error(401, "The request you have made requires authentication.")
        value, _ = self.swift.new_token()
        tenant = {"id": "t1", "name": TENANT, "enabled": True}
        token = {
            "id": value,
            "expires": self._date(self.swift.life),
            "issued_at": self._date(0),
            "tenant": tenant,
        }
        endpoints = [
            {
                "region": region,
                "publicURL": self._storage("127.0.0.1") + ("" if region == REGIONS[0] else "_south"),
                "internalURL": self._storage("localhost"),
                "adminURL": "http://127.0.0.1:1/",
            }
            for region in REGIONS
        ]
        catalogue = [{"type": "object-store", "name": "swift", "endpoints": endpoints}]
        access = {"token": token, "serviceCatalog": catalogue, "user": {"id": "u1", "name": USER}}
        return self._send_json(200, {"access": access})

    def _date(self, seconds: float) -> str:
        """A date of a clock that is years away from this machine's."""
        minutes, rest = divmod(int(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"2001-02-{3 + hours // 24:02}T{hours % 24:02}:{minutes:02}:{rest:02}Z"

    def _keystone_error(self, code: int, message: str) -> None:
        self._send_json(code, {"error": {"message": message, "code": code, "title": "error"}})

    def _send_json(self, status: int, document: Any) -> None:
        self.respond(status, json.dumps(document).encode(), Content_Type="application/json")

    # Objects

    def _answer_below_account(self, path: str) -> None:
        value = self.headers.get("X-Auth-Token")
        self.noted.token = self.swift.number_of(value)
        late = self._body() if self.swift.faults.late else None
        account, _, below = path.removeprefix(f"{self.swift.faults.prefix}/").partition("/")
        if not self.swift.is_valid(value):
            status = self.swift.faults.expired
            return self.respond(status, f"token {value}".encode(), Content_Type="text/plain")
        if f"/{below}" in self.swift.faults.forbidden:
            page = b"<html><h1>Forbidden</h1><p>Access denied.</p></html>"
            return self.respond(403, page, Content_Type="text/html")
        body = self._body() if late is None else late
        container, _, name = below.partition("/")
        if not below:
            return self.respond(204)
        if self.command == "PUT" and not name:
            self.swift.containers.add(container)
            return self.respond(201)
        if container not in self.swift.containers:
            return self.respond(404)
        if not name:
            return self.respond(204)
        return self._answer_object(f"{account}/{below}", body)

    def _answer_object(self, key: str, body: bytes) -> None:
        objects = self.swift.objects
        if self.command == "PUT":
            objects[key] = body
            return self.respond(201, ETag=hashlib.md5(body).hexdigest())
        if self.command == "DELETE":
            return self.respond(204 if objects.pop(key, None) is not None else 404)
        return self.respond(200, objects[key]) if key in objects else self.respond(404)

    def _body(self) -> bytes:
        size = int(self.headers.get("Content-Length") or 0)
        if size and self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        pieces: list[bytes] = []
        while self.noted.received < size:
            piece = self.rfile.read1(min(65536, size - self.noted.received))
            if not piece:
                break
            self.noted.received += len(piece)
            pieces.append(piece)
        return b"".join(pieces)
