"""The bytes of an answer on their way from the remote store to the client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from swift.common.swob import multi_range_iterator

from s3_sync.errors import RemoteError
from s3_sync.model.objects import ObjectInfo
from s3_sync.providers.base import Bucket
from s3_sync.streams.reader import CHUNK, Body
from s3_sync.transfer.steady import SteadyBody, read_range


class Listener(Protocol):
    """Hears what a client is given. None of this may wait or raise."""

    def offer(self, data: bytes) -> None:
        """The next bytes."""
        ...

    def end(self) -> None:
        """That was all, or all that this client wanted."""
        ...


class Pieces:
    """A WSGI body over a Body: opened already, so that what can go wrong has done so before the status is
    sent. ``log``: where it says that the remote store broke off in the middle."""

    def __init__(self, body: Body, log: Any, listener: Listener | None = None) -> None:
        self._body = body
        self._log = log
        self._listener = listener

    def __iter__(self) -> Iterator[bytes]:
        try:
            while data := self._body.read(CHUNK):
                if self._listener is not None:
                    self._listener.offer(data)
                yield data
        except RemoteError as error:
            # the server can only break the connection now, and does that when it sees an error
            self._log.error("an answer breaks off: %s", error)
            self._log.increment("broken_off")
            raise
        finally:
            self.close()

    def close(self) -> None:
        self._body.close()
        if self._listener is not None:
            self._listener.end()


class Remote:
    """An object for ``swob.Response``, which asks for the range, the ranges, or all of it.

    What it asks for is opened at once; of several ranges the first one.
    """

    def __init__(self, bucket: Bucket, info: ObjectInfo, log: Any) -> None:
        self._bucket = bucket
        self._info = info
        self._log = log

    def __iter__(self) -> Iterator[bytes]:
        """A HEAD has no bytes, and all of them are read without this."""
        return iter(())

    def app_iter_range(self, start: int, stop: int) -> Pieces:
        """The bytes from ``start`` to before ``stop``."""
        return Pieces(read_range(self._bucket, self._info, start, stop - 1), self._log)

    def going_on(self, start: int, stop: int) -> Pieces:
        """The same in the middle of an answer: it is opened when it is read, and as stubbornly as a body that
        broke, since the client cannot be told any more."""
        return Pieces(SteadyBody(self._bucket, self._info, start, stop - 1), self._log)

    def app_iter_ranges(
        self, ranges: Sequence[tuple[int, int]], content_type: bytes, boundary: bytes, size: int
    ) -> Several:
        return Several(self, ranges, (content_type, boundary, size))

    def close(self) -> None:
        """Nothing was opened."""


class Several:
    """A multipart/byteranges document."""

    def __init__(
        self, remote: Remote, ranges: Sequence[tuple[int, int]], form: tuple[bytes, bytes, int]
    ) -> None:
        self._remote = remote
        self._ranges = ranges
        self._form = form
        self._current: Pieces | None = remote.app_iter_range(*ranges[0])
        self._ahead = True

    def __iter__(self) -> Iterator[bytes]:
        content_type, boundary, size = self._form
        try:
            yield from multi_range_iterator(self._ranges, content_type, boundary, size, self._range)
        finally:
            self.close()

    def _range(self, start: int, stop: int) -> Pieces:
        if not self._ahead or self._current is None:
            self._current = self._remote.going_on(start, stop)
        self._ahead = False
        return self._current

    def close(self) -> None:
        if self._current is not None:
            self._current.close()
