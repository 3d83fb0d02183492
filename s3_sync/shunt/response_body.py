"""The bytes of an answer on their way from the remote store to the client."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, Protocol

from swift.common.swob import multi_range_iterator

from s3_sync.errors import RemoteError
from s3_sync.model.objects import ObjectInfo
from s3_sync.providers.base import Bucket
from s3_sync.streams.reader import Body
from s3_sync.transfer.resuming import ResumingBody, read_range

#: bytes that the server collects before it sends the head of an answer (eventlet.wsgi, minimum_chunk_size):
#: an error before that would make it say 500
_HELD_BACK = 4096
#: bytes that go to a client at a time, at most: each piece costs a turn of the whole proxy
_PIECE = 256 * 1024


class BodyObserver(Protocol):
    """Hears what a client is given. None of this may wait or raise."""

    def offer(self, data: bytes) -> None:
        """The next bytes."""
        ...

    def end(self) -> None:
        """That was all, or all that this client wanted."""
        ...


class ResponseBody:
    """A WSGI body over a Body, which has begun already. ``log``: where it says that the remote store broke
    off in the middle. ``listener`` may be set before the first byte is given. Raises what the body does."""

    def __init__(self, body: Body, log: Any) -> None:
        self.listener: BodyObserver | None = None
        self._body = body
        self._log = log
        self._rest = iter(lambda: body.read(_PIECE), b"")
        try:
            self._first = _begin(self._rest)
        except BaseException:
            body.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        try:
            for data in chain(self._first, self._rest):
                if self.listener is not None:
                    self.listener.offer(data)
                yield data
        except RemoteError as error:
            _note_break(self._log, error)
            raise
        finally:
            self.close()

    def close(self) -> None:
        self._body.close()
        if self.listener is not None:
            self.listener.end()


class Remote:
    """An object for ``swob.Response``, which asks for the range, the ranges, or all of it.

    What it asks for is opened at once; of several ranges the first one. ``check`` is called before that, and
    may raise.
    """

    def __init__(self, bucket: Bucket, info: ObjectInfo, log: Any, check: Callable[[], None]) -> None:
        self._bucket = bucket
        self._info = info
        self._log = log
        self._check = check

    def __iter__(self) -> Iterator[bytes]:
        """A HEAD has no bytes, and all of them are read without this."""
        return iter(())

    def app_iter_range(self, start: int, stop: int) -> ResponseBody:
        """The bytes from ``start`` to before ``stop``."""
        self._check()
        return ResponseBody(read_range(self._bucket, self._info, start, stop - 1), self._log)

    def app_iter_ranges(
        self, ranges: Sequence[tuple[int, int]], content_type: bytes, boundary: bytes, size: int
    ) -> MultiRangeBody:
        def document(give: Callable[[int, int], Iterator[bytes]]) -> Iterator[bytes]:
            pieces: Iterator[bytes] = multi_range_iterator(ranges, content_type, boundary, size, give)
            return pieces

        self._check()
        return MultiRangeBody(self._bucket, self._info, ranges[0], document, self._log)

    def close(self) -> None:
        """Nothing was opened."""


class MultiRangeBody:
    """A multipart/byteranges document, which has begun already. ``document`` makes it of what gives the
    bytes from a start to before a stop, the ``first`` ones first."""

    def __init__(
        self,
        bucket: Bucket,
        info: ObjectInfo,
        first: tuple[int, int],
        document: Callable[[Callable[[int, int], Iterator[bytes]]], Iterator[bytes]],
        log: Any,
    ) -> None:
        self._bucket = bucket
        self._info = info
        self._log = log
        start, stop = first
        self._current = read_range(bucket, info, start, stop - 1)
        self._ahead = True
        self._rest = document(self._range)
        try:
            self._first = _begin(self._rest)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from chain(self._first, self._rest)
        except RemoteError as error:
            _note_break(self._log, error)
            raise
        finally:
            self.close()

    def _range(self, start: int, stop: int) -> Iterator[bytes]:
        if not self._ahead:
            # as stubbornly as a body that broke, since the client cannot be told any more
            self._current = ResumingBody(self._bucket, self._info, start, stop - 1)
        self._ahead = False
        body = self._current
        try:
            while data := body.read(_PIECE):
                yield data
        finally:
            body.close()

    def close(self) -> None:
        self._current.close()


def _begin(pieces: Iterator[bytes]) -> list[bytes]:
    """Take so much that what goes wrong before has done so, and can be answered with a status."""
    first: list[bytes] = []
    room = _HELD_BACK
    while room > 0 and (data := next(pieces, b"")):
        first.append(data)
        room -= len(data)
    return first


def _note_break(log: Any, error: RemoteError) -> None:
    # the server can only break the connection now, and does that when it sees an error
    log.error("an answer breaks off: %s", error)
    log.increment("broken_off")
