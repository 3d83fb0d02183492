"""The primary pass: sends the rows after ``last_row`` that this replica owns.

Order in each batch: window into the journal, rows, journal, cursor. See ``s3_sync.state.journal``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from s3_sync.cluster.brokers import ContainerDb
from s3_sync.model.outcomes import Outcome
from s3_sync.model.rows import Row
from s3_sync.state.journal import PRIMARY
from s3_sync.sync.passes.cursors import Cursors, DatabaseScope, compare_batch_size
from s3_sync.sync.passes.deferred import DeferredRows
from s3_sync.sync.passes.result import NOTHING, PassResult
from s3_sync.sync.rows.batch import BatchResult, BatchRunner
from s3_sync.sync.rows.remote_state import ListedState, Presumption, RemoteState
from s3_sync.sync.rows.services import RowServices

log = logging.getLogger("s3-sync")

#: every server keeps a tombstone for at least this long, in seconds: a later delete may be older than the
#: copy
TOMBSTONE_RETENTION = 3600.0


class PrimaryPass:
    """The primary pass over one database; moves ``last_row``."""

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
        self._bucket = services.bucket
        #: whether there are unread rows that other nodes may verify already: the verify pass then has to wait
        self.is_late = False

    def run(self, db: ContainerDb, limit: int) -> PassResult:
        """Handle one batch of up to ``limit`` rows. Raises StateError, RemoteError."""
        scope, checkpoint = self._scope, self._cursors.checkpoint
        self.is_late = False
        if scope.is_handoff:
            return NOTHING
        if checkpoint.last_row < checkpoint.sweep_until:
            limit = compare_batch_size(limit)
        rows, last = self._cursors.rows_since(db, checkpoint.last_row, limit)
        if last <= checkpoint.last_row:
            return NOTHING
        own = [row for row in rows if scope.owns(row)]
        reached, attempted = last, tuple[Outcome, ...]()
        if own:
            label = scope.mapping.label
            log.info("Processing %d rows since row %d for %s", len(own), checkpoint.last_row, label)
            result = self._handle(own, last)
            reached, attempted = result.reached(last), tuple(result.attempted)
            log.info("Processed %d rows; last row: %d; for %s", len(own), reached, label)
        self._cursors.move(db, rows, last_row=reached)
        if rows and reached < db.max_rowid():
            self.is_late = self._cursors.verifiable_at(rows[-1]) <= scope.now()
        return PassResult(not scope.stop.is_set(), attempted)

    def _handle(self, own: Sequence[Row], last: int) -> BatchResult:
        batches, journal, key = self._batches, self._scope.journal, self._scope.key
        window = journal.window(key, self._cursors.database)
        states = self._remote_states(own, window)
        until = max(last, window)  # a trial may have gone further
        journal.open_window(key, self._cursors.database, until)
        result = batches.run(own, states, tolerant=True)
        batches.record(result, later=self._deferred.make_ranges(result.postponed, PRIMARY))
        return result

    def _remote_states(self, rows: Sequence[Row], window: int) -> dict[str, RemoteState]:
        """The remote state of each row's name. These are compared with the store: rows of an interrupted
        batch and of a sweep, rows old enough that another node's daemon may have sent them, late deletes, and
        rows that may be in another database of the container. All others are new.

        For a row of an interrupted batch, a listing only proves absence: a listed copy may be the previous
        version, with the same bytes, whose transfer ended after this row was written. The same holds for rows
        that came from another database and were written since this one was started. It does not hold in a
        sweep, which starts where the cursors were lost: the start of the interrupted batch is unknown, and a
        HEAD for every row before its end would cost too much.
        """
        checkpoint, now = self._cursors.checkpoint, self._scope.now()
        sweep = max(window, checkpoint.sweep_until)
        conditional = self._bucket.features.put_if_absent
        elsewhere = {row.name for row in rows if self._cursors.may_be_in_other_database(row)}
        shared = {
            row.name
            for row in rows
            if self._scope.replica.replicas > 1 and self._cursors.verifiable_at(row) <= now
        }
        compare = elsewhere | shared
        compare |= {
            row.name
            for row in rows
            if row.rowid <= sweep
            or (row.deleted and max(row.timestamp.seconds, checkpoint.begun) + TOMBSTONE_RETENTION <= now)
        }
        states = self._lookup.look_up(sorted(compare))
        for row in rows:
            if row.name not in compare:
                states[row.name] = (
                    Presumption.ABSENT if row.rowid <= checkpoint.fresh_until else Presumption.PROBABLY_ABSENT
                )
            elif states[row.name] == ListedState(None):
                others = row.name in elsewhere or row.name in shared
                if others and not row.deleted and not conditional:
                    states[row.name] = Presumption.UNKNOWN  # another node may be sending it right now
            elif row.rowid > checkpoint.sweep_until:
                of_now = row.name in elsewhere and row.timestamp.seconds >= checkpoint.begun
                if of_now or row.rowid <= window:
                    states[row.name] = Presumption.UNKNOWN
        return states
