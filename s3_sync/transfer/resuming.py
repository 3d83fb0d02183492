"""Bytes of one version of a stored object, that go on where a connection broke."""

from __future__ import annotations

import io

from s3_sync.errors import InvalidRequest, PreconditionFailed, RemoteError, RemoteUnavailable
from s3_sync.model.objects import ByteRange, GetOptions, ObjectInfo
from s3_sync.providers.base import Bucket, GetResult
from s3_sync.streams.reader import CHUNK

#: times in a row that a new connection may bring nothing
_FRUITLESS = 2


class ResumingBody:
    """A Body over the bytes ``first`` to ``last``, both inclusive, of the version that ``info`` describes.

    ``result`` is an open read that stands at ``first``; without one the first read opens it. When it breaks,
    the rest is asked for anew, under the condition that the same version is still there. Raises what the
    last attempt raised. Nothing is waited for in between: whoever keeps asking gets through a short
    disturbance, or has to give up.
    """

    def __init__(
        self, bucket: Bucket, info: ObjectInfo, first: int, last: int, result: GetResult | None = None
    ) -> None:
        self.length: int | None = last - first + 1
        self._bucket = bucket
        self._info = info
        self._position = first
        self._last = last
        self._result = result
        self._fruitless = 0

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        left = self._last + 1 - self._position
        while left and size:
            try:
                data = self._opened().body.read(min(size, left))
                if not data:
                    raise RemoteUnavailable(f"{self._info.name} ended {left} bytes early")
            except RemoteError as error:
                self.close()
                self._fruitless += 1
                if not error.transient or self._fruitless > _FRUITLESS:
                    raise
                continue
            self._fruitless = 0
            self._position += len(data)
            return data
        return b""

    def rewind(self) -> None:
        raise io.UnsupportedOperation("a stored object is read once")

    def close(self) -> None:
        result, self._result = self._result, None
        if result is not None:
            result.__exit__(None, None, None)

    def _opened(self) -> GetResult:
        if self._result is None:
            self._result = open_range(self._bucket, self._info, self._position, self._last)
        return self._result


def read_range(bucket: Bucket, info: ObjectInfo, first: int, last: int) -> ResumingBody:
    """Begin to read these bytes of this version. Raises what ``get_object`` does, and PreconditionFailed
    when another version is there."""
    return ResumingBody(bucket, info, first, last, open_range(bucket, info, first, last))


def open_range(bucket: Bucket, info: ObjectInfo, first: int, last: int) -> GetResult:
    whole = first == 0 and last == info.size - 1
    wanted = None if whole else ByteRange(first, last)
    result = bucket.get_object(info.name, GetOptions(wanted, if_match=info.etag or None))
    try:
        if result.info.etag != info.etag or result.info.size != info.size:  # not every store looks
            raise PreconditionFailed(f"{info.name} was replaced", status=412, code="PreconditionFailed")
        if not whole and result.byte_range != (first, last):
            raise InvalidRequest(f"{info.name}: the store gave other bytes than {first} to {last}")
    except BaseException:
        result.__exit__(None, None, None)
        raise
    return result
