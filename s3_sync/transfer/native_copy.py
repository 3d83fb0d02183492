"""What another Swift has of a large object."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from s3_sync.errors import NotFound, ObjectRefused
from s3_sync.largeobject.manifest import Manifest, Segment
from s3_sync.largeobject.rebuild import is_of
from s3_sync.model.lifetime import Lifetime
from s3_sync.model.objects import ObjectInfo
from s3_sync.providers.base import Bucket
from s3_sync.providers.large_objects import LargeObjects
from s3_sync.runtime.concurrency import Pool
from s3_sync.state.left_segments import LeftSegment
from s3_sync.transfer.large_object import LargeObject
from s3_sync.transfer.parallel import in_parallel
from s3_sync.transfer.upload_session import TransferContext


def is_stored(context: TransferContext, large: LargeObject, remote: ObjectInfo | None) -> bool:
    """Return whether the large object at the store names the segments that ``large`` has there. ``remote``:
    its description, if its marks tell what it was made of. For a proof, all segments have to be there."""
    identified = remote is not None and large.is_identified_by(remote)
    if identified and large.plan is not None and not large.plan.is_proof:
        return True
    try:
        stored = context.bucket.large_objects.manifest(large.info.name)
    except (NotFound, ObjectRefused):
        return False
    if identified:
        same = stored.size == large.manifest.size  # perhaps combined in another way
    else:
        same = _is_planned(context.bucket.large_objects, large, stored)
    if not same or large.plan is None or not large.plan.is_proof:
        return same
    itself = context.bucket.name, large.info.name  # a DLO may be below its own prefix
    segments = {each for each in stored.segments if (each.container, each.name) != itself}
    lifetime = large.plan.lifetime
    return segments == _stored_segments(context.bucket, segments, context.parts, lifetime)


def _stored_segments(
    bucket: Bucket, segments: Collection[Segment], pool: Pool, lifetime: Lifetime | None = None
) -> set[Segment]:
    """Return those segments, with containers of the store, that it has, by a HEAD of each; with ``lifetime``,
    only those that it has for that long."""
    large = bucket.large_objects

    def has(segment: Segment) -> bool:
        found = head_or_none(large.remote(segment.container), segment.name)
        if found is None or (found.md5, found.size) != (segment.md5, segment.size):
            return False
        if lifetime is None or found.expires is None:
            return True
        wanted = lifetime.delete_at(found.meta)
        return wanted is not None and wanted <= found.expires

    asked = list(segments)
    return {each for each, is_there in zip(asked, in_parallel(pool, asked, has), strict=True) if is_there}


def proven_segments(
    bucket: Bucket, name: str, local: Collection[Segment], identity: str, pool: Pool
) -> Collection[Segment]:
    """Return those of the ``local`` segments whose bytes the store has in the large object ``name``.

    ``identity``: what a mark of the object says if it was made of all of these, perhaps combined.
    """
    large = bucket.large_objects
    try:
        info, stored = bucket.head_object(name), large.manifest(name)
    except (NotFound, ObjectRefused):
        return ()
    if not is_of(info, stored):
        return ()  # replaced meanwhile
    there = _stored_segments(bucket, set(stored.segments), pool)
    marks = info.meta.marks
    if identity and identity in (marks.get("swift-slo-etag"), marks.get("swift-source-dlo-etag")):
        return local if there == set(stored.segments) else ()
    containers = {each: large.segments(each).name for each in {segment.container for segment in local}}
    return {each for each in local if replace(each, container=containers[each.container]) in there}


def note_left_segments(context: TransferContext, name: str) -> None:
    """Record that the large object ``name`` at the store is about to be replaced or deleted, so that its
    segments may be left behind. Raises StateError, RemoteError."""
    context.ledger.segments_left(segments_now(context.bucket, name))


def segments_now(bucket: Bucket, name: str) -> list[LeftSegment]:
    """The segments of a large object at the store; none if it is no large object, or none that a mapping
    has written."""
    try:
        stored = bucket.large_objects.manifest(name)
    except (NotFound, ObjectRefused):
        return []
    return [LeftSegment(each.container, each.name, each.md5) for each in dict.fromkeys(stored.segments)]


def _planned_there(store: LargeObjects, large: LargeObject) -> Iterator[Segment]:
    """The planned segments as they are named at the store; of combined ones the MD5 is empty."""
    assert large.plan is not None
    names: dict[str, str] = {}
    for each in large.plan.segments:
        if each.container not in names:
            names[each.container] = store.segments(each.container).name
        yield Segment(names[each.container], each.name, each.size, each.md5 or "")


def _is_planned(store: LargeObjects, large: LargeObject, stored: Manifest) -> bool:
    planned = list(_planned_there(store, large))
    return len(planned) == len(stored.segments) and all(
        here == (there if here.md5 else replace(there, md5=""))
        for here, there in zip(planned, stored.segments, strict=True)
    )


def head_or_none(bucket: Bucket, name: str) -> ObjectInfo | None:
    try:
        return bucket.head_object(name)
    except NotFound:
        return None
