"""Slices of one stream, each a body."""

from __future__ import annotations

import io

from s3_sync.errors import RemoteUnavailable
from s3_sync.streams.hashing import new_digest
from s3_sync.streams.reader import CHUNK, Body


class Slice:
    """The next ``size`` bytes of ``body``. ``md5()``: hash of the bytes read so far.

    Raises RemoteUnavailable when the stream ends within the slice. ``close`` leaves the stream open.
    """

    def __init__(self, body: Body, size: int) -> None:
        self.length: int | None = size
        self._body = body
        self._left = size
        self._digest = new_digest("md5")

    def read(self, size: int = -1) -> bytes:
        if not self._left or size == 0:
            return b""
        data = self._body.read(self._left if size < 0 else min(size, self._left))
        if not data:
            raise RemoteUnavailable(f"the stream ended {self._left} bytes early")
        self._left -= len(data)
        self._digest.update(data)
        return data

    @property
    def done(self) -> bool:
        """Whether the slice was read to its end."""
        return not self._left

    def md5(self) -> str:
        return self._digest.hexdigest()

    def skip(self) -> None:
        """Read and discard the rest of the slice."""
        while self.read(CHUNK):
            pass

    def rewind(self) -> None:
        raise io.UnsupportedOperation("a slice of a stream cannot be rewound")

    def close(self) -> None:
        """Does nothing: the stream belongs to the caller."""
