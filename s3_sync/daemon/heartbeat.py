"""The heartbeat of one job: the watchdog and the metrics detect a hung job by it."""

from __future__ import annotations

import time
from collections.abc import Callable

from s3_sync.config.settings import Mapping

#: seconds without a sign of life after which a turn counts as hung: longer than any of our timeouts, with
#: all retries
STALL_LIMIT = 1800.0


class Heartbeat:
    """Times are monotonic seconds. A touch costs one clock read, as it happens for every row.

    ``last_seen``: when a turn last began or ended, a row was handled, or a chunk was read. ``progress``: when
    a row was last settled, or no work was left. ``is_running``: a turn is in progress. ``is_failing``: the
    last turn failed. ``stalled_since``: start of the first turn since ``progress`` that ended without any;
    None: there was no such turn, though one may be overdue."""

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
        """Record the start of a turn."""
        self.is_running = True
        self.touch()
        self._began = self.last_seen

    def end(self, idle: bool, failing: bool) -> None:
        """Record the end of a turn. ``idle``: no work is left that could be done now."""
        self.turns += 1
        self.is_running = False
        self.is_failing = failing
        self.touch()
        if idle and not failing:
            self.made_progress()
        elif self.stalled_since is None and self.progress <= self._began:
            self.stalled_since = self._began
