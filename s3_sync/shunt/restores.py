"""Restores objects into the local cluster in the background while clients read them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from swift.common.constraints import MAX_FILE_SIZE
from swift.common.middleware.slo import StaticLargeObject
from swift.common.request_helpers import get_container_update_override_key

from s3_sync.cluster.newest import Deleted, NewestState, Present
from s3_sync.cluster.subrequest import SubrequestWriter
from s3_sync.errors import LocalChanged, LocalUnavailable, NotFound, ObjectRefused, SyncError
from s3_sync.largeobject.manifest import Manifest
from s3_sync.model.migration import check_past
from s3_sync.model.objects import ObjectInfo
from s3_sync.runtime.concurrency import Pool
from s3_sync.shunt.headers import S3_ETAG, is_deleted, stored_headers, written_at
from s3_sync.shunt.legacy_dlo import is_bare
from s3_sync.shunt.manifest_cache import LargeObjects, has_segments, is_large
from s3_sync.shunt.memcache_lock import MemcacheLock
from s3_sync.shunt.migrated_objects import as_migrated, object_marks
from s3_sync.shunt.migrating_containers import MigratingContainers, MigratingWriter
from s3_sync.shunt.request import SOURCE, App, RemoteLookup, find_filter
from s3_sync.shunt.telemetry import SwiftLogger
from s3_sync.shunt.visibility import is_on_record
from s3_sync.transfer.restore import Limits, RestoreJob, restore
from s3_sync.transfer.tee import TeeBody

#: seconds before a failed restore is retried
_RETRY_AFTER = 60.0
_MAX_FAILED = 10_000
#: the ETag that the container's listing shows instead of the object's own
_ROW_ETAG = get_container_update_override_key("etag").lower()

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Job:
    key: Key
    lookup: RemoteLookup
    info: ObjectInfo
    body: TeeBody
    log_context: object


class Restores:
    """Runs at most ``pool.size`` restores at a time, one per object; further reads do not start one.

    ``segment_size``: returns the configured size now.
    """

    def __init__(
        self,
        pool: Pool,
        newest: NewestState,
        large: LargeObjects,
        segment_size: Callable[[], int],
        log: SwiftLogger,
        containers: MigratingContainers,
    ) -> None:
        self._pool = pool
        self._newest = newest
        self._segment_size = segment_size
        self._log = log
        self._large = large
        self._containers = containers
        self._running: set[Key] = set()
        self._failed: dict[Key, float] = {}

    def begin(self, lookup: RemoteLookup, info: ObjectInfo, whole: bool) -> TeeBody | None:
        """Start a restore from the bytes that a client is about to read, if possible now. Never blocks.

        If the client does not read the ``whole`` object, the restore reads it from the store, and needs no
        feed.
        """
        mapping = lookup.target.mapping
        if mapping.migration is not None and written_at(info).seconds > time.time():
            return None  # some stores round times up: the next read may do it
        key = (mapping.account, lookup.container, lookup.name)
        if key in self._running or self._failed.get(key, 0.0) > time.monotonic():
            return None
        if len(self._running) >= self._pool.size:
            self._log.increment("restores.busy")
            return None
        self._running.add(key)
        body = TeeBody(lookup.bucket, info)
        if not whole:
            body.read_from_store()
        job = _Job(key, lookup, info, body, self._log.thread_locals)
        self._pool.spawn(lambda: self._run(job))
        return body

    def run(self, lookup: RemoteLookup, info: ObjectInfo) -> None:
        """Restore an object now, which no client is reading, and wait for it. Raises SyncError, LocalChanged
        if the cluster has something newer, LocalUnavailable while it is being restored."""
        key = (lookup.target.mapping.account, lookup.container, lookup.name)
        if key in self._running:
            raise LocalUnavailable("it is being restored")
        self._running.add(key)
        body = TeeBody(lookup.bucket, info)
        body.read_from_store()
        try:
            self._restore(_Job(key, lookup, info, body, self._log.thread_locals))
        finally:
            body.close()
            self._running.discard(key)
        self._log.increment("restores.done")

    def _run(self, job: _Job) -> None:
        self._log.thread_locals = job.log_context
        path = "/".join(job.key)
        try:
            with MemcacheLock(job.lookup.environ, f"restore/{path}") as lock:
                if not lock.acquired:
                    self._log.increment("restores.busy")
                    return
                self._restore(job)
        except LocalChanged as error:
            self._log.increment("restores.superseded")
            self._log.info("Did not restore %s: %s", path, error)
        except SyncError as error:
            if job.body.abandoned:
                self._log.increment("restores.abandoned")
                self._log.info("Did not restore %s: the client did not read it to the end", path)
                return
            self._note_failure(job.key)
            self._log.increment("restores.failed")
            self._log.warning("Failed to restore %s: %s: %s", path, error.reason, error)
        except Exception:  # the thread's last resort: the client must not be affected
            self._note_failure(job.key)
            self._log.increment("restores.failed")
            self._log.exception("Failed to restore %s", path)
        else:
            self._log.increment("restores.done")
            self._log.info("Restored %s, %d bytes", path, job.info.size)
        finally:
            job.body.close()
            self._running.discard(job.key)

    def _restore(self, job: _Job) -> None:
        lookup, info = job.lookup, job.info
        self._check_missing(job)
        manifest = self._large.manifest(lookup.target, info) if is_large(info) else None
        if manifest is None and has_segments(info) and not is_bare(info):
            raise ObjectRefused(
                "segments_elsewhere",
                "its manifest is not in the bucket, so it is not known who could read its segments",
            )
        mapping, request = lookup.target.mapping, lookup.request
        headers, migrated = _headers(info, manifest), None
        if mapping.migration is not None:
            migrated = as_migrated(mapping, lookup.bucket, info)
            check_past(migrated.version, time.time())
            is_one = manifest is None and (migrated.part_size > 0 or info.size > MAX_FILE_SIZE)
            headers |= object_marks(mapping, migrated, info, is_one)
            if migrated.part_size:
                headers |= _s3_etags(info.etag)
            self._containers.require(lookup)
        allowed = mapping.profile.segment_containers
        restore_job = RestoreJob(
            lookup.container, info, manifest, lookup.asked_at, headers, allowed, migrated
        )
        writer = self._writer(lookup)
        limits = Limits(MAX_FILE_SIZE, max_segments(request.app), self._segment_size())
        restore(writer, restore_job, job.body, limits)
        job.body.close()  # a request that holds one connection must not wait for a second one
        if mapping.profile.propagate_post:
            self._take_over_posts(job, writer)

    def _writer(self, lookup: RemoteLookup) -> SubrequestWriter:
        app, environ, mapping = lookup.request.app, lookup.environ, lookup.target.mapping
        if mapping.migration is not None:
            return MigratingWriter(self._containers, lookup)
        return SubrequestWriter(app, environ, mapping.account, SOURCE)

    @staticmethod
    def _take_over_posts(job: _Job, writer: SubrequestWriter) -> None:
        """Apply a client's POST that went to the copy before the object was restored."""
        lookup, old = job.lookup, job.info
        try:
            info = lookup.bucket.head_object(old.name)
        except NotFound:
            return
        if info.meta == old.meta or info.etag != old.etag:
            return
        timestamp = written_at(info)
        if timestamp > lookup.asked_at:
            headers = {**stored_headers(info.meta), "x-timestamp": timestamp.internal}
            writer.post_object(lookup.container, old.name, headers)

    def _check_missing(self, job: _Job) -> None:
        """Check that no replica has anything newer than the copy, which a restore would hide: the proxy's 404
        comes from a majority at best. Raises LocalChanged, LocalUnavailable."""
        account, container, name = job.key
        state = self._newest.of(account, container, name)
        if isinstance(state, Present) and not state.expired:
            raise LocalChanged("it is in the local cluster")
        if isinstance(state, Deleted):
            if state.timestamp >= job.lookup.asked_at:
                raise LocalChanged("it was deleted while it was read")
            if is_deleted(job.lookup.target.mapping, job.info, state.timestamp):
                raise LocalChanged("a client has deleted it")
        if is_on_record(job.lookup, job.info):
            raise LocalChanged("a client has deleted it")

    def _note_failure(self, key: Key) -> None:
        if len(self._failed) >= _MAX_FAILED:
            self._failed.clear()
        self._failed[key] = time.monotonic() + _RETRY_AFTER


def max_segments(app: App) -> int:
    """Return the segment limit of slo in this pipeline; 0 without slo, where a manifest would be stored as an
    ordinary object."""
    slo = find_filter(app, StaticLargeObject)
    return 0 if slo is None else int(slo.max_manifest_segments)


def _headers(info: ObjectInfo, manifest: Manifest | None) -> dict[str, str]:
    """Return the headers of the PUT. A manifest-only DLO becomes a DLO again.

    The ETag that s3api clients saw is stored as s3api itself stores it for a multipart upload.
    """
    headers, marks = stored_headers(info.meta), info.meta.marks
    if manifest is not None and "x-static-large-object" in marks:
        headers |= _s3_etags(manifest.multipart_etag)
    if is_bare(info):
        headers["x-object-manifest"] = quote(marks["x-object-manifest"])
    return headers


def _s3_etags(etag: str) -> dict[str, str]:
    """Return the ETag for clients of S3, of the object and in listings, where slo prepends its own."""
    return {S3_ETAG: etag, _ROW_ETAG: f"; s3_etag={etag}"}
