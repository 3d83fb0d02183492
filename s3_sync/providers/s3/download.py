"""Downloads of objects: HEAD, GET, and checks of their responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType

from s3_sync.errors import (
    AccessDenied,
    InvalidRequest,
    NotSupported,
    PreconditionFailed,
    RemoteUnavailable,
    UnexpectedAnswer,
)
from s3_sync.model.objects import ByteRange, GetOptions, ObjectInfo
from s3_sync.providers.s3.client import Account
from s3_sync.providers.s3.errors import is_html_page, translated, understood, unexpected
from s3_sync.providers.s3.headers import (
    WRITTEN,
    content_length,
    content_range,
    object_info,
    stated_range,
    unquoted,
)
from s3_sync.providers.s3.transport.base import ObjectRequest, ObjectResponse, Stream, Transport
from s3_sync.providers.s3.transport.sigv4 import Header
from s3_sync.streams.reader import CHUNK, Body

#: bytes of a body, their range in the object, and the size of the object
Extent = tuple[int, tuple[int, int] | None, int]
#: Google's header with the length of an object that it decompresses in transit
_STORED_LENGTH = "x-goog-stored-content-length"


class Reader:
    """Reads the objects of one bucket. Takes keys, not names."""

    def __init__(self, account: Account, transport: Transport, bucket: str) -> None:
        self._account = account
        self._transport = transport
        self._bucket = bucket

    def head(self, key: str) -> Mapping[str, str]:
        """Headers by lower-case name, always with Content-Length. Raises UnexpectedAnswer."""
        request = ObjectRequest("HEAD", self._bucket, key)
        response = self._transport.fetch(request)
        self._check(request, response)
        headers = response.headers
        if "content-length" in headers:
            return headers
        return {**headers, "content-length": str(self._size_of(request, headers))}

    def get(self, name: str, key: str, options: GetOptions, *, dated: bool = True) -> S3Result:
        """Open an object. ``name``: its name in the result. ``dated``: require the time of writing."""
        request = ObjectRequest("GET", self._bucket, key, _get_headers(options))
        response = self._transport.fetch(request)
        try:
            self._check(request, response, dated)
            length, byte_range, size = extent = self._extent(request, response, options.byte_range)
        except BaseException:
            response.stream.close()
            raise
        info = object_info(name, response.headers, size, self._account.dialect)
        same_version = GetOptions(options.byte_range, info.etag)
        again = ObjectRequest("GET", self._bucket, key, _get_headers(same_version))
        reopen = partial(self._reopen, again, same_version, extent, dated)
        return S3Result(info, byte_range, S3Body(request.what, _bounded(response, length), length, reopen))

    def _reopen(self, request: ObjectRequest, options: GetOptions, extent: Extent, dated: bool) -> Stream:
        response = self._transport.fetch(request)
        try:
            self._check(request, response, dated)
            # not every store supports conditions and ranges
            if unquoted(response.headers["etag"]) != options.if_match or (
                self._extent(request, response, options.byte_range) != extent
            ):
                reason = f"{self._bucket}/{request.key} was replaced"
                raise PreconditionFailed(reason, status=412, code="PreconditionFailed")
        except BaseException:
            response.stream.close()
            raise
        return _bounded(response, extent[0])

    def _check(self, request: ObjectRequest, response: ObjectResponse, dated: bool = True) -> None:
        """Check for headers that every store sends with an object, and no web page has. Our own copies carry
        the time of writing to Swift, so they need no Last-Modified. Raises UnexpectedAnswer."""
        headers = response.headers
        if response.status not in (200, 206):
            why = "not the status of an object"
        elif not unquoted(headers.get("etag", "")):
            why = "no ETag" if "etag" not in headers else "no ETag that is valid"
        elif dated and not headers.get("last-modified") and not headers.get(WRITTEN):
            why = "no Last-Modified"
        elif is_html_page(headers):
            why = "a page without headers of an object store"
        else:
            return
        raise unexpected(request.what, why, self._account.endpoint, response.status, headers)

    def _extent(
        self, request: ObjectRequest, response: ObjectResponse, requested: ByteRange | None
    ) -> Extent:
        """The extent of the body. Raises UnexpectedAnswer if it is not the requested range."""
        headers = response.headers
        length = self._length(request, headers)
        sent, size = content_range(request.what, headers, length)
        if sent == (0, size - 1) and requested is None:
            sent = None
        right = sent is None
        if sent is not None and requested is not None:
            last = size - 1 if requested.last is None else min(requested.last, size - 1)
            right = sent == (requested.first, last)
        if not right or (response.status == 206 and "content-range" not in headers):
            asked = "all bytes" if requested is None else requested.header
            why = f"{asked} requested, {headers.get('content-range', 'an unknown range')[:60]!r} sent"
            raise unexpected(request.what, why, self._account.endpoint, response.status, headers)
        return length, sent, size

    def _length(self, request: ObjectRequest, headers: Mapping[str, str]) -> int:
        """The length of the body. Compression or decompression in transit drops Content-Length."""
        if "content-length" in headers:
            return content_length(request.what, headers)
        first, last = stated_range(headers)
        if last >= first >= 0:
            return last + 1 - first
        return self._size_of(request, headers)

    def _size_of(self, request: ObjectRequest, headers: Mapping[str, str]) -> int:
        """The size of the object, from another header or from a listing. Raises UnexpectedAnswer."""
        stored = headers.get(_STORED_LENGTH, "")
        if stored:
            return content_length(request.what, {"content-length": stored})
        try:
            with understood(f"LIST {self._bucket}"):
                result = self._account.client.list_objects(Bucket=self._bucket, Prefix=request.key, MaxKeys=1)
        except (AccessDenied, InvalidRequest, NotSupported) as error:
            why = f"no Content-Length, and no listing that shows the size: {error}"
            raise unexpected(request.what, why, self._account.endpoint, 200, headers) from error
        for entry in result.get("Contents", ()):
            same = unquoted(entry.get("ETag", "")) == unquoted(headers["etag"])
            if entry["Key"] == request.key and same and "Size" in entry:
                return int(entry["Size"])
        why = "no Content-Length, and no listing shows the size"
        raise unexpected(request.what, why, self._account.endpoint, 200, headers)


def _get_headers(options: GetOptions) -> tuple[Header, ...]:
    headers: list[Header] = []
    if options.byte_range is not None:
        headers.append(("Range", options.byte_range.header))
    if options.if_match is not None:
        headers.append(("If-Match", f'"{options.if_match}"'))
    if options.if_none_match is not None:
        headers.append(("If-None-Match", f'"{options.if_none_match}"'))
    return tuple(headers)


def _bounded(response: ObjectResponse, length: int) -> Stream:
    return response.stream if "content-length" in response.headers else BoundedStream(response.stream, length)


class BoundedStream:
    """A stream without Content-Length, which must end after ``length`` bytes."""

    def __init__(self, stream: Stream, length: int) -> None:
        self._stream = stream
        self._left = length

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0 or (data and not self._left and self._stream.read(1)):
            why = "more bytes than are stored: is a proxy decompressing or changing them?"
            raise UnexpectedAnswer(why, status=200)  # the store does respond, which circuit breakers look at
        return data

    def close(self) -> None:
        self._stream.close()


class S3Body:
    """The body of a GET. ``rewind`` calls ``reopen``, which requests the same bytes again."""

    def __init__(self, what: str, stream: Stream, length: int, reopen: Callable[[], Stream]) -> None:
        self.length: int | None = length
        self._what = what
        self._stream = stream
        self._expected = length
        self._reopen = reopen
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        if size == 0:
            return b""
        with translated(self._what):
            data = self._stream.read(size)
        self._position += len(data)
        if not data and self._position < self._expected:
            raise RemoteUnavailable(f"{self._what}: ended after {self._position} of {self._expected} bytes")
        return data

    def rewind(self) -> None:
        self._stream.close()
        self._stream = self._reopen()
        self._position = 0

    def close(self) -> None:
        """Release the connection if the body was read to its end; drop it otherwise."""
        self._stream.close()


class S3Result:
    """See ``GetResult``."""

    def __init__(self, info: ObjectInfo, byte_range: tuple[int, int] | None, body: Body) -> None:
        self.info = info
        self.byte_range = byte_range
        self.body = body

    def close(self) -> None:
        self.body.close()

    def __enter__(self) -> S3Result:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
