"""``delete_budget``: when a mapping deletes more than it may, its deletes wait. Everything else goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from s3_sync.config.settings import Mapping
from s3_sync.daemon.counters import Counters
from s3_sync.errors import DeletesHeld
from s3_sync.model.rows import Row
from s3_sync.state.controls import Controls
from s3_sync.state.delete_count import NOTED, DeleteCount, read_count
from s3_sync.state.journal import Journal

log = logging.getLogger("s3-sync")

#: the count is written down ahead, for so large a part of what is allowed: a crash uses that up at most
AHEAD = 20


class DeleteGuard:
    """Of one container. ``counters``: where it shows that deletes are held.

    Each replica of a container counts alone, and has its part of the budget: names are divided evenly among
    replicas, so that together they delete what is allowed. One delete is allowed to each in any case.
    """

    def __init__(
        self,
        mapping: Mapping,
        journal: Journal,
        controls: Controls,
        counters: Counters,
        now: Callable[[], float],
    ) -> None:
        self._mapping = mapping
        self._budget = mapping.profile.delete_budget
        self._journal = journal
        self._controls = controls
        self._counters = counters
        self._now = now
        #: database -> its objects when it was last read, and the most that it had in this interval or when
        #: it began; and how many replicas it has
        self._objects: dict[str, tuple[int, int, int]] = {}
        self._count = read_count(journal.noted(mapping.journal_key, NOTED))
        self._reserved = self._count.used
        self._show()

    @property
    def is_held(self) -> bool:
        """Whether deletes wait."""
        return self._budget is not None and self._count.held

    @property
    def is_set(self) -> bool:
        return self._budget is not None

    @property
    def until(self) -> float:
        """When deletes that are held have their turn again, in seconds since the epoch; infinity: when the
        operator says so."""
        if self._budget is None or self._budget.then == "operator":
            return float("inf")
        return self._count.began + self._budget.interval

    def saw(self, database: str, objects: int, replicas: int) -> None:
        """How many objects a database of the container has just now."""
        last, most, _ = self._objects.get(database, (0, 0, replicas))
        self._objects[database] = objects, max(objects, most if self._is_begun() else last), replicas

    def look(self) -> bool:
        """Before each turn: whether deletes that were held go on from now on. Raises StateError."""
        count, written = self._count, repr(self._budget) if self._budget else ""
        allowed = self._controls.deletes_allowed(self._mapping)
        if allowed > count.allowed_until:
            return self._release(
                replace(count, allowed_until=allowed, budget=written), "the operator says so"
            )
        if count.held and written != count.budget:
            return self._release(replace(count, budget=written), "the budget is another one")
        if count.held and self.until < float("inf") and not self._is_begun():
            return self._release(count, "another interval begins")
        return False

    def holds(self, row: Row) -> bool:
        """Whether it is a delete that has to wait anyhow."""
        count = self._count
        return row.deleted and count.held and row.data_timestamp.seconds > count.allowed_until

    def check(self, written: float) -> None:
        """Raises DeletesHeld where a delete that was made in Swift at ``written`` has to wait anyhow."""
        if self._budget is not None and self._count.held and written > self._count.allowed_until:
            raise DeletesHeld("the delete budget is used up")

    def take(self, written: float) -> bool:
        """Whether one object may be deleted now; it counts then. Raises StateError."""
        if self._budget is None or written <= self._count.allowed_until:
            return True
        if self._count.held:
            return False
        now = self._now()
        if not self._is_begun():
            self._count = replace(self._count, began=now, used=0)
            self._reserved = 0
        limit = self._limit()
        if limit is not None and self._count.used >= limit:
            self._hold(limit)
            return False
        self._count = replace(self._count, used=self._count.used + 1)
        if limit is not None and self._count.used > self._reserved:
            self._reserved = min(limit, self._count.used + limit // AHEAD)
            self._write(replace(self._count, used=self._reserved, limit=limit, budget=repr(self._budget)))
        return True

    def give_back(self, written: float, deletes: int = 1) -> None:
        """So many of those that were taken did not take place."""
        if self._budget is not None and written > self._count.allowed_until:
            self._count = replace(self._count, used=max(0, self._count.used - deletes))

    def _is_begun(self) -> bool:
        """Whether an interval is going on."""
        interval = 0.0 if self._budget is None else self._budget.interval
        return 0 <= self._now() - self._count.began < interval

    def _limit(self) -> int | None:
        assert self._budget is not None
        replicas = max((replicas for _, _, replicas in self._objects.values()), default=1)
        part = sum(most / replicas for _, most, replicas in self._objects.values())
        allowed = self._budget.allows(part, replicas)
        return None if allowed is None else max(1, allowed)

    def _hold(self, limit: int) -> None:
        self._count = replace(self._count, limit=limit, held_since=self._now(), budget=repr(self._budget))
        self._write(self._count)
        log.error(
            "%s: %d objects were deleted in %.0f s, all that the delete budget allows: others wait %s",
            self._mapping.label, self._count.used, self._now() - self._count.began,
            "for the next interval" if self.until < float("inf") else "until an operator allows them",
        )  # fmt: skip

    def _release(self, count: DeleteCount, why: str) -> bool:
        released = self._count.held
        self._count = replace(count, began=self._now(), used=0, held_since=0.0)
        self._reserved = 0
        self._write(self._count)
        self._journal.release_deletes(self._mapping.journal_key, self._now())
        if released:
            log.info("%s: deletes go on: %s", self._mapping.label, why)
        return released

    def _write(self, count: DeleteCount) -> None:
        self._journal.note(self._mapping.journal_key, NOTED, count.as_text())
        self._show()

    def _show(self) -> None:
        container = self._mapping.container
        (self._counters.held.add if self._count.held else self._counters.held.discard)(container)
