"""A lane of their own for objects that take so long that others must not wait for them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from s3_sync.daemon.stop import Stop
from s3_sync.runtime.concurrency import GreenPool, Pool

Task = Callable[[], object]

#: so many very large objects of one store are on their way at a time, and so many of their parts
PLACES = 4
#: how long a wait is at most, in seconds: who waits has to show that he is alive
_LOOK = 0.5


class LargeLane:
    """A few places, shared by all mappings of one store, which take turns. ``parts`` is a pool for the parts
    of these objects only: others' parts do not stand behind theirs.

    What waits here is in the journal, so that it may be forgotten. No task is begun once ``stop`` is set.
    ``beside``: another lane, from which a mapping may come here while its objects are still in there.
    """

    def __init__(self, pool: Pool, parts: Pool, stop: Stop, beside: LargeLane | None = None) -> None:
        self.parts = parts
        #: threads that are at it
        self.running = 0
        #: rows beside the lane that their batches went on without
        self.slow = 0
        self._pool = pool
        self._stop = stop
        self._changed = threading.Condition()
        #: mapping -> what waits; the mapping whose turn it is comes first
        self._queues: dict[str, deque[Task]] = {}
        self._claims: dict[str, set[str]] = {} if beside is None else beside._claims

    def claims(self, owner: str) -> set[str]:
        """The names of a mapping's objects that are here, or in a lane beside: the same set for as long as
        the process lives."""
        return self._claims.setdefault(owner, set())

    def add(self, owner: str, task: Task) -> None:
        """Returns at once. ``task`` must not raise."""
        with self._changed:
            self._queues.setdefault(owner, deque()).append(task)
            if self.running >= self._pool.size:
                return
            self.running += 1
        self._pool.spawn(self._work)

    def wait(self) -> None:
        """For a moment, or until a task has ended."""
        with self._changed:
            if self.running or self.slow:
                self._changed.wait(_LOOK)

    def slow_ended(self) -> None:
        with self._changed:
            self.slow -= 1
            self._changed.notify_all()

    def kill(self) -> None:
        self.parts.kill()
        self._pool.kill()

    def _work(self) -> None:
        while (task := self._next()) is not None:
            try:
                task()
            except BaseException:  # killed
                with self._changed:
                    self._left()
                raise
            with self._changed:
                self._changed.notify_all()

    def _next(self) -> Task | None:
        """None: nothing is left, and the thread has been counted out."""
        with self._changed:
            if self._queues and not self._stop.is_set():
                owner, queue = next(iter(self._queues.items()))
                task = queue.popleft()
                del self._queues[owner]
                if queue:  # behind the others
                    self._queues[owner] = queue
                return task
            self._left()
            return None

    def _left(self) -> None:
        self.running -= 1
        self._changed.notify_all()


def green_lane(workers: int, stop: Stop, beside: LargeLane | None = None) -> LargeLane:
    """The lane beside so many ``workers``. Few parts at a time are as fast as many, and keep the queues short
    in which small objects stand at the servers."""
    places = min(PLACES, workers)
    return LargeLane(GreenPool(places), GreenPool(places), stop, beside)
