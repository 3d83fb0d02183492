"""Rows that take so long that their batch goes on without them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from s3_sync.daemon.name_locks import NameLocks
from s3_sync.daemon.task_pool import TaskPool
from s3_sync.model.outcomes import LARGE, Kind, Outcome
from s3_sync.model.rows import Row

#: so long, in seconds, a batch waits for its last rows
PATIENCE = 5.0


class Stragglers:
    """Rows of one mapping: those at work, and those that were left behind.

    The batch writes what it leaves behind into the journal as waiting, before its cursor passes it. The
    thread goes on, and the name stays claimed, as if it were in the lane of large objects, until ``settle``
    has written down what became of the row, in place of that entry. A kill forgets nothing.
    """

    def __init__(
        self, names: NameLocks, lane: TaskPool, settle: Callable[[Row, Outcome], None], most: int
    ) -> None:
        """``most``: the batch waits while so many have been left behind already."""
        self._names = names
        self._lane = lane
        self._settle = settle
        self._most = most
        self._running: dict[int, Row] = {}
        #: whether its name was claimed when it was left behind, by the id of the row
        self._left: dict[int, bool] = {}
        self._tried: list[Outcome] = []
        self._error: Exception | None = None

    @property
    def patience(self) -> float | None:
        """Seconds that a batch waits for its last rows; None: until they have ended."""
        return PATIENCE if len(self._left) < self._most else None

    @property
    def any_left(self) -> bool:
        """Whether any row is at work that its batch has left behind."""
        return bool(self._left)

    def handle(self, row: Row, handle: Callable[[Row], Outcome | None]) -> Outcome | None:
        """The result of ``handle``, in the thread that calls this."""
        self._running[id(row)] = row
        outcome: Outcome | None = None
        try:
            outcome = handle(row)
        finally:
            del self._running[id(row)]
            if id(row) in self._left:
                self._end(row, outcome)
        return outcome

    def leave(self, rows: Sequence[Row]) -> dict[int, Outcome]:
        """For those of them that are still at work, by id: what the batch has to write down."""
        left: dict[int, Outcome] = {}
        for row in rows:
            if id(row) in self._running:
                self._left[id(row)] = self._names.keep(row.name)
                self._lane.slow += 1
                left[id(row)] = Outcome(Kind.PENDING, LARGE, "it takes longer than others", size=row.size)
        return left

    def tried(self) -> list[Outcome]:
        """What became of those that have ended since this was last asked. Raises StateError where that could
        not be written down: such an object gets its turn in the lane of large objects."""
        tried, self._tried = self._tried, []
        error, self._error = self._error, None
        if error is not None:
            raise error
        return tried

    def wait(self) -> bool:
        """A moment, for those that were left behind; False when there are none."""
        if self._left:
            self._lane.wait()
        return bool(self._left)

    def _end(self, row: Row, outcome: Outcome | None) -> None:
        """None: it was not begun, or was killed; its entry waits for another turn."""
        try:
            if outcome is not None and outcome.reason != LARGE:
                self._settle(row, outcome)
                self._tried.append(outcome)
        except Exception as error:
            self._error = error
        finally:
            if self._left.pop(id(row)):
                self._names.release(row.name)
            self._lane.slow_ended()
