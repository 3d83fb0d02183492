"""Rate limits with their timetables, and delete budgets, as frozen values.

``None`` means no limit. A rate of 0 means that no transfer starts in that time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Literal

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Rates:
    """Rate limits: bytes sent to the store, and requests to it, per second."""

    bytes_per_second: float | None = None
    requests_per_second: float | None = None

    @property
    def closed(self) -> bool:
        """Whether no transfer may start."""
        return 0 in (self.bytes_per_second, self.requests_per_second)


@dataclass(frozen=True, slots=True)
class Hours:
    """A period of the week and its rates. ``days``: the days on which it begins, 0 = Monday. ``start`` and
    ``end``: in minutes of the day; a period whose end is not after its start lasts into the next day."""

    days: frozenset[int]
    start: int
    end: int
    rates: Rates

    def covers(self, weekday: int, minute: int) -> bool:
        if self.start < self.end:
            return weekday in self.days and self.start <= minute < self.end
        if minute >= self.start:
            return weekday in self.days
        return minute < self.end and (weekday - 1) % 7 in self.days


@dataclass(frozen=True, slots=True)
class Budget:
    """The first entry of the ``timetable`` that covers the time applies; if none does, ``rates`` apply.

    ``zone`` None: local time. Entries are compared with wall-clock time: when daylight saving time ends, an
    hour applies twice, and when it begins, one is skipped.
    """

    rates: Rates = Rates()
    timetable: tuple[Hours, ...] = ()
    zone: tzinfo | None = None

    def at(self, seconds: float) -> Rates:
        """Return the rates at a time in seconds since the epoch. They change at full minutes only."""
        if not self.timetable:
            return self.rates
        wall = datetime.fromtimestamp(seconds, self.zone)
        weekday, minute = wall.weekday(), wall.hour * 60 + wall.minute
        return next((hours.rates for hours in self.timetable if hours.covers(weekday, minute)), self.rates)


@dataclass(frozen=True, slots=True)
class AccountBudget:
    """The budget that all mappings with the same credentials share. ``name``: that of the credentials."""

    name: str
    budget: Budget


@dataclass(frozen=True, slots=True)
class DeleteBudget:
    """At most ``deletes`` objects, and at most ``percent`` of a container's objects, per ``interval``
    seconds.

    Further deletes wait for the operator's permission or for the next interval, as ``then`` says.
    """

    deletes: int | None = None
    percent: float | None = None
    interval: float = 86400.0
    then: Literal["operator", "next_interval"] = "operator"

    def allows(self, objects: float, replicas: int) -> int | None:
        """Return the limit for one of ``replicas`` replicas whose share of the container is ``objects``
        objects; None if there is no limit."""
        limits = [] if self.deletes is None else [math.ceil(self.deletes / replicas)]
        if self.percent is not None:
            limits.append(math.floor(objects * self.percent / 100))
        return min(limits, default=None)


def minute_of(seconds: float) -> int:
    """Return the number of the minute; rates are constant within one."""
    return math.floor(seconds / 60)
