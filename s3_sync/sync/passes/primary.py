"""The primary pass: rows after ``last_row``, of which this replica acts on those that hash to its ordinal.

Order, for each batch: window into the journal, rows, journal, cursor. See ``s3_sync.state.journal``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from s3_sync.cluster.brokers import ContainerDb
from s3_sync.model.rows import Row
from s3_sync.state.journal import PRIMARY
from s3_sync.sync.passes.cursors import Cursors, Scope, more_to_compare
from s3_sync.sync.passes.deferred import DeferredRows
from s3_sync.sync.rows.batch import BatchResult
from s3_sync.sync.rows.remote_state import ListedState, Presumption, RemoteState

log = logging.getLogger("s3-sync")

#: for so long, in seconds, every server remembers a delete: what comes later may be older than what is stored
REMEMBERED = 3600.0


class PrimaryPass:
    """Of one database; moves ``last_row``."""

    def __init__(self, scope: Scope, progress: Cursors, due: DeferredRows) -> None:
        self._scope = scope
        self._progress = progress
        self._due = due
        #: whether rows are left behind one that others may look at by now: no time to look at theirs then
        self.is_late = False

    def run(self, db: ContainerDb, limit: int, results: list[BatchResult]) -> bool:
        """One batch of up to ``limit`` rows; whether there may be more. Raises StateError, RemoteError."""
        scope, checkpoint = self._scope, self._progress.checkpoint
        self.is_late = False
        if scope.is_handoff:
            return False
        if checkpoint.last_row < checkpoint.sweep_until:
            limit = more_to_compare(limit)
        rows, last = self._progress.rows_since(db, checkpoint.last_row, limit)
        if last <= checkpoint.last_row:
            return False
        own = [row for row in rows if scope.owns(row)]
        reached = last
        if own:
            label = scope.mapping.label
            log.info("Processing %d rows since row %d for %s", len(own), checkpoint.last_row, label)
            reached = self._handle(own, last, results)
            log.info("Processed %d rows; last row: %d; for %s", len(own), reached, label)
        self._progress.move(db, rows, last_row=reached)
        if rows and reached < db.max_rowid():
            self.is_late = self._progress.shared_from(rows[-1]) <= scope.context.clock.now()
        return not scope.context.stop.is_set()

    def _handle(self, own: Sequence[Row], last: int, results: list[BatchResult]) -> int:
        """Returns the row up to which everything is settled, or in the journal."""
        batches, journal, key = self._scope.batches, self._scope.context.journal, self._scope.key
        views = self._views(own, journal.window(key, self._progress.database))
        journal.open_window(key, self._progress.database, last)
        result = batches.run(own, views)
        batches.settle(result, later=self._due.ranges(result.not_due, PRIMARY))
        results.append(result)
        return last if result.abandoned_from is None else result.abandoned_from - 1

    def _views(self, rows: Sequence[Row], window: int) -> dict[str, RemoteState]:
        """Rows of a broken-off batch and of a sweep are compared, those that have waited so long that another
        node's daemon may have sent them, deletes that come late, and those that may be in another database of
        the container; the rest are known to be new.

        Of a broken-off batch a listing shows only what is absent: what it shows as sent may be the version
        before, of the same bytes, whose transfer ended when this row had been written already. Not so in a
        sweep, which begins where progress is lost: then nobody knows where the batch began, and it would cost
        a HEAD for every row before its end. Nor of rows that came here from another database, with a time of
        before this one was begun with.
        """
        checkpoint, now = self._progress.checkpoint, self._scope.context.clock.now()
        sweep = max(window, checkpoint.sweep_until)
        conditional = self._scope.batches.bucket.features.put_if_absent
        elsewhere = {row.name for row in rows if self._progress.may_be_elsewhere(row)}
        shared = {
            row.name
            for row in rows
            if self._scope.replica.replicas > 1 and self._progress.shared_from(row) <= now
        }
        compare = elsewhere | shared
        compare |= {
            row.name
            for row in rows
            if row.rowid <= sweep
            or (row.deleted and max(row.timestamp.seconds, checkpoint.begun) + REMEMBERED <= now)
        }
        views = self._scope.batches.listings.survey(sorted(compare))
        for row in rows:
            if row.name not in compare:
                views[row.name] = (
                    Presumption.ABSENT if row.rowid <= checkpoint.fresh_until else Presumption.PROBABLY_ABSENT
                )
            elif views[row.name] == ListedState(None):
                others = row.name in elsewhere or row.name in shared
                if others and not row.deleted and not conditional:
                    views[row.name] = Presumption.UNKNOWN  # they may be sending it just now
            elif row.rowid > checkpoint.sweep_until:
                of_now = row.name in elsewhere and row.timestamp.seconds >= checkpoint.begun
                if of_now or row.rowid <= window:
                    views[row.name] = Presumption.UNKNOWN
        return views
