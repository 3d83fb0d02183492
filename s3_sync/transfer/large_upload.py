"""Large objects: a Swift SLO or DLO becomes one object in the store, and its manifest is stored with it. To
another Swift, which has such objects itself, ``native_upload`` sends them.

Memory: per object in transfer, the manifest (JSON, at most MAX_MANIFEST) and its segments (about 300 bytes
each); per part in transfer, one read of up to 256 KiB and the socket buffers. With ``rows`` objects and
``parts`` parts at a time (the pool sizes) that is

    rows * (manifest + 300 * segments) + parts * (256 KiB + socket buffers)

whatever the sizes of segments, parts and objects.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress

from s3_sync.errors import Archived, NotFound, NotSupported, ObjectRefused
from s3_sync.largeobject.manifest import Manifest
from s3_sync.largeobject.plan import Piece, PlannedPart, is_one_to_one, plan_parts, whole_segments
from s3_sync.largeobject.rebuild import is_of
from s3_sync.model.headers import UNDERSCORE
from s3_sync.model.objects import ObjectInfo, ObjectMeta, PutOptions
from s3_sync.providers.base import Bucket, MultipartUpload, Part
from s3_sync.providers.limits import check_limits
from s3_sync.transfer.decide import same_meta
from s3_sync.transfer.large_object import LargeObject, make_body
from s3_sync.transfer.native_copy import is_stored
from s3_sync.transfer.native_upload import upload_native
from s3_sync.transfer.parallel import in_parallel
from s3_sync.transfer.upload import remote_meta
from s3_sync.transfer.upload_session import Precondition, TransferContext, open_upload

log = logging.getLogger("s3-sync")


def upload_large(context: TransferContext, large: LargeObject, precondition: Precondition) -> None:
    """Send all segments, then the manifest.

    Raises ObjectRefused, before any byte is sent, if the store cannot hold the object; SegmentChanged if a
    segment differs from the manifest; PreconditionFailed; any RemoteError or LocalError.
    """
    if large.plan is not None:
        upload_native(context, large, precondition)
        return
    info, bucket = large.info, context.bucket
    meta = remote_meta(info, bucket.features)
    check_limits(bucket, info.name, meta, info.size)
    condition = precondition.for_bucket(bucket)
    if bucket.features.one_stream and info.size <= bucket.limits.max_put:
        _send_whole(context, large, meta, condition, whole_segments(large.manifest))
        write_manifest(context, large)
        return
    parts = plan_parts(large.manifest, bucket.limits)
    one_to_one = is_one_to_one(large.manifest, parts)
    if (
        len(parts) <= 1
        and info.size <= bucket.limits.max_put
        and not (parts and one_to_one and large.is_static)
    ):
        _send_whole(context, large, meta, condition, parts[0].pieces if parts else ())
    else:
        if not one_to_one:
            log.info(
                "%s: regrouped %d segments into %d parts to meet the store's part limits",
                info.name, len(large.manifest.segments), len(parts),
            )  # fmt: skip
        _upload_parts(context, large, meta, parts, condition)
    write_manifest(context, large)


def ensure_manifest(context: TransferContext, large: LargeObject, remote: ObjectInfo | None = None) -> bool:
    """Write the manifest unless the stored one is the same. Returns whether it was written.

    ``remote``: the stored copy, if it is kept. A copy without a manifest mark was made by an older version:
    for it, a stored manifest with the same segments is good enough.
    """
    if has_manifest(context, large, remote):
        return False
    write_manifest(context, large)
    return True


def has_manifest(context: TransferContext, large: LargeObject, remote: ObjectInfo | None) -> bool:
    """Return whether the stored manifest is that of ``large``; ``remote`` as in ``ensure_manifest``."""
    if large.plan is not None:
        return is_stored(context, large, remote)
    try:
        stored = context.bucket.manifests.get(large.info.name)
        unmarked = remote is not None and large.mark not in remote.meta.marks
        return stored == large.manifest.raw or (
            unmarked and Manifest.parse(stored).segments == large.manifest.segments
        )
    except (NotFound, ObjectRefused):
        return False


def as_stored(bucket: Bucket, large: LargeObject, remote: ObjectInfo) -> LargeObject:
    """Return ``large`` with the stored manifest, if that belongs to the copy ``remote`` and names exactly
    these segments: then nothing needs to be sent. Otherwise ``large`` itself."""
    marked = remote.meta.marks.get(large.mark)
    if large.plan is not None or not large.is_static or marked in (None, large.manifest.etag):
        return large
    try:
        stored = Manifest.parse(bucket.manifests.get(large.info.name))
    except (NotFound, ObjectRefused):
        return large
    belongs = stored.etag == marked and stored.segments == large.manifest.segments
    return large.with_stored_manifest(stored) if belongs else large


def stored_manifest(bucket: Bucket, name: str) -> Manifest | None:
    """Return the stored manifest of ``name`` if the stored copy consists of exactly its segments, so that it
    can be restored as a large object; else None. Raises RemoteError."""
    try:
        stored = bucket.head_object(name)
        manifest = Manifest.parse(bucket.manifests.get(name))
    except (NotFound, ObjectRefused):
        return None
    return manifest if is_of(stored, manifest) and stored.size == manifest.size else None


def write_manifest(context: TransferContext, large: LargeObject) -> None:
    """Write the manifest after the data: where the bucket expires old objects, it must not expire first. At a
    store with large objects of its own that includes whatever segments it lacks."""
    if large.plan is not None:
        upload_native(context, large, Precondition())
        return
    context.ledger.manifest_written()
    context.bucket.manifests.put(large.info.name, large.manifest.raw)


def _send_whole(
    context: TransferContext,
    large: LargeObject,
    meta: ObjectMeta,
    condition: Precondition,
    pieces: Sequence[Piece],
) -> None:
    """Send the pieces as one PUT. The MD5 of the whole is known in advance only if it is one segment; in any
    case the bucket compares it with what the store says, and the reader that of each segment."""
    md5 = pieces[0].segment.md5 if len(pieces) == 1 and pieces[0].is_whole else None
    options = PutOptions(
        large.info.size, meta, md5, condition.if_match, condition.if_absent, condition.replaces
    )
    body = make_body(context.count, large, pieces, promised=md5 is not None)
    try:
        context.bucket.put_object(large.info.name, body, options)
    finally:
        body.close()


def _upload_parts(
    context: TransferContext,
    large: LargeObject,
    meta: ObjectMeta,
    plan: tuple[PlannedPart, ...],
    condition: Precondition,
) -> None:
    name = large.info.name
    with open_upload(context, name, meta) as upload:
        parts = in_parallel(context.parts, plan, lambda part: _send_part(context, large, upload.handle, part))
        upload.complete(parts, condition)
    if context.bucket.features.keeps_underscores and any(UNDERSCORE in each for each in meta.user):
        _mend_metadata(context.bucket, name, meta)


def _mend_metadata(bucket: Bucket, name: str, meta: ObjectMeta) -> None:
    """Send the metadata once more if the stored one differs: Swift's S3 API makes hyphens of underscores in
    names when it completes an upload. Where the store cannot change it, a comparison finds the difference."""
    stored = bucket.head_object(name)
    is_ours = stored.meta.swift_timestamp == meta.swift_timestamp  # not a newer version of another writer
    if is_ours and not same_meta(meta, stored.meta):
        with suppress(Archived, NotSupported):
            bucket.post_object(name, meta, stored.etag)


def _send_part(
    context: TransferContext, large: LargeObject, upload: MultipartUpload, part: PlannedPart
) -> Part:
    body = make_body(context.count, large, part.pieces, promised=part.md5 is not None)
    try:
        return upload.upload_part(part.number, body, part.size, part.md5)
    finally:
        body.close()
