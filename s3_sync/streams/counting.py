"""A body that counts the bytes read from it."""

from __future__ import annotations

from collections.abc import Callable

from s3_sync.streams.reader import Body


class CountingBody:
    """``count(bytes)`` is called for each chunk as it is read, repeated reads included."""

    def __init__(self, body: Body, count: Callable[[int], None]) -> None:
        self._body = body
        self._count = count
        self.length = body.length

    def read(self, size: int = -1) -> bytes:
        chunk = self._body.read(size)
        self._count(len(chunk))
        return chunk

    def rewind(self) -> None:
        self._body.rewind()

    def close(self) -> None:
        self._body.close()
