"""Schedules the deletion of moved objects' segments: a slice per step, one container at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from s3_sync.config.settings import Mapping
from s3_sync.errors import SyncError
from s3_sync.runtime.log_once import LogOnce
from s3_sync.sync.lifecycle.release import LifecycleState
from s3_sync.sync.lifecycle.segment_cleanup import SegmentCleaner
from s3_sync.sync.services import Context

log = logging.getLogger("s3-sync")

#: the shortest interval between two sweeps, the time per step, and the pause after a sweep as a multiple of
#: its duration; in seconds
SWEEP_INTERVAL, SWEEP_SLICE, SWEEP_REST_FACTOR = 60.0, 2.0, 10.0


class SegmentSweep:
    """The sweeps of one mapping. ``failed``: the last one left segments that another one has to delete."""

    def __init__(
        self,
        context: Context,
        mapping: Mapping,
        lifecycle: LifecycleState,
        new_cleaner: Callable[[], SegmentCleaner],
    ) -> None:
        self._context = context
        self._mapping = mapping
        self._lifecycle = lifecycle
        self._new_cleaner = new_cleaner
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
        now, cleanups = self._context.clock.now, self._lifecycle.cleanups
        if self._running is None:
            if now() < self._next or self._mapping.profile.retain_local or cleanups.is_empty():
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
            message = "%s: deletion of segments of moved objects is postponed: %s"
            log.log(level, message, self._mapping.label, error)
            self.failed = True
        self._running = None
        if self._lifecycle.account_index is not None:
            self._lifecycle.account_index.end_sweep(self)
        if self._context.once:
            return not self.failed and not cleanups.is_empty()
        self._next = now() + max(SWEEP_INTERVAL, SWEEP_REST_FACTOR * (now() - self._started))
        return False

    def _acquire(self) -> bool:
        """Each sweep scans the whole account, so only one container of an account sweeps at a time."""
        account_index = self._lifecycle.account_index
        return account_index is None or self._context.once or account_index.acquire_sweep(self)

    def _sweep(self) -> Iterator[None]:
        cleaner = self._new_cleaner()
        yield from cleaner.run()
        self.failed = cleaner.failed
