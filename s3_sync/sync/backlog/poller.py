"""The backlog of each mapping of the configuration, counted periodically while the daemon works."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from s3_sync.daemon.activity import Activity
from s3_sync.daemon.counters import Counters
from s3_sync.errors import SyncError
from s3_sync.sync.backlog.reader import BacklogReader, MappingBacklog

log = logging.getLogger("s3-sync")

#: the pause after a count, as a multiple of its duration: counting may use half a percent of a processor
COUNT_REST_FACTOR = 200.0


@dataclass(slots=True)
class Pending:
    """The sums of ``MappingBacklog`` over all containers of a mapping.

    ``oldest``, ``counted_at``: the earliest of all, in seconds since the epoch; ``oldest`` is None if nothing
    is pending; ``counted_at`` is when all numbers were last correct. ``reasons``: number of failing objects
    by reason.
    """

    rows_behind: int = 0
    objects: int = 0
    bytes: int = 0
    oldest: float | None = None
    not_due: int = 0
    unverified: int = 0
    retrying: int = 0
    quarantined: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    databases: int = 0
    unreadable: int = 0
    counted_at: float = float("inf")

    def add(self, backlog: MappingBacklog, now: float) -> None:
        counts, pending, troubles = backlog.counts, backlog.pending, backlog.troubles
        self.rows_behind += counts.overdue.rows
        self.objects += pending.objects
        self.bytes += pending.bytes
        if pending.oldest is not None:
            self.oldest = pending.oldest if self.oldest is None else min(self.oldest, pending.oldest)
        self.not_due += counts.not_due.objects
        self.unverified += counts.unverified.rows
        self.retrying += troubles.retrying + troubles.expiring + troubles.metadata + troubles.segments
        self.quarantined += troubles.quarantined
        self.reasons.update(troubles.reasons)
        self.databases += len(backlog.databases)
        self.unreadable += len(backlog.errors)
        counted_at = backlog.counted_at
        self.counted_at = min(self.counted_at, now if counted_at is None else counted_at)


def _yield_to_hub() -> None:
    time.sleep(0)


class BacklogPoller:
    """Counts the backlog of all mappings. ``new_reader`` receives the function that the reader must call
    between chunks.

    ``yield_to_hub`` lets other threads run; its duration does not count as ours. ``totals``: by the keys of
    ``Activity.by_mapping``. If a mapping cannot be counted, it keeps its old numbers, whose age
    ``counted_at`` shows.
    """

    def __init__(
        self,
        activity: Activity,
        new_reader: Callable[[Callable[[], None]], BacklogReader],
        now: Callable[[], float],
        yield_to_hub: Callable[[], None] = _yield_to_hub,
    ) -> None:
        self.totals: dict[str, Pending] = {}
        self._activity = activity
        self._reader = new_reader(self._timed_yield)
        self._now = now
        self._yield = yield_to_hub
        self._yielded = 0.0
        self._rest_until = float("-inf")
        self._failing: set[str] = set()

    def update(self) -> None:
        """Count again, unless the pause after the last count is still running."""
        begun = self._activity.now()
        if begun < self._rest_until:
            return
        self._yielded = 0.0
        counted = (
            (key, self._count(key, counters)) for key, counters in list(self._activity.by_mapping.items())
        )
        self.totals = {key: totals for key, totals in counted if totals}
        ended = self._activity.now()
        self._rest_until = ended + COUNT_REST_FACTOR * max(0.0, ended - begun - self._yielded)

    def _count(self, key: str, counters: Counters) -> Pending | None:
        """The totals of one mapping; None if it was removed meanwhile."""
        totals = Pending()
        # without the heartbeat of the account crawl: containers have heartbeats of their own
        heartbeats = [each for each in counters.heartbeats.values() if not each.mapping.is_account_wide]
        for heartbeat in heartbeats:
            try:
                totals.add(self._reader.read(heartbeat.mapping), self._now())
            except SyncError as error:
                if key not in self._failing:
                    log.warning("%s: the backlog cannot be counted: %s", heartbeat.mapping.label, error)
                self._failing.add(key)
                return self.totals.get(key)
            self._timed_yield()
        self._failing.discard(key)
        return totals if heartbeats else None

    def _timed_yield(self) -> None:
        begun = self._activity.now()
        self._yield()
        self._yielded += self._activity.now() - begun
