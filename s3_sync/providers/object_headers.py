"""Headers of requests for objects, and of their responses, which mean the same in every store with HTTP."""

from __future__ import annotations

import base64
import re
from typing import Protocol

from s3_sync.errors import NotSupported, PreconditionFailed, UnexpectedAnswer
from s3_sync.http.pool import Response
from s3_sync.model.objects import ByteRange, GetOptions

Header = tuple[str, str]
#: bytes of a body, their range in the object, and the size of the object
Extent = tuple[int, tuple[int, int] | None, int]
_NUMBER = re.compile(r"[0-9]{1,18}")
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")


class Named(Protocol):
    """Headers by name, which is lower-case: ``Headers`` of our own HTTP client, or a dictionary."""

    def get(self, name: str, /) -> str | None: ...


def unquoted(etag: str) -> str:
    """An ETag without its quotes, which those of large objects have, and all with ``etag_quoter``."""
    return etag.strip().removeprefix("W/").strip('"')


def decoded_digest(text: str, size: int) -> bytes | None:
    """A digest of ``size`` bytes from its Base64; None for anything else."""
    try:
        digest = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return digest if len(digest) == size else None


def agreed(value: str) -> str:
    """The single value of a header that was repeated and joined; empty where the values differ."""
    if "," not in value:
        return value.strip()
    different = {part.strip() for part in value.split(",")}
    return different.pop() if len(different) == 1 else ""


def content_length(what: str, headers: Named) -> int:
    """The Content-Length. Raises UnexpectedAnswer if it is missing, malformed, or repeated with different
    values."""
    written = headers.get("content-length") or ""
    number = agreed(written)
    if not _NUMBER.fullmatch(number):
        raise UnexpectedAnswer(f"{what}: a response with Content-Length {written[:30]!r}")
    return int(number)


def parse_content_range(written: str) -> tuple[int, int, int] | None:
    """First and last byte, and the size of the object; None for anything else."""
    match = _CONTENT_RANGE.fullmatch(agreed(written))
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def content_range(what: str, headers: Named, length: int) -> tuple[tuple[int, int] | None, int]:
    """First and last byte, or None for all of them, and the size of the object. Raises UnexpectedAnswer for
    an inconsistent Content-Range (RFC 9110 section 14.4)."""
    written = headers.get("content-range")
    if written is None:
        return None, length
    if found := parse_content_range(written):
        first, last, size = found
        if first <= last < size and length == last + 1 - first:
            return (first, last), size
    raise UnexpectedAnswer(f"{what}: {length} bytes with Content-Range {written[:100]!r}")


def get_headers(options: GetOptions) -> list[Header]:
    """The headers of a GET with these options. Raises NotSupported for a part or a manifest."""
    check_plain(options)
    headers: list[Header] = []
    if options.byte_range is not None:
        headers.append(("Range", options.byte_range.header))
    if options.if_match is not None:
        headers.append(("If-Match", f'"{options.if_match}"'))
    if options.if_none_match is not None:
        headers.append(("If-None-Match", f'"{options.if_none_match}"'))
    return headers


def check_plain(options: GetOptions) -> None:
    """Raise NotSupported if a part is to be read, or a manifest."""
    if options.part is not None:
        raise NotSupported("the store does not tell the parts of its objects")
    if options.stored:
        raise NotSupported("the store has no large objects as Swift has them")


def write_conditions(if_match: str | None, if_absent: bool = False) -> list[Header]:
    """The headers of a conditional write."""
    headers: list[Header] = []
    if if_match is not None:
        headers.append(("If-Match", f'"{if_match}"'))
    if if_absent:
        headers.append(("If-None-Match", "*"))
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
        # a server may ignore a range, and send everything
        right = sent is None if response.status == 200 else sent == (requested.first, requested.last_of(size))
    if not right:
        asked = "all bytes" if requested is None else requested.header
        sent_range = (headers.get("content-range") or "an unknown range")[:60]
        raise UnexpectedAnswer(f"{what}: {asked} requested, {sent_range!r} sent", status=response.status)
    return length, sent, size


def same_version(what: str, opened: tuple[Response, Extent], options: GetOptions, extent: Extent) -> Response:
    """Return the response to a GET that was sent again. Raises PreconditionFailed, and closes it, if it has
    another version: a server may ignore conditions."""
    response, found = opened
    if unquoted(response.headers.get("etag") or "") == options.if_match and found == extent:
        return response
    response.close()
    raise PreconditionFailed(f"{what} was replaced", status=412)
