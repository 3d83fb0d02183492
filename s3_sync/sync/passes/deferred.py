"""Rows before their ``copy_after``: kept as ranges in the journal, and read again when due."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from s3_sync.cluster.brokers import ContainerDb
from s3_sync.model.rows import Row
from s3_sync.state.journal import HELD, HELD_VERIFY, PRIMARY, VERIFY, DueRange
from s3_sync.sync.passes.cursors import Cursors, Scope
from s3_sync.sync.rows.batch import BatchResult
from s3_sync.sync.rows.remote_state import ListedState, Presumption, RemoteState

#: neighbours become due together within so many seconds, or within a tenth of ``copy_after``
PATIENCE = 60.0
#: what is held of rows of each kind
_HELD = {PRIMARY: HELD, VERIFY: HELD_VERIFY}


class DeferredRows:
    """Of one database, for both passes."""

    def __init__(self, scope: Scope, progress: Cursors) -> None:
        self._scope = scope
        self._progress = progress

    def run(self, db: ContainerDb, limit: int, results: list[BatchResult]) -> bool:
        """Read again the ranges whose time has come, up to ``limit`` rows of them; what is not due yet makes
        new ranges. Whether there may be more."""
        context, batches = self._scope.context, self._scope.batches
        more = False
        until = min(context.clock.now(), self._progress.until)
        for due in context.journal.due_ranges(self._scope.key, db.id, until):
            if limit <= 0 or context.stop.is_set():
                break
            found, last = db.rows_since(due.first_row - 1, min(limit, due.last_row - due.first_row + 1))
            rows = [row for row in found if row.rowid <= due.last_row and self._belongs(row, due)]
            result = batches.run(rows, self._views(rows, due))
            if result.complete:
                rest = [replace(due, first_row=last + 1)] if due.first_row <= last < due.last_row else []
                kind = PRIMARY if due.kind in (PRIMARY, HELD) else VERIFY
                later = self.ranges(result.not_due, kind) + rest
                batches.settle(result, later=later, looked_at=[due])
                more = more or bool(rest)
            else:
                batches.settle(result)
            results.append(result)
            limit -= len(found)
        return more or limit <= 0

    def ranges(self, rows: Iterable[Row], kind: str) -> list[DueRange]:
        """One range over rows that are not due, where a little patience lets neighbours become due together;
        and one over deletes that are held."""
        found = list(rows)
        held = [row.rowid for row in found if row.deleted]  # deletes wait for nothing else
        ranges = []
        if held:
            until = self._scope.batches.guard.until
            ranges.append(DueRange(self._progress.database, _HELD[kind], min(held), max(held), until))
        waiting = [row for row in found if not row.deleted]
        if not waiting:
            return ranges
        first_due = min(self._scope.batches.handler.due(row) for row in waiting)
        if kind == VERIFY:
            first_due += self._scope.context.settings.verification_slack_seconds
        patience = min(PATIENCE, self._scope.mapping.profile.copy_after / 10)
        rowids = [row.rowid for row in waiting]
        due = first_due + patience
        return [*ranges, DueRange(self._progress.database, kind, min(rowids), max(rowids), due)]

    def next(self) -> float:
        """When the next range is due; infinity when there is none."""
        when = self._scope.context.journal.next_range(self._scope.key, self._progress.database)
        return float("inf") if when is None else when

    def _views(self, rows: Sequence[Row], due: DueRange) -> dict[str, RemoteState]:
        """What is listed in a row's way is no proof, unless the row is another node's to send: a transfer
        of the version before may have ended after this one was written, with the same bytes."""
        batches, slack = self._scope.batches, self._scope.context.settings.verification_slack_seconds
        asked = [
            row for row in rows if not (row.deleted and batches.guard.blocks(row.data_timestamp.seconds))
        ]
        if due.kind != PRIMARY:
            return batches.look_up_shared(asked)
        is_shared = self._scope.replica.replicas > 1 and due.due + slack <= self._scope.context.clock.now()
        names = [row.name for row in asked]
        views = batches.look_up_shared(asked) if is_shared else batches.listings.survey(names)
        return {
            name: view if view == ListedState(None) else Presumption.UNKNOWN for name, view in views.items()
        }

    def _belongs(self, row: Row, due: DueRange) -> bool:
        held = due.kind in _HELD.values()
        return self._scope.owns(row) == (due.kind in (PRIMARY, HELD)) and (row.deleted or not held)
