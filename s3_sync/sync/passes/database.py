"""One local database of a container, for one mapping: runs the passes over it in order."""

from __future__ import annotations

import logging

from s3_sync.cluster.brokers import ContainerDb, LocalReplica
from s3_sync.cluster.client import VERSIONING
from s3_sync.config.settings import Mapping
from s3_sync.daemon.delay_queue import backoff_delay
from s3_sync.errors import LocalError, LocalMissing
from s3_sync.sync.passes.cursors import Cursors, DatabaseScope
from s3_sync.sync.passes.deferred import DeferredRows
from s3_sync.sync.passes.primary import PrimaryPass
from s3_sync.sync.passes.reset import ResetPass
from s3_sync.sync.passes.result import PassResult
from s3_sync.sync.passes.verify import VerifyPass
from s3_sync.sync.rows.batch import BatchRunner
from s3_sync.sync.services import Context

log = logging.getLogger("s3-sync")

#: time per step, in seconds, for indexing large objects
INDEX_SLICE = 2.0


class DatabaseCrawl:
    """The crawl of one database. ``step`` runs one batch of each pass."""

    def __init__(
        self, context: Context, mapping: Mapping, key: str, batches: BatchRunner, replica: LocalReplica
    ) -> None:
        self._context = context
        self._mapping = mapping
        self._batches = batches
        self._replica = replica
        scope = DatabaseScope(context, mapping, key, batches, replica)
        self._cursors = Cursors(scope)
        self._deferred = DeferredRows(scope, self._cursors)
        self._primary = PrimaryPass(scope, self._cursors, self._deferred)
        self._verify = VerifyPass(scope, self._cursors, self._deferred)
        self._reset = ResetPass(scope, self._cursors, self._deferred)
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

    def step(self, limit: int) -> PassResult:
        """``limit``: rows to read in each pass. Raises StateError, RemoteError.

        A database that cannot be read is retried with a backoff; the container's other databases continue.
        """
        if self._context.clock.now() < self._retry_at:
            return PassResult()
        try:
            result = self._step(limit)
        except LocalError as error:
            if isinstance(error, LocalMissing) and self._has_gone():
                return PassResult()
            level = logging.DEBUG if self._consecutive_failures else logging.ERROR
            self._consecutive_failures += 1
            self._retry_at = self._context.clock.now() + backoff_delay(self._consecutive_failures)
            log.log(level, "Failed to read a database of %s: %s", self._mapping.label, error)
            return PassResult()
        self._consecutive_failures = 0
        return result

    def wake(self) -> None:
        """Run all passes in the next step, even if the files are unchanged or a backoff is in progress."""
        self._wake = self._retry_at = 0.0

    def _step(self, limit: int) -> PassResult:
        fingerprint = self._replica.fingerprint()
        idle = fingerprint == self._done_fingerprint and self._context.clock.now() < self._wake
        if fingerprint is None or (idle and not self._reset.is_requested()):
            return PassResult()
        self._done_fingerprint = None  # until all work is done
        with self._replica.open() as db:
            # A deleted container is read, too: its last rows are the deletes that emptied it.
            self._check_movable(db)
            if db.has_several_policies():
                self._batches.handler.check_all_policies()
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
            if self._batches.delete_limiter.is_set:
                self._batches.delete_limiter.update_object_count(
                    db.id, db.object_count(), self._replica.replicas
                )
            result = self._deferred.run(db, limit) + self._primary.run(db, limit)
            if not self._primary.is_late:
                result += self._verify.run(db, limit)
            result += self._reset.run(db, limit)
        self._wake = min(self._verify.wake, self._deferred.next_due(), self._reset.wake)
        self._done_fingerprint = None if result.has_more else fingerprint
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
        if not VERSIONING.isdisjoint(db.metadata()) or self._context.brokers.is_versioned(
            mapping.account, mapping.container
        ):
            raise LocalError(
                "the container is versioned: its objects are links to versions, which cannot be moved"
            )

    def _refresh_segment_index(self, db: ContainerDb) -> bool:
        """Index the container's large objects before anything is moved. False if that takes further steps."""
        until = self._context.clock.now() + INDEX_SLICE
        return self._batches.segment_index.refresh(
            db, lambda: self._context.stop.is_set() or self._context.clock.now() > until
        )
