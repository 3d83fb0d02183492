"""Updates the metadata of a stored object without sending its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from s3_sync.errors import Archived, BadDigest, NotSupported
from s3_sync.largeobject.plan import plan_parts
from s3_sync.model.objects import ByteRange, LocalInfo, ObjectInfo, ObjectMeta
from s3_sync.providers.base import Part
from s3_sync.providers.limits import check_limits
from s3_sync.providers.store_limits import Limits
from s3_sync.transfer.large_object import LargeObject
from s3_sync.transfer.multipart import part_size
from s3_sync.transfer.parallel import in_parallel
from s3_sync.transfer.upload import remote_meta
from s3_sync.transfer.upload_session import Precondition, TransferContext, open_upload


@dataclass(frozen=True, slots=True)
class _Range:
    """A part to be copied; ``md5``: of its bytes, if the store's ETag must match it."""

    number: int
    first: int
    size: int
    md5: str | None = None


def update_metadata(
    context: TransferContext, info: LocalInfo, remote: ObjectInfo, large: LargeObject | None = None
) -> bool:
    """Give the stored object the metadata of ``info``; return False if the store cannot do that.

    Up to ``max_copy`` the object is copied onto itself, which may change its ETag. Above, it is a multipart
    upload whose parts are copied from the object; a large object keeps its parts, and so its ETag. At another
    Swift it is a POST to the manifest, whatever the size of the segments. Raises ObjectRefused,
    PreconditionFailed, any RemoteError.
    """
    bucket = context.bucket
    meta = remote_meta(info, bucket.features)
    size = 0 if large is not None and large.plan is not None else info.size
    in_one_request = size <= bucket.limits.max_copy
    if info.md5 is not None and not (in_one_request and info.md5 == remote.etag):
        meta = meta.marked(swift_etag=info.md5)  # the copy's ETag need not be an MD5
    check_limits(bucket, info.name, meta, size)
    try:
        if in_one_request:
            bucket.post_object(info.name, meta, remote.etag)
        else:
            _copy_in_parts(context, meta, remote, _ranges(bucket.limits, remote, large))
    except (Archived, NotSupported):
        return False
    return True


def _ranges(limits: Limits, remote: ObjectInfo, large: LargeObject | None) -> list[_Range]:
    if large is not None:
        etag_is_known = remote.etag == large.manifest.multipart_etag
        return [
            _Range(part.number, part.offset, part.size, part.md5 if etag_is_known else None)
            for part in plan_parts(large.manifest, limits)
        ]
    size = part_size(remote.size, limits)
    return [
        _Range(number, first, min(size, remote.size - first))
        for number, first in enumerate(range(0, remote.size, size), start=1)
    ]


def _copy_in_parts(
    context: TransferContext, meta: ObjectMeta, remote: ObjectInfo, ranges: Sequence[_Range]
) -> None:
    name = remote.name
    condition = Precondition(if_match=remote.etag).for_bucket(context.bucket)
    with open_upload(context, name, meta) as upload:

        def copy(part: _Range) -> Part:
            byte_range = ByteRange(part.first, part.first + part.size - 1)
            copied = upload.handle.copy_part(part.number, byte_range, remote.etag)
            if part.md5 is not None and copied.etag != part.md5:
                raise BadDigest(
                    f"part {part.number} of {name} was copied with ETag {copied.etag}, expected {part.md5}"
                )
            return replace(copied, md5=part.md5 or copied.md5)

        parts = in_parallel(context.parts, ranges, copy)
        upload.complete(parts, condition)
