"""Plans the parts in which a large object is uploaded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from s3_sync.errors import ObjectRefused
from s3_sync.largeobject.manifest import Manifest, Segment


class PartLimits(Protocol):
    """Part sizes in bytes; the last part may be smaller than ``min_part``."""

    @property
    def min_part(self) -> int: ...

    @property
    def max_part(self) -> int: ...

    @property
    def max_parts(self) -> int: ...

    @property
    def equal_parts(self) -> bool:
        """Whether all parts but the last must have the same size."""
        ...


@dataclass(frozen=True, slots=True)
class Piece:
    """``size`` bytes of a segment, starting at ``first``; never empty."""

    segment: Segment
    first: int
    size: int

    @property
    def is_whole(self) -> bool:
        return self.size == self.segment.size


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """``number`` starts at 1; the pieces in order make its bytes; ``offset`` is its start in the object."""

    number: int
    offset: int
    pieces: tuple[Piece, ...]

    @property
    def size(self) -> int:
        return sum(piece.size for piece in self.pieces)

    @property
    def md5(self) -> str | None:
        """The MD5 of the part, known in advance if it is exactly one segment."""
        return self.pieces[0].segment.md5 if len(self.pieces) == 1 and self.pieces[0].is_whole else None


def plan_parts(manifest: Manifest, limits: PartLimits) -> tuple[PlannedPart, ...]:
    """Return legal parts that contain all bytes in order; none if there are no bytes.

    If all segments are legal parts, each becomes a part: then the store's ETag follows from the manifest.
    Otherwise each part takes whole segments until it is large enough, and splits one only if the whole one
    would make it too large. Raises ObjectRefused ``too_large``.
    """
    if manifest.size == 0:
        return ()
    if manifest.size > limits.max_part * limits.max_parts:
        raise ObjectRefused(
            "too_large", f"{manifest.size} bytes exceed {limits.max_parts} parts of the maximum size"
        )
    segments = manifest.segments
    if len(segments) <= limits.max_parts and _are_legal(segments, limits):
        groups: Iterator[tuple[Piece, ...]] = ((Piece(one, 0, one.size),) for one in segments)
    elif limits.equal_parts:
        groups = _cut_equally(manifest, limits)
    else:
        groups = _regrouped(manifest, limits)
    parts: list[PlannedPart] = []
    offset = 0
    for number, pieces in enumerate(groups, start=1):
        parts.append(PlannedPart(number, offset, pieces))
        offset += parts[-1].size
    return tuple(parts)


def whole_segments(manifest: Manifest) -> tuple[Piece, ...]:
    """Return all bytes in order, for a store that takes them as one stream."""
    return tuple(Piece(segment, 0, segment.size) for segment in manifest.segments if segment.size)


def is_one_to_one(manifest: Manifest, parts: Sequence[PlannedPart]) -> bool:
    """Return whether the parts are exactly the segments."""
    return len(parts) == len(manifest.segments) and all(part.md5 is not None for part in parts)


def _are_legal(segments: tuple[Segment, ...], limits: PartLimits) -> bool:
    smallest = max(1, limits.min_part)
    sizes = {segment.size for segment in segments[:-1]}
    if limits.equal_parts and (len(sizes) > 1 or segments[-1].size > min(sizes, default=limits.max_part)):
        return False
    return all(smallest <= segment.size <= limits.max_part for segment in segments[:-1]) and (
        1 <= segments[-1].size <= limits.max_part
    )


def _regrouped(manifest: Manifest, limits: PartLimits) -> Iterator[tuple[Piece, ...]]:
    """Yield the pieces of each part. Every part but the last has at least ``min_size`` bytes, so the number
    of parts stays within the limit."""
    min_size = max(1, limits.min_part, math.ceil(manifest.size / limits.max_parts))
    pieces: list[Piece] = []
    part_size = 0
    for segment in manifest.segments:
        first = 0
        while first < segment.size:
            left = segment.size - first
            if part_size + left > limits.max_part:
                left = min_size - part_size if part_size else limits.max_part
            pieces.append(Piece(segment, first, left))
            first, part_size = first + left, part_size + left
            if part_size >= min_size:
                yield tuple(pieces)
                pieces, part_size = [], 0
    if pieces:
        yield tuple(pieces)


def _cut_equally(manifest: Manifest, limits: PartLimits) -> Iterator[tuple[Piece, ...]]:
    """Yield the pieces of parts of one size, except for the last: that of the first segment, or the nearest
    legal one."""
    smallest = max(1, limits.min_part, math.ceil(manifest.size / limits.max_parts))
    size = min(limits.max_part, max(smallest, manifest.segments[0].size))
    pieces: list[Piece] = []
    missing = size
    for segment in manifest.segments:
        first = 0
        while first < segment.size:
            taken = min(missing, segment.size - first)
            pieces.append(Piece(segment, first, taken))
            first, missing = first + taken, missing - taken
            if not missing:
                yield tuple(pieces)
                pieces, missing = [], size
    if pieces:
        yield tuple(pieces)
