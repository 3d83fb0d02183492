"""The verify pass: the rows of the other ordinals, ``verification_slack`` later.

Their daemon has most likely sent them already, and if it is absent, this one does. Listings answer for most.
Several may be doing the work of an absent one, or of a slow one beside it: so each begins at another row, and
what is not there is looked for again before it is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from zlib import crc32

from s3_sync.cluster.brokers import ContainerDb
from s3_sync.model.rows import Row
from s3_sync.state.journal import VERIFY
from s3_sync.sync.passes.cursors import Cursors, Scope, more_to_compare
from s3_sync.sync.passes.deferred import DeferredRows
from s3_sync.sync.rows.batch import BatchResult

log = logging.getLogger("s3-sync")


class VerifyPass:
    """Of one database; moves ``last_verified_row``. ``wake``: when the next row comes of age."""

    def __init__(self, scope: Scope, progress: Cursors, due: DeferredRows) -> None:
        self._scope = scope
        self._progress = progress
        self._due = due
        #: whether the last batch was: what it was broken off at would be in the way again and again otherwise
        self._broken_off = False
        self.wake = float("inf")

    def run(self, db: ContainerDb, limit: int, results: list[BatchResult]) -> bool:
        """One batch; whether there may be more. Raises StateError, RemoteError."""
        self.wake = float("inf")
        scope, checkpoint = self._scope, self._progress.checkpoint
        if not scope.is_handoff and scope.replica.replicas == 1:
            if checkpoint.last_verified_row != checkpoint.last_row:
                self._progress.move(db, (), last_verified_row=checkpoint.last_row)
            return False
        since = checkpoint.last_verified_row
        rows, last = self._progress.rows_since(db, since, more_to_compare(limit))
        if last <= since:
            return False
        now = scope.context.clock.now()
        too_young = next((row for row in rows if self._progress.verified_from(row) > now), None)
        if too_young is not None:
            self.wake = self._progress.verified_from(too_young)
            last = too_young.rowid - 1
            rows = [row for row in rows if row.rowid <= last]
        others = [row for row in rows if not scope.owns(row)]
        if others:
            last = self._handle(others, last, results)
        if last > since:
            self._progress.move(db, rows, last_verified_row=last)
        return too_young is None and not scope.context.stop.is_set()

    def _handle(self, others: Sequence[Row], last: int, results: list[BatchResult]) -> int:
        """Returns the row up to which everything is settled, or in the journal."""
        batches, label = self._scope.batches, self._scope.mapping.label
        since = self._progress.checkpoint.last_verified_row
        log.info("Verifying %d rows since row %d for %s", len(others), since, label)
        views = batches.look_up_shared(others)
        database = self._progress.database.encode("utf-8")
        start = 0 if self._broken_off else crc32(database) % len(others)
        result = batches.run([*others[start:], *others[:start]], views)
        batches.settle(result, later=self._due.ranges(result.not_due, VERIFY))
        results.append(result)
        self._broken_off = result.abandoned_from is not None
        if result.abandoned_from is not None:
            last = result.abandoned_from - 1
        log.info("Verified %d rows; last row: %d; for %s", len(others), last, label)
        return last
