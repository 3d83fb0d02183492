"""Large objects: an SLO or DLO of Swift becomes one object in the store, with its manifest beside it.

Memory: the manifest (JSON, at most MAX_MANIFEST) and its segments (some 300 bytes each) for each object
being sent, and for each part in flight one read of up to 256 KiB and what the sockets hold. With ``rows``
objects and ``parts`` (the size of the pools) parts at a time that is

    rows * (manifest + 300 * segments) + parts * (256 KiB + socket buffers)

whatever the sizes of segments, parts and objects.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Protocol, TypeVar

from s3_sync.errors import NotFound, ObjectRefused, RemoteUnavailable, SegmentChanged, SyncError
from s3_sync.largeobject.manifest import Manifest, Segment, read_manifest
from s3_sync.largeobject.plan import Piece, PlannedPart, is_one_to_one, plan_parts
from s3_sync.model.headers import is_true
from s3_sync.model.objects import ByteRange, ObjectInfo, ObjectMeta, PutOptions
from s3_sync.providers.base import MAX_MANIFEST, Bucket, Part
from s3_sync.providers.limits import check_limits
from s3_sync.streams.chained import ChainedBody
from s3_sync.streams.counting import MeteredBody
from s3_sync.streams.reader import Body
from s3_sync.streams.verifying import ExactBody
from s3_sync.transfer.source import OpenObject
from s3_sync.transfer.upload import remote_meta
from s3_sync.transfer.upload_session import Overwrite, Sending, open_upload

log = logging.getLogger("s3-sync")

Item = TypeVar("Item")

#: how often a part is sent before the upload is given up
TRIES = 2


class Segments(Protocol):
    """The local segments of one large object (``cluster.segments.ManifestSegments``)."""

    def check(self, manifest: Manifest) -> None:
        """Raise ObjectRefused (``segments_elsewhere``) if the object may not consist of these."""
        ...

    def dynamic(self, target: str) -> Manifest: ...

    def open(self, segment: Segment, byte_range: ByteRange | None = None) -> OpenObject: ...


@dataclass(frozen=True, slots=True)
class LargeObject:
    """``info`` is that of the whole: the size of all segments, and marks that say what it is made of."""

    info: ObjectInfo
    manifest: Manifest
    segments: Segments

    @property
    def is_static(self) -> bool:
        return "x-object-manifest" not in _meta(self.info).marks

    @property
    def target(self) -> str:
        """Of a DLO: the ``container/prefix`` of its segments."""
        return _meta(self.info).marks["x-object-manifest"]

    @property
    def mark(self) -> str:
        """The name of the mark that ties a copy to its manifest."""
        return "swift-slo-etag" if self.is_static else "swift-source-dlo-etag"

    def matches_stored(self, remote: ObjectInfo) -> bool:
        """Whether the store has these bytes. Proof is the ETag that follows from the manifest, or a mark
        that names the manifest; other part sizes, or a copy inside the store, change the ETag only."""
        if remote.size != self.manifest.size:
            return False
        marks = _meta(remote).marks
        return (
            remote.etag == self.manifest.multipart_etag
            or marks.get(self.mark) == _meta(self.info).marks[self.mark]
            # a DLO that was restored is an SLO
            or marks.get("swift-source-dlo-etag") == self.manifest.joined_etag
        )

    def check_unchanged(self) -> None:
        """Raise SegmentChanged where a DLO consists of other segments than when it was examined."""
        if not self.is_static and self.segments.dynamic(self.target).segments != self.manifest.segments:
            raise SegmentChanged(f"{self.info.name} has other segments than were copied")

    def with_stored_manifest(self, stored: Manifest) -> LargeObject:
        """The same SLO with a manifest that says the same; times in it differ after a restore."""
        info = replace(self.info, meta=_meta(self.info).marked(swift_slo_etag=stored.etag))
        return replace(self, info=info, manifest=stored)


def large_kind(local: OpenObject) -> Literal["slo", "dlo"] | None:
    """What ``local``, or the target that it is a link to, is beside a plain object."""
    if local.kind == "slo" or is_true(local.headers.get("x-static-large-object", "")):
        return "slo"
    return "dlo" if local.kind == "dlo" or local.headers.get("x-object-manifest") else None


def examine(local: OpenObject, segments: Segments) -> LargeObject:
    """Read the manifest of ``local``, which is open and unread, and has a ``large_kind``.

    Raises ObjectRefused for what cannot be copied, LocalError.
    """
    meta = _meta(local.info)
    if large_kind(local) == "slo":
        manifest = Manifest.parse(read_manifest(local.body, local.info.etag, MAX_MANIFEST))
        segments.check(manifest)
        marked = meta.marked(swift_slo_etag=manifest.etag)
        # an SLO is one whatever else its headers say
        marked = replace(marked, marks={k: v for k, v in marked.marks.items() if k != "x-object-manifest"})
    else:
        manifest = segments.dynamic(meta.marks.get("x-object-manifest", ""))
        marked = meta.marked(swift_source_dlo_etag=manifest.joined_etag)
    return LargeObject(replace(local.info, size=manifest.size, md5=None, meta=marked), manifest, segments)


def upload_large(sending: Sending, large: LargeObject, overwrite: Overwrite) -> None:
    """Send all segments, then the manifest.

    Raises ObjectRefused before any byte moves when the store cannot hold the object; SegmentChanged when
    a segment is not what the manifest says; PreconditionFailed; any RemoteError or LocalError.
    """
    info, bucket = large.info, sending.bucket
    meta = remote_meta(info)
    check_limits(bucket, info.name, meta, info.size)
    parts = plan_parts(large.manifest, bucket.limits)
    condition = overwrite.for_bucket(bucket)
    one_to_one = is_one_to_one(large.manifest, parts)
    if (
        len(parts) <= 1
        and info.size <= bucket.limits.max_put
        and not (parts and one_to_one and large.is_static)
    ):
        md5 = parts[0].md5 if parts else None
        options = PutOptions(info.size, meta, md5, condition.if_match, condition.if_absent)
        body = _body(sending, large, parts[0].pieces if parts else (), promised=md5 is not None)
        try:
            bucket.put_object(info.name, body, options)
        finally:
            body.close()
    else:
        if not one_to_one:
            log.info(
                "%s: %d segments become %d parts, as the store needs them",
                info.name, len(large.manifest.segments), len(parts),
            )  # fmt: skip
        _upload_parts(sending, large, meta, parts, condition)
    write_manifest(sending, large)


def ensure_manifest(sending: Sending, large: LargeObject, remote: ObjectInfo | None = None) -> bool:
    """Write the manifest if it is not there, or is another one. True = it was written.

    ``remote``: the stored copy, where it stays as it is. One that no mark ties to its manifest was made by
    an older version: the same segments will do, in whatever words.
    """
    if has_manifest(sending.bucket, large, remote):
        return False
    write_manifest(sending, large)
    return True


def has_manifest(bucket: Bucket, large: LargeObject, remote: ObjectInfo | None) -> bool:
    """Whether the manifest that is stored now is that of ``large``; ``remote`` as above."""
    try:
        stored = bucket.get_manifest(large.info.name)
        untied = remote is not None and large.mark not in _meta(remote).marks
        return stored == large.manifest.raw or (
            untied and Manifest.parse(stored).segments == large.manifest.segments
        )
    except (NotFound, ObjectRefused):
        return False


def as_stored(bucket: Bucket, large: LargeObject, remote: ObjectInfo) -> LargeObject:
    """``large`` as the stored manifest describes it, where that belongs to the stored copy ``remote`` and
    names exactly these segments: then nothing needs to be sent."""
    marked = _meta(remote).marks.get(large.mark)
    if not large.is_static or marked in (None, large.manifest.etag):
        return large
    try:
        stored = Manifest.parse(bucket.get_manifest(large.info.name))
    except (NotFound, ObjectRefused):
        return large
    belongs = stored.etag == marked and stored.segments == large.manifest.segments
    return large.with_stored_manifest(stored) if belongs else large


def archived(bucket: Bucket, name: str) -> Manifest | None:
    """What the store can give back under ``name`` as a large object: the stored manifest, if the stored copy
    is of exactly its segments. Raises RemoteError."""
    try:
        stored = bucket.head_object(name)
        manifest = Manifest.parse(bucket.get_manifest(name))
    except (NotFound, ObjectRefused):
        return None
    marks = _meta(stored).marks
    is_its = (
        stored.etag == manifest.multipart_etag
        or marks.get("swift-slo-etag") == manifest.etag
        or marks.get("swift-source-dlo-etag") == manifest.joined_etag
    )
    return manifest if is_its and stored.size == manifest.size else None


def write_manifest(sending: Sending, large: LargeObject) -> None:
    """After its data: where what is old expires, it must never be the older of the two."""
    sending.ledger.manifest_written()
    sending.bucket.put_manifest(large.info.name, large.manifest.raw)


def _upload_parts(
    sending: Sending,
    large: LargeObject,
    meta: ObjectMeta,
    plan: tuple[PlannedPart, ...],
    condition: Overwrite,
) -> None:
    name = large.info.name
    with open_upload(sending, name, meta) as upload:
        parts = in_parallel(sending, plan, lambda part: _send_part(sending, large, upload.upload_id, part))
        upload.complete(parts, condition)


def in_parallel(sending: Sending, plan: Sequence[Item], send: Callable[[Item], Part]) -> list[Part]:
    """``send`` for every part, in the pool; each is tried once more where that can help.

    The first failure that stays keeps the rest from being begun, and is raised when all have ended.
    """
    failures: list[BaseException] = []

    def attempt(part: Item) -> Part | None:
        try:
            return None if failures else _sent(send, part, failures)
        except BaseException as error:  # what has not begun must not begin
            failures.append(error)
            if not isinstance(error, Exception):
                raise
            return None

    try:
        sent = sending.parts.map(attempt, plan)
    except BaseException as error:  # ended from outside: nothing may be begun any more
        failures.append(error)
        raise
    if failures:
        raise failures[0]
    done = [part for part in sent if part is not None]
    if len(done) != len(plan):
        raise RemoteUnavailable("the transfer of parts was broken off")
    return done


def _sent(send: Callable[[Item], Part], part: Item, failures: Sequence[BaseException]) -> Part:
    for _ in range(TRIES - 1):
        try:
            return send(part)
        except SyncError as error:
            if not error.transient or isinstance(error, SegmentChanged) or failures:
                raise
    return send(part)


def _send_part(sending: Sending, large: LargeObject, upload_id: str, part: PlannedPart) -> Part:
    body = _body(sending, large, part.pieces, promised=part.md5 is not None)
    try:
        return sending.bucket.upload_part(large.info.name, upload_id, part.number, body, part.size, part.md5)
    finally:
        body.close()


def _body(sending: Sending, large: LargeObject, pieces: tuple[Piece, ...], promised: bool) -> Body:
    """The pieces as one body. A segment is opened when the store has begun to listen.

    ``promised``: the bucket is told the MD5 of the whole body and refuses anything else.
    """
    openers = [partial(_open_piece, large.segments, piece, promised) for piece in pieces]
    return MeteredBody(ChainedBody(openers, sum(piece.size for piece in pieces)), sending.count)


def _open_piece(segments: Segments, piece: Piece, promised: bool) -> Body:
    """A whole segment is hashed while it is read, unless the store does that; of a piece only the length
    can be checked."""
    if piece.is_whole:
        md5 = None if promised else piece.segment.md5
        return ExactBody(segments.open(piece.segment).body, piece.size, md5)
    byte_range = ByteRange(piece.first, piece.first + piece.size - 1)
    return ExactBody(segments.open(piece.segment, byte_range).body, piece.size)


def _meta(info: ObjectInfo) -> ObjectMeta:
    assert info.meta is not None
    return info.meta
