"""Duplicates a body that a client is reading to a second reader, without slowing the client down."""

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

#: bytes buffered for the follower before its feed ends; the memory that each restore may take
_MAX_BUFFERED = 2 * 1024 * 1024
#: seconds. Together less than the time for which Swift's servers wait for the next bytes (60)
_FEED_TIMEOUT = 10.0
_CLIENT_FIRST = 20.0


class TeeBody:
    """A Body over the whole object, fed by ``feed`` with the bytes that a client is sent.

    The client sets the pace and never waits. A follower that is more than 2 MiB behind is no longer fed: it
    reads the rest from the store, once the client has its last byte or some time has passed; likewise if the
    client is slow. If the client disconnects before its last byte, the follower's next read raises
    LocalUnavailable.
    """

    def __init__(self, bucket: Bucket, info: ObjectInfo, now: Callable[[], float] = time.monotonic) -> None:
        self.length: int | None = info.size
        self._bucket = bucket
        self._info = info
        self._now = now
        self._changed = threading.Condition(threading.Lock())
        self._pieces: deque[bytes] = deque()
        self._buffered = 0
        self._position = 0
        self._fed_bytes = 0
        self._is_fed = True
        self._feed_closed = False
        self._fell_behind_at = 0.0
        self._own_body: ResumingBody | None = None

    # The client's side

    def feed(self, data: bytes) -> None:
        with self._changed:
            self._fed_bytes += len(data)
            if not self._is_fed:
                return
            if self._buffered + len(data) > _MAX_BUFFERED:
                self._is_fed = False
                self._fell_behind_at = self._now()
            else:
                self._pieces.append(data)
                self._buffered += len(data)
            self._changed.notify()

    def close_feed(self) -> None:
        with self._changed:
            self._feed_closed = True
            self._changed.notify()

    def read_from_store(self) -> None:
        """Stop feeding: no client reads the whole object, so the follower reads all of it from the store."""
        with self._changed:
            self._is_fed = False
            self._feed_closed = True
            self._fed_bytes = self._info.size
            self._changed.notify()

    @property
    def abandoned(self) -> bool:
        """Whether the client disconnected before its last byte."""
        return self._feed_closed and self._fed_bytes < self._info.size

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
        own_body, self._own_body = self._own_body, None
        if own_body is not None:
            own_body.close()
        with self._changed:
            self._is_fed = False
            self._pieces.clear()

    def _next(self, size: int) -> bytes:
        with self._changed:
            self._wait_for_data()
            if self.abandoned:
                raise LocalUnavailable(f"the client that was reading {self._info.name} disconnected")
            if self._pieces:
                return self._take(size)
        if self._own_body is None:
            self._own_body = read_range(self._bucket, self._info, self._position, self._info.size - 1)
        return self._own_body.read(size)

    def _wait_for_data(self) -> None:
        """Wait until there are bytes to take, or it is time to read from the store."""
        while not self._pieces and not self._feed_closed and self._own_body is None:
            if self._is_fed:
                if not self._changed.wait(_FEED_TIMEOUT):
                    self._is_fed = False  # the client is slow
                    return
            elif (left := self._fell_behind_at + _CLIENT_FIRST - self._now()) > 0:
                self._changed.wait(left)
            else:
                return

    def _take(self, size: int) -> bytes:
        data = self._pieces.popleft()
        if len(data) > size:
            self._pieces.appendleft(data[size:])
            data = data[:size]
        self._buffered -= len(data)
        return data
