"""Multipart uploads of the provider in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from s3_sync.errors import BadDigest, InvalidRequest, NotFound
from s3_sync.model.objects import ByteRange, GetOptions, ObjectMeta, PutResult
from s3_sync.providers.base import Part
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import Body
from s3_sync.streams.verifying import read_exactly

if TYPE_CHECKING:
    from s3_sync.providers.memory import MemoryBucket


@dataclass(slots=True)
class PendingUpload:
    """An open upload at the store."""

    key: str
    meta: ObjectMeta
    begun: float
    parts: dict[int, bytes] = field(default_factory=dict)


class MemoryUpload:
    """See ``MultipartUpload``."""

    def __init__(self, bucket: MemoryBucket, name: str, upload_id: str) -> None:
        self.name = name
        self.upload_id = upload_id
        self._bucket = bucket
        self._limits = bucket.limits

    def upload_part(self, number: int, body: Body, size: int, md5: str | None = None) -> Part:
        if not 1 <= number <= self._limits.max_parts or size > self._limits.max_part:
            raise InvalidRequest(f"part {number} of {size} bytes", status=400, code="InvalidArgument")
        self._find()
        data = read_exactly(body, size, md5)
        with self._bucket._lock:
            self._find().parts[number] = data
        return Part(number, md5_hex(data), size, md5_hex(data))

    def copy_part(self, number: int, byte_range: ByteRange, if_match: str | None = None) -> Part:
        with self._bucket.get_object(self.name, GetOptions(byte_range, if_match=if_match)) as result:
            return self.upload_part(number, result.body, result.body.length or 0)

    def complete(
        self, parts: Sequence[Part], if_match: str | None = None, if_absent: bool = False
    ) -> PutResult:
        with self._bucket._lock:
            upload = self._find()
            self._check(upload, parts)
            self._bucket._check_conditions(self.name, if_match, if_absent)
            pieces = [upload.parts[part.number] for part in parts]
            digests = b"".join(hashlib.md5(piece, usedforsecurity=False).digest() for piece in pieces)
            etag = f"{md5_hex(digests)}-{len(pieces)}"
            kept = self._bucket._keep(upload.key, b"".join(pieces), etag, upload.meta)
            self._bucket._store.objects[upload.key] = replace(kept, parts=tuple(map(len, pieces)))
            del self._bucket._store.uploads[self.upload_id]
        return PutResult(etag)

    def abort(self) -> None:
        with self._bucket._lock:
            self._bucket._store.uploads.pop(self.upload_id, None)

    def _find(self) -> PendingUpload:
        with self._bucket._lock:
            upload = self._bucket._store.uploads.get(self.upload_id)
        if upload is None or upload.key != self._bucket.namer.key(self.name):
            raise NotFound(f"no upload {self.upload_id}", status=404, code="NoSuchUpload")
        return upload

    def _check(self, upload: PendingUpload, parts: Sequence[Part]) -> None:
        numbers = [part.number for part in parts]
        if not parts or numbers != sorted(set(numbers)):
            raise InvalidRequest("parts are missing or not in order", status=400, code="InvalidPartOrder")
        for part in parts:
            data = upload.parts.get(part.number)
            if data is None or md5_hex(data) != part.etag:
                raise BadDigest(f"part {part.number} has another ETag", status=400, code="InvalidPart")
            if len(data) < self._limits.min_part and part is not parts[-1]:
                raise InvalidRequest(f"part {part.number} is too small", status=400, code="EntityTooSmall")
