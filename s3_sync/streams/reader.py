"""``Body``, the interface of every stream of object bytes."""

from __future__ import annotations

import io
from typing import Protocol

#: bytes read and written at a time; Swift's own chunk size for object servers
CHUNK = 64 * 1024


class Body(Protocol):
    """A stream of bytes.

    ``length``: total bytes; None when it is not known beforehand. ``read(size)`` returns b"" only at the end,
    and raises RemoteUnavailable or LocalUnavailable when the stream ends before ``length`` bytes. ``rewind``
    seeks to the first byte, or raises ``io.UnsupportedOperation``. ``close`` is idempotent.
    """

    length: int | None

    def read(self, size: int = -1) -> bytes: ...

    def rewind(self) -> None: ...

    def close(self) -> None: ...


class BytesBody:
    """A body over bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self.length: int | None = len(data)
        self._file = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def rewind(self) -> None:
        self._file.seek(0)

    def close(self) -> None:
        self._file.close()


def read_all(body: Body, limit: int = 16 * 1024 * 1024) -> bytes:
    """Read a small body to its end. Raises ValueError when it has more than ``limit`` bytes."""
    chunks: list[bytes] = []
    size = 0
    while chunk := body.read(CHUNK):
        size += len(chunk)
        if size > limit:
            raise ValueError(f"body is larger than {limit} bytes")
        chunks.append(chunk)
    return b"".join(chunks)
