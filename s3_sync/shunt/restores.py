"""Objects that are read come back into the local cluster, behind the back of who reads them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from swift.common.constraints import MAX_FILE_SIZE
from swift.common.middleware.slo import StaticLargeObject
from swift.common.request_helpers import get_container_update_override_key

from s3_sync.cluster.newest import Deleted, NewestState, Present
from s3_sync.cluster.subrequest import SubrequestWriter
from s3_sync.errors import LocalChanged, NotFound, ObjectRefused, SyncError
from s3_sync.largeobject.manifest import Manifest
from s3_sync.model.objects import ObjectInfo
from s3_sync.runtime.concurrency import Pool
from s3_sync.shunt.headers import S3_ETAG, is_deleted, stored_headers, written_at
from s3_sync.shunt.legacy_dlo import is_bare
from s3_sync.shunt.manifest_cache import LargeObjects, has_segments, is_large
from s3_sync.shunt.memcache_lock import MemcacheLock
from s3_sync.shunt.request import SOURCE, find_filter
from s3_sync.shunt.wanted import Wanted
from s3_sync.transfer.restore import Limits, RestoreJob, restore
from s3_sync.transfer.tee import TeeBody

#: seconds until an object whose restore failed is tried again
_PAUSE = 60.0
_MOST_REMEMBERED = 10_000
#: what a container's listing shall say instead of the object's ETag
_ROW_ETAG = get_container_update_override_key("etag").lower()

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Job:
    key: Key
    wanted: Wanted
    info: ObjectInfo
    body: TeeBody
    log_context: Any


class Restores:
    """At most ``pool.size`` at a time, and one of each object; who comes later reads without a restore.

    ``segment_size``: says what it is now.
    """

    def __init__(
        self,
        pool: Pool,
        newest: NewestState,
        large: LargeObjects,
        segment_size: Callable[[], int],
        log: Any,
    ) -> None:
        self._pool = pool
        self._newest = newest
        self._segment_size = segment_size
        self._log = log
        self._large = large
        self._running: set[Key] = set()
        self._failed: dict[Key, float] = {}

    def begin(self, wanted: Wanted, info: ObjectInfo, whole: bool) -> TeeBody | None:
        """Restore the object from what a client is about to read, if that can be done now. Never waits.

        If that is not the ``whole``, it is read from the store anew, and nobody has to tell of bytes.
        """
        mapping = wanted.target.mapping
        key = (mapping.account, wanted.container, wanted.name)
        if key in self._running or self._failed.get(key, 0.0) > time.monotonic():
            return None
        if len(self._running) >= self._pool.size:
            self._log.increment("restores.busy")
            return None
        self._running.add(key)
        body = TeeBody(wanted.bucket, info)
        if not whole:
            body.go_alone()
        job = _Job(key, wanted, info, body, self._log.thread_locals)
        self._pool.spawn(lambda: self._run(job))
        return body

    def _run(self, job: _Job) -> None:
        self._log.thread_locals = job.log_context
        path = "/".join(job.key)
        try:
            with MemcacheLock(job.wanted.environ, f"restore/{path}") as claim:
                if not claim.granted:
                    self._log.increment("restores.busy")
                    return
                self._restore(job)
        except LocalChanged as error:
            self._log.increment("restores.superseded")
            self._log.info("%s is not restored: %s", path, error)
        except SyncError as error:
            if job.body.abandoned:
                self._log.increment("restores.abandoned")
                self._log.info("%s is not restored: it was not read to its end", path)
                return
            self._failed_now(job.key)
            self._log.increment("restores.failed")
            self._log.warning("Failed to restore %s: %s: %s", path, error.reason, error)
        except Exception:  # the thread's last resort: a client is not to notice
            self._failed_now(job.key)
            self._log.increment("restores.failed")
            self._log.exception("Failed to restore %s", path)
        else:
            self._log.increment("restores.done")
            self._log.info("Restored %s, %d bytes", path, job.info.size)
        finally:
            job.body.close()
            self._running.discard(job.key)

    def _restore(self, job: _Job) -> None:
        wanted, info = job.wanted, job.info
        self._check_missing(job)
        manifest = self._large.manifest(wanted.target, info) if is_large(info) else None
        if manifest is None and has_segments(info) and not is_bare(info):
            raise ObjectRefused(
                "segments_elsewhere",
                "its manifest is not in the bucket, so that nothing tells who might read its segments",
            )
        headers = _headers(info, manifest)
        allowed = wanted.target.mapping.profile.segment_containers
        restoration = RestoreJob(wanted.container, info, manifest, wanted.asked, headers, allowed)
        writer = SubrequestWriter(wanted.request.app, wanted.environ, wanted.target.mapping.account, SOURCE)
        limits = Limits(MAX_FILE_SIZE, max_segments(wanted.request.app), self._segment_size())
        restore(writer, restoration, job.body, limits)
        job.body.close()  # who holds one place at the store must not wait for a second one
        if wanted.target.mapping.profile.propagate_post:
            self._take_over_posts(job, writer)

    @staticmethod
    def _take_over_posts(job: _Job, writer: SubrequestWriter) -> None:
        """A client's POST went to the copy while the object was not here yet, and must not be lost."""
        wanted, old = job.wanted, job.info
        try:
            info = wanted.bucket.head_object(old.name)
        except NotFound:
            return
        if info.meta is None or info.meta == old.meta or info.etag != old.etag:
            return
        timestamp = written_at(info)
        if timestamp > wanted.asked:
            headers = {**stored_headers(info.meta), "x-timestamp": timestamp.internal}
            writer.post_object(wanted.container, old.name, headers)

    def _check_missing(self, job: _Job) -> None:
        """The proxy's 404 is the word of a majority at best. A replica that was silent may hold something
        newer than the copy, which a restore would hide. Raises LocalChanged, LocalUnavailable."""
        account, container, name = job.key
        state = self._newest.of(account, container, name)
        if isinstance(state, Present) and not state.expired:
            raise LocalChanged("it is in the local cluster")
        if isinstance(state, Deleted):
            if state.timestamp >= job.wanted.asked:
                raise LocalChanged("it was deleted while it was read")
            if is_deleted(job.wanted.target.mapping, job.info, state.timestamp):
                raise LocalChanged("a client has deleted it")

    def _failed_now(self, key: Key) -> None:
        if len(self._failed) >= _MOST_REMEMBERED:
            self._failed.clear()
        self._failed[key] = time.monotonic() + _PAUSE


def max_segments(app: Any) -> int:
    """Of an SLO that is written through this pipeline; 0 = slo is not in it, so that the manifest of one
    would be stored as an object."""
    slo = find_filter(app, StaticLargeObject)
    return 0 if slo is None else int(slo.max_manifest_segments)


def _headers(info: ObjectInfo, manifest: Manifest | None) -> dict[str, str]:
    """Of the PUT. The bare manifest of a DLO becomes one again.

    What clients of s3api have seen as ETag comes back as s3api itself stores it with an upload in parts.
    """
    assert info.meta is not None
    headers, marks = stored_headers(info.meta), info.meta.marks
    if manifest is not None and "x-static-large-object" in marks:
        headers[S3_ETAG] = manifest.multipart_etag
        headers[_ROW_ETAG] = f"; s3_etag={manifest.multipart_etag}"  # slo writes its own in front
    if is_bare(info):
        headers["x-object-manifest"] = quote(marks["x-object-manifest"])
    return headers
