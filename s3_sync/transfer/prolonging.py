"""Segments at another Swift live as long as their manifest, whose metadata a POST is about to replace."""

from __future__ import annotations

import time
from contextlib import suppress

from s3_sync.errors import NotFound, ObjectRefused, RemoteUnavailable
from s3_sync.largeobject.manifest import Segment
from s3_sync.model.lifetime import Lifetime, later
from s3_sync.model.objects import ObjectInfo, ObjectMeta
from s3_sync.providers.base import Bucket
from s3_sync.runtime.concurrency import Pool
from s3_sync.transfer.native_copy import head_or_none
from s3_sync.transfer.parallel import in_parallel


def prolong_segments(
    bucket: Bucket, info: ObjectInfo, meta: ObjectMeta, lifetime: Lifetime, pool: Pool, until: float
) -> None:
    """Prolong those segments of the large object ``info`` that the store would delete before the object,
    whose metadata will be ``meta``, with its marks.

    Segments that clients gave an X-Delete-At of their own keep that, as they do in Swift; so do those that no
    mapping has put there. Each takes a HEAD at least. Raises RemoteUnavailable at ``until``, by
    ``time.monotonic``; what is prolonged by then stays so, and another attempt need not do it again.
    PreconditionFailed for a segment that was replaced meanwhile.
    """
    date = lifetime.delete_at(meta)
    if later(date, info.expires) == info.expires:
        return
    store, itself = bucket.large_objects, (bucket.name, bucket.namer.key(info.name))
    try:
        segments = dict.fromkeys(store.manifest(info.name).segments)
    except (NotFound, ObjectRefused):
        return
    needed = lifetime.of_segments(meta)

    def prolong(segment: Segment) -> bool:
        if time.monotonic() >= until:
            count = len(segments)
            raise RemoteUnavailable(f"{info.name}: its {count} segments could not be prolonged in time")
        found = head_or_none(store.remote(segment.container), segment.name)
        if found is None or later(found.expires, date) == found.expires:
            return False
        expires = needed.delete_at(found.meta)
        if later(expires, found.expires) == found.expires:
            return False  # its own
        with suppress(NotFound):
            store.remote(segment.container, meta).post_object(segment.name, found.meta, found.etag)
        return True

    in_parallel(pool, [each for each in segments if (each.container, each.name) != itself], prolong)
