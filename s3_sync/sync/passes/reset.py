"""The reset pass: compares rows that the operator has reset with the store again.

See ``s3_sync.state.resets``. Only rows before the cursors are read again; the primary and verify passes reach
the others anyway.
"""

from __future__ import annotations

import logging

from s3_sync.cluster.brokers import ContainerDb
from s3_sync.model.outcomes import Outcome
from s3_sync.model.rows import Row
from s3_sync.state.controls import Reset
from s3_sync.state.journal import PRIMARY, VERIFY
from s3_sync.state.resets import ResetRange, is_reset
from s3_sync.sync.passes.cursors import Cursors, DatabaseScope, compare_batch_size
from s3_sync.sync.passes.deferred import DeferredRows
from s3_sync.sync.passes.result import NOTHING, PassResult
from s3_sync.sync.rows.batch import BatchRunner
from s3_sync.sync.rows.services import RowServices

log = logging.getLogger("s3-sync")


class ResetPass:
    """The reset pass over one database."""

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
        self._ledger = services.ledger
        self._resets = scope.journal.resets
        #: the database of the next two; empty if they are not loaded
        self._database = ""
        self._started = ""
        self._passes: list[ResetRange] = []

    @property
    def wake(self) -> float:
        """When the next range is due; infinity if there is none."""
        return min((each.due for each in self._passes), default=float("inf"))

    def is_requested(self) -> bool:
        """Whether the operator has requested a reset that was not started yet."""
        return any(each.id > self._started for each in self._requested())

    def run(self, db: ContainerDb, limit: int) -> PassResult:
        """Handle one batch. Raises StateError, RemoteError."""
        scope, now = self._scope, self._scope.now()
        if self._database != db.id:
            self._started = self._resets.taken(scope.key, db.id)
            self._passes = self._resets.passes(scope.key, db.id)
            self._database = db.id
        for reset in self._requested():
            if reset.id > self._started:
                self._start(reset, now)
        due = next((each for each in self._passes if each.due <= now), None)
        if due is None:
            return NOTHING
        attempted = self._compare(db, due, compare_batch_size(limit))
        more = not scope.stop.is_set() and any(each.due <= now for each in self._passes)
        return PassResult(more, tuple(attempted))

    def _requested(self) -> list[Reset]:
        return self._scope.controls.resets(self._scope.mapping)

    def _start(self, reset: Reset, now: float) -> None:
        """Start a reset. Other nodes' daemons have most likely been reset, too, so their rows are compared a
        slack later. Resets from before the checkpoint count as started: see ``Cursors``."""
        scope, checkpoint = self._scope, self._cursors.checkpoint
        ends = {
            PRIMARY: (checkpoint.last_row, now),
            VERIFY: (checkpoint.last_verified_row, now + scope.slack),
        }
        if scope.is_handoff:
            del ends[PRIMARY]
        elif scope.replica.replicas == 1:
            del ends[VERIFY]
        self._lookup.note_manifests(self._ledger)
        passes = [
            ResetRange(self._database, reset.id, kind, reset.prefix, reset.since, 1, last, due)
            for kind, (last, due) in ends.items()
            if last
        ]
        log.info("%s is reset: comparing rows up to %d", scope.mapping.label, checkpoint.last_row)
        self._resets.take(scope.key, self._database, reset.id, passes, now)
        self._started = reset.id
        self._passes += passes

    def _compare(self, db: ContainerDb, due: ResetRange, limit: int) -> list[Outcome]:
        """Returns the outcomes of the rows that required work."""
        scope, batches = self._scope, self._batches
        found, last = db.rows_since(due.next_row - 1, min(limit, due.last_row - due.next_row + 1))
        rows = [row for row in found if row.rowid <= due.last_row and self._is_in_range(row, due)]
        attempted: list[Outcome] = []
        if rows:
            result = batches.run(rows, self._lookup.look_up_shared(rows), tolerant=True)
            batches.record(result, later=self._deferred.make_ranges(result.postponed, due.kind))
            last, attempted = result.reached(last), result.attempted
        next_row = last + 1 if last >= due.next_row or rows else due.last_row + 1
        rest = self._resets.advance(scope.key, due, next_row)
        index = self._passes.index(due)
        self._passes[index : index + 1] = [] if rest is None else [rest]
        return attempted

    def _is_in_range(self, row: Row, due: ResetRange) -> bool:
        own = due.kind == PRIMARY
        return self._scope.owns(row) == own and is_reset(
            row.name, row.timestamp.seconds, due.prefix, due.since
        )
