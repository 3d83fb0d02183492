"""Multipart upload of one plain object."""

from __future__ import annotations

import hashlib
import math

from s3_sync.errors import BadDigest, ObjectRefused
from s3_sync.model.objects import ByteRange, LocalInfo, ObjectMeta
from s3_sync.providers.base import Part
from s3_sync.providers.store_limits import MIB, Limits
from s3_sync.streams.counting import CountingBody
from s3_sync.streams.reader import Body
from s3_sync.transfer.source import Source
from s3_sync.transfer.upload_session import Precondition, TransferContext, open_upload

#: part size within the store's limits
DEFAULT_PART_SIZE = 256 * MIB


def part_size(size: int, limits: Limits) -> int:
    """Return the size of all parts but the last. Raises ObjectRefused if no legal size exists."""
    smallest = max(limits.min_part, math.ceil(size / limits.max_parts))
    if smallest > limits.max_part:
        raise ObjectRefused("too_large", f"{size} bytes exceed {limits.max_parts} parts of the maximum size")
    return min(limits.max_part, max(smallest, min(DEFAULT_PART_SIZE, limits.max_put)))


def upload_parts(
    context: TransferContext, source: Source, info: LocalInfo, meta: ObjectMeta, condition: Precondition
) -> None:
    """Upload the object in parts, each a ranged read of the same version.

    Two digests are checked: each part's against the one that the store reports, if it does, and that of all
    parts in order against the object's MD5. On any failure the upload is aborted. The conditions apply when
    the upload is completed.
    """
    chunk = part_size(info.size, context.bucket.limits)
    with open_upload(context, info.name, meta) as upload:
        parts: list[Part] = []
        whole = hashlib.md5(usedforsecurity=False)
        for number, first in enumerate(range(0, info.size, chunk), start=1):
            last = min(first + chunk, info.size) - 1
            with source.open(info.data_timestamp, ByteRange(first, last)) as local:
                body = _PartBody(CountingBody(local.body, context.count), whole)
                part = upload.handle.upload_part(number, body, last - first + 1)
            if part.md5 is not None and part.md5 != body.part.hexdigest():
                raise BadDigest(
                    f"part {number}: the store reports MD5 {part.md5}, sent was {body.part.hexdigest()}"
                )
            whole = body.whole
            parts.append(part)
        if whole.hexdigest() != info.md5:
            raise BadDigest(f"the MD5 of all parts is {whole.hexdigest()}, that of the object {info.md5}")
        upload.complete(parts, condition)


class _PartBody:
    """Hashes what is read: ``part`` covers this part alone, ``whole`` continues from ``before``."""

    def __init__(self, body: Body, before: hashlib._Hash) -> None:
        self.length = body.length
        self._body = body
        self._before = before
        self._reset()

    def read(self, size: int = -1) -> bytes:
        chunk = self._body.read(size)
        self.part.update(chunk)
        self.whole.update(chunk)
        return chunk

    def rewind(self) -> None:
        self._body.rewind()
        self._reset()

    def close(self) -> None:
        self._body.close()

    def _reset(self) -> None:
        self.part = hashlib.md5(usedforsecurity=False)
        self.whole = self._before.copy()
