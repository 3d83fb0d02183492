"""A small, strict HTTP/1.1 client over pooled, kept-alive connections.

It replaces ``http.client``, whose header parser stops at the first non-ASCII field name and loses every later
field (bpo-37093); Swift's object servers send such names. It also ends a truncated body without an error.
"""

from __future__ import annotations

import ssl
import threading
from collections import deque
from collections.abc import Iterator, Sequence

from s3_sync.http.connection import (
    Connection,
    Origin,
    Proxy,
    Receiving,
    StaleConnection,
    Timeouts,
    connect,
)
from s3_sync.http.message import (
    Framing,
    Head,
    Headers,
    HttpError,
    NoFreeConnection,
    framing,
    request_head,
)
from s3_sync.http.response import Response
from s3_sync.streams.reader import CHUNK, Body

__all__ = [
    "CONTINUE_WAIT",
    "ConnectionPool",
    "Headers",
    "HttpError",
    "NoFreeConnection",
    "Origin",
    "Proxy",
    "Receiving",
    "Response",
    "Timeouts",
]

#: seconds that a server usually takes at most to respond to ``Expect: 100-continue``
CONTINUE_WAIT = 1.0
#: maximum bytes of a long body per read
_MAX_READ = 256 * 1024
_DEFAULT_TIMEOUTS = Timeouts()
_BY_KERNEL = Receiving()
_SENDS_LENGTH = frozenset({"PUT", "POST", "PATCH"})


class ConnectionPool:
    """At most ``size`` connections to one origin. Thread-safe.

    Memory: up to 256 KiB per connection in use, besides the caller's own buffers.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        size: int,
        timeouts: Timeouts = _DEFAULT_TIMEOUTS,
        tls_context: ssl.SSLContext | None = None,
        proxy: Origin | None = None,
        receiving: Receiving = _BY_KERNEL,
    ) -> None:
        if proxy and proxy.tls:
            raise ValueError("https proxies are not supported, only plain http ones")
        self._origin = origin
        self._timeouts = timeouts
        self._proxy = proxy
        self._tls_context = tls_context
        if origin.tls and tls_context is None:
            self._tls_context = ssl.create_default_context()
        self._slots = threading.BoundedSemaphore(size)
        self._idle: deque[Connection] = deque()
        self._receiving = receiving
        self._closed = False

    def request(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]] = (),
        body: Body | bytes | None = None,
        *,
        length: int | None = None,
        continue_wait: float = 0.0,
    ) -> Response:
        """Send a request and receive the response head, whatever its status is.

        ``target``: path and query, quoted. ``body`` is positioned at its first byte; ``length`` bytes of it
        are sent (without ``length``: all of it). With ``continue_wait`` none of it is read before the
        server asks for it, or is silent for so many seconds. The pool sets Host (unless given),
        Content-Length and Expect itself. A response that arrives before the body is sent ends the upload.
        If a kept-alive connection turns out to be stale before the first byte of the response, the request is
        retried once on a new one, provided the body can be rewound. Raises HttpError, ValueError for a
        request that cannot be formatted, and whatever ``body.read`` raises.
        """
        head = self._head(method, target, headers, body, length, continue_wait > 0)
        message = _Message(head, body, length, continue_wait)
        if not self._slots.acquire(timeout=self._timeouts.acquire):
            reason = f"no free connection to {self._origin.authority}"
            raise NoFreeConnection(reason, False, timed_out=True)
        connection: Connection | None = None
        try:
            connection = self._idle_connection()
            if connection is not None:
                try:
                    return self._exchange(connection, method, message)
                except StaleConnection as error:
                    connection.close()
                    if not message.rewind():
                        raise HttpError(f"the kept-alive connection was stale: {error}", True) from error
            connection = self._connect()
            try:
                return self._exchange(connection, method, message)
            except StaleConnection as error:
                raise HttpError(f"no response: {error}", True) from error
        except BaseException:
            if connection is not None:
                connection.close()
            self._slots.release()
            raise

    def close(self) -> None:
        """Close idle connections now, and those in use when their responses end."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _connect(self) -> Connection:
        return connect(self._origin, self._timeouts, self._tls_context, self._proxy, self._receiving.buffer)

    def _head(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]],
        body: Body | bytes | None,
        length: int | None,
        expect: bool,
    ) -> bytes:
        own: list[tuple[str, str]] = []
        size = _body_length(body, length)
        if size or method in _SENDS_LENGTH:
            own.append(("Content-Length", str(size)))
        if expect and size:
            own.append(("Expect", "100-continue"))
        if self._proxy and not self._origin.tls:
            target = f"http://{self._origin.authority}{target}"
            if isinstance(self._proxy, Proxy) and self._proxy.authorization:
                own.append(("Proxy-Authorization", self._proxy.authorization))
        return request_head(method, target, headers, own, self._origin.authority)

    def _idle_connection(self) -> Connection | None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.usable():
                return connection
            connection.close()

    def _exchange(self, connection: Connection, method: str, message: _Message) -> Response:
        head, complete = message.send(connection)
        if head is None:
            head = connection.receive_head()
        try:
            body = framing(method, head)
        except ValueError as error:
            raise HttpError(f"malformed response: {error}", True) from error
        if not complete:
            body = Framing(body.length, body.chunked, False)
        response = Response(head, body, connection, self._release, self._receiving.gather)
        response.unasked = message.unasked
        return response

    def _release(self, connection: Connection, reusable: bool) -> None:
        if reusable and connection.park() and not self._closed:
            self._idle.append(connection)
        else:
            connection.close()
        self._slots.release()


