"""Large objects for another Swift: segments are copied as what they are, then the manifest that names them.

A segment is sent once, whichever large objects name it. Nothing is deleted here: segments that the store may
no longer need are written into the ledger *before* the request that leaves them behind, and
``sync.lifecycle.left_segments`` looks after them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import quote

from s3_sync.errors import (
    BadDigest,
    CopyUnproven,
    LocalBehind,
    ObjectRefused,
    PreconditionFailed,
    RemoteError,
)
from s3_sync.largeobject.manifest import Segment
from s3_sync.largeobject.plan import Piece
from s3_sync.largeobject.segment_plan import PlannedSegment
from s3_sync.model.objects import KIND_MARKS, ListedObject, ObjectInfo, ObjectMeta, PutOptions
from s3_sync.providers.base import Bucket, ListQuery
from s3_sync.providers.limits import check_limits
from s3_sync.state.left_segments import LeftSegment
from s3_sync.streams.counting import CountingBody
from s3_sync.streams.hashing import HashingBody
from s3_sync.streams.verifying import ExactBody
from s3_sync.transfer.decide import as_version
from s3_sync.transfer.large_object import LargeObject, make_body
from s3_sync.transfer.native_copy import head_or_none, segments_now
from s3_sync.transfer.parallel import in_parallel
from s3_sync.transfer.upload import remote_meta
from s3_sync.transfer.upload_session import Precondition, TransferContext

log = logging.getLogger("s3-sync")

#: seconds after which the store has most likely deleted what has expired
EXPIRY_PAUSE = 3600.0
_IF_ABSENT = Precondition(if_absent=True)


def upload_native(context: TransferContext, large: LargeObject, precondition: Precondition) -> None:
    """Send the segments that the store does not have, then the manifest.

    Raises as ``upload_large`` does; ObjectRefused ``segment_collision`` if objects of several local
    containers would be one object at the store, or parts of one DLO; CopyUnproven if the store shows other
    segments of a DLO.
    """
    info, bucket = large.info, context.bucket
    assert large.plan is not None
    check_limits(bucket, info.name, remote_meta(info, bucket.features), 0)
    to_send = _segments_to_send(bucket, large)
    if any(each.is_combined for each in large.plan.segments):
        count, total = len(large.manifest.segments), len(large.plan.segments)
        log.info("%s: combined %d segments into %d", info.name, count, total)
    is_new = precondition.if_absent
    replaced = [] if is_new else segments_now(bucket, info.name)
    context.ledger.segments_left([*replaced, *_candidates(large, to_send)])
    sent = in_parallel(context.parts, to_send, lambda each: _send(context, large, each, is_new))
    differs = "" if large.plan.is_static else _check_listing(context, large)
    condition = precondition.for_bucket(bucket)
    _put_manifest(context, large, dict(zip((each.place for each in to_send), sent, strict=True)), condition)
    context.ledger.segments_named([each.left for each in to_send])
    if differs:
        raise CopyUnproven(f"{info.name} is a DLO: {differs}")


@dataclass(frozen=True, slots=True)
class _ToSend:
    """A segment and the remote container for it."""

    planned: PlannedSegment
    bucket: Bucket

    @property
    def place(self) -> tuple[str, str]:
        return self.bucket.name, self.planned.name

    @property
    def left(self) -> LeftSegment:
        planned = self.planned
        return LeftSegment(*self.place, planned.md5 or planned.combined_etag)


def note_expiring_segments(context: TransferContext, large: LargeObject, expires: int) -> None:
    """Record the segments of a large object that the store will delete at ``expires``. Raises StateError."""
    to_send = _segments_to_send(context.bucket, large)
    context.ledger.segments_left(_candidates(large, to_send), expires + EXPIRY_PAUSE)


def _candidates(large: LargeObject, segments: Iterable[_ToSend]) -> list[LeftSegment]:
    """Those of the segments that may be left behind: without rows of their own."""
    assert large.plan is not None
    return [each.left for each in segments if each.planned.is_combined or not large.plan.has_rows]


def _segments_to_send(bucket: Bucket, large: LargeObject) -> list[_ToSend]:
    """Return each segment once. Raises ObjectRefused for what the store cannot hold."""
    assert large.plan is not None
    store = bucket.large_objects
    needed = remote_meta(large.info, bucket.features)
    containers = {each.container for each in large.plan.segments}
    buckets = {container: store.segments(container, needed) for container in containers}
    found: dict[tuple[str, str], _ToSend] = {}
    for planned in large.plan.segments:
        each = _ToSend(planned, buckets[planned.container])
        other = found.setdefault(each.place, each)
        if other.left != each.left:
            raise ObjectRefused("segment_collision", _collision(each, other.planned.container))
        check_limits(each.bucket, planned.name, ObjectMeta(), planned.size)
    if not large.plan.is_static:
        # a DLO below whose prefix its own manifest lies, which is sent last
        found.pop((bucket.name, large.info.name), None)
    return list(found.values())


def _send(context: TransferContext, large: LargeObject, each: _ToSend, is_new: bool) -> str:
    """Send one segment unless the store has it. Returns its MD5. ``is_new``: most likely it has not, so try
    without a HEAD."""
    with context.locks.hold(each.place):
        return _send_alone(context, large, each, is_new)


def _send_alone(context: TransferContext, large: LargeObject, each: _ToSend, is_new: bool) -> str:
    planned, bucket = each.planned, each.bucket
    remote = None if is_new else head_or_none(bucket, planned.name)
    if remote is None:
        with suppress(PreconditionFailed):
            return _put(context, large, each, _IF_ABSENT)
        remote = bucket.head_object(planned.name)
    if _has_bytes(remote, planned):
        if remote.expires is not None:
            _prolong(large, each, remote)
        return remote.md5 or remote.etag
    source = remote.meta.marks.get("swift-source")
    if source not in (None, quote(planned.container)):
        raise ObjectRefused("segment_collision", _collision(each, source or ""))
    overwrite = Precondition(if_match=remote.etag, replaces=remote.x_timestamp)
    return _put(context, large, each, overwrite, remote)


def _prolong(large: LargeObject, each: _ToSend, remote: ObjectInfo) -> None:
    """Let a segment that the store has, and will delete, live as long as this large object needs it."""
    assert large.plan is not None
    if each.planned.is_combined:
        meta = _combined_meta(large, each)
    else:
        local = large.segments.open(each.planned.sources[0])
        local.body.close()
        meta = _segment_meta(remote_meta(local.info, each.bucket.features), each.planned)
    expires = large.plan.lifetime.delete_at(meta)
    if expires is None or expires > (remote.expires or 0):
        each.bucket.post_object(each.planned.name, meta)


def _put(
    context: TransferContext,
    large: LargeObject,
    each: _ToSend,
    precondition: Precondition,
    remote: ObjectInfo | None = None,
) -> str:
    condition = precondition.for_bucket(each.bucket)
    if each.planned.is_combined:
        return _put_combined(context, large, each, condition)
    source = each.planned.sources[0]
    local = large.segments.open(source)
    try:
        if large.plan is not None and large.plan.has_rows and local.kind != "plain":
            return source.md5  # a DLO itself, say: its own row copies it as what it is
        marked = remote.meta.swift_timestamp if remote is not None else None
        if marked is not None and marked > local.info.timestamp:
            raise LocalBehind(f"segment {source.path} is newer at the store than here")
        meta = _segment_meta(remote_meta(local.info, each.bucket.features), each.planned)
        options = _options(source.size, meta, condition, source.md5)
        check_limits(each.bucket, each.planned.name, meta, source.size)
        body = CountingBody(ExactBody(local.body, source.size), context.count)
        each.bucket.put_object(each.planned.name, body, options)
    finally:
        local.body.close()
    return source.md5


def _put_combined(
    context: TransferContext, large: LargeObject, each: _ToSend, condition: Precondition
) -> str:
    """Send several segments as one. Each is hashed while it is read, and all of them together for the store's
    ETag."""
    planned = each.planned
    pieces = [Piece(source, 0, source.size) for source in planned.sources]
    body = HashingBody(make_body(context.count, large, pieces, promised=False), "md5")
    options = _options(planned.size, _combined_meta(large, each), condition)
    try:
        result = each.bucket.put_object(planned.name, body, options)
        md5 = body.digest.hexdigest()
    finally:
        body.close()
    if result.etag != md5:
        with suppress(RemoteError):
            each.bucket.delete_object(planned.name)
        raise BadDigest(f"{planned.name} was stored with ETag {result.etag}, its bytes have MD5 {md5}")
    return md5


def _put_manifest(
    context: TransferContext,
    large: LargeObject,
    md5s: dict[tuple[str, str], str],
    condition: Precondition,
) -> None:
    """Write the manifest, which names the segments with these MD5s."""
    assert large.plan is not None
    bucket, info = context.bucket, large.info
    store = bucket.large_objects
    meta = remote_meta(info, bucket.features)
    if large.plan.is_static:
        names = {name: store.segments(name).name for name in {each.container for each in large.plan.segments}}
        places = [(names[each.container], each.name, each.size) for each in large.plan.segments]
        segments = [Segment(*place, md5s[place[:2]]) for place in places]
        store.put_static(info.name, segments, _options(0, meta, condition))
        return
    local = large.local
    assert local is not None
    options = _options(local.info.size, meta, condition, local.info.etag)
    local.body.rewind()  # a connection that waited for the segments may be closed by now
    bucket.put_object(info.name, CountingBody(local.body, context.count), options)


def _check_listing(context: TransferContext, large: LargeObject) -> str:
    """Compare what the store lists for a DLO with the local segments, before the manifest makes it one.

    Returns how they differ; empty if they do not. Segments that are too many are recorded, as what may be
    deleted. Raises ObjectRefused if they come from another container.
    """
    container, _, prefix = large.target.lstrip("/").partition("/")
    bucket = context.bucket.large_objects.segments(container)
    itself = context.bucket.name, large.info.name
    planned = {each.name: (each.md5, each.size) for each in large.manifest.segments}
    listed = {each.name: (each.etag, each.size) for each in _listed(bucket, prefix)}
    if (bucket.name, large.info.name) == itself:
        planned.pop(large.info.name, None)
        listed.pop(large.info.name, None)
    extra = sorted(listed.keys() - planned.keys())
    for name in extra:
        found = head_or_none(bucket, name)
        source = found.meta.marks.get("swift-source") if found is not None else None
        if source not in (None, quote(container)):
            why = (
                f"{bucket.name}/{name} at the store, which is from container {source}, would be a part of it"
            )
            raise ObjectRefused("segment_collision", why)
    left = [LeftSegment(bucket.name, name, listed[name][0]) for name in extra]
    context.ledger.segments_left(left, due=0.0)
    if planned == listed:
        return ""
    differing = sum(listed.get(name) != found for name, found in planned.items())
    return f"the store lists {len(extra)} segments too many, and {differing} are missing or other ones"


def _listed(bucket: Bucket, prefix: str) -> Iterator[ListedObject]:
    start: str | None = ""
    while start is not None:
        page = bucket.list_objects(ListQuery(prefix, start, limit=10_000))
        yield from page.objects
        start = page.next_after


def _has_bytes(remote: ObjectInfo, planned: PlannedSegment) -> bool:
    if remote.size != planned.size:
        return False
    if planned.is_combined:
        return remote.meta.marks.get("combined-etag") == planned.combined_etag
    return remote.md5 == planned.md5


def _segment_meta(meta: ObjectMeta, planned: PlannedSegment) -> ObjectMeta:
    """The metadata of a segment at the store, where it is a plain object."""
    marks = {name: value for name, value in meta.marks.items() if name not in KIND_MARKS}
    return replace(meta, marks={**marks, "swift-source": quote(planned.container)})


def _combined_meta(large: LargeObject, each: _ToSend) -> ObjectMeta:
    version = as_version(large.info, each.bucket.features).timestamp.internal
    marks = {"combined-etag": each.planned.combined_etag, "swift-timestamp": version}
    return _segment_meta(ObjectMeta({}, {}, marks), each.planned)


def _options(size: int, meta: ObjectMeta, condition: Precondition, md5: str | None = None) -> PutOptions:
    return PutOptions(size, meta, md5, condition.if_match, condition.if_absent, condition.replaces)


def _collision(each: _ToSend, other: str) -> str:
    planned = each.planned
    return (
        f"segment /{planned.container}/{planned.name} and an object of that name in container {other}"
        f" would both be {each.bucket.name}/{planned.name} at the store"
    )
