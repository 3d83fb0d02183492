"""Schedules sweeps, which delete segments that nothing names any more: a slice per step."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from s3_sync.config.settings import Mapping
from s3_sync.errors import SyncError
from s3_sync.runtime.log_once import LogOnce
from s3_sync.runtime.turn import Turn
from s3_sync.sync.services import Context

log = logging.getLogger("s3-sync")

#: the shortest interval between two sweeps, the time per step, and the pause after a sweep as a multiple of
#: its duration; in seconds
SWEEP_INTERVAL, SWEEP_SLICE, SWEEP_REST_FACTOR = 60.0, 2.0, 10.0


class Cleaner(Protocol):
    """One sweep. ``failed``: it left something that another one has to delete."""

    failed: bool

    def run(self) -> Iterator[None]:
        """Yields between steps, so that the caller can do other work. Raises SyncError."""
        ...


@dataclass(frozen=True, slots=True)
class SweepTask:
    """What the sweeps of a mapping do. ``what``: for the log. ``turn``: of those that read the same
    account, None if others do not matter."""

    what: str
    is_due: Callable[[], bool]
    new_cleaner: Callable[[], Cleaner]
    turn: Callable[[], Turn | None]


class SegmentSweep:
    """The sweeps of one mapping. ``failed``: the last one left segments that another one has to delete."""

    def __init__(self, context: Context, mapping: Mapping, task: SweepTask) -> None:
        self._context = context
        self._mapping = mapping
        self._task = task
        self._log_once = LogOnce()
        self._running: Iterator[None] | None = None
        self._started = 0.0
        self._next = float("-inf")
        self.failed = False

    def clock_was_set_back(self) -> None:
        """Do not wait for a time that the clock shows only later."""
        self._next = float("-inf")

    def step(self) -> bool:
        """Run one slice, if a sweep is due. Returns whether there is more to do right away.

        A scan of the account may take long, so the next one starts only after a multiple of that time.
        """
        now, task = self._context.clock.now, self._task
        if self._running is None:
            if now() < self._next or not task.is_due():
                return False
            if not self._acquire():
                return False
            self._running, self._started, self.failed = self._sweep(), now(), False
        elif not self._acquire():
            return False
        until = now() + SWEEP_SLICE
        try:
            for _ in self._running:
                if self._context.stop.is_set() or not 0 <= until - now() <= SWEEP_SLICE:
                    return True
        except SyncError as error:
            level = self._log_once.level_for("sweep", type(error).__name__)
            log.log(level, "%s: %s is postponed: %s", self._mapping.label, task.what, error)
            self.failed = True
        self._running = None
        if (turn := task.turn()) is not None:
            turn.end(self)
        if self._context.once:
            return not self.failed and task.is_due()
        self._next = now() + max(SWEEP_INTERVAL, SWEEP_REST_FACTOR * (now() - self._started))
        return False

    def _acquire(self) -> bool:
        """Each sweep scans the whole account, so only one mapping of an account sweeps at a time."""
        turn = self._task.turn()
        return turn is None or self._context.once or turn.acquire(self)

    def _sweep(self) -> Iterator[None]:
        cleaner = self._task.new_cleaner()
        yield from cleaner.run()
        self.failed = cleaner.failed
