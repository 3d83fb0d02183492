"""Which parts a large object is uploaded in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from s3_sync.errors import ObjectRefused
from s3_sync.largeobject.manifest import Manifest, Segment


class PartLimits(Protocol):
    """Sizes in bytes; the last part may be smaller than ``min_part``."""

    @property
    def min_part(self) -> int: ...

    @property
    def max_part(self) -> int: ...

    @property
    def max_parts(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """``size`` bytes of a segment from ``first`` on; never empty."""

    segment: Segment
    first: int
    size: int

    @property
    def is_whole(self) -> bool:
        return self.size == self.segment.size


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """``number`` from 1; the pieces in their order make its bytes; ``offset`` is where it begins."""

    number: int
    offset: int
    pieces: tuple[Piece, ...]

    @property
    def size(self) -> int:
        return sum(piece.size for piece in self.pieces)

    @property
    def md5(self) -> str | None:
        """Known beforehand where the part is exactly one segment."""
        return self.pieces[0].segment.md5 if len(self.pieces) == 1 and self.pieces[0].is_whole else None


def plan_parts(manifest: Manifest, limits: PartLimits) -> tuple[PlannedPart, ...]:
    """Parts that are legal and hold all bytes in order; none where there are no bytes.

    One part for each segment wherever all segments are legal parts: then the store's ETag follows from
    the manifest. Else each part takes whole segments until it is large enough, and pieces only where a
    whole one would make it too large. Raises ObjectRefused ``too_large``.
    """
    if manifest.size == 0:
        return ()
    if manifest.size > limits.max_part * limits.max_parts:
        raise ObjectRefused("too_large", f"{manifest.size} bytes do not fit {limits.max_parts} parts")
    segments = manifest.segments
    if len(segments) <= limits.max_parts and _are_legal(segments, limits):
        groups: Iterator[tuple[Piece, ...]] = ((Piece(one, 0, one.size),) for one in segments)
    else:
        groups = _regrouped(manifest, limits)
    parts: list[PlannedPart] = []
    offset = 0
    for number, pieces in enumerate(groups, start=1):
        parts.append(PlannedPart(number, offset, pieces))
        offset += parts[-1].size
    return tuple(parts)


def is_one_to_one(manifest: Manifest, parts: Sequence[PlannedPart]) -> bool:
    """Whether every part is a segment and every segment a part."""
    return len(parts) == len(manifest.segments) and all(part.md5 is not None for part in parts)


def _are_legal(segments: tuple[Segment, ...], limits: PartLimits) -> bool:
    smallest = max(1, limits.min_part)
    return all(smallest <= segment.size <= limits.max_part for segment in segments[:-1]) and (
        1 <= segments[-1].size <= limits.max_part
    )


def _regrouped(manifest: Manifest, limits: PartLimits) -> Iterator[tuple[Piece, ...]]:
    """Every part but the last has ``enough`` bytes or more, so that there are never too many."""
    enough = max(1, limits.min_part, math.ceil(manifest.size / limits.max_parts))
    pieces: list[Piece] = []
    have = 0
    for segment in manifest.segments:
        first = 0
        while first < segment.size:
            left = segment.size - first
            if have + left > limits.max_part:
                left = enough - have if have else limits.max_part
            pieces.append(Piece(segment, first, left))
            first, have = first + left, have + left
            if have >= enough:
                yield tuple(pieces)
                pieces, have = [], 0
    if pieces:
        yield tuple(pieces)
