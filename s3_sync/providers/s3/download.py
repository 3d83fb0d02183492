"""Downloads of objects: HEAD, GET, and checks of their responses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from s3_sync.errors import (
    AccessDenied,
    InvalidRequest,
    NotSupported,
    PreconditionFailed,
    UnexpectedAnswer,
)
from s3_sync.largeobject.manifest import parts_of
from s3_sync.model.objects import ByteRange, GetOptions
from s3_sync.providers.object_headers import (
    Extent,
    check_plain,
    content_length,
    content_range,
    get_headers,
    parse_content_range,
)
from s3_sync.providers.open_object import OpenBody, OpenObject, Stream
from s3_sync.providers.s3.client import Account
from s3_sync.providers.s3.errors import is_html_page, translated, understood, unexpected
from s3_sync.providers.s3.headers import WRITTEN, object_info, unquoted
from s3_sync.providers.s3.transport.base import ObjectRequest, ObjectResponse, Transport

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

    def get(self, name: str, key: str, options: GetOptions, *, dated: bool = True) -> OpenObject:
        """Open an object. ``name``: its name in the result. ``dated``: require the time of writing."""
        request = self._request(key, options)
        response = self._transport.fetch(request)
        try:
            self._check(request, response, dated)
            length, byte_range, size = extent = self._extent(request, response, options.byte_range)
        except BaseException:
            response.stream.close()
            raise
        info = object_info(name, response.headers, size, self._account.dialect)
        same_version = GetOptions(options.byte_range, info.etag, part=options.part)
        again = self._request(key, same_version)
        reopen = partial(self._reopen, again, same_version, extent, dated)
        body = OpenBody(request.what, _bounded(response, length), length, reopen, translated)
        return OpenObject(info, byte_range, body)

    def _request(self, key: str, options: GetOptions) -> ObjectRequest:
        if options.stored or not self._account.dialect.multipart_etag_is_md5s:
            check_plain(options)
        headers = tuple(get_headers(replace(options, part=None)))
        return ObjectRequest("GET", self._bucket, key, headers, options.part)

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
        """The extent of the body. Raises UnexpectedAnswer if it is not the requested range, NotSupported if
        all was sent instead of one part."""
        headers = response.headers
        length = self._length(request, headers)
        sent, size = content_range(request.what, headers, length)
        if request.part is not None:
            if sent is None and (request.part > 1 or parts_of(unquoted(headers["etag"])) > 1):
                raise NotSupported(f"{request.what}: the store sends all parts instead of one")
            return length, sent or (0, size - 1), size
        if sent == (0, size - 1) and requested is None:
            sent = None
        right = sent is None
        if sent is not None and requested is not None:
            right = sent == (requested.first, requested.last_of(size))
        if not right or (response.status == 206 and "content-range" not in headers):
            asked = "all bytes" if requested is None else requested.header
            why = f"{asked} requested, {headers.get('content-range', 'an unknown range')[:60]!r} sent"
            raise unexpected(request.what, why, self._account.endpoint, response.status, headers)
        return length, sent, size

    def _length(self, request: ObjectRequest, headers: Mapping[str, str]) -> int:
        """The length of the body. Compression or decompression in transit drops Content-Length."""
        if "content-length" in headers:
            return content_length(request.what, headers)
        stated = parse_content_range(headers.get("content-range", ""))
        if stated is not None and stated[1] >= stated[0]:
            return stated[1] + 1 - stated[0]
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
