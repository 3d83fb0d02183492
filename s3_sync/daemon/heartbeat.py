"""Signs of life of one job, from which the watchdog and the metrics see whether it hangs."""

from __future__ import annotations

import time
from collections.abc import Callable

from s3_sync.config.settings import Mapping

#: seconds without a sign of life after which a turn will not end any more: no time-out of ours lasts so long,
#: however often it is repeated
STALL_LIMIT = 1800.0


class Heartbeat:
    """Times are monotonic seconds. A heartbeat is a look at the clock: a row must not notice what it costs.

    ``last_seen``: a turn began or ended, a row was handled, a chunk was read. ``progress``: when something
    was last settled, or nothing was left that could be done. ``is_running``: a turn is in progress.
    ``is_failing``: the last turn failed. ``stalled_since``: when the first turn began since ``progress`` that
    has ended and brought none; None: there was no such turn, though one may be overdue."""

    __slots__ = (
        "_began", "_now", "is_failing", "is_running", "last_seen", "mapping", "progress", "stalled_since",
        "turns",
    )  # fmt: skip

    def __init__(self, mapping: Mapping, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.mapping = mapping
        self.last_seen = self.progress = self._began = now()
        self.turns = 0
        self.is_running = False
        self.is_failing = False
        self.stalled_since: float | None = None

    def touch(self) -> None:
        self.last_seen = self._now()

    def made_progress(self) -> None:
        self.last_seen = self.progress = self._now()
        self.stalled_since = None

    def begin(self) -> None:
        """A turn begins."""
        self.is_running = True
        self.touch()
        self._began = self.last_seen

    def end(self, idle: bool, failing: bool) -> None:
        """A turn has ended. ``idle``: there is nothing left that can be done now."""
        self.turns += 1
        self.is_running = False
        self.is_failing = failing
        self.touch()
        if idle and not failing:
            self.made_progress()
        elif self.stalled_since is None and self.progress <= self._began:
            self.stalled_since = self._began
