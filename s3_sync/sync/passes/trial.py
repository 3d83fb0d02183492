"""Trials: rows further on, tried while the rows at a cursor fail one after the other.

A store that refuses many rows may refuse everything, or only these rows. A row that it takes proves the
latter, and the rows that it would take lie behind those that it refuses.
"""

from __future__ import annotations

from collections.abc import Sequence

from s3_sync.cluster.brokers import ContainerDb
from s3_sync.model.outcomes import LARGE, Kind
from s3_sync.model.rows import Row
from s3_sync.state.journal import PRIMARY
from s3_sync.sync.passes.cursors import Cursors, DatabaseScope
from s3_sync.sync.rows.batch import BatchResult, BatchRunner

#: each trial without success reaches this many times as far as the one before
REACH_FACTOR = 4
#: rows that are read at each place, to find an own one
ROWS_AT_PLACE = 16
_TAKEN = frozenset({Kind.COPIED, Kind.UPDATED, Kind.DELETED})


class Trial:
    """The trials of one database, after its primary cursor and in its due ranges."""

    def __init__(self, scope: DatabaseScope, cursors: Cursors, batches: BatchRunner) -> None:
        self._scope = scope
        self._cursors = cursors
        self._batches = batches
        #: ROWIDs that the last trial covered
        self._reach = 0

    def end(self) -> None:
        """All rows have been handled: the next trial begins nearby."""
        self._reach = 0

    def run(self, db: ContainerDb, size: int) -> None:
        """Try up to ``size`` rows after each cursor, evenly spread over a distance that grows from trial to
        trial. If the store takes one, the runner tolerates as many failures as there are ROWIDs before it.

        The cursor passes no row that was tried, so a failure is not recorded here. Raises StateError.
        """
        self._reach = max(size, self._reach) * REACH_FACTOR
        scope, cursors = self._scope, self._cursors
        due = scope.journal.due_ranges(scope.key, db.id, min(scope.now(), cursors.until))
        waiting = [(each.first_row - 1, each.last_row) for each in due if each.kind == PRIMARY]
        proved = self._try(self._spread(db, waiting, size))
        if not scope.is_handoff:
            unread = self._spread(db, [(cursors.checkpoint.last_row, db.max_rowid())], size)
            if unread:
                last = max(row.rowid for row in unread.values())
                window = scope.journal.window(scope.key, db.id)
                scope.journal.open_window(scope.key, db.id, max(window, last))
            proved = max(proved, self._try(unread))
        if proved:
            self._batches.tolerate(proved)

    def _spread(self, db: ContainerDb, spans: Sequence[tuple[int, int]], size: int) -> dict[int, Row]:
        """Own rows in ``spans``, each from the ROWID after its first to its second, by the number of ROWIDs
        up to them. The first ``size`` are left out: they are about to be handled anyway."""
        reach = min(self._reach, sum(end - start for start, end in spans) - size)
        found: dict[int, Row] = {}
        for number in range(1, size + 1) if reach > 0 else ():
            place = passed = size + max(1, reach * number // size)
            for start, end in spans:
                if place <= end - start:
                    break
                place -= end - start
            rows, _ = self._cursors.rows_since(db, start + place - 1, ROWS_AT_PLACE)
            own = next((row for row in rows if row.rowid <= end and self._scope.owns(row)), None)
            if own is not None and own not in found.values():
                found[passed + own.rowid - start - place] = own
        return found

    def _try(self, rows: dict[int, Row]) -> int:
        """Returns the number of the last row that the store has taken; 0: it took none."""
        if not rows:
            return 0
        numbers = {id(row): number for number, row in rows.items()}
        done = self._batches.run(list(rows.values()), {}).done
        kept = [(row, outcome) for row, outcome in done if outcome.settled or outcome.reason == LARGE]
        self._batches.record(BatchResult(kept))
        return max((numbers[id(row)] for row, outcome in kept if outcome.kind in _TAKEN), default=0)
