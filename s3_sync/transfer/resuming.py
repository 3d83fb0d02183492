"""Reads one version of a stored object, resuming after a broken connection."""

from __future__ import annotations

import io

from s3_sync.errors import InvalidRequest, PreconditionFailed, RemoteError, RemoteUnavailable
from s3_sync.model.objects import ByteRange, GetOptions, ObjectInfo
from s3_sync.providers.base import Bucket, GetResult
from s3_sync.streams.reader import CHUNK

#: consecutive new connections that may bring no data
_MAX_EMPTY_CONNECTIONS = 2


class ResumingBody:
    """A Body over the bytes ``first`` to ``last``, both inclusive, of the version that ``info`` describes.

    ``result`` is an open read positioned at ``first``; without one, the first read opens it. After a failure
    the rest is requested on the condition that the same version is still there. There is no backoff between
    attempts: they cover a short disturbance, or fail with the last attempt's error.
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
        self._empty_connections = 0

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        left = self._last + 1 - self._position
        while left and size:
            try:
                data = self._open_result().body.read(min(size, left))
                if not data:
                    raise RemoteUnavailable(
                        f"{self._info.name}: the store closed the connection {left} bytes early"
                    )
            except RemoteError as error:
                self.close()
                self._empty_connections += 1
                if not error.transient or self._empty_connections > _MAX_EMPTY_CONNECTIONS:
                    raise
                continue
            self._empty_connections = 0
            self._position += len(data)
            return data
        return b""

    def rewind(self) -> None:
        raise io.UnsupportedOperation("a stored object cannot be rewound")

    def close(self) -> None:
        result, self._result = self._result, None
        if result is not None:
            result.close()

    def _open_result(self) -> GetResult:
        if self._result is None:
            self._result = open_range(self._bucket, self._info, self._position, self._last)
        return self._result


def read_range(bucket: Bucket, info: ObjectInfo, first: int, last: int) -> ResumingBody:
    """Open these bytes of this version. Raises what ``get_object`` does, and PreconditionFailed if the object
    was replaced."""
    return ResumingBody(bucket, info, first, last, open_range(bucket, info, first, last))


def open_range(bucket: Bucket, info: ObjectInfo, first: int, last: int) -> GetResult:
    """Open a read of these bytes; otherwise as ``read_range``."""
    is_whole = first == 0 and last == info.size - 1
    byte_range = None if is_whole else ByteRange(first, last)
    result = bucket.get_object(info.name, GetOptions(byte_range, if_match=info.etag or None))
    try:
        if result.info.etag != info.etag or result.info.size != info.size:  # not every store honours If-Match
            raise PreconditionFailed(f"{info.name} was replaced", status=412, code="PreconditionFailed")
        if not is_whole and result.byte_range != (first, last):
            raise InvalidRequest(f"{info.name}: the store sent a range other than {first}-{last}")
    except BaseException:
        result.close()
        raise
    return result
