"""One body for several readers, each in a thread of its own."""

from __future__ import annotations

import queue
from collections.abc import Sequence

from s3_sync.errors import RemoteUnavailable, SyncError
from s3_sync.streams.reader import CHUNK, Body

#: chunks that the fastest reader may be ahead of the slowest one
_AHEAD = 4


class Branch:
    """The body of one reader. A reader that stops early must call ``close``, or it would stall the others."""

    def __init__(self, length: int | None) -> None:
        self.length = length
        self._chunks: queue.Queue[bytes | SyncError] = queue.Queue(_AHEAD)
        self._rest = b""
        self._closed = False

    def read(self, size: int = -1) -> bytes:
        """Raises the error of the original body."""
        if not self._rest:
            found = self._chunks.get()
            if isinstance(found, SyncError):
                raise found
            self._rest = found
        data = self._rest if size < 0 else self._rest[:size]
        self._rest = self._rest[len(data) :]
        return data

    def rewind(self) -> None:
        raise OSError("one of several readers cannot begin anew")

    def close(self) -> None:
        self._closed = True
        while True:  # the feeding thread may be waiting
            try:
                self._chunks.get_nowait()
            except queue.Empty:
                return

    def feed(self, chunk: bytes | SyncError) -> None:
        while not self._closed:
            try:
                self._chunks.put(chunk, timeout=1.0)
                return
            except queue.Full:
                continue


def feed(body: Body, branches: Sequence[Branch]) -> None:
    """Read ``body`` to its end for all branches. Raises its error, which the branches raise, too."""
    left = body.length
    try:
        while chunk := body.read(CHUNK):
            left = None if left is None else left - len(chunk)
            for branch in branches:
                branch.feed(chunk)
        if left:
            raise RemoteUnavailable(f"the body has ended {left} bytes early")
    except SyncError as error:
        for branch in branches:
            branch.feed(error)
        raise
    for branch in branches:
        branch.feed(b"")
