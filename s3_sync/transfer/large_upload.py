"""Large objects: a Swift SLO or DLO becomes one object in the store, and its manifest is stored with it.

Memory: per object in transfer, the manifest (JSON, at most MAX_MANIFEST) and its segments (about 300 bytes
each); per part in transfer, one read of up to 256 KiB and the socket buffers. With ``rows`` objects and
``parts`` parts at a time (the pool sizes) that is

    rows * (manifest + 300 * segments) + parts * (256 KiB + socket buffers)

whatever the sizes of segments, parts and objects.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Protocol, TypeVar

from s3_sync.errors import (
    Archived,
    NotFound,
    NotSupported,
    ObjectRefused,
    RemoteUnavailable,
    SegmentChanged,
    SyncError,
)
from s3_sync.largeobject.manifest import Manifest, Segment, read_manifest
from s3_sync.largeobject.plan import Piece, PlannedPart, is_one_to_one, plan_parts
from s3_sync.model.headers import UNDERSCORE, is_true
from s3_sync.model.objects import ByteRange, LocalInfo, ObjectInfo, ObjectMeta, PutOptions
from s3_sync.providers.base import Bucket, MultipartUpload, Part
from s3_sync.providers.limits import check_limits
from s3_sync.providers.manifests import MAX_MANIFEST
from s3_sync.streams.chained import ChainedBody
from s3_sync.streams.counting import CountingBody
from s3_sync.streams.reader import Body
from s3_sync.streams.verifying import ExactBody
from s3_sync.transfer.decide import same_meta
from s3_sync.transfer.source import OpenObject
from s3_sync.transfer.upload import remote_meta
from s3_sync.transfer.upload_session import Precondition, TransferContext, open_upload

log = logging.getLogger("s3-sync")

Item = TypeVar("Item")

#: attempts per part before the upload fails
PART_ATTEMPTS = 2


class Segments(Protocol):
    """The local segments of one large object (``cluster.segments.ManifestSegments``)."""

    def check(self, manifest: Manifest) -> None:
        """Raise ObjectRefused (``segments_elsewhere``) if the object may not consist of these segments."""
        ...

    def dynamic(self, target: str) -> Manifest: ...

    def open(self, segment: Segment, byte_range: ByteRange | None = None) -> OpenObject: ...


@dataclass(frozen=True, slots=True)
class LargeObject:
    """``info`` describes the whole object: the size of all segments, and marks for its kind and manifest."""

    info: LocalInfo
    manifest: Manifest
    segments: Segments

    @property
    def is_static(self) -> bool:
        return "x-object-manifest" not in self.info.meta.marks

    @property
    def target(self) -> str:
        """The ``container/prefix`` of a DLO's segments."""
        return self.info.meta.marks["x-object-manifest"]

    @property
    def mark(self) -> str:
        """The mark that links a copy to its manifest."""
        return "swift-slo-etag" if self.is_static else "swift-source-dlo-etag"

    def matches_stored(self, remote: ObjectInfo) -> bool:
        """Return whether the store has these bytes.

        Proof is the ETag that follows from the manifest, or a mark that identifies the manifest; other part
        sizes, or a copy inside the store, change only the ETag.
        """
        if remote.size != self.manifest.size:
            return False
        marks = remote.meta.marks
        return (
            remote.etag == self.manifest.multipart_etag
            or marks.get(self.mark) == self.info.meta.marks[self.mark]
            # a restored DLO is an SLO
            or marks.get("swift-source-dlo-etag") == self.manifest.joined_etag
        )

    def check_unchanged(self) -> None:
        """Raise SegmentChanged if a DLO now has other segments than when it was read."""
        if not self.is_static and self.segments.dynamic(self.target).segments != self.manifest.segments:
            raise SegmentChanged(f"{self.info.name} no longer has the segments that were copied")

    def with_stored_manifest(self, stored: Manifest) -> LargeObject:
        """Return the same SLO with an equivalent manifest; after a restore, the times in it differ."""
        info = replace(self.info, meta=self.info.meta.marked(swift_slo_etag=stored.etag))
        return replace(self, info=info, manifest=stored)


def large_kind(local: OpenObject) -> Literal["slo", "dlo"] | None:
    """Return the kind of large object that ``local``, or the symlink's target, is; None for a plain
    object."""
    if local.kind == "slo" or is_true(local.headers.get("x-static-large-object", "")):
        return "slo"
    return "dlo" if local.kind == "dlo" or local.headers.get("x-object-manifest") else None


def read_large_object(local: OpenObject, segments: Segments) -> LargeObject:
    """Read the manifest of ``local``, which is open, unread, and has a ``large_kind``.

    Raises ObjectRefused if it cannot be copied, LocalError.
    """
    meta = local.info.meta
    if large_kind(local) == "slo":
        manifest = Manifest.parse(read_manifest(local.body, local.info.etag, MAX_MANIFEST))
        segments.check(manifest)
        marked = meta.marked(swift_slo_etag=manifest.etag)
        # SLO takes precedence over other headers
        marked = replace(marked, marks={k: v for k, v in marked.marks.items() if k != "x-object-manifest"})
    else:
        manifest = segments.dynamic(meta.marks.get("x-object-manifest", ""))
        marked = meta.marked(swift_source_dlo_etag=manifest.joined_etag)
    return LargeObject(replace(local.info, size=manifest.size, md5=None, meta=marked), manifest, segments)