class _Message:
    """An outgoing request. The first piece of the body is sent together with the head, unless the server
    is to ask for it: ``continue_wait``, 0 = no."""

    def __init__(
        self, head: bytes, body: Body | bytes | None, length: int | None, continue_wait: float
    ) -> None:
        self._head = head
        self._body = body
        self._size = _body_length(body, length)
        self._continue_wait = continue_wait if self._size > 0 else 0.0
        #: the body was sent although the server had not asked for it in time
        self.unasked = False
        self._first = self._beginning()
        self._position = len(self._first)

    def send(self, connection: Connection) -> tuple[Head | None, bool]:
        """Send the request. Returns the response that arrived instead of 100 Continue, if any, and whether
        everything was sent."""
        if self._continue_wait:
            if not connection.send(self._head):
                return None, False
            found = connection.wait_for_continue(self._continue_wait)
            self.unasked = found is None
            if found is not None and found.status != 100:
                return found, False
            return None, connection.upload(self._rest(b""))
        if not connection.send(self._head + self._first if self._first else self._head):
            return None, False
        if self._position == self._size:
            return None, True
        return None, connection.upload(self._rest(b""))

    def rewind(self) -> bool:
        """Prepare to be sent again. Returns False when the body cannot be rewound."""
        body = self._body
        if body is not None and not isinstance(body, bytes) and self._position > len(self._first):
            try:
                body.rewind()
            except (OSError, ValueError):  # io.UnsupportedOperation is both
                return False
            self._first = self._beginning()
        self._position = len(self._first)
        return True

    def _rest(self, first: bytes) -> Iterator[bytes]:
        if first:
            yield first
        while self._position < self._size:
            size = min(_MAX_READ, self._size - self._position)
            if isinstance(self._body, bytes):
                piece = self._body[self._position : self._position + size]
            else:
                piece = self._read(size, self._position)  # a short read is fine: filling up would copy
            self._position += len(piece)
            yield piece

    def _beginning(self) -> bytes:
        """The first CHUNK bytes of the body, which is positioned at its start; none of a body that the server
        may refuse unseen."""
        left = 0 if self._continue_wait else min(CHUNK, self._size)
        if left <= 0 or self._body is None:
            return b""
        if isinstance(self._body, bytes):
            return self._body[:left]
        pieces: list[bytes] = []
        while left:
            pieces.append(self._read(left, min(CHUNK, self._size) - left))
            left -= len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read(self, size: int, position: int) -> bytes:
        assert self._body is not None
        assert not isinstance(self._body, bytes)
        piece = self._body.read(size)
        if not piece:
            raise HttpError(f"the request body ended {self._size - position} bytes early", position > 0)
        return piece


def _body_length(body: Body | bytes | None, length: int | None) -> int:
    if body is None:
        return 0
    if isinstance(body, bytes):
        if length is not None and length != len(body):
            raise ValueError(f"length {length} for a body of {len(body)} bytes")
        return len(body)
    size = body.length if length is None else length
    if size is None or size < 0:
        raise ValueError("the length of a request body must be known")
    return size
