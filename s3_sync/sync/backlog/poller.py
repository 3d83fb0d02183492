"""What is outstanding for each mapping of the configuration, counted again and again beside the work."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from s3_sync.config.settings import Mapping
from s3_sync.daemon.activity import Activity
from s3_sync.daemon.counters import Counters
from s3_sync.errors import SyncError
from s3_sync.sync.backlog.reader import MappingBacklog

log = logging.getLogger("s3-sync")

#: counting rests for so many times as long as it took: it may cost half a percent of a processor
REST = 200.0


@dataclass(slots=True)
class Pending:
    """See ``facts.MappingBacklog``, whose numbers these are, over all containers of a mapping.

    ``oldest``, ``counted_at``: seconds since the epoch, the earliest of all; ``oldest`` None when nothing is
    pending; ``counted_at`` is when all of it was last true. ``reasons``: how many objects fail for each.
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

    def add(self, facts: MappingBacklog, now: float) -> None:
        counts, pending, troubles = facts.counts, facts.pending, facts.troubles
        self.rows_behind += counts.behind.rows
        self.objects += pending.objects
        self.bytes += pending.bytes
        if pending.oldest is not None:
            self.oldest = pending.oldest if self.oldest is None else min(self.oldest, pending.oldest)
        self.not_due += counts.later.objects
        self.unverified += counts.unverified.rows
        self.retrying += troubles.retrying + troubles.expiring
        self.quarantined += troubles.quarantined
        self.reasons.update(troubles.reasons)
        self.databases += len(facts.databases)
        self.unreadable += len(facts.errors)
        counted_at = facts.counted_at
        self.counted_at = min(self.counted_at, now if counted_at is None else counted_at)


def _let_others() -> None:
    time.sleep(0)


class Answers(Protocol):
    """Such as ``facts.BacklogReader``."""

    def of(self, mapping: Mapping) -> MappingBacklog: ...


class BacklogPoller:
    """``breathe`` lets others work; what it takes is not counted as ours. Build ``facts`` with ``breather``.

    ``found``: by the keys of ``Activity.by_mapping``; what could not be counted keeps its old numbers, whose
    ``counted_at`` tells their age.
    """

    def __init__(
        self,
        activity: Activity,
        facts: Callable[[Callable[[], None]], Answers],
        now: Callable[[], float],
        breathe: Callable[[], None] = _let_others,
    ) -> None:
        self.found: dict[str, Pending] = {}
        self._activity = activity
        self._facts = facts(self._breathe)
        self._now = now
        self._pause = breathe
        self._others = 0.0
        self._rest_until = float("-inf")
        self._failing: set[str] = set()

    def update(self) -> None:
        """Count, unless the last count was so long that it is too early."""
        begun = self._activity.now()
        if begun < self._rest_until:
            return
        self._others = 0.0
        counted = (
            (key, self._of(key, counters)) for key, counters in list(self._activity.by_mapping.items())
        )
        self.found = {key: found for key, found in counted if found}
        ended = self._activity.now()
        self._rest_until = ended + REST * max(0.0, ended - begun - self._others)

    def _of(self, key: str, counters: Counters) -> Pending | None:
        """Others work meanwhile, and may have taken the mapping out."""
        found = Pending()
        # not that of the listing of an account, whose containers have heartbeats of their own
        heartbeats = [each for each in counters.heartbeats.values() if not each.mapping.is_whole]
        for heartbeat in heartbeats:
            try:
                found.add(self._facts.of(heartbeat.mapping), self._now())
            except SyncError as error:
                if key not in self._failing:
                    log.warning("%s: what is pending cannot be counted: %s", heartbeat.mapping.label, error)
                self._failing.add(key)
                return self.found.get(key)
            self._breathe()
        self._failing.discard(key)
        return found if heartbeats else None

    def _breathe(self) -> None:
        begun = self._activity.now()
        self._pause()
        self._others += self._activity.now() - begun
