"""Large objects of the local cluster: what they consist of, and how their bytes are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Protocol

from s3_sync.errors import SegmentChanged
from s3_sync.largeobject.manifest import Manifest, Segment, read_manifest
from s3_sync.largeobject.plan import Piece
from s3_sync.largeobject.segment_plan import PlannedSegment
from s3_sync.model.headers import is_true
from s3_sync.model.lifetime import FOR_EVER, Lifetime
from s3_sync.model.objects import KIND_MARKS, ByteRange, LocalInfo, ObjectInfo
from s3_sync.providers.manifests import MAX_MANIFEST
from s3_sync.streams.chained import ChainedBody
from s3_sync.streams.counting import CountingBody
from s3_sync.streams.reader import Body
from s3_sync.streams.verifying import ExactBody
from s3_sync.transfer.source import OpenObject


class Segments(Protocol):
    """The local segments of one large object (``cluster.segments.ManifestSegments``)."""

    def check(self, manifest: Manifest) -> None:
        """Raise ObjectRefused (``segments_elsewhere``) if the object may not consist of these segments."""
        ...

    def dynamic(self, target: str) -> Manifest: ...

    def open(self, segment: Segment, byte_range: ByteRange | None = None) -> OpenObject: ...


@dataclass(frozen=True, slots=True)
class NativePlan:
    """How a large object is kept at another Swift: its ``segments`` there, and as SLO (``is_static``) or DLO.

    ``is_proof``: the local object is to be deleted, so comparing the copy includes looking at each segment.
    ``has_rows``: the containers of segments are mapped, too, so that a segment is copied, and deleted, for
    its own sake. ``lifetime``: of the segments there.
    """

    segments: tuple[PlannedSegment, ...]
    is_static: bool
    is_proof: bool = False
    has_rows: bool = False
    lifetime: Lifetime = FOR_EVER


@dataclass(frozen=True, slots=True)
class LargeObject:
    """``info`` describes the whole object: the size of all segments, and marks for its kind and manifest.

    ``local``: the manifest, open. ``plan``: for a store with large objects of its own."""

    info: LocalInfo
    manifest: Manifest
    segments: Segments
    local: OpenObject | None = None
    plan: NativePlan | None = None

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
        sizes, or a copy inside the store, change only the ETag. A store with large objects of its own must
        have the same kind, too, because new metadata alone would not make one of another.
        """
        if remote.size != self.manifest.size or (self.plan is not None and not self._is_same_kind(remote)):
            return False
        return (
            remote.etag in (self.manifest.multipart_etag, self.manifest.joined_etag)
            or remote.large_etag == self.manifest.joined_etag
            or self.is_identified_by(remote)
            # a restored DLO is an SLO
            or remote.meta.marks.get("swift-source-dlo-etag") == self.manifest.joined_etag
        )

    def is_identified_by(self, remote: ObjectInfo) -> bool:
        """Return whether a mark of the copy says that it was made of this manifest."""
        return remote.meta.marks.get(self.mark) == self.identity

    @property
    def identity(self) -> str:
        """What ``mark`` says of a copy that was made of this manifest."""
        return self.manifest.etag if self.is_static else self.manifest.joined_etag

    def _is_same_kind(self, remote: ObjectInfo) -> bool:
        here, there = self.info.meta.marks, remote.meta.marks
        return all(here.get(mark) == there.get(mark) for mark in KIND_MARKS)

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
    info = replace(local.info, size=manifest.size, md5=None, meta=marked)
    return LargeObject(info, manifest, segments, local)


def make_body(
    count: Callable[[int], None], large: LargeObject, pieces: Sequence[Piece], promised: bool
) -> Body:
    """Return the pieces as one body. A segment is opened when the store reads it.

    ``promised``: the bucket has the MD5 of the whole body and verifies it.
    """
    openers = [partial(_open_piece, large.segments, piece, promised) for piece in pieces]
    return CountingBody(ChainedBody(openers, sum(piece.size for piece in pieces)), count)


def _open_piece(segments: Segments, piece: Piece, promised: bool) -> Body:
    """Open a piece. A whole segment is hashed while it is read, unless the store verifies it; for part of a
    segment only the length is checked."""
    if piece.is_whole:
        md5 = None if promised else piece.segment.md5
        return ExactBody(segments.open(piece.segment).body, piece.size, md5)
    byte_range = ByteRange(piece.first, piece.first + piece.size - 1)
    return ExactBody(segments.open(piece.segment, byte_range).body, piece.size)
