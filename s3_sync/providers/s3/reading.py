"""Object bytes on their way in."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from s3_sync.errors import RemoteUnavailable
from s3_sync.model.objects import ObjectInfo
from s3_sync.providers.s3.errors import translated
from s3_sync.streams.reader import Body


class S3Body:
    """An answer's body. ``rewind`` calls ``reopen``, which gives the same bytes once more."""

    def __init__(self, what: str, stream: Any, length: int, reopen: Callable[[], Any]) -> None:
        self.length: int | None = length
        self._what = what
        self._stream = stream
        self._expected = length
        self._reopen = reopen
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        if size == 0:
            return b""
        with translated(self._what):
            data: bytes = self._stream.read(None if size < 0 else size)
        self._position += len(data)
        if (not data or size < 0) and self._position < self._expected:
            raise RemoteUnavailable(f"{self._what}: ended after {self._position} of {self._expected} bytes")
        return data

    def rewind(self) -> None:
        self._stream.close()
        self._stream = self._reopen()
        self._position = 0

    def close(self) -> None:
        """A body that was read to its end gives its connection back; any other one is dropped."""
        self._stream.close()


class S3Result:
    """An open read."""

    def __init__(self, info: ObjectInfo, byte_range: tuple[int, int] | None, body: Body) -> None:
        self.info = info
        self.byte_range = byte_range
        self.body = body

    def __enter__(self) -> S3Result:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.body.close()
