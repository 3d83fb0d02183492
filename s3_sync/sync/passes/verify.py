"""The verify pass: the rows of the other ordinals, ``verification_slack`` later.

Their own daemon has most likely sent them already; if it is down, this one does. Listings settle most of
them. Several daemons may do the work of a missing or slow one, so each starts at a different row, and sends a
HEAD before it sends an object that a listing did not show.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from zlib import crc32

from s3_sync.cluster.brokers import ContainerDb
from s3_sync.model.outcomes import Outcome
from s3_sync.model.rows import Row
from s3_sync.state.journal import VERIFY
from s3_sync.sync.passes.cursors import Cursors, DatabaseScope, compare_batch_size
from s3_sync.sync.passes.deferred import DeferredRows
from s3_sync.sync.passes.result import NOTHING, PassResult
from s3_sync.sync.rows.batch import BatchResult, BatchRunner
from s3_sync.sync.rows.services import RowServices

log = logging.getLogger("s3-sync")


class VerifyPass:
    """The verify pass over one database; moves ``last_verified_row``. ``wake``: when the next row is
    verifiable."""

    def __init__(
        self,
        scope: DatabaseScope,
        cursors: Cursors,
        deferred: DeferredRows,
        services: RowServices,
        batches: BatchRunner,
    ) -> None:
        self._scope = scope
        self._cursors = cursors
        self._deferred = deferred
        self._lookup = services.lookup
        self._batches = batches
        #: whether the last batch was interrupted: the next one then starts at its first row, else the same
        #: failing row could interrupt every batch
        self._interrupted = False
        self.wake = float("inf")

    def run(self, db: ContainerDb, limit: int) -> PassResult:
        """Handle one batch. Raises StateError, RemoteError."""
        self.wake = float("inf")
        scope, checkpoint = self._scope, self._cursors.checkpoint
        if not scope.is_handoff and scope.replica.replicas == 1:
            if checkpoint.last_verified_row != checkpoint.last_row:
                self._cursors.move(db, (), last_verified_row=checkpoint.last_row)
            return NOTHING
        since = checkpoint.last_verified_row
        rows, last = self._cursors.rows_since(db, since, compare_batch_size(limit))
        if last <= since:
            return NOTHING
        now = scope.now()
        too_young = next((row for row in rows if self._cursors.verify_round_at(row) > now), None)
        if too_young is not None:
            self.wake = self._cursors.verify_round_at(too_young)
            last = too_young.rowid - 1
            rows = [row for row in rows if row.rowid <= last]
        others = [row for row in rows if not scope.owns(row)]
        attempted: tuple[Outcome, ...] = ()
        if others:
            result = self._handle(others, last)
            last, attempted = result.reached(last), tuple(result.attempted)
        if last > since:
            self._cursors.move(db, rows, last_verified_row=last)
        return PassResult(too_young is None and not scope.stop.is_set(), attempted)

    def _handle(self, others: Sequence[Row], last: int) -> BatchResult:
        batches, label = self._batches, self._scope.mapping.label
        since = self._cursors.checkpoint.last_verified_row
        log.info("Verifying %d rows since row %d for %s", len(others), since, label)
        states = self._lookup.look_up_shared(others)
        database = self._cursors.database.encode("utf-8")
        start = 0 if self._interrupted else crc32(database) % len(others)
        result = batches.run([*others[start:], *others[:start]], states, tolerant=True)
        batches.record(result, later=self._deferred.make_ranges(result.postponed, VERIFY))
        self._interrupted = result.abandoned_from is not None
        log.info("Verified %d rows; last row: %d; for %s", len(others), result.reached(last), label)
        return result
