"""The large objects of a store that has them natively, seen as stored manifests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Protocol

from s3_sync.errors import NotFound
from s3_sync.largeobject.manifest import Manifest, Segment
from s3_sync.model.objects import ObjectInfo
from s3_sync.model.segment_names import SEGMENT_SUFFIXES, SegmentNamer, source_of
from s3_sync.providers.large_objects import LargeObjects
from s3_sync.streams.small_files import parse_json


class NativeBucket(Protocol):
    """The part of ``Bucket`` that is used here; its keys are the names."""

    @property
    def name(self) -> str: ...

    @property
    def large_objects(self) -> LargeObjects: ...

    def head_object(self, name: str) -> ObjectInfo: ...


class NativeManifests:
    """See ``Manifests``. Nothing is stored beside a large object: its own manifest is what there is."""

    def __init__(self, bucket: NativeBucket, namer: SegmentNamer) -> None:
        self._bucket = bucket
        self._namer = namer

    def put(self, name: str, manifest: bytes) -> None:
        """Do nothing: put_static writes the manifest."""

    def delete(self, name: str) -> None:
        """Do nothing: the manifest goes with its object."""

    def has_any(self) -> bool:
        return False

    def get(self, name: str) -> bytes:
        """What the large object consists of, in the form of a stored manifest, with local containers.

        The container that a segment was in locally is in the marks of the manifest, if it was the same for
        all of them, else in each segment's own."""
        large = self._bucket.large_objects
        manifest = large.manifest(name)
        source = self._source(name) if self._namer.prefix is None else ""
        found: dict[tuple[str, str], str] = {}

        def container_of(segment: Segment) -> str:
            place = segment.container, segment.name
            if source or self._namer.prefix is not None:
                return self._namer.local(segment.container, source)
            if place not in found:
                found[place] = self._source_of_segment(large, segment)
            return found[place]

        return renamed(manifest, container_of)

    def _source(self, name: str) -> str:
        """The container of all segments, as the manifest's marks tell it; empty if the segments have to.

        Clients of the store may have changed these marks, and rights are checked in the container that they
        tell. So a DLO's count, of which no segment from elsewhere is read, and an SLO's for the containers
        where segments usually are."""
        source = source_of(self._bucket.head_object(name).meta)
        if source in ("", *(self._namer.container + suffix for suffix in SEGMENT_SUFFIXES)):
            return source
        named = self._bucket.large_objects.named_by(self._bucket.name, name)
        return source if named.below is not None else ""

    def _source_of_segment(self, large: LargeObjects, segment: Segment) -> str:
        try:
            meta = large.remote(segment.container).head_object(segment.name).meta
        except NotFound:
            return self._namer.local(segment.container)
        return self._namer.local(segment.container, source_of(meta))


def renamed(manifest: Manifest, container_of: Callable[[Segment], str]) -> bytes:
    """Return the JSON of a manifest with other containers."""
    entries = parse_json(manifest.raw)
    for entry, segment in zip(entries, manifest.segments, strict=True):
        entry["name"] = f"/{container_of(segment)}/{segment.name}"
    return json.dumps(entries).encode("ascii")
