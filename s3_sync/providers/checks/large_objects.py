"""A store's own large objects: those of another Swift."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from s3_sync.config.credentials.permissions import Operation
from s3_sync.errors import NotFound, RemoteError
from s3_sync.largeobject.manifest import Segment
from s3_sync.model.objects import PutOptions
from s3_sync.providers.base import Bucket, Provider
from s3_sync.providers.checks.base import Check, Finding, Site
from s3_sync.providers.checks.probes import check_bytes, marked, put, put_and_check
from s3_sync.streams.hashing import md5_hex

_PIECES = (b"large ", b"object")


def static_large_object(site: Site) -> Finding:
    """An SLO with segments in its own container."""
    bucket = site.bucket()
    if not bucket.features.native_large_objects:
        return Finding("not used with this store")
    segments: list[Segment] = []
    for number, piece in enumerate(_PIECES):
        name = f"segment {number}"
        put(bucket, name, piece)
        segments.append(Segment(bucket.name, bucket.namer.key(name), len(piece), md5_hex(piece)))
    site.written.add("large")
    bucket.large_objects.put_static("large", segments, PutOptions(0, marked(bucket)))
    check_bytes(bucket, "large", b"".join(_PIECES))
    bucket.delete_object("large")
    return Finding()


@dataclass(frozen=True, slots=True)
class SegmentPlace:
    """``container``: for the segments of a mapping. ``other``: a container that nobody has, and the storage
    policy to create it with."""

    provider: Provider
    container: Bucket
    other: str
    storage_policy: str = ""


def write_segment(place: SegmentPlace, name: str) -> Finding:
    """Write to the container for segments; or, if there is none yet, create another one and delete it."""
    try:
        place.provider.head_bucket(place.container.name)
    except NotFound:
        place.provider.create_bucket(place.other, place.storage_policy)
        place.provider.delete_bucket(place.other)
        return Finding(f"{place.container.name} does not exist yet; containers can be created")
    try:
        put_and_check(place.container, name)
    finally:
        with suppress(RemoteError):
            place.container.delete_object(name)
    return Finding(f"in {place.container.name}")


LARGE_OBJECTS = (Check("large objects", static_large_object, Operation.PUT),)
