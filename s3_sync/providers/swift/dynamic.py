"""Reads the dynamic large objects (DLOs) of another Swift segment by segment.

That Swift would join the segments itself, but with our rights: it would follow every symlink among them, and
read any container. Then whoever can write below a prefix there, be it by way of a daemon that copies links,
could have all objects of the account read. So each segment is requested as what it is. A link has no bytes
then, as in the listing that size and ETag of the whole are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

from s3_sync.errors import InvalidRequest, PreconditionFailed
from s3_sync.largeobject.manifest import joined_etag
from s3_sync.largeobject.naming import place_of
from s3_sync.model.objects import ByteRange, ObjectInfo, is_md5
from s3_sync.model.segment_names import SegmentNamer
from s3_sync.providers.base import GetResult
from s3_sync.providers.object_headers import unquoted
from s3_sync.providers.swift.listing import list_below
from s3_sync.providers.swift.transport import SwiftTransport
from s3_sync.streams.chained import ChainedBody
from s3_sync.streams.reader import Body

#: opens an object of a container, which is neither followed nor joined
Open = Callable[[str, str, ByteRange | None], GetResult]


@dataclass(frozen=True, slots=True)
class _Segment:
    container: str
    name: str
    size: int
    etag: str


class DynamicReader:
    """``segments``: names the containers of the mapping."""

    def __init__(self, transport: SwiftTransport, segments: SegmentNamer, open_segment: Open) -> None:
        self._transport = transport
        self._namer = segments
        self._open = open_segment

    def body(self, info: ObjectInfo, target: str, byte_range: tuple[int, int] | None) -> Body:
        """Return the bytes of a DLO, whose X-Object-Manifest is ``target``, or a range of them. A segment is
        opened when it is read.

        Raises InvalidRequest for segments in other containers than the mapping's, PreconditionFailed if they
        are not those that ``info`` was made of.
        """
        container, prefix = place_of(target)
        if not self._namer.holds(container):
            raise InvalidRequest(f"{info.name} is a DLO of segments in {container}, which no mapping copies")
        rows = list_below(self._transport, container, prefix)
        segments = [_segment(info.name, container, row) for row in rows]
        etag = joined_etag(segment.etag for segment in segments)
        if (sum(segment.size for segment in segments), etag) != (info.size, info.etag):
            raise PreconditionFailed(f"the segments of {info.name} have changed", status=412)
        first, last = byte_range or (0, info.size - 1)
        source = info.meta.marks.get("x-object-manifest", "").partition("/")[0]
        openers = [partial(self._open_piece, source, *piece) for piece in _pieces(segments, first, last)]
        return ChainedBody(openers, last + 1 - first)

    def describe(self, target: str) -> tuple[int, str] | None:
        """Return size and ETag of a DLO of which Swift tells neither; None if its segments are in other
        containers than the mapping's. Raises InvalidRequest if one is a large object itself."""
        container, prefix = place_of(target)
        if not self._namer.holds(container):
            return None
        rows = list_below(self._transport, container, prefix)
        segments = [_segment(prefix, container, row) for row in rows]
        return sum(each.size for each in segments), joined_etag(each.etag for each in segments)

    def _open_piece(self, source: str, segment: _Segment, byte_range: ByteRange | None) -> Body:
        found = self._open(segment.container, segment.name, byte_range)
        try:
            self._check(found.info, segment, source)
        except BaseException:
            found.close()
            raise
        return found.body

    def _check(self, info: ObjectInfo, segment: _Segment, source: str) -> None:
        """``source``: the local container of a DLO's segments. Where one container is mapped, segments of
        others are in the same one there, and not the same users may read them."""
        path = f"{segment.container}/{segment.name}"
        other = is_md5(segment.etag) and info.md5 is not None and info.md5 != segment.etag
        if info.meta.link is not None or info.size != segment.size or other:
            raise PreconditionFailed(f"segment {path} is not the one that was listed", status=412)
        marked = unquote(info.meta.marks.get("swift-source", ""))
        if self._namer.prefix is None and marked not in ("", source):
            raise InvalidRequest(f"segment {path} of a DLO is from container {marked}, not {source}")


def _segment(name: str, container: str, row: dict[str, Any]) -> _Segment:
    """Raises InvalidRequest for an SLO, of which a DLO would have the text of the manifest."""
    etag, size = row.get("hash"), row.get("bytes")
    if "slo_etag" in row or not isinstance(size, int) or not isinstance(etag, str):
        raise InvalidRequest(f"segment {container}/{row['name']} of {name} is a large object itself")
    return _Segment(container, row["name"], size, unquoted(etag))


def _pieces(segments: list[_Segment], first: int, last: int) -> Iterator[tuple[_Segment, ByteRange | None]]:
    """Yield the segments that have the bytes ``first`` to ``last``, and which of their bytes; None: all."""
    position = 0
    for segment in segments:
        begin, end = max(first - position, 0), min(last - position, segment.size - 1)
        position += segment.size
        if begin <= end:
            whole = begin == 0 and end == segment.size - 1
            yield segment, None if whole else ByteRange(begin, end)
