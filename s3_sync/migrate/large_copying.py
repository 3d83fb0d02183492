"""Copies what a plain PUT cannot: large objects, and those whose bytes no MD5 proves."""

from __future__ import annotations

from collections.abc import Mapping

from s3_sync.largeobject.manifest import parts_of
from s3_sync.migrate.large.comparison import check_same
from s3_sync.migrate.large.job import LargeJob, LargeServices
from s3_sync.migrate.large.new_slo import NewSloCopier
from s3_sync.migrate.large.swift_objects import SwiftCopier
from s3_sync.model.objects import KIND_MARKS, ListedObject, ObjectInfo
from s3_sync.model.timestamps import Timestamp


class LargeCopier:
    """Copies the objects of one source; for one pass over one container."""

    def __init__(self, services: LargeServices) -> None:
        self._services = services
        self._new = NewSloCopier(services)
        self._swift: dict[str, SwiftCopier] = {}
        self._is_swift = services.source.features.native_large_objects

    def is_large(self, info: ObjectInfo) -> bool:
        """Return whether ``copy`` has to copy an object: it is a large one there or here, or its MD5 is not
        known, or is not its ETag, so that only a mark tells that the copy is the same."""
        if self._is_swift and _has_kind(info):
            return True
        is_plain = info.md5 is not None and info.md5 == info.etag.lower()
        return not is_plain or bool(parts_of(info.etag)) or info.size > self._services.limits.max_object

    def copy(self, container: str, info: ObjectInfo, version: Timestamp, headers: Mapping[str, str]) -> int:
        """Copy an object. ``info``: from a HEAD or GET. ``version``: its X-Timestamp here. ``headers``: those
        of a plain PUT, with the mark of the migration, without an ETag. Returns the bytes that were copied.

        Raises LocalChanged if the local object is as new, NotFound, PreconditionFailed if the source's has
        changed since ``info``, BadDigest, ObjectRefused; SyncError. A failure leaves no new segments behind;
        objects of another Swift that a manifest names stay, as what they are there."""
        job = LargeJob(container, info, version, headers)
        swift = self._swift_copier(container)
        is_too_large = not _has_kind(info) and info.size > self._services.limits.max_object
        return self._new.copy(job) if swift is None or is_too_large else swift.copy(job)

    def check_same(self, container: str, listed: ListedObject) -> None:
        """Check objects whose times are equal in both listings, while their ETags differ: large objects, or
        those whose source has another kind of ETag, can still be the same. Raises ObjectRefused
        (``mismatching_etag``) otherwise, SyncError; nothing is changed."""
        check_same(self._services, self._swift_copier(container), container, listed)

    def _swift_copier(self, container: str) -> SwiftCopier | None:
        if self._is_swift and container not in self._swift:
            self._swift[container] = SwiftCopier(self._services, container)
        return self._swift.get(container)


def _has_kind(info: ObjectInfo) -> bool:
    """Whether an object of another Swift is, or may be, a large object or a symlink."""
    return info.meta.link is not None or any(mark in info.meta.marks for mark in KIND_MARKS)
