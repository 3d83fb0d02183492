"""Requests for objects over our own HTTP client: what is the same for every store that they are sent to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from s3_sync.errors import RemoteUnavailable, UnexpectedAnswer
from s3_sync.http.message import Headers
from s3_sync.http.pool import HttpError, Response
from s3_sync.model.objects import ByteRange, GetOptions, ObjectInfo
from s3_sync.streams.reader import CHUNK, Body

Header = tuple[str, str]
#: bytes of a body, their range in the object, and the size of the object
Extent = tuple[int, tuple[int, int] | None, int]
_NUMBER = re.compile(r"[0-9]{1,18}")
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")
#: maximum characters quoted of an error, and of what was asked for
_MAX_MESSAGE, _MAX_WHAT = 200, 150


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Translate network errors into errors whose message begins with ``what``."""
    try:
        yield
    except HttpError as error:
        raise RemoteUnavailable(f"{shortened(what)}: {str(error)[:_MAX_MESSAGE]}") from error


def shortened(what: str) -> str:
    return what if len(what) <= _MAX_WHAT else f"{what[:_MAX_WHAT]}..."


def unquoted(etag: str) -> str:
    """An ETag without its quotes, which those of large objects have, and all with ``etag_quoter``."""
    return etag.strip().removeprefix("W/").strip('"')


def content_length(what: str, headers: Headers) -> int:
    """The Content-Length. Raises UnexpectedAnswer."""
    written = headers.get("content-length", "") or ""
    if not _NUMBER.fullmatch(written):
        raise UnexpectedAnswer(f"{what}: a response with Content-Length {written[:30]!r}")
    return int(written)


def content_range(what: str, headers: Headers, length: int) -> tuple[tuple[int, int] | None, int]:
    """First and last byte, or None for all of them, and the size of the object. Raises UnexpectedAnswer for
    an inconsistent Content-Range (RFC 9110 section 14.4)."""
    written = headers.get("content-range")
    if written is None:
        return None, length
    if match := _CONTENT_RANGE.fullmatch(written):
        first, last, size = (int(number) for number in match.groups())
        if first <= last < size and length == last + 1 - first:
            return (first, last), size
    raise UnexpectedAnswer(f"{what}: {length} bytes with Content-Range {written[:100]!r}")


def condition_headers(options: GetOptions) -> list[Header]:
    """The headers of a GET with these options."""
    headers: list[Header] = []
    if options.byte_range is not None:
        headers.append(("Range", options.byte_range.header))
    if options.if_match is not None:
        headers.append(("If-Match", f'"{options.if_match}"'))
    if options.if_none_match is not None:
        headers.append(("If-None-Match", f'"{options.if_none_match}"'))
    return headers


def check_object(what: str, response: Response) -> None:
    """Check for what every answer about an object has. Raises UnexpectedAnswer."""
    headers = response.headers
    if response.status not in (200, 206) or not headers.get("etag") or not headers.get("last-modified"):
        why = f"{response.status}, not an answer about an object"
        raise UnexpectedAnswer(f"{what}: {why}", status=response.status)


def read_extent(what: str, response: Response, requested: ByteRange | None) -> Extent:
    """The extent of the body. Raises UnexpectedAnswer if it is not the requested range."""
    headers = response.headers
    length = content_length(what, headers)
    sent, size = content_range(what, headers, length)
    if requested is None:
        right = response.status == 200 and sent is None
    else:
        last = size - 1 if requested.last is None else min(requested.last, size - 1)
        # a server may ignore a range, and send everything
        right = sent is None if response.status == 200 else sent == (requested.first, last)
    if not right:
        asked = "all bytes" if requested is None else requested.header
        sent_range = (headers.get("content-range") or "an unknown range")[:60]
        raise UnexpectedAnswer(f"{what}: {asked} requested, {sent_range!r} sent", status=response.status)
    return length, sent, size


class OpenBody:
    """The body of a GET. ``rewind`` calls ``reopen``, which requests the same bytes again."""

    def __init__(self, what: str, response: Response, length: int, reopen: Callable[[], Response]) -> None:
        self.length: int | None = length
        self._what = what
        self._response = response
        self._expected = length
        self._reopen = reopen
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        with translated(self._what):
            data = self._response.read(size)
        self._position += len(data)
        if not data and size and self._position < self._expected:
            raise RemoteUnavailable(f"{self._what}: ended after {self._position} of {self._expected} bytes")
        return data

    def rewind(self) -> None:
        self._response.close()
        self._response = self._reopen()
        self._position = 0

    def close(self) -> None:
        """Release the connection if the body was read to its end; drop it otherwise."""
        self._response.close()


class OpenObject:
    """See ``GetResult``."""

    def __init__(self, info: ObjectInfo, byte_range: tuple[int, int] | None, body: Body) -> None:
        self.info = info
        self.byte_range = byte_range
        self.body = body

    def close(self) -> None:
        self.body.close()

    def __enter__(self) -> OpenObject:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
