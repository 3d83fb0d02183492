"""The delete limiter (``delete_budget``): holds back a mapping's deletes once the budget is exhausted.
Everything else continues."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from s3_sync.config.settings import Mapping
from s3_sync.daemon.counters import Counters
from s3_sync.errors import DeletesHeld
from s3_sync.state.controls import CLOCK_TOLERANCE, Controls
from s3_sync.state.delete_count import META_KEY, DeleteCount, read_count
from s3_sync.state.journal import Journal

log = logging.getLogger("s3-sync")

#: The count is persisted ahead of use, in steps of this fraction of the limit: a crash wastes at most one.
RESERVED_PART = 20


class _ObjectCount(NamedTuple):
    """The object count of one database of the container, of which there are ``replicas``: when ``last`` read,
    and the maximum in this interval, its beginning included."""

    last: int
    most: int
    replicas: int


class DeleteLimiter:
    """Enforces the delete budget of one container. ``counters`` record whether deletes are held back.

    Each replica of a container counts its own deletes against an equal part of the budget: names are divided
    evenly among the replicas, so their sum stays within the budget. Each may delete at least one object.
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
        #: by database
        self._objects: dict[str, _ObjectCount] = {}
        self._count = read_count(journal.get_meta(mapping.journal_key, META_KEY))
        self._reserved = self._count.used
        self._show()

    @property
    def is_held(self) -> bool:
        """Whether deletes are held back."""
        return self._budget is not None and self._count.held

    @property
    def is_set(self) -> bool:
        return self._budget is not None

    @property
    def until(self) -> float:
        """When held deletes resume, in seconds since the epoch; infinity: only when an operator allows
        them."""
        if self._budget is None or self._budget.then == "operator":
            return float("inf")
        return self._count.began + self._budget.interval

    def update_object_count(self, database: str, objects: int, replicas: int) -> None:
        """Record the current number of objects in a database of the container."""
        known = self._objects.get(database, _ObjectCount(0, 0, replicas))
        most = max(objects, known.most if self._in_interval() else known.last)
        self._objects[database] = _ObjectCount(objects, most, replicas)

    def poll(self) -> bool:
        """Release held deletes if they may resume; call this before each turn. Returns whether any were
        released. Raises StateError."""
        count, written = self._count, repr(self._budget) if self._budget else ""
        allowed = self._valid(self._controls.deletes_allowed(self._mapping))
        if allowed > self._allowed_until:
            return self._release(
                replace(count, allowed_until=allowed, budget=written), "an operator allowed them"
            )
        if count.held and written != count.budget:
            return self._release(replace(count, budget=written), "the delete budget changed")
        if count.held and self.until < float("inf") and not self._in_interval():
            return self._release(count, "a new budget interval began")
        return False

    def blocks(self, deleted_at: float) -> bool:
        """Whether a delete that Swift received at ``deleted_at`` is held back now."""
        return self._count.held and deleted_at > self._allowed_until

    def ensure_open(self, deleted_at: float) -> None:
        """Raises DeletesHeld where ``blocks``."""
        if self._budget is not None and self.blocks(deleted_at):
            raise DeletesHeld("the delete budget is exhausted")

    def acquire(self, deleted_at: float) -> bool:
        """Take one delete from the budget. Returns False if the delete has to wait. Raises StateError."""
        if self._budget is None or deleted_at <= self._allowed_until:
            return True
        if self._count.held:
            return False
        now = self._now()
        if not self._in_interval():
            self._count = replace(self._count, began=now, used=0)
            self._reserved = 0
        limit = self._limit()
        if limit is not None and self._count.used >= limit:
            self._hold(limit)
            return False
        self._count = replace(self._count, used=self._count.used + 1)
        if limit is not None and self._count.used > self._reserved:
            self._reserved = min(limit, self._count.used + limit // RESERVED_PART)
            self._write(replace(self._count, used=self._reserved, limit=limit, budget=repr(self._budget)))
        return True

    def refund(self, deleted_at: float, count: int = 1) -> None:
        """Return ``count`` units to the budget: deletes that ``acquire`` admitted but that failed."""
        if self._budget is not None and deleted_at > self._allowed_until:
            self._count = replace(self._count, used=max(0, self._count.used - count))

    @property
    def _allowed_until(self) -> float:
        return self._valid(self._count.allowed_until)

    def _valid(self, allowed: float) -> float:
        """A permission covers deletes of the past. 0.0 instead of one from the future: whoever gave it had a
        clock that was ahead, and it would allow all deletes until then."""
        return allowed if allowed <= self._now() + CLOCK_TOLERANCE else 0.0

    def _in_interval(self) -> bool:
        """Whether an interval is in progress."""
        interval = 0.0 if self._budget is None else self._budget.interval
        return 0 <= self._now() - self._count.began < interval

    def _limit(self) -> int | None:
        assert self._budget is not None
        replicas = max((each.replicas for each in self._objects.values()), default=1)
        part = sum(each.most / each.replicas for each in self._objects.values())
        allowed = self._budget.allows(part, replicas)
        return None if allowed is None else max(1, allowed)

    def _hold(self, limit: int) -> None:
        self._count = replace(self._count, limit=limit, held_since=self._now(), budget=repr(self._budget))
        self._write(self._count)
        log.error(
            "%s: the delete budget is exhausted (%d objects deleted in %.0f s): further deletes wait %s",
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
            log.info("%s: deletes resume: %s", self._mapping.label, why)
        return released

    def _write(self, count: DeleteCount) -> None:
        self._journal.set_meta(self._mapping.journal_key, META_KEY, count.as_text())
        self._show()

    def _show(self) -> None:
        container = self._mapping.container
        (self._counters.held.add if self._count.held else self._counters.held.discard)(container)
