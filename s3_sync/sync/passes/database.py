"""One local database of a container, for one mapping: what is due, the primary pass, the verify pass."""

from __future__ import annotations

import logging

from s3_sync.cluster.brokers import ContainerDb, LocalReplica
from s3_sync.cluster.client import VERSIONING
from s3_sync.config.settings import Mapping
from s3_sync.daemon.delay_queue import backoff_delay
from s3_sync.errors import LocalError, LocalMissing
from s3_sync.sync.passes.cursors import Cursors, Scope
from s3_sync.sync.passes.deferred import DeferredRows
from s3_sync.sync.passes.primary import PrimaryPass
from s3_sync.sync.passes.reset import ResetPass
from s3_sync.sync.passes.verify import VerifyPass
from s3_sync.sync.rows.batch import BatchResult, BatchRunner
from s3_sync.sync.services import Context

log = logging.getLogger("s3-sync")

#: for so long, in seconds, a turn may look for large objects
LEARN_SLICE = 2.0


class DatabaseCrawl:
    """``step`` does one batch of each kind and says whether there is more to do right away."""

    def __init__(
        self, context: Context, mapping: Mapping, key: str, batches: BatchRunner, replica: LocalReplica
    ) -> None:
        self._context = context
        self._mapping = mapping
        self._batches = batches
        self._replica = replica
        scope = Scope(context, mapping, key, batches, replica)
        self._progress = Cursors(scope)
        self._due = DeferredRows(scope, self._progress)
        self._primary = PrimaryPass(scope, self._progress, self._due)
        self._verify = VerifyPass(scope, self._progress, self._due)
        self._again = ResetPass(scope, self._progress, self._due)
        #: what the files looked like when everything in them had been seen, and when to look anyhow
        self._seen: object = None
        self._wake = 0.0
        #: how often in a row the database could not be read, and until when it is left alone
        self._setbacks = 0
        self._rest_until = 0.0
        self._told_size = False

    @property
    def troubled(self) -> bool:
        return bool(self._setbacks)

    def step(self, limit: int) -> tuple[bool, list[BatchResult]]:
        """``limit``: rows to read for each kind of work. Raises StateError, RemoteError.

        A database that cannot be read is left alone for a while: others of the container need not wait.
        """
        if self._context.clock.now() < self._rest_until:
            return False, []
        try:
            more, results = self._step(limit)
        except LocalError as error:
            if isinstance(error, LocalMissing) and self._has_gone():
                return False, []
            level = logging.DEBUG if self._setbacks else logging.ERROR
            self._setbacks += 1
            self._rest_until = self._context.clock.now() + backoff_delay(self._setbacks)
            log.log(level, "Failed to read a database of %s: %s", self._mapping.label, error)
            return False, []
        self._setbacks = 0
        return more, results

    def wake(self) -> None:
        """Look at what is due, whether or not the files have changed, and after whatever has gone wrong."""
        self._wake = self._rest_until = 0.0

    def _step(self, limit: int) -> tuple[bool, list[BatchResult]]:
        fingerprint = self._replica.fingerprint()
        idle = fingerprint == self._seen and self._context.clock.now() < self._wake
        if fingerprint is None or (idle and not self._again.is_wanted()):
            return False, []
        self._seen = None  # until everything has been done
        with self._replica.open() as db:
            # A deleted container is read too: its last rows are the deletes that emptied it.
            self._check_movable(db)
            if db.has_several_policies():
                self._batches.handler.ask_every_policy()
            self._progress.load(db)
            if not self._mapping.profile.retain_local and not self._know_segments(db):
                return True, []
            if not self._told_size and not self._mapping.profile.retain_local:
                self._told_size = True
                log.info("%s: %d objects here may leave the cluster", self._mapping.label, db.object_count())
            if self._batches.guard.is_set:
                self._batches.guard.update_object_count(db.id, db.object_count(), self._replica.replicas)
            results: list[BatchResult] = []
            more = self._due.run(db, limit, results)
            more = self._primary.run(db, limit, results) or more
            if not self._primary.is_late:
                more = self._verify.run(db, limit, results) or more
            more = self._again.run(db, limit, results) or more
        self._wake = min(self._verify.wake, self._due.next(), self._again.wake)
        self._seen = None if more else fingerprint
        return more, results

    def _has_gone(self) -> bool:
        """After it was seen: its rows are in shards by now, or the container was deleted long ago."""
        return self._replica.retiring or self._replica.fingerprint() is None

    def _check_movable(self, db: ContainerDb) -> None:
        """Raises LocalError for a container out of which nothing may be moved. Shards do not know."""
        mapping = self._mapping
        if mapping.profile.retain_local:
            return
        if not VERSIONING.isdisjoint(db.metadata()) or self._context.brokers.is_versioned(
            mapping.account, mapping.container
        ):
            raise LocalError("the container is versioned: its objects are links to versions, not to be moved")

    def _know_segments(self, db: ContainerDb) -> bool:
        """Before anything is moved: what is part of a large object. False: it takes more turns than this."""
        until = self._context.clock.now() + LEARN_SLICE
        return self._batches.named.catch_up(
            db, lambda: self._context.stop.is_set() or self._context.clock.now() > until
        )
