"""A token bucket with fair queueing between keys (start-time fair queueing, P. Goyal et al., 1996)."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Hashable

#: the bucket holds the tokens of this many seconds
BURST_SECONDS = 1.0
#: minimum wait in seconds
MIN_WAIT = 0.001


class _Ticket:
    """A waiting thread's place in the queue. ``gone``: it no longer waits."""

    __slots__ = ("amount", "changed", "gone")

    def __init__(self, amount: float, lock: threading.Lock) -> None:
        self.amount = amount
        self.changed = threading.Condition(lock)
        self.gone = False


def _wait(changed: threading.Condition, seconds: float | None) -> None:
    changed.wait(seconds)


class FairTokenBucket:
    """Admits ``rate`` tokens per second; None: unlimited. Thread-safe; a killed thread leaves the queue.

    In any ``t`` seconds at most ``rate * (t + BURST_SECONDS)`` tokens are acquired, plus the amount of the
    first request. A request for more tokens than the bucket holds waits until they have accumulated; no other
    request is served meanwhile.

    *Fair*: keys with more demand than supply get equal amounts, however many of their threads wait. Each
    request is stamped with the amount at which its key's last one ended, or with the stamp of the request
    served last if that is greater; the smallest stamp is served first.

    Only the first request in the queue waits with a timeout; it wakes up the next one. ``set_rate`` applies
    at once, to waiting requests as well."""

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
        #: the stamp of the request served last, and the end of each key's last request
        self._served = 0.0
        self._ends: dict[Hashable, float] = {}
        self._level = (rate or 0.0) * BURST_SECONDS
        self._filled = clock()

    @property
    def waiting(self) -> int:
        """Number of waiting threads."""
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

    def acquire(self, amount: float, key: Hashable) -> None:
        """Block until ``amount`` (more than 0) tokens are acquired."""
        if self.rate is None:
            return
        with self._lock:
            ticket = self._enter(amount, key)
            try:
                while (seconds := self._due_in(ticket)) != 0.0:
                    self._wait(ticket.changed, seconds)
            finally:
                ticket.gone = True
                self._wake_next()

    def _enter(self, amount: float, key: Hashable) -> _Ticket:
        if not self._queue:
            self._ends = {}
        start = max(self._served, self._ends.get(key, 0.0))
        self._ends[key] = start + amount
        ticket = _Ticket(amount, self._lock)
        heapq.heappush(self._queue, (start, next(self._order), ticket))
        return ticket

    def _due_in(self, ticket: _Ticket) -> float | None:
        """Seconds to wait; 0.0: the tokens have been acquired; None: until another request is served."""
        if self.rate is None:
            return 0.0
        start, _, first = self._queue[0]
        if first is not ticket:
            return None
        self._fill()
        missing = ticket.amount - self._level
        if missing > 1e-6 * ticket.amount:  # less is a rounding error
            return max(missing / self.rate, MIN_WAIT) if self.rate else None
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
