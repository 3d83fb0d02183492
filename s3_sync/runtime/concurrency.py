"""Thread pools and the clock. The only module that imports eventlet.

All other code is plain blocking code: in a daemon ``patch`` has made the standard library's sockets, locks
and sleeps cooperative; in tests they are the real ones."""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def patch() -> None:
    """Make the standard library cooperative. Must run before anything imports an SDK or ``requests``."""
    import eventlet

    eventlet.monkey_patch()


def original(module: str) -> Any:
    """Import a module of the standard library as it is without ``patch``, or Swift's own patch of a proxy."""
    if "eventlet" not in sys.modules:
        return importlib.import_module(module)
    from eventlet import patcher

    return patcher.original(module)


def fork() -> int:
    """``os.fork`` for a process without green threads; the child gets its own event loop."""
    pid = os.fork()
    if not pid:
        import eventlet.hubs

        eventlet.hubs.use_hub()
    return pid


class Pool(Protocol):
    """Runs functions concurrently, at most ``size`` of them."""

    size: int

    @property
    def busy(self) -> int:
        """Number of threads in use."""
        ...

    def map(
        self, function: Callable[[Item], Result], items: Sequence[Item], timeout: float | None = None
    ) -> list[Result]:
        """Apply ``function``, which must not raise, and return the results in the order of ``items``.

        Returns when all calls are done, with ``timeout`` at most that many seconds after the last one has
        started. Calls that are not done by then continue, and their results are None. Concurrent callers
        share the ``size`` threads fairly.
        """
        ...

    def spawn(self, function: Callable[[], object]) -> None:
        """Run ``function`` asynchronously; blocks while all threads are in use."""
        ...

    def kill(self) -> None:
        """Kill the running functions, by an exception raised inside them; their results in ``map`` are None.

        Queued functions still run: they have to check for the stop themselves.
        """
        ...


class SerialPool:
    """Runs functions sequentially in the caller's thread: for tests."""

    size = 1
    busy = 0

    def map(
        self, function: Callable[[Item], Result], items: Sequence[Item], timeout: float | None = None
    ) -> list[Result]:
        return [function(item) for item in items]

    def spawn(self, function: Callable[[], object]) -> None:
        function()

    def kill(self) -> None:
        pass


class GreenPool:
    """A pool of green threads, for a process that called ``patch``."""

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
        self, function: Callable[[Item], Result], items: Sequence[Item], timeout: float | None = None
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
            done.wait(timeout)
        return list(results)

    def spawn(self, function: Callable[[], object]) -> None:
        self._pool.spawn_n(function)

    def kill(self) -> None:
        import eventlet

        for thread in list(self._pool.coroutines_running):
            if thread:  # started: one that has not started still runs, as do queued functions
                eventlet.kill(thread)


class Clock:
    """Wall-clock seconds and sleep; tests pass a manual clock."""

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