def upload_large(context: TransferContext, large: LargeObject, precondition: Precondition) -> None:
    """Send all segments, then the manifest.

    Raises ObjectRefused, before any byte is sent, if the store cannot hold the object; SegmentChanged if a
    segment differs from the manifest; PreconditionFailed; any RemoteError or LocalError.
    """
    info, bucket = large.info, context.bucket
    meta = remote_meta(info)
    check_limits(bucket, info.name, meta, info.size)
    parts = plan_parts(large.manifest, bucket.limits)
    condition = precondition.for_bucket(bucket)
    one_to_one = is_one_to_one(large.manifest, parts)
    if (
        len(parts) <= 1
        and info.size <= bucket.limits.max_put
        and not (parts and one_to_one and large.is_static)
    ):
        md5 = parts[0].md5 if parts else None
        options = PutOptions(info.size, meta, md5, condition.if_match, condition.if_absent)
        body = _make_body(context, large, parts[0].pieces if parts else (), promised=md5 is not None)
        try:
            bucket.put_object(info.name, body, options)
        finally:
            body.close()
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
    if has_manifest(context.bucket, large, remote):
        return False
    write_manifest(context, large)
    return True


def has_manifest(bucket: Bucket, large: LargeObject, remote: ObjectInfo | None) -> bool:
    """Return whether the stored manifest is that of ``large``; ``remote`` as in ``ensure_manifest``."""
    try:
        stored = bucket.manifests.get(large.info.name)
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
    if not large.is_static or marked in (None, large.manifest.etag):
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
    marks = stored.meta.marks
    belongs = (
        stored.etag == manifest.multipart_etag
        or marks.get("swift-slo-etag") == manifest.etag
        or marks.get("swift-source-dlo-etag") == manifest.joined_etag
    )
    return manifest if belongs and stored.size == manifest.size else None


def write_manifest(context: TransferContext, large: LargeObject) -> None:
    """Write the manifest after the data: where the bucket expires old objects, it must not expire first."""
    context.ledger.manifest_written()
    context.bucket.manifests.put(large.info.name, large.manifest.raw)


def _upload_parts(
    context: TransferContext,
    large: LargeObject,
    meta: ObjectMeta,
    plan: tuple[PlannedPart, ...],
    condition: Precondition,
) -> None:
    name = large.info.name
    with open_upload(context, name, meta) as upload:
        parts = in_parallel(context, plan, lambda part: _send_part(context, large, upload.handle, part))
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


def in_parallel(context: TransferContext, plan: Sequence[Item], send: Callable[[Item], Part]) -> list[Part]:
    """Run ``send`` for every part, in the pool; a part is retried once if that can help.

    After the first lasting failure no more parts are started; it is raised once all running ones have ended.
    """
    failures: list[BaseException] = []

    def send_unless_failed(part: Item) -> Part | None:
        try:
            return None if failures else _send_with_retry(send, part, failures)
        except BaseException as error:  # start no more parts
            failures.append(error)
            if not isinstance(error, Exception):
                raise
            return None

    try:
        sent = context.parts.map(send_unless_failed, plan)
    except BaseException as error:  # interrupted: start no more parts
        failures.append(error)
        raise
    if failures:
        raise failures[0]
    completed = [part for part in sent if part is not None]
    if len(completed) != len(plan):
        raise RemoteUnavailable("the transfer of parts was interrupted")
    return completed


def _send_with_retry(send: Callable[[Item], Part], part: Item, failures: Sequence[BaseException]) -> Part:
    for _ in range(PART_ATTEMPTS - 1):
        try:
            return send(part)
        except SyncError as error:
            if not error.transient or isinstance(error, SegmentChanged) or failures:
                raise
    return send(part)


def _send_part(
    context: TransferContext, large: LargeObject, upload: MultipartUpload, part: PlannedPart
) -> Part:
    body = _make_body(context, large, part.pieces, promised=part.md5 is not None)
    try:
        return upload.upload_part(part.number, body, part.size, part.md5)
    finally:
        body.close()


def _make_body(
    context: TransferContext, large: LargeObject, pieces: tuple[Piece, ...], promised: bool
) -> Body:
    """Return the pieces as one body. A segment is opened when the store reads it.

    ``promised``: the bucket has the MD5 of the whole body and verifies it.
    """
    openers = [partial(_open_piece, large.segments, piece, promised) for piece in pieces]
    return CountingBody(ChainedBody(openers, sum(piece.size for piece in pieces)), context.count)


def _open_piece(segments: Segments, piece: Piece, promised: bool) -> Body:
    """Open a piece. A whole segment is hashed while it is read, unless the store verifies it; for part of a
    segment only the length is checked."""
    if piece.is_whole:
        md5 = None if promised else piece.segment.md5
        return ExactBody(segments.open(piece.segment).body, piece.size, md5)
    byte_range = ByteRange(piece.first, piece.first + piece.size - 1)
    return ExactBody(segments.open(piece.segment, byte_range).body, piece.size)
