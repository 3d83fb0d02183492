"""What the operator has reset: rows that are compared with the store once more.

See ``s3_sync.state.resets``. Rows before the cursors only: what lies behind them has its turn anyhow.
"""

from __future__ import annotations

import logging

from s3_sync.cluster.brokers import ContainerDb
from s3_sync.model.rows import Row
from s3_sync.state.controls import Reset
from s3_sync.state.journal import PRIMARY, VERIFY
from s3_sync.state.resets import ResetRange
from s3_sync.sync.passes.cursors import Cursors, Scope, more_to_compare
from s3_sync.sync.passes.deferred import DeferredRows
from s3_sync.sync.rows.batch import BatchResult

log = logging.getLogger("s3-sync")


class ResetPass:
    """Of one database."""

    def __init__(self, scope: Scope, progress: Cursors, due: DeferredRows) -> None:
        self._scope = scope
        self._progress = progress
        self._due = due
        #: the database that the next two are about, if they are known
        self._database = ""
        self._taken = ""
        self._passes: list[ResetRange] = []

    @property
    def wake(self) -> float:
        """When there is something to do that is not yet due; infinity when there is nothing."""
        return min((each.due for each in self._passes), default=float("inf"))

    def is_wanted(self) -> bool:
        """Whether the operator has asked for something that has not been taken."""
        return any(each.id > self._taken for each in self._wishes())

    def run(self, db: ContainerDb, limit: int, results: list[BatchResult]) -> bool:
        """One batch; whether there may be more right away. Raises StateError, RemoteError."""
        scope = self._scope
        journal, now = scope.context.journal.resets, scope.context.clock.now()
        if self._database != db.id:
            self._taken = journal.taken(scope.key, db.id)
            self._passes = journal.passes(scope.key, db.id)
            self._database = db.id
        for reset in self._wishes():
            if reset.id > self._taken:
                self._take(reset, now)
        due = next((each for each in self._passes if each.due <= now), None)
        if due is None:
            return False
        self._compare(db, due, more_to_compare(limit), results)
        return not scope.context.stop.is_set() and any(each.due <= now for each in self._passes)

    def _wishes(self) -> list[Reset]:
        return self._scope.context.controls.resets(self._scope.mapping)

    def _take(self, reset: Reset, now: float) -> None:
        """Other nodes' daemons get their reset, too, most likely; so their rows are looked at a slack later.
        Those that were there when the progress began count as taken: see ``Cursors``."""
        scope, checkpoint = self._scope, self._progress.checkpoint
        slack = scope.context.settings.verification_slack_seconds
        ends = {PRIMARY: (checkpoint.last_row, now), VERIFY: (checkpoint.last_verified_row, now + slack)}
        if scope.is_handoff:
            del ends[PRIMARY]
        elif scope.replica.replicas == 1:
            del ends[VERIFY]
        scope.batches.look_for_manifests()
        passes = [
            ResetRange(self._database, reset.id, kind, reset.prefix, reset.since, 1, last, due)
            for kind, (last, due) in ends.items()
            if last
        ]
        log.info("%s is reset: comparing rows up to %d", scope.mapping.label, checkpoint.last_row)
        scope.context.journal.resets.take(scope.key, self._database, reset.id, passes, now)
        self._taken = reset.id
        self._passes += passes

    def _compare(self, db: ContainerDb, begun: ResetRange, limit: int, results: list[BatchResult]) -> None:
        scope, batches = self._scope, self._scope.batches
        found, last = db.rows_since(begun.next_row - 1, min(limit, begun.last_row - begun.next_row + 1))
        rows = [row for row in found if row.rowid <= begun.last_row and self._is_meant(row, begun)]
        if rows:
            result = batches.run(rows, batches.look_up_shared(rows))
            batches.settle(result, later=self._due.ranges(result.not_due, begun.kind))
            results.append(result)
            if result.abandoned_from is not None:
                last = result.abandoned_from - 1
        next_row = last + 1 if last >= begun.next_row or rows else begun.last_row + 1
        rest = scope.context.journal.resets.advance(scope.key, begun, next_row)
        index = self._passes.index(begun)
        self._passes[index : index + 1] = [] if rest is None else [rest]

    def _is_meant(self, row: Row, begun: ResetRange) -> bool:
        return (
            self._scope.owns(row) == (begun.kind == PRIMARY)
            and row.name.startswith(begun.prefix)
            and row.timestamp.seconds >= begun.since
        )
