"""One local database of a container, for one mapping: runs the passes over it in order."""

from __future__ import annotations

import logging

from s3_sync.cluster.brokers import ContainerDb
from s3_sync.cluster.client import VERSIONING
from s3_sync.cluster.container_servers import ContainerServers
from s3_sync.cluster.databases import LocalDatabases
from s3_sync.daemon.delay_queue import backoff_delay
from s3_sync.errors import LocalError, LocalMissing
from s3_sync.sync.lifecycle.segment_index import SegmentIndex
from s3_sync.sync.passes.container_metadata import ContainerMetadataPass
from s3_sync.sync.passes.cursors import Cursors, DatabaseScope
from s3_sync.sync.passes.deferred import DeferredRows
from s3_sync.sync.passes.primary import PrimaryPass
from s3_sync.sync.passes.reset import ResetPass
from s3_sync.sync.passes.result import NOTHING, PassResult
from s3_sync.sync.passes.trial import Trial
from s3_sync.sync.passes.verify import VerifyPass
from s3_sync.sync.rows.batch import BatchRunner
from s3_sync.sync.rows.services import RowServices

log = logging.getLogger("s3-sync")

#: time per step, in seconds, for indexing large objects
INDEX_SLICE = 2.0


class DatabaseCrawl:
    """The crawl of one database. ``step`` runs one batch of each pass."""

    def __init__(
        self,
        scope: DatabaseScope,
        services: RowServices,
        batches: BatchRunner,
        segment_index: SegmentIndex,
        brokers: LocalDatabases,
        servers: ContainerServers,
    ) -> None:
        self._scope = scope
        self._mapping = scope.mapping
        self._replica = scope.replica
        self._now = scope.now
        self._brokers = brokers
        self._services = services
        self._delete_limiter = services.delete_limiter
        self._segment_index = segment_index
        self._cursors = cursors = Cursors(scope, services, segment_index)
        self._deferred = deferred = DeferredRows(scope, cursors, services, batches)
        self._primary = PrimaryPass(scope, cursors, deferred, services, batches)
        self._verify = VerifyPass(scope, cursors, deferred, services, batches)
        self._reset = ResetPass(scope, cursors, deferred, services, batches)
        self._trial = Trial(scope, cursors, batches)
        self._metadata = ContainerMetadataPass(scope, services.bucket, servers)
        #: fingerprint of the files when all work was done, and when to read them even if they are unchanged
        self._done_fingerprint: object = None
        self._wake = 0.0
        #: read failures in a row, and when to retry
        self._consecutive_failures = 0
        self._retry_at = 0.0
        self._size_logged = False

    @property
    def is_failing(self) -> bool:
        return bool(self._consecutive_failures)

    def step(self, limit: int, trial: bool = False) -> PassResult:
        """``limit``: rows to read in each pass. ``trial``: whether rows further on are tried first. Raises
        StateError, RemoteError.

        A database that cannot be read is retried with a backoff; the container's other databases continue.
        """
        if self._now() < self._retry_at:
            return NOTHING
        try:
            result = self._step(limit, trial)
        except LocalError as error:
            if isinstance(error, LocalMissing) and self._has_gone():
                return NOTHING
            level = logging.DEBUG if self._consecutive_failures else logging.ERROR
            self._consecutive_failures += 1
            self._retry_at = self._now() + backoff_delay(self._consecutive_failures)
            log.log(level, "Failed to read a database of %s: %s", self._mapping.label, error)
            return NOTHING
        self._consecutive_failures = 0
        return result

    def wake(self) -> None:
        """Run all passes in the next step, even if the files are unchanged or a backoff is in progress."""
        self._wake = self._retry_at = 0.0

    def _step(self, limit: int, trial: bool) -> PassResult:
        fingerprint = self._replica.fingerprint()
        idle = fingerprint == self._done_fingerprint and self._now() < self._wake
        idle = idle and not (self._reset.is_requested() or self._metadata.is_due())
        if fingerprint is None or idle:
            return NOTHING
        self._done_fingerprint = None  # until all work is done
        with self._replica.open() as db:
            # A deleted container is read, too: its last rows are the deletes that emptied it.
            self._check_movable(db)
            if not self._metadata.run(db):
                return NOTHING
            if db.has_several_policies():
                self._services.check_all_policies()
            self._cursors.load(db)
            if not self._mapping.profile.retain_local and not self._refresh_segment_index(db):
                return PassResult(has_more=True)
            if not self._size_logged and not self._mapping.profile.retain_local:
                self._size_logged = True
                log.info(
                    "%s: %d objects in this database may leave the cluster",
                    self._mapping.label,
                    db.object_count(),
                )
            if self._delete_limiter.is_set:
                self._delete_limiter.update_object_count(db.id, db.object_count(), self._replica.replicas)
            if trial:
                self._trial.run(db, limit)
            result = self._deferred.run(db, limit) + self._primary.run(db, limit)
            if not self._primary.is_late:
                result += self._verify.run(db, limit)
            result += self._reset.run(db, limit)
        self._wake = min(self._verify.wake, self._deferred.next_due(), self._reset.wake, self._metadata.wake)
        self._done_fingerprint = None if result.has_more else fingerprint
        if not result.has_more:
            self._trial.end()
        return result

    def _has_gone(self) -> bool:
        """Whether the database was removed after it was found: its rows are in shards, or the container was
        deleted long ago."""
        return self._replica.retiring or self._replica.fingerprint() is None

    def _check_movable(self, db: ContainerDb) -> None:
        """Raise LocalError for a container out of which nothing may be moved. Shards cannot tell."""
        mapping = self._mapping
        if mapping.profile.retain_local:
            return
        if not VERSIONING.isdisjoint(db.metadata()) or self._brokers.is_versioned(
            mapping.account, mapping.container
        ):
            raise LocalError(
                "the container is versioned: its objects are links to versions, which cannot be moved"
            )

    def _refresh_segment_index(self, db: ContainerDb) -> bool:
        """Index the container's large objects before anything is moved. False if that takes further steps."""
        until = self._now() + INDEX_SLICE
        return self._segment_index.refresh(db, lambda: self._scope.stop.is_set() or self._now() > until)
