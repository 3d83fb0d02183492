"""Reads the objects of one bucket.

A read is two requests, because a download by the JSON API has no custom metadata: one for the description,
and one for the bytes of exactly that generation. Bytes arrive as they are stored: ``Accept-Encoding: gzip``
keeps the store from unpacking what it has with ``Content-Encoding: gzip`` (Cloud Storage documentation,
"Transcoding of gzip-compressed files"), and ``identity`` keeps proxies from packing anything else.
"""

from __future__ import annotations

from functools import partial

from s3_sync.errors import (
    BadDigest,
    PreconditionFailed,
    RemoteError,
    RemoteUnavailable,
    UnexpectedAnswer,
)
from s3_sync.http.pool import Response
from s3_sync.model.objects import GetOptions
from s3_sync.providers.gcs.errors import unexpected
from s3_sync.providers.gcs.resource import FIELDS, Stored, read_resource
from s3_sync.providers.gcs.transport import GcsTransport, object_path
from s3_sync.providers.object_headers import check_plain, parse_content_range
from s3_sync.providers.open_object import OpenBody, OpenObject, resolved
from s3_sync.streams.hashing import new_digest

#: descriptions that are read for one download: the object may be replaced in between
_ATTEMPTS = 3


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
        check_plain(options)
        for attempts_left in range(_ATTEMPTS - 1, -1, -1):
            stored = self.head(name, key)
            _check_conditions(stored, options)
            requested = options.byte_range
            wanted = None if requested is None else resolved(requested, stored.info.size)
            try:
                stream, sent, length = self._open(key, stored, wanted)
            except RemoteError as error:
                if error.status != 404:
                    raise
                if not attempts_left:
                    what = f"GET {self._bucket}/{key}"
                    raise RemoteUnavailable(f"{what}: replaced again and again", status=404) from error
                continue
            break
        reopen = partial(self._reopen, key, stored, wanted)
        body = OpenBody(f"GET {self._bucket}/{key}", stream, length, reopen)
        return OpenObject(stored.info, sent, body)

    def _open(
        self, key: str, stored: Stored, wanted: tuple[int, int] | None
    ) -> tuple[CheckedStream, tuple[int, int] | None, int]:
        """The bytes of a generation, their range, None for all of them, and their number."""
        what = f"GET {self._bucket}/{key}"
        is_encoded = "content-encoding" in stored.info.meta.headers
        headers = [("Accept-Encoding", "gzip" if is_encoded else "identity")]
        if wanted is not None:
            headers.append(("Range", f"bytes={wanted[0]}-{wanted[1]}"))
        query = {"alt": "media", "generation": stored.generation}
        response = self._transport.request(what, "GET", object_path(self._bucket, key), query, headers)
        try:
            sent = _sent_range(what, response, stored, wanted)
        except BaseException:
            response.close()
            raise
        length = stored.info.size if sent is None else sent[1] + 1 - sent[0]
        crc32c = stored.crc32c if sent is None else None
        return CheckedStream(what, response, length, crc32c), sent, length

    def _reopen(self, key: str, stored: Stored, wanted: tuple[int, int] | None) -> CheckedStream:
        try:
            return self._open(key, stored, wanted)[0]
        except RemoteError as error:
            if error.status != 404:
                raise
            raise PreconditionFailed(f"{self._bucket}/{key} was replaced", status=412) from error


class CheckedStream:
    """The bytes of a response, ``length`` in all. ``crc32c``: of all of them; if they have another one,
    ``read`` raises BadDigest instead of returning the last ones."""

    def __init__(self, what: str, response: Response, length: int, crc32c: bytes | None) -> None:
        self._what = what
        self._response = response
        self._left = length
        self._crc32c = crc32c
        self._digest = None if crc32c is None else new_digest("crc32c")

    def read(self, size: int, /) -> bytes:
        if not self._left:
            return b""
        data = self._response.read(min(size, self._left))
        self._left -= len(data)
        if self._digest is not None:
            self._digest.update(data)
            if not self._left and self._digest.digest() != self._crc32c:
                self._response.close()
                raise BadDigest(f"{self._what}: the bytes do not have the CRC32C that the store states")
        return data

    def close(self) -> None:
        self._response.close()


def _check_conditions(stored: Stored, options: GetOptions) -> None:
    etag = stored.info.etag
    if options.if_match is not None and options.if_match != etag:
        raise PreconditionFailed(f"{stored.info.name} has ETag {etag}", status=412)
    if options.if_none_match == etag:
        raise PreconditionFailed(f"{stored.info.name} still has ETag {etag}", status=304)


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
        stated = parse_content_range(response.headers.get("content-range") or "")
        if wanted is None or stated != (*wanted, size):
            raise unexpected(what, response, "not the requested range")
        sent, length = wanted, wanted[1] + 1 - wanted[0]
    if response.status not in (200, 206) or response.length not in (None, length):
        raise UnexpectedAnswer(
            f"{what}: {response.status} with {response.length} bytes instead of {length}",
            status=response.status,
        )
    return sent
