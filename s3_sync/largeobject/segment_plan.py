"""Plans the segments that a large object has at another Swift."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from s3_sync.errors import ObjectRefused
from s3_sync.largeobject.manifest import Manifest, Segment, joined_etag
from s3_sync.largeobject.plan import PartLimits


@dataclass(frozen=True, slots=True)
class PlannedSegment:
    """One segment there. ``container``: the local one to which its container there corresponds. ``sources``:
    the local segments whose bytes it has, one after the other."""

    container: str
    name: str
    sources: tuple[Segment, ...]

    @property
    def size(self) -> int:
        return sum(source.size for source in self.sources)

    @property
    def md5(self) -> str | None:
        """The MD5 of its bytes, if it is known before they are read."""
        return None if self.is_combined else self.sources[0].md5

    @property
    def is_combined(self) -> bool:
        return len(self.sources) > 1

    @property
    def combined_etag(self) -> str:
        """Identifies what it was made of, as the mark ``combined-etag``."""
        return joined_etag(source.md5 for source in self.sources)


def plan_segments(
    manifest: Manifest, prefix: str, limits: PartLimits, min_size: int = 0
) -> tuple[PlannedSegment, ...]:
    """Return the segments to send, in order.

    Each is one of the local ones, under its own name, if that is legal there. Otherwise, or below
    ``min_size``, several become one, whose name is ``prefix``, a slash and its number in six digits; empty
    ones are then left out. Existing deployments have data under such names. Those of different containers
    stay apart: who may read one may not be allowed to read the other.

    Raises ObjectRefused ``too_large`` if the segments cannot be combined so that they are legal.
    """
    segments = manifest.segments
    smallest = max(min_size, limits.min_part)
    if len(segments) > limits.max_parts:
        smallest = max(smallest, math.ceil(manifest.size / limits.max_parts))
    if len(segments) <= limits.max_parts and all(each.size >= smallest for each in segments[:-1]):
        return tuple(PlannedSegment(each.container, each.name, (each,)) for each in segments)
    groups = list(_groups(segments, smallest, limits.max_part))
    if len(groups) > limits.max_parts:
        raise ObjectRefused(
            "too_large", f"{len(segments)} segments; the store takes {limits.max_parts} of {limits.max_part}"
        )
    return tuple(_planned(group, f"{prefix}/{number:06}") for number, group in enumerate(groups, start=1))


def _planned(group: tuple[Segment, ...], name: str) -> PlannedSegment:
    first = group[0]
    return PlannedSegment(first.container, first.name if len(group) == 1 else name, group)


def _groups(segments: tuple[Segment, ...], smallest: int, largest: int) -> Iterator[tuple[Segment, ...]]:
    group: list[Segment] = []
    size = 0
    for segment in segments:
        if not segment.size:
            continue
        if group and (size + segment.size > largest or segment.container != group[-1].container):
            yield tuple(group)
            group, size = [], 0
        group.append(segment)
        size += segment.size
        if size >= smallest:
            yield tuple(group)
            group, size = [], 0
    if group:
        yield tuple(group)
