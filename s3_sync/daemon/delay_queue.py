"""A delay queue: each item becomes available at its own time."""

from __future__ import annotations

import heapq
import itertools
import threading
from typing import Generic, TypeVar

from s3_sync.runtime.backoff import exponential
from s3_sync.runtime.concurrency import Clock

Item = TypeVar("Item")

#: consecutive failures -> seconds until a mapping is retried: a minute at most
backoff_delay = exponential(base=2.0, ceiling=50.0)

#: minimum wait in seconds: items that become due within it are returned without another wait
_MIN_WAIT = 0.02


class DelayQueue(Generic[Item]):
    """A queue ordered by due time. ``get`` removes the item until it is put back, so no two threads ever
    have the same one. Among due items the oldest comes first, so none starves."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, Item]] = []
        self._latest = float("-inf")
        self._order = itertools.count()
        self._closed = False

    def put(self, item: Item, when: float) -> None:
        with self._changed:
            entry = (when, next(self._order), item)
            heapq.heappush(self._heap, entry)
            if self._heap[0] is entry:  # threads that wait for other items need not wake up
                self._changed.notify()

    def run_now(self, item: Item) -> None:
        """Make a queued item due now; does nothing for an item that is not queued."""
        with self._changed:
            self._heap = [
                (float("-inf"), order, each) if each is item else (when, order, each)
                for when, order, each in self._heap
            ]
            heapq.heapify(self._heap)
            self._changed.notify()

    def get(self) -> Item | None:
        """Wait until an item is due; None once the queue is closed."""
        with self._changed:
            while not self._closed:
                now = self._now()
                wait = self._heap[0][0] - now if self._heap else 1.0
                if self._heap and wait <= 0:
                    return heapq.heappop(self._heap)[2]
                self._changed.wait(min(max(wait, _MIN_WAIT), 1.0))
        return None

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _now(self) -> float:
        """The current time. If the clock was set back, all items become due, or they would wait for the old
        time to come again."""
        now = self._clock.now()
        if now < self._latest:
            self._heap = [(min(when, now), order, item) for when, order, item in self._heap]
            heapq.heapify(self._heap)
        self._latest = now
        return now
