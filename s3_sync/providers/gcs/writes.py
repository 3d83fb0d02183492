"""Writes to one bucket.

Sources: JSON API reference, "Objects: insert", "patch" and "delete"; Cloud Storage documentation, "Request
preconditions" and "Uploads and downloads". An object of up to ``MAX_AT_ONCE`` bytes is one request, whose
description precedes the bytes and has both digests; a larger one is an upload session. Either way the store
compares MD5 and CRC32C before the object is there, and its answer is compared once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

from s3_sync.errors import BadDigest, NotFound, PreconditionFailed, RemoteError, UnexpectedAnswer
from s3_sync.model.objects import ObjectMeta, PutOptions, PutResult
from s3_sync.providers.base import WriteOptions
from s3_sync.providers.gcs.errors import unexpected
from s3_sync.providers.gcs.resource import (
    FIELDS,
    Digests,
    Stored,
    read_resource,
    to_patch,
    to_resource,
)
from s3_sync.providers.gcs.resumable import Session
from s3_sync.providers.gcs.transport import GcsTransport, encoded, object_path, upload_path
from s3_sync.providers.http_errors import NO_SUCH_BUCKET
from s3_sync.streams.hashing import md5_hex, new_digest
from s3_sync.streams.reader import Body
from s3_sync.streams.verifying import read_exactly

#: bytes of an object that is sent by one request
MAX_AT_ONCE = 8 * 1024 * 1024
#: attempts to patch metadata that other clients are changing
_ATTEMPTS = 3


class Writer:
    """Writes to one bucket. Takes keys. ``head``: describes the object under a key; raises NotFound."""

    def __init__(
        self, transport: GcsTransport, bucket: str, write: WriteOptions, head: Callable[[str], Stored]
    ) -> None:
        self._transport = transport
        self._bucket = bucket
        self._write = write
        self._head = head

    def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        """Store an object. Raises BadDigest, PreconditionFailed, NotFound."""
        document = {"name": key, **to_resource(options.meta)}
        if self._write.storage_class:
            document["storageClass"] = self._write.storage_class
        query = self._conditions(key, options) | {"fields": FIELDS}
        if self._write.kms_key:
            query["kmsKeyName"] = self._write.kms_key
        if options.size <= MAX_AT_ONCE:
            found, digests = self._put_at_once(document, query, read_exactly(body, options.size), options.md5)
        else:
            session = Session(self._transport, self._bucket, document, query, options.size)
            found, digests = session.send(body, options.md5)
        what = f"PUT {self._bucket}/{key}"
        stored = _described(what, key, found, options)
        try:
            digests.check(what, found)
        except BadDigest:
            self._discard(what, key, stored)
            raise
        return PutResult(stored.info.etag)

    def post(self, key: str, meta: ObjectMeta, if_match: str | None) -> None:
        """Replace the metadata in place, of exactly the state that was read. Raises NotFound,
        PreconditionFailed."""
        what = f"PATCH {self._bucket}/{key}"
        for attempts_left in range(_ATTEMPTS - 1, -1, -1):
            current = self._head(key)
            if if_match is not None:
                _check_replaceable(current, if_match, meta)
            patch = to_patch(meta, current)
            try:
                found = self._transport.document(
                    what,
                    "PATCH",
                    object_path(self._bucket, key),
                    current.conditions | {"fields": FIELDS},
                    patch,
                )
            except PreconditionFailed:
                if not attempts_left:
                    raise
                continue
            if read_resource(what, key, found).info.meta != _as_stored(key, meta):
                raise UnexpectedAnswer(f"{what}: the answer does not show the new metadata", status=200)
            return

    def delete(self, key: str) -> bool:
        """Delete an object. Returns False if there was none. Raises UnexpectedAnswer for another success than
        204, unless a HEAD shows that nothing is there."""
        what = f"DELETE {self._bucket}/{key}"
        try:
            response = self._transport.request(what, "DELETE", object_path(self._bucket, key))
            response.drain()
            if response.status == 204:
                return True
        except NotFound as error:
            if error.code == NO_SUCH_BUCKET:
                raise
            return False
        try:
            self._head(key)
        except NotFound as error:
            if error.code == NO_SUCH_BUCKET:
                raise
            return True
        raise unexpected(what, response, "the object still exists")

    def _discard(self, what: str, key: str, stored: Stored) -> None:
        """Delete exactly what was written just now: its marks tell of other bytes than it has."""
        query = {"ifGenerationMatch": stored.generation}
        with suppress(RemoteError):
            self._transport.request(what, "DELETE", object_path(self._bucket, key), query).drain()

    def _conditions(self, key: str, options: PutOptions) -> dict[str, str]:
        """The query by which the write replaces exactly what the caller has seen."""
        if options.if_absent:
            return {"ifGenerationMatch": "0"}
        if options.if_match is None:
            return {}
        try:
            current = self._head(key)
        except NotFound as error:
            if error.code == NO_SUCH_BUCKET:
                raise
            raise PreconditionFailed(str(error), status=412) from error
        _check_replaceable(current, options.if_match, options.meta)
        return current.conditions

    def _put_at_once(
        self, document: Mapping[str, Any], query: Mapping[str, str], data: bytes, expected: str | None
    ) -> tuple[dict[str, Any], Digests]:
        md5, crc = md5_hex(data), new_digest("crc32c")
        if expected not in (None, md5):
            raise BadDigest(f"the body hashes to {md5}, not to {expected}")
        crc.update(data)
        digests = Digests(md5, crc.digest())
        described = {**document, **digests.fields}
        boundary = uuid4().hex
        parts = (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n".encode(),
            encoded(described),
            f"\r\n--{boundary}\r\nContent-Type: {document['contentType']}\r\n\r\n".encode(),
            data,
            f"\r\n--{boundary}--\r\n".encode(),
        )
        what = f"PUT {self._bucket}/{document['name']}"
        headers = (("Content-Type", f"multipart/related; boundary={boundary}"),)
        asked = {"uploadType": "multipart", **query}
        path = upload_path(self._bucket)
        response = self._transport.request(what, "POST", path, asked, headers, b"".join(parts))
        return self._transport.read_document(what, response), digests


def _check_replaceable(current: Stored, if_match: str, meta: ObjectMeta) -> None:
    """Raise PreconditionFailed unless this is what the caller has seen: an ETag is that of the bytes, so a
    newer version of the same bytes has the same."""
    ours, theirs = meta.swift_timestamp, current.info.meta.swift_timestamp
    if current.info.etag != if_match:
        message = f"{current.info.name} has ETag {current.info.etag}, not {if_match}"
        raise PreconditionFailed(message, status=412)
    if ours is not None and theirs is not None and theirs > ours:
        raise PreconditionFailed(f"{current.info.name} is a newer version", status=412)


def _described(what: str, key: str, found: Mapping[str, Any], options: PutOptions) -> Stored:
    """The description of what was stored, which must be about what was sent."""
    stored = read_resource(what, key, found)
    if stored.info.size != options.size or found.get("name") != key:
        raise UnexpectedAnswer(f"{what}: the answer is about another object", status=200)
    return stored


def _as_stored(key: str, meta: ObjectMeta) -> ObjectMeta:
    """The metadata as a description of the object has it."""
    document = {"size": "0", "generation": "1", **to_resource(meta)}
    return read_resource(key, key, document).info.meta
