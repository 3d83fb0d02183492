"""Concatenation of several bodies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from s3_sync.streams.reader import CHUNK, Body


class ChainedBody:
    """Reads several bodies as one. Each is opened at its first byte and closed after its last one, so only
    one is open at a time. ``length``: their total. Bodies may be empty."""

    def __init__(self, openers: Sequence[Callable[[], Body]], length: int) -> None:
        self.length: int | None = length
        self._openers = openers
        self._next = 0
        self._current: Body | None = None

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        while size:
            if self._current is None:
                if self._next == len(self._openers):
                    return b""
                self._current = self._openers[self._next]()
                self._next += 1
            if data := self._current.read(size):
                return data
            self.close()
        return b""

    def rewind(self) -> None:
        self.close()
        self._next = 0

    def close(self) -> None:
        current, self._current = self._current, None
        if current is not None:
            current.close()
