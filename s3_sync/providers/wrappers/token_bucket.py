"""So much a second and no more, shared fairly by those who wait for it."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Hashable

#: what was not used is kept for so many seconds
BURST_SECONDS = 1.0
#: nobody waits for less, in seconds
SHORTEST = 0.001


class _Ticket:
    """Somebody's place in the queue."""

    __slots__ = ("amount", "changed", "gone")

    def __init__(self, amount: float, lock: threading.Lock) -> None:
        self.amount = amount
        self.changed = threading.Condition(lock)
        self.gone = False


def _wait(changed: threading.Condition, seconds: float | None) -> None:
    changed.wait(seconds)


class FairTokenBucket:
    """Lets through ``rate`` units a second; None = as many as like.

    In any ``t`` seconds at most ``rate * (t + BURST_SECONDS)`` units pass, and what the first one asked for.
    Who asks for more than there is gets it when the rest has come together; nobody else passes meanwhile.

    *Fair* means: claimants who want more than they get pass the same amounts, however many of their threads
    wait (start-time fair queueing, P. Goyal et al., 1996: each request is stamped with the amount at which
    its claimant's last one ended, or with the stamp of the one served last if that is more; the smallest
    stamp is served first).

    Only the first in the queue has a time-out; it wakes up the next one. ``set_rate`` counts at once, for
    those who wait already as well. Safe to share between threads; a thread that is killed leaves the queue.
    """

    def __init__(
        self,
        rate: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[threading.Condition, float | None], None] = _wait,
    ) -> None:
        self.rate = rate
        self._clock = clock
        self._wait = wait
        self._lock = threading.Lock()
        self._queue: list[tuple[float, int, _Ticket]] = []
        self._order = itertools.count()
        #: the stamp of the one served last, and where each claimant's last one ended
        self._served = 0.0
        self._ends: dict[Hashable, float] = {}
        self._level = (rate or 0.0) * BURST_SECONDS
        self._filled = clock()

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return sum(not ticket.gone for _, _, ticket in self._queue)

    def set_rate(self, rate: float | None) -> None:
        if rate == self.rate:
            return
        with self._lock:
            self._fill()
            most = (rate or 0.0) * BURST_SECONDS
            self._level = most if self.rate is None else min(most, self._level)
            self.rate = rate
            for _, _, ticket in self._queue:
                ticket.changed.notify()

    def take(self, amount: float, owner: Hashable) -> None:
        """Returns when ``amount`` (more than 0) may pass."""
        if self.rate is None:
            return
        with self._lock:
            ticket = self._enter(amount, owner)
            try:
                while (seconds := self._due_in(ticket)) != 0.0:
                    self._wait(ticket.changed, seconds)
            finally:
                ticket.gone = True
                self._wake_next()

    def _enter(self, amount: float, owner: Hashable) -> _Ticket:
        if not self._queue:
            self._ends = {}
        start = max(self._served, self._ends.get(owner, 0.0))
        self._ends[owner] = start + amount
        ticket = _Ticket(amount, self._lock)
        heapq.heappush(self._queue, (start, next(self._order), ticket))
        return ticket

    def _due_in(self, ticket: _Ticket) -> float | None:
        """0 = now, and it has been taken; None = when others have been served."""
        if self.rate is None:
            return 0.0
        start, _, first = self._queue[0]
        if first is not ticket:
            return None
        self._fill()
        missing = ticket.amount - self._level
        if missing > 1e-6 * ticket.amount:  # that is what rounding leaves over
            return max(missing / self.rate, SHORTEST) if self.rate else None
        self._level -= ticket.amount
        self._served = start
        return 0.0

    def _fill(self) -> None:
        now = self._clock()
        if self.rate is not None:
            most = self.rate * BURST_SECONDS
            if self._queue:
                most = max(most, self._queue[0][2].amount)
            self._level = min(most, self._level + max(0.0, now - self._filled) * self.rate)
        self._filled = now

    def _wake_next(self) -> None:
        while self._queue and self._queue[0][2].gone:
            heapq.heappop(self._queue)
        if self._queue:
            self._queue[0][2].changed.notify()
