"""Sends requests to one account with the session's token."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from s3_sync.errors import InvalidRequest, NotFound, ObjectRefused, RemoteError, RemoteUnavailable
from s3_sync.http.network import Network
from s3_sync.http.pool import CONTINUE_WAIT, ConnectionPool, HttpError, Origin, Response
from s3_sync.providers.clock_skew import StoreClock
from s3_sync.providers.http_errors import translated
from s3_sync.providers.object_headers import Header
from s3_sync.providers.swift.auth import USER_AGENT, Token
from s3_sync.providers.swift.errors import hide, is_from_swift, refusal, stranger
from s3_sync.providers.token_session import Session
from s3_sync.streams.reader import Body
from s3_sync.streams.restartable import RestartableBody
from s3_sync.streams.small_files import parse_json

#: bodies of so many bytes are sent with ``Expect: 100-continue``: a refused token then costs no body
EXPECT_FROM = 64 * 1024
#: seconds to wait for 100 Continue: a cluster may ask a busy Keystone about the token before
PATIENCE = 10.0
#: minimum bytes per read of an object that arrives fast, see ``Receiving``
_GATHER = 256 * 1024
_REFUSED = (401, 403)
#: maximum bytes of what a cluster tells about itself
_MAX_INFO = 1024 * 1024
_READS = ("GET", "HEAD")
#: end of a storage URL's path, below the root of the API
_ACCOUNT = re.compile(r"/v1(\.0)?/.*")
#: what is not for every server a part of a name, and a path that is then that of the account
_DOTS, _WAY_OUT = re.compile(r"/\.{1,2}(/|$)"), "/.swift-s3-sync-nowhere/.."
#: asks a cloud-shunt at the other side for what that cluster has, or has moved to a store that is no Swift,
#: and not for what another Swift has, which may be this one
HOP = ("X-Cloud-Sync-Shunt-Hop", "1")


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    #: quoted, below the account
    target: str
    headers: Sequence[Header]
    body: RestartableBody | bytes | None
    size: int | None


class SwiftTransport:
    """At most ``connections`` for reading and as many for writing, so that a thread that copies from one
    object to another cannot deadlock itself. Thread-safe.

    ``clock``: the server's, as its responses show it.
    """

    def __init__(self, session: Session[Token], network: Network, store: str, connections: int) -> None:
        self.clock = StoreClock(store)
        self._session = session
        self._network = network
        self._connections = connections
        self._lock = threading.Lock()
        self._pools: dict[tuple[Origin, int], ConnectionPool] = {}
        self._patience = PATIENCE
        self._info: dict[str, Any] | None = None
        #: whether something resolves dots in paths; None: unknown
        self._resolves: bool | None = None

    def request(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: Sequence[Header] = (),
        body: Body | bytes | None = None,
        size: int | None = None,
    ) -> Response:
        """Send a request and return the response to a success (2xx), which the caller must close.

        ``path``: ``/container/object``, unquoted, below the account; empty for the account itself. ``query``:
        quoted. ``size``: bytes of the body, by default its length.

        After a 401 or a 403 (Ceph's status for an expired token) the token is renewed, and the request sent
        again, unless bytes of the body have been read and it cannot be rewound. Raises the errors of
        ``refusal``, and whatever ``body.read`` raises; ObjectRefused (``name_dots``) for a write to a name
        that would be another one there, and NotFound for a read of it.
        """
        if _DOTS.search(path) and path != _WAY_OUT and self._resolves_dots():
            why = f"{method} {path}: something before the store takes the dots for a way to another path"
            raise NotFound(why, status=404) if method in _READS else ObjectRefused("name_dots", why)
        what = f"{method} {path or 'the account'}"
        watched = body if body is None or isinstance(body, bytes) else RestartableBody(body)
        if size is None and body is not None:
            size = len(body) if isinstance(body, bytes) else body.length
        target = quote(path, safe="/") + (f"?{query}" if query else "")
        request = _Request(method, target, headers, watched, size)
        with translated(what):
            token = self._session.token()
            response = self._send(request, token)
            if response.status in _REFUSED:
                token = self._another_token(what, request, token, response)
                response = self._send(request, token)
                if response.status in _REFUSED:
                    self._session.note_denial(token)
        if not 200 <= response.status < 300:
            raise self._error(what, request, token, response)
        if not is_from_swift(response.headers):
            with response:
                raise stranger(what, response)
        return response

    def info(self) -> Mapping[str, Any]:
        """What the cluster tells about itself (``/info``, Swift's discoverability); empty if it does not.

        Once it has been read, it is not read again."""
        if self._info is None:
            try:
                self._info = self._read_info()
            except (RemoteError, HttpError, ValueError):
                return {}
        return self._info

    def _resolves_dots(self) -> bool:
        """Whether a proxy before the store makes ``/c/o`` of ``/c/a/../o``. Then users could name, by such
        names, whatever our token may read and write. Raises RemoteError."""
        if self._resolves is None:
            try:
                self.request("HEAD", _WAY_OUT).close()
            except (NotFound, InvalidRequest):
                self._resolves = False
            else:
                self._resolves = True
        return self._resolves

    def _read_info(self) -> dict[str, Any]:
        token = self._session.token()
        root = _ACCOUNT.sub("", token.storage.path)
        with self._pool(token.storage.origin, 1).request("GET", f"{root}/info", ()) as response:
            found = parse_json(response.read_all(_MAX_INFO)) if response.status == 200 else {}
        if not isinstance(found, dict):
            raise ValueError("not an object")
        return found

    @property
    def account(self) -> str:
        """The name of the account. Raises what a login raises."""
        return self._session.token().account

    def close(self) -> None:
        with self._lock:
            for pool in self._pools.values():
                pool.close()
        self._session.close()

    def _another_token(self, what: str, request: _Request, refused: Token, response: Response) -> Token:
        """Renew a refused token, and prepare the request to be sent again. Raises an error if that is useless
        or impossible."""
        error = self._error(what, request, refused, response)
        if self._session.is_denial(refused):
            raise error
        token = self._session.renew(refused, response.status)
        if isinstance(request.body, RestartableBody) and not request.body.restart():
            why = "the token was renewed, but the body cannot be sent again"
            raise RemoteUnavailable(f"{error}: {why}", status=error.status) from error
        return token

    def _send(self, request: _Request, token: Token) -> Response:
        reads = request.method in _READS
        headers = [("User-Agent", USER_AGENT), ("X-Auth-Token", token.value), HOP, *request.headers]
        if reads:  # the bytes must arrive as they are stored
            headers.append(("Accept-Encoding", "identity"))
        sent = time.time()
        response = self._pool(token.storage.origin, _GATHER if reads else 1).request(
            request.method,
            token.storage.path + request.target or "/",
            headers,
            request.body,
            length=request.size,
            continue_wait=self._patience if (request.size or 0) >= EXPECT_FROM else 0.0,
        )
        hide(response, token.value)
        if response.unasked and 200 <= response.status < 300:
            self._patience = CONTINUE_WAIT  # something in between swallows the server's 100 Continue
        self.clock.record(response.headers.get("date") or "", sent)
        return response

    def _error(self, what: str, request: _Request, token: Token, response: Response) -> RemoteError:
        slashes = request.target.partition("?")[0].count("/")
        container = slashes == 1 or (slashes > 1 and request.method == "PUT")
        return refusal(what, response, container=container, secret=token.value)

    def _pool(self, origin: Origin, gather: int) -> ConnectionPool:
        with self._lock:
            pool = self._pools.get((origin, gather))
            if pool is None:
                pool = self._pools[origin, gather] = self._network.pool(origin, self._connections, gather)
            return pool
