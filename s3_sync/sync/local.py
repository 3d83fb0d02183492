"""The local cluster, as the handling of a row sees it."""

from __future__ import annotations

from dataclasses import dataclass

from s3_sync.cluster.newest import NewestState
from s3_sync.cluster.reader import ObjectReader
from s3_sync.cluster.segments import SegmentReader


@dataclass(frozen=True, slots=True)
class LocalSide:
    """Ways to read it."""

    reader: ObjectReader
    newest: NewestState
    segments: SegmentReader
