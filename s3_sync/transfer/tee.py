"""Bytes that a client is reading, read by somebody else at the same time, who never gets in its way."""

from __future__ import annotations

import io
import threading
import time
from collections import deque
from collections.abc import Callable

from s3_sync.errors import LocalUnavailable
from s3_sync.model.objects import ObjectInfo
from s3_sync.providers.base import Bucket
from s3_sync.streams.reader import CHUNK
from s3_sync.transfer.resuming import ResumingBody, read_range

#: bytes that wait for the follower before it is left behind; each restore in flight takes so much memory
_AHEAD = 2 * 1024 * 1024
#: seconds. Shorter, both together, than the time for which Swift's servers wait for the next bytes (60)
_PATIENCE = 10.0
_PRECEDENCE = 20.0


class TeeBody:
    """A Body over the whole object, fed by ``offer`` with what a client is given.

    The client sets the pace and never waits. A follower that is more than 2 MiB behind is left behind: it
    gets the rest from the store by itself, once the client has its last byte or a while has passed. So it
    does when the client takes its time. When the client goes away before its last byte, the follower's
    next read raises LocalUnavailable.
    """

    def __init__(self, bucket: Bucket, info: ObjectInfo, now: Callable[[], float] = time.monotonic) -> None:
        self.length: int | None = info.size
        self._bucket = bucket
        self._info = info
        self._now = now
        self._changed = threading.Condition(threading.Lock())
        self._pieces: deque[bytes] = deque()
        self._waiting = 0
        self._position = 0
        self._given = 0
        self._fed = True
        self._ended = False
        self._left_behind_at = 0.0
        self._own: ResumingBody | None = None

    # The client's side

    def offer(self, data: bytes) -> None:
        with self._changed:
            self._given += len(data)
            if not self._fed:
                return
            if self._waiting + len(data) > _AHEAD:
                self._fed = False
                self._left_behind_at = self._now()
            else:
                self._pieces.append(data)
                self._waiting += len(data)
            self._changed.notify()

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()

    def go_alone(self) -> None:
        """No client reads all of it: the follower gets everything from the store, at once."""
        with self._changed:
            self._fed = False
            self._ended = True
            self._given = self._info.size
            self._changed.notify()

    @property
    def abandoned(self) -> bool:
        """Whether the client went away before its last byte."""
        return self._ended and self._given < self._info.size

    # The follower's side

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        if self._position == self._info.size or not size:
            return b""
        data = self._next(size)
        self._position += len(data)
        return data

    def rewind(self) -> None:
        raise io.UnsupportedOperation("a client's stream goes forward")

    def close(self) -> None:
        own, self._own = self._own, None
        if own is not None:
            own.close()
        with self._changed:
            self._fed = False
            self._pieces.clear()

    def _next(self, size: int) -> bytes:
        with self._changed:
            self._await()
            if self.abandoned:
                raise LocalUnavailable(f"the client that was reading {self._info.name} went away")
            if self._pieces:
                return self._take(size)
        if self._own is None:
            self._own = read_range(self._bucket, self._info, self._position, self._info.size - 1)
        return self._own.read(size)

    def _await(self) -> None:
        """Until there is something to take, or it is time to go one's own way."""
        while not self._pieces and not self._ended and self._own is None:
            if self._fed:
                if not self._changed.wait(_PATIENCE):
                    self._fed = False  # the client takes its time
                    return
            elif (left := self._left_behind_at + _PRECEDENCE - self._now()) > 0:
                self._changed.wait(left)
            else:
                return

    def _take(self, size: int) -> bytes:
        data = self._pieces.popleft()
        if len(data) > size:
            self._pieces.appendleft(data[size:])
            data = data[:size]
        self._waiting -= len(data)
        return data
