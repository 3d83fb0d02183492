"""Threads, and the clock. The only module that knows of eventlet.

Everything else is plain blocking code: in a daemon ``patch`` has made the standard library's sockets,
locks and sleeps cooperative, in tests they are the real ones.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def patch() -> None:
    """Make the standard library cooperative. Must run before anything imports an SDK or ``requests``."""
    import eventlet

    eventlet.monkey_patch()


def fork() -> int:
    """As ``os.fork``, for a process without green threads; the child gets an event loop of its own."""
    pid = os.fork()
    if not pid:
        import eventlet.hubs

        eventlet.hubs.use_hub()
    return pid


class Pool(Protocol):
    """Runs functions side by side, at most ``size`` of them."""

    size: int

    @property
    def busy(self) -> int:
        """How many places are taken now."""
        ...

    def map(
        self, function: Callable[[Item], Result], items: Sequence[Item], patience: float | None = None
    ) -> list[Result]:
        """Results in the order of ``items``; returns when all are done. ``function`` must not raise.

        With ``patience`` it returns so many seconds after the last one has begun at the latest. What still
        runs then goes on, and has None for a result. Several callers may map at the same time: they share
        the ``size`` places fairly.
        """
        ...

    def spawn(self, function: Callable[[], object]) -> None:
        """Run it some time; waits while all places are taken."""
        ...

    def kill(self) -> None:
        """End what runs now, by an exception raised inside it; ``map`` gives None as its result.

        What has not begun yet still runs: it is for the functions to notice that it is over.
        """
        ...


class SerialPool:
    """One after the other, in the caller: for tests."""

    size = 1
    busy = 0

    def map(
        self, function: Callable[[Item], Result], items: Sequence[Item], patience: float | None = None
    ) -> list[Result]:
        return [function(item) for item in items]

    def spawn(self, function: Callable[[], object]) -> None:
        function()

    def kill(self) -> None:
        pass


class GreenPool:
    """Green threads; for a process that called ``patch``."""

    def __init__(self, size: int) -> None:
        import eventlet
        import eventlet.event

        self.size = size
        self._event = eventlet.event.Event
        self._pool = eventlet.GreenPool(size)

    @property
    def busy(self) -> int:
        return int(self._pool.running())

    def map(
        self, function: Callable[[Item], Result], items: Sequence[Item], patience: float | None = None
    ) -> list[Result]:
        results: list[Any] = [None] * len(items)
        remaining = len(items)
        done = self._event()

        def run(index: int, item: Item) -> None:
            nonlocal remaining
            try:
                results[index] = function(item)
            finally:
                remaining -= 1
                if not remaining:
                    done.send()

        for index, item in enumerate(items):
            self._pool.spawn_n(run, index, item)
        if remaining:
            done.wait(patience)
        return list(results)

    def spawn(self, function: Callable[[], object]) -> None:
        self._pool.spawn_n(function)

    def kill(self) -> None:
        import eventlet

        for thread in list(self._pool.coroutines_running):
            if thread:  # running: one that has not begun runs, as does what still waits for a place
                eventlet.kill(thread)


class Clock:
    """Wall-clock seconds and sleep; tests pass one that they move by hand."""

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
