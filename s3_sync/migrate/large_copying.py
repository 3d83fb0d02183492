"""Copies what a plain PUT cannot: large objects, and those whose bytes no MD5 proves."""

from __future__ import annotations

from collections.abc import Mapping

from s3_sync.largeobject.manifest import parts_of
from s3_sync.migrate.large.job import LargeJob, LargeServices
from s3_sync.migrate.large.new_slo import NewSloCopier
from s3_sync.model.objects import ObjectInfo
from s3_sync.model.timestamps import Timestamp


class LargeCopier:
    """Copies the objects of one source; for one pass over one container."""

    def __init__(self, services: LargeServices) -> None:
        self._services = services
        self._new = NewSloCopier(services)

    def is_large(self, info: ObjectInfo) -> bool:
        """Return whether ``copy`` has to copy an object: it is a large one there or here, or its MD5 is not
        known, or is not its ETag, so that only a mark tells that the copy is the same."""
        is_plain = info.md5 is not None and info.md5 == info.etag.lower()
        return not is_plain or bool(parts_of(info.etag)) or info.size > self._services.limits.max_object

    def copy(self, container: str, info: ObjectInfo, version: Timestamp, headers: Mapping[str, str]) -> int:
        """Copy an object. ``info``: from a HEAD or GET. ``version``: its X-Timestamp here. ``headers``: those
        of a plain PUT, with the mark of the migration, without an ETag. Returns the bytes that were copied.

        Raises LocalChanged if the local object is as new, NotFound, PreconditionFailed if the source's has
        changed since ``info``, BadDigest, ObjectRefused; SyncError. A failure leaves no segments behind."""
        return self._new.copy(LargeJob(container, info, version, headers))
