"""Rows that take so long that their batch completes without them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from s3_sync.daemon.name_locks import NameLocks
from s3_sync.daemon.task_pool import TaskPool
from s3_sync.model.outcomes import LARGE, Kind, Outcome
from s3_sync.model.rows import Row

#: seconds that a batch waits for its last rows
STRAGGLER_TIMEOUT = 5.0


class Stragglers:
    """The rows of one mapping that are in progress, and those that their batch has left behind.

    The batch journals a straggler as waiting before its cursor passes the row. The thread continues and the
    name stays claimed, as if it were in the large-object lane, until ``record`` has replaced the journal
    entry by the row's outcome. A killed process loses nothing.
    """

    def __init__(
        self, names: NameLocks, lane: TaskPool, record: Callable[[Row, Outcome], None], max_left: int
    ) -> None:
        """``max_left``: while this many rows are left behind, batches wait for all of their rows."""
        self._names = names
        self._lane = lane
        self._record = record
        self._max_left = max_left
        self._running: dict[int, Row] = {}
        #: id of a row -> whether its name was claimed when it was left behind
        self._left: dict[int, bool] = {}
        self._outcomes: list[Outcome] = []
        self._error: Exception | None = None

    @property
    def timeout(self) -> float | None:
        """Seconds that a batch waits for its last rows; None: until they have ended."""
        return STRAGGLER_TIMEOUT if len(self._left) < self._max_left else None

    @property
    def any_left(self) -> bool:
        """Whether any row that its batch left behind is still in progress."""
        return bool(self._left)

    def handle(self, row: Row, handle: Callable[[Row], Outcome | None]) -> Outcome | None:
        """Returns the result of ``handle``, which runs in the calling thread."""
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
        """Leave behind the rows that are still in progress. Returns the outcomes, by id, for the batch to
        record."""
        left: dict[int, Outcome] = {}
        for row in rows:
            if id(row) in self._running:
                self._left[id(row)] = self._names.keep(row.name)
                self._lane.slow += 1
                left[id(row)] = Outcome(Kind.PENDING, LARGE, "the transfer outlasts its batch", size=row.size)
        return left

    def take_outcomes(self) -> list[Outcome]:
        """Returns the outcomes of stragglers that ended since the last call. Raises StateError if one could
        not be recorded: its object is then sent in the large-object lane."""
        outcomes, self._outcomes = self._outcomes, []
        error, self._error = self._error, None
        if error is not None:
            raise error
        return outcomes

    def wait(self) -> bool:
        """Wait briefly for stragglers; False if there are none."""
        if self._left:
            self._lane.wait()
        return bool(self._left)

    def _end(self, row: Row, outcome: Outcome | None) -> None:
        """``outcome`` None: the row was not started, or its thread was killed; the journal entry stays."""
        try:
            if outcome is not None and outcome.reason != LARGE:
                self._record(row, outcome)
                self._outcomes.append(outcome)
        except Exception as error:
            self._error = error
        finally:
            if self._left.pop(id(row)):
                self._names.release(row.name)
            self._lane.slow_ended()
