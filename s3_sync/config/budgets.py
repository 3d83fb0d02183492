"""How fast a mapping may go at what time, and how much it may delete: frozen values.

``None`` is no limit. A rate of 0 means that nothing is begun in that time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Literal

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Rates:
    """Bytes sent to the store, and requests made there, per second."""

    bytes_per_second: float | None = None
    requests_per_second: float | None = None

    @property
    def closed(self) -> bool:
        """Whether nothing may be begun."""
        return 0 in (self.bytes_per_second, self.requests_per_second)


@dataclass(frozen=True, slots=True)
class Hours:
    """A time of the week, and what counts then. ``days``: 0 = Monday, those on which it begins. ``start``
    and ``end`` in minutes of a day; one that ends no later than it starts lasts until the next day."""

    days: frozenset[int]
    start: int
    end: int
    rates: Rates

    def holds(self, weekday: int, minute: int) -> bool:
        if self.start < self.end:
            return weekday in self.days and self.start <= minute < self.end
        if minute >= self.start:
            return weekday in self.days
        return minute < self.end and (weekday - 1) % 7 in self.days


@dataclass(frozen=True, slots=True)
class Budget:
    """``rates`` hold where no entry of the ``timetable`` does; of those that do, the first one counts.

    ``zone`` None: the time of this machine. Entries are compared with what the clock on the wall shows: where
    it is put back, an hour lasts for two, and where it is put forward, for none.
    """

    rates: Rates = Rates()
    timetable: tuple[Hours, ...] = ()
    zone: tzinfo | None = None

    def at(self, seconds: float) -> Rates:
        """What counts at this time (seconds since the epoch). It changes at full minutes only."""
        if not self.timetable:
            return self.rates
        wall = datetime.fromtimestamp(seconds, self.zone)
        weekday, minute = wall.weekday(), wall.hour * 60 + wall.minute
        return next((hours.rates for hours in self.timetable if hours.holds(weekday, minute)), self.rates)


@dataclass(frozen=True, slots=True)
class AccountBudget:
    """What all mappings that name the same credentials share. ``name``: what the file calls them."""

    name: str
    budget: Budget


@dataclass(frozen=True, slots=True)
class DeleteBudget:
    """At most ``deletes`` objects, and at most ``percent`` of a container's, in ``interval`` seconds.

    When more are to be deleted they wait: for an operator, or for the next interval.
    """

    deletes: int | None = None
    percent: float | None = None
    interval: float = 86400.0
    then: Literal["operator", "next_interval"] = "operator"

    def allows(self, objects: float, replicas: int) -> int | None:
        """How many one of so many replicas may delete, whose part of the container is ``objects``."""
        limits = [] if self.deletes is None else [math.ceil(self.deletes / replicas)]
        if self.percent is not None:
            limits.append(math.floor(objects * self.percent / 100))
        return min(limits, default=None)


def minute_of(seconds: float) -> int:
    """The same for two times exactly if no timetable can change between them."""
    return math.floor(seconds / 60)
