"""Rows that wait for their ``copy_after``: kept as ranges in the journal, and read again when due."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from s3_sync.cluster.brokers import ContainerDb
from s3_sync.model.outcomes import Outcome
from s3_sync.model.rows import Row
from s3_sync.state.due_times import range_due
from s3_sync.state.journal import HELD, HELD_VERIFY, PRIMARY, VERIFY, DueRange
from s3_sync.sync.passes.cursors import Cursors, DatabaseScope
from s3_sync.sync.passes.result import PassResult
from s3_sync.sync.rows.batch import BatchRunner
from s3_sync.sync.rows.remote_state import ListedState, Presumption, RemoteState
from s3_sync.sync.rows.services import RowServices

#: kind of a pass's range -> kind of its range of held deletes
_HELD = {PRIMARY: HELD, VERIFY: HELD_VERIFY}


class DeferredRows:
    """The deferred rows of one database, for all passes."""

    def __init__(
        self, scope: DatabaseScope, cursors: Cursors, services: RowServices, batches: BatchRunner
    ) -> None:
        self._scope = scope
        self._cursors = cursors
        self._batches = batches
        self._lookup = services.lookup
        self._delete_limiter = services.delete_limiter
        self._next_due = services.handler.next_due

    def run(self, db: ContainerDb, limit: int) -> PassResult:
        """Handle up to ``limit`` rows of the ranges that are due; rows that are still not due make new
        ranges."""
        scope, batches = self._scope, self._batches
        more = False
        attempted: list[Outcome] = []
        until = min(scope.now(), self._cursors.until)
        for due in scope.journal.due_ranges(scope.key, db.id, until):
            if limit <= 0 or scope.stop.is_set():
                break
            found, last = db.rows_since(due.first_row - 1, min(limit, due.last_row - due.first_row + 1))
            rows = [row for row in found if row.rowid <= due.last_row and self._belongs(row, due)]
            result = batches.run(rows, self._remote_states(rows, due), tolerant=True)
            if result.complete:
                rest = [replace(due, first_row=last + 1)] if due.first_row <= last < due.last_row else []
                kind = PRIMARY if due.kind in (PRIMARY, HELD) else VERIFY
                later = self.make_ranges(result.postponed, kind) + rest
                batches.record(result, later=later, looked_at=[due])
                more = more or bool(rest)
            else:
                batches.record(result)
            attempted += result.attempted
            limit -= len(found)
        return PassResult(more or limit <= 0, tuple(attempted))

    def make_ranges(self, rows: Iterable[Row], kind: str) -> list[DueRange]:
        """One range over rows that are not due yet, due slightly later than its first row so that more rows
        are due together; and one over deletes that the budget holds."""
        found = list(rows)
        held = [row.rowid for row in found if row.deleted]  # deletes have no other reason to wait
        make_ranges = []
        if held:
            until = self._delete_limiter.until
            make_ranges.append(DueRange(self._cursors.database, _HELD[kind], min(held), max(held), until))
        waiting = [row for row in found if not row.deleted]
        if not waiting:
            return make_ranges
        first_due = min(self._next_due(row) for row in waiting)
        due = range_due(first_due, kind, self._scope.mapping.profile.copy_after, self._scope.slack)
        rowids = [row.rowid for row in waiting]
        return [*make_ranges, DueRange(self._cursors.database, kind, min(rowids), max(rowids), due)]

    def next_due(self) -> float:
        """When the next range is due; infinity if there is none."""
        when = self._scope.journal.next_range(self._scope.key, self._cursors.database)
        return float("inf") if when is None else when

    def _remote_states(self, rows: Sequence[Row], due: DueRange) -> dict[str, RemoteState]:
        """The remote state of each row's name. A listed copy proves nothing for an own row: a transfer of the
        previous version, with the same bytes, may have ended after this row was written."""
        scope = self._scope
        asked = [
            row
            for row in rows
            if not (row.deleted and self._delete_limiter.blocks(row.data_timestamp.seconds))
        ]
        if due.kind != PRIMARY:
            return self._lookup.look_up_shared(asked)
        is_shared = scope.replica.replicas > 1 and due.due + scope.slack <= scope.now()
        names = [row.name for row in asked]
        states = self._lookup.look_up_shared(asked) if is_shared else self._lookup.look_up(names)
        return {
            name: known if known == ListedState(None) else Presumption.UNKNOWN
            for name, known in states.items()
        }

    def _belongs(self, row: Row, due: DueRange) -> bool:
        held = due.kind in _HELD.values()
        return self._scope.owns(row) == (due.kind in (PRIMARY, HELD)) and (row.deleted or not held)
