"""Plans how to rebuild a Swift large object from its stored copy and manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from s3_sync.errors import ObjectRefused
from s3_sync.largeobject.manifest import Manifest, Segment
from s3_sync.model.headers import to_swift
from s3_sync.model.objects import ByteRange, ObjectInfo


@dataclass(frozen=True, slots=True)
class SegmentRange:
    """A segment, and its bytes within the stored copy; None if it is empty."""

    segment: Segment
    byte_range: ByteRange | None


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """``segments`` are written in this order, then ``manifest`` with ``?multipart-manifest=put`` and
    ``headers``."""

    segments: tuple[SegmentRange, ...]
    manifest: bytes
    headers: Mapping[str, str]


def rebuild(stored: ObjectInfo, manifest: Manifest) -> Rebuilt:
    """Return what to write to rebuild the large object; a DLO becomes an SLO.

    ``stored`` is from a HEAD. Raises ObjectRefused ``manifest_mismatch`` if the manifest is not for these
    bytes, as happens briefly while an overwrite is in progress.
    """
    if not may_be_of(stored, manifest):
        raise ObjectRefused("manifest_mismatch", f"the stored manifest is not that of {stored.name}")
    ranges: list[SegmentRange] = []
    first = 0
    for segment in manifest.segments:
        last = first + segment.size - 1
        ranges.append(SegmentRange(segment, ByteRange(first, last) if segment.size else None))
        first = last + 1
    return Rebuilt(tuple(ranges), manifest.to_put(), to_swift(stored.meta))


def is_of(stored: ObjectInfo, manifest: Manifest) -> bool:
    """Return whether the ETag or a mark of a stored copy identifies this manifest as its own."""
    marks = stored.meta.marks
    return (
        # the latter at a store with large objects of its own, where marks tell of what they were made of
        stored.etag in (manifest.multipart_etag, manifest.joined_etag)
        or marks.get("swift-slo-etag") == manifest.etag
        or marks.get("swift-source-dlo-etag") == manifest.joined_etag
    )


def may_be_of(stored: ObjectInfo, manifest: Manifest) -> bool:
    """Return whether nothing about a stored copy contradicts that this is its manifest."""
    marks = stored.meta.marks
    return stored.size == manifest.size and (
        stored.etag == manifest.joined_etag
        or (
            marks.get("swift-slo-etag", manifest.etag) == manifest.etag
            and marks.get("swift-source-dlo-etag", manifest.joined_etag) == manifest.joined_etag
        )
    )
