"""Response bodies streamed from the remote store to the client."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Protocol

from swift.common.swob import multi_range_iterator

from s3_sync.errors import RemoteError
from s3_sync.model.objects import ObjectInfo
from s3_sync.providers.base import Bucket
from s3_sync.shunt.telemetry import SwiftLogger
from s3_sync.streams.reader import Body
from s3_sync.transfer.resuming import ResumingBody, read_range

#: bytes that the server buffers before it sends the response headers (eventlet.wsgi, minimum_chunk_size): an
#: error before that would become a 500
_HEADER_BUFFER = 4096
#: maximum bytes per chunk: each chunk costs a switch of green threads
_CHUNK = 256 * 1024


class BodyObserver(Protocol):
    """Sees the bytes that a client is sent. The methods neither block nor raise."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        ...

    def close_feed(self) -> None:
        """The body has ended, or the client has stopped reading."""
        ...


class ResponseBody:
    """A WSGI body over a Body that has already begun. A failure in the middle goes to ``log``. ``listener``
    may be set before the first byte is sent. Raises what the body raises."""

    def __init__(self, body: Body, log: SwiftLogger) -> None:
        self.listener: BodyObserver | None = None
        self._body = body
        self._log = log
        self._rest = iter(lambda: body.read(_CHUNK), b"")
        try:
            self._first = _begin(self._rest)
        except BaseException:
            body.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        try:
            for data in chain(self._first, self._rest):
                if self.listener is not None:
                    self.listener.feed(data)
                yield data
        except RemoteError as error:
            _log_cutoff(self._log, error)
            raise
        finally:
            self.close()

    def close(self) -> None:
        self._body.close()
        if self.listener is not None:
            self.listener.close_feed()


class RangeReader:
    """An object as ``swob.Response`` reads it: one range, several ranges, or all of it.

    What is requested is opened at once; of several ranges, the first one. ``check`` is called before that,
    and may raise.
    """

    def __init__(self, bucket: Bucket, info: ObjectInfo, log: SwiftLogger, check: Callable[[], None]) -> None:
        self._bucket = bucket
        self._info = info
        self._log = log
        self._check = check

    def __iter__(self) -> Iterator[bytes]:
        """Empty: a HEAD has no body, and a whole object is not read through this class."""
        return iter(())

    def app_iter_range(self, start: int, stop: int) -> ResponseBody:
        """Return the bytes from ``start`` up to, not including, ``stop``."""
        self._check()
        return ResponseBody(read_range(self._bucket, self._info, start, stop - 1), self._log)

    def app_iter_ranges(
        self, ranges: Sequence[tuple[int, int]], content_type: bytes, boundary: bytes, size: int
    ) -> MultiRangeBody:
        def document(send: Callable[[int, int], Iterator[bytes]]) -> Iterator[bytes]:
            pieces: Iterator[bytes] = multi_range_iterator(ranges, content_type, boundary, size, send)
            return pieces

        self._check()
        return MultiRangeBody(self._bucket, self._info, ranges[0], document, self._log)

    def close(self) -> None:
        """Do nothing: nothing is open."""


class MultiRangeBody:
    """A multipart/byteranges document that has already begun. ``document`` builds it from a function that
    returns the bytes of a range, starting with the ``first`` one."""

    def __init__(
        self,
        bucket: Bucket,
        info: ObjectInfo,
        first: tuple[int, int],
        document: Callable[[Callable[[int, int], Iterator[bytes]]], Iterator[bytes]],
        log: SwiftLogger,
    ) -> None:
        self._bucket = bucket
        self._info = info
        self._log = log
        start, stop = first
        self._current = read_range(bucket, info, start, stop - 1)
        self._first_is_open = True
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
            _log_cutoff(self._log, error)
            raise
        finally:
            self.close()

    def _range(self, start: int, stop: int) -> Iterator[bytes]:
        if not self._first_is_open:
            # retried like a body that broke, because the status has been sent
            self._current = ResumingBody(self._bucket, self._info, start, stop - 1)
        self._first_is_open = False
        body = self._current
        try:
            while data := body.read(_CHUNK):
                yield data
        finally:
            body.close()

    def close(self) -> None:
        self._current.close()


def _begin(pieces: Iterator[bytes]) -> list[bytes]:
    """Read enough that an error up to there can still be reported with a status."""
    first: list[bytes] = []
    room = _HEADER_BUFFER
    while room > 0 and (data := next(pieces, b"")):
        first.append(data)
        room -= len(data)
    return first


def _log_cutoff(log: SwiftLogger, error: RemoteError) -> None:
    # the status has been sent: the server closes the connection when it sees the error
    log.error("A response was cut off: %s", error)
    log.increment("broken_off")
