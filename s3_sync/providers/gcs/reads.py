"""Reads the objects of one bucket.

A read is two requests, because a download by the JSON API has no custom metadata: one for the description,
and one for the bytes of exactly that generation. Bytes arrive as they are stored: ``Accept-Encoding: gzip``
keeps the store from unpacking what it has with ``Content-Encoding: gzip`` (Cloud Storage documentation,
"Transcoding of gzip-compressed files"), and ``identity`` keeps proxies from packing anything else.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from s3_sync.errors import (
    BadDigest,
    InvalidRequest,
    PreconditionFailed,
    RemoteError,
    RemoteUnavailable,
    UnexpectedAnswer,
)
from s3_sync.http.pool import Response
from s3_sync.model.objects import ByteRange, GetOptions
from s3_sync.providers.gcs.errors import translated, unexpected
from s3_sync.providers.gcs.resource import FIELDS, Stored, read_resource
from s3_sync.providers.gcs.transport import GcsTransport, object_path
from s3_sync.streams.hashing import new_digest
from s3_sync.streams.reader import CHUNK, Body

#: descriptions that are read for one download: the object may be replaced in between
_ATTEMPTS = 3
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")


class Reader:
    """Reads one bucket. Takes keys; ``name`` is the name in the result."""

    def __init__(self, transport: GcsTransport, bucket: str) -> None:
        self._transport = transport
        self._bucket = bucket

    def head(self, name: str, key: str) -> Stored:
        """The description of an object. Raises NotFound."""
        what = f"HEAD {self._bucket}/{key}"
        path = object_path(self._bucket, key)
        document = self._transport.document(what, "GET", path, {"fields": FIELDS})
        if document.get("name") != key:
            raise UnexpectedAnswer(f"{what}: the description of another object", status=200)
        return read_resource(what, name, document)

    def get(self, name: str, key: str, options: GetOptions) -> OpenObject:
        for attempts_left in range(_ATTEMPTS - 1, -1, -1):
            stored = self.head(name, key)
            _check_conditions(stored, options)
            wanted = _resolved(stored, options.byte_range)
            try:
                response, sent = self._open(key, stored, wanted)
            except RemoteError as error:
                if error.status != 404:
                    raise
                if not attempts_left:
                    what = f"GET {self._bucket}/{key}"
                    raise RemoteUnavailable(f"{what}: replaced again and again", status=404) from error
                continue
            break
        reopen = partial(self._reopen, key, stored, wanted)
        crc = stored.crc32c if sent is None else None
        what = f"GET {self._bucket}/{key}"
        length = stored.info.size if sent is None else sent[1] + 1 - sent[0]
        return OpenObject(stored, sent, OpenBody(what, response, length, reopen, crc))

    def _open(
        self, key: str, stored: Stored, wanted: tuple[int, int] | None
    ) -> tuple[Response, tuple[int, int] | None]:
        """The bytes of a generation, and their range; None for all of them."""
        what = f"GET {self._bucket}/{key}"
        is_encoded = "content-encoding" in stored.info.meta.headers
        headers = [("Accept-Encoding", "gzip" if is_encoded else "identity")]
        if wanted is not None:
            headers.append(("Range", f"bytes={wanted[0]}-{wanted[1]}"))
        query = {"alt": "media", "generation": stored.generation}
        response = self._transport.request(what, "GET", object_path(self._bucket, key), query, headers)
        try:
            return response, _sent_range(what, response, stored, wanted)
        except BaseException:
            response.close()
            raise

    def _reopen(self, key: str, stored: Stored, wanted: tuple[int, int] | None) -> Response:
        try:
            return self._open(key, stored, wanted)[0]
        except RemoteError as error:
            if error.status != 404:
                raise
            raise PreconditionFailed(f"{self._bucket}/{key} was replaced", status=412) from error


class OpenBody:
    """The body of a GET. ``rewind`` calls ``reopen``, which requests the same bytes again. ``crc32c``: of all
    bytes: BadDigest is raised instead of the end if they have another one."""

    def __init__(
        self, what: str, response: Response, length: int, reopen: Callable[[], Response], crc32c: bytes | None
    ) -> None:
        self.length: int | None = length
        self._what = what
        self._response = response
        self._expected = length
        self._reopen = reopen
        self._crc32c = crc32c
        self._start()

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        if not size or self._position == self._expected:
            return b""
        with translated(self._what):
            data = self._response.read(min(size, self._expected - self._position))
        self._position += len(data)
        if not data:
            raise RemoteUnavailable(f"{self._what}: ended after {self._position} of {self._expected} bytes")
        if self._digest is not None:
            self._digest.update(data)
            if self._position == self._expected and self._digest.digest() != self._crc32c:
                self._response.close()
                raise BadDigest(f"{self._what}: the bytes do not have the CRC32C that the store tells")
        return data

    def rewind(self) -> None:
        self._response.close()
        self._response = self._reopen()
        self._start()

    def close(self) -> None:
        """Release the connection if the body was read to its end; drop it otherwise."""
        self._response.close()

    def _start(self) -> None:
        self._position = 0
        self._digest = new_digest("crc32c") if self._crc32c is not None else None


class OpenObject:
    """See ``GetResult``."""

    def __init__(self, stored: Stored, byte_range: tuple[int, int] | None, body: OpenBody) -> None:
        self.info = stored.info
        self.byte_range = byte_range
        self.body: Body = body

    def close(self) -> None:
        self.body.close()

    def __enter__(self) -> OpenObject:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check_conditions(stored: Stored, options: GetOptions) -> None:
    etag = stored.info.etag
    if options.if_match is not None and options.if_match != etag:
        raise PreconditionFailed(f"{stored.info.name} has ETag {etag}", status=412)
    if options.if_none_match == etag:
        raise PreconditionFailed(f"{stored.info.name} still has ETag {etag}", status=304)


def _resolved(stored: Stored, wanted: ByteRange | None) -> tuple[int, int] | None:
    """First and last byte of a range. Raises InvalidRequest."""
    if wanted is None:
        return None
    last = stored.info.size - 1 if wanted.last is None else min(wanted.last, stored.info.size - 1)
    if wanted.first > last:
        message = f"{stored.info.name}: {wanted.header} of {stored.info.size} bytes"
        raise InvalidRequest(message, status=416, code="InvalidRange")
    return wanted.first, last


def _sent_range(
    what: str, response: Response, stored: Stored, wanted: tuple[int, int] | None
) -> tuple[int, int] | None:
    """The range that is sent. Raises UnexpectedAnswer for other bytes than the requested ones."""
    generation = response.headers.get("x-goog-generation")
    if generation not in (None, stored.generation):
        raise unexpected(what, response, "another generation")
    size, sent = stored.info.size, None
    length = size
    if response.status == 206:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("content-range") or "")
        if match is None or wanted is None or tuple(map(int, match.groups())) != (*wanted, size):
            raise unexpected(what, response, "not the requested range")
        sent, length = wanted, wanted[1] + 1 - wanted[0]
    if response.status not in (200, 206) or response.length not in (None, length):
        raise UnexpectedAnswer(
            f"{what}: {response.status} with {response.length} bytes instead of {length}",
            status=response.status,
        )
    return sent
