"""A response whose body is streamed."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import final

from s3_sync.http.connection import Connection
from s3_sync.http.message import Framing, Head, Headers, HttpError, parse_fields
from s3_sync.streams.reader import CHUNK

_MAX_LINE = 16 * 1024
_MAX_TRAILERS = 64
#: maximum bytes per recv
_MAX_READ = 1024 * 1024
#: bytes per second above which bytes of a body are gathered before the reader wakes up,
_GATHER_MIN_RATE = 8_000_000
#: as long as this many are left
_GATHER_MIN_LEFT = 1024 * 1024


@final
class Response:
    """``length``: total bytes that ``read`` will return (0 for a HEAD); None when it is known only at the
    end.

    The connection returns to the pool at the end of the body, and is dropped when the response is closed
    earlier: always close it, or use it as a context manager. A truncated body raises HttpError.
    """

    def __init__(
        self,
        head: Head,
        body: Framing,
        connection: Connection,
        release: Callable[[Connection, bool], None],
        gather: int = 1,
    ) -> None:
        """``gather``: see ``Receiving``."""
        self.status: int = head.status
        self.reason: str = head.reason
        self.headers: Headers = head.headers
        self.length: int | None = body.length
        #: the request's body was sent before the server had asked for it, after ``continue_wait``
        self.unasked = False
        self._framing = body
        self._connection: Connection | None = connection
        self._release = release
        self._gather = gather
        self._is_fast = False
        #: bytes left of the body, or of the current chunk; None: until the end of the connection
        self._left = 0 if body.chunked else body.length
        if self._left == 0 and not body.chunked:
            self._finish(body.keep_alive)

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes (default: all that are left); b"" only at the end."""
        if size < 0:
            return b"".join(iter(lambda: self.read(_MAX_READ), b""))
        if self._connection is None or size == 0:
            return b""
        try:
            return self._read_some(self._connection, min(size, _MAX_READ))
        except BaseException:
            self.close()
            raise

    def read_all(self, limit: int) -> bytes:
        """Read a document to its end. Raises HttpError when it has more than ``limit`` bytes."""
        pieces: list[bytes] = []
        while piece := self.read(limit + 1):
            pieces.append(piece)
            limit -= len(piece)
            if limit < 0:
                self.close()
                raise HttpError("the response is too large", True)
        return b"".join(pieces)

    def _read_some(self, connection: Connection, size: int) -> bytes:
        if self._framing.chunked and self._left == 0 and not self._next_chunk(connection):
            self._finish(self._framing.keep_alive)
            return b""
        if self._left is not None and not self._framing.chunked:
            data = self._read_gathered(connection, size, self._left)
        else:
            data = connection.read(size if self._left is None else min(size, self._left))
        if self._left is None:
            if not data:
                self._finish(False)
            return data
        if not data:
            raise HttpError(f"the body ended {self._left} bytes early", True)
        self._left -= len(data)
        if self._left == 0:
            if not self._framing.chunked:
                self._finish(self._framing.keep_alive)
            elif connection.read_line(0):
                raise HttpError("malformed chunk: longer than announced", True)
        return data

    def _read_gathered(self, connection: Connection, size: int, left: int) -> bytes:
        if self._gather == 1:
            return connection.read(min(size, left))
        connection.gather(self._gather if self._is_fast and left >= _GATHER_MIN_LEFT else 1)
        began = time.monotonic()
        data = connection.read(min(size, left))
        expected = _GATHER_MIN_RATE * (time.monotonic() - began)
        self._is_fast = len(data) >= max(self._gather // 16, expected)
        return data

    def _next_chunk(self, connection: Connection) -> bool:
        """Read a chunk's size line, and the trailers after the last chunk. Returns False at the last one."""
        text = connection.read_line(_MAX_LINE).split(b";", 1)[0].strip()
        if not (0 < len(text) <= 16 and all(digit in b"0123456789abcdefABCDEF" for digit in text)):
            raise HttpError(f"malformed chunk size: {text[:40]!r}", True)
        self._left = int(text, 16)
        if self._left:
            return True
        trailers: list[str] = []
        while line := connection.read_line(_MAX_LINE):
            trailers.append(line.decode("latin-1"))
            if len(trailers) > _MAX_TRAILERS:
                raise HttpError("too many trailer fields", True)
        try:
            parse_fields(trailers)
        except ValueError as error:
            raise HttpError(f"malformed trailer: {error}", True) from error
        return False

    def drain(self, limit: int = CHUNK) -> None:
        """Read and discard up to ``limit`` bytes, so that the connection can be reused; drop the connection
        if more are left.

        Never raises: a connection that breaks here is dropped.
        """
        with suppress(HttpError):
            while self._connection is not None and limit > 0:
                limit -= len(self.read(min(limit, CHUNK)))
        self.close()

    def close(self) -> None:
        """Drop the connection, unless the body was read to its end. Idempotent."""
        self._finish(False)

    def _finish(self, reusable: bool) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._release(connection, reusable)

    def __enter__(self) -> Response:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
