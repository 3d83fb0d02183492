"""An open object and its body, as GET of every store returns them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from s3_sync.errors import InvalidRequest, RemoteUnavailable
from s3_sync.model.objects import ByteRange, ObjectInfo
from s3_sync.providers.http_errors import translated
from s3_sync.streams.reader import CHUNK, Body


class Stream(Protocol):
    """The body of a response. ``read`` returns at least one and at most ``size`` bytes, b"" only at the end.
    ``close`` drops a connection whose body was not read to its end."""

    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


class OpenBody:
    """The body of a GET. ``rewind`` calls ``reopen``, which requests the same bytes again. ``translate``: for
    the errors of the stream; the default is for those of our own HTTP client."""

    def __init__(
        self,
        what: str,
        stream: Stream,
        length: int,
        reopen: Callable[[], Stream],
        translate: Callable[[str], AbstractContextManager[None]] = translated,
    ) -> None:
        self.length: int | None = length
        self._what = what
        self._stream = stream
        self._expected = length
        self._reopen = reopen
        self._translate = translate
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        if size == 0:
            return b""
        with self._translate(self._what):
            data = self._stream.read(size)
        self._position += len(data)
        if not data and self._position < self._expected:
            raise RemoteUnavailable(f"{self._what}: ended after {self._position} of {self._expected} bytes")
        return data

    def rewind(self) -> None:
        self._stream.close()
        self._stream = self._reopen()
        self._position = 0

    def close(self) -> None:
        """Release the connection if the body was read to its end; drop it otherwise."""
        self._stream.close()


class OpenObject:
    """See ``GetResult``."""

    def __init__(self, info: ObjectInfo, byte_range: tuple[int, int] | None, body: Body) -> None:
        self.info = info
        self.byte_range = byte_range
        self.body = body

    def close(self) -> None:
        self.body.close()

    def __enter__(self) -> OpenObject:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def resolved(byte_range: ByteRange, size: int) -> tuple[int, int]:
    """First and last byte of a range in an object of ``size`` bytes. Raises InvalidRequest if it has none of
    them."""
    last = byte_range.last_of(size)
    if byte_range.first > last:
        message = f"no {byte_range.header} in {size} bytes"
        raise InvalidRequest(message, status=416, code="InvalidRange")
    return byte_range.first, last
