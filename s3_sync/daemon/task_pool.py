"""A small, fair thread pool for tasks so long that other work must not wait for them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from s3_sync.daemon.stop import Stop
from s3_sync.runtime.concurrency import GreenPool, Pool

Task = Callable[[], object]

#: maximum of very large objects of one store in flight, and of their parts
MAX_RUNNING = 4
#: the longest wait, in seconds: it is bounded so that the waiting thread can report that it is alive
_MAX_WAIT = 0.5


class TaskPool:
    """Runs the long tasks of one store's mappings, round robin. ``parts`` is a pool for the parts of these
    objects only, so that parts of other objects do not queue behind them.

    The queue need not survive: its rows are in the journal, too. No task starts once ``stop`` is set.
    ``claims``: claimed names by owner, shared by all pools of the process, as a mapping may move to another
    lane while its objects are still in this one.
    """

    def __init__(
        self, pool: Pool, parts: Pool, stop: Stop, claims: dict[str, set[str]] | None = None
    ) -> None:
        self.parts = parts
        #: tasks in flight
        self.running = 0
        #: rows outside this pool that still run after their batches have ended
        self.slow = 0
        self._pool = pool
        self._stop = stop
        self._changed = threading.Condition()
        #: owner -> waiting tasks; the owner to serve next comes first
        self._queues: dict[str, deque[Task]] = {}
        self._claims: dict[str, set[str]] = {} if claims is None else claims

    def claims(self, owner: str) -> set[str]:
        """The names of an owner's objects in any pool of the process; always the same set object."""
        return self._claims.setdefault(owner, set())

    def add(self, owner: str, task: Task) -> None:
        """Queue a task and return at once. ``task`` must not raise."""
        with self._changed:
            self._queues.setdefault(owner, deque()).append(task)
            if self.running >= self._pool.size:
                return
            self.running += 1
        self._pool.spawn(self._work)

    def wait(self) -> None:
        """Wait until a task has ended, for _MAX_WAIT at most."""
        with self._changed:
            if self.running or self.slow:
                self._changed.wait(_MAX_WAIT)

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
                    self._leave()
                raise
            with self._changed:
                self._changed.notify_all()

    def _next(self) -> Task | None:
        """The next task; None: none is left, and the thread is no longer counted."""
        with self._changed:
            if self._queues and not self._stop.is_set():
                owner, queue = next(iter(self._queues.items()))
                task = queue.popleft()
                del self._queues[owner]
                if queue:  # behind the others
                    self._queues[owner] = queue
                return task
            self._leave()
            return None

    def _leave(self) -> None:
        self.running -= 1
        self._changed.notify_all()


def green_task_pool(workers: int, stop: Stop, claims: dict[str, set[str]]) -> TaskPool:
    """A task pool beside ``workers`` threads. A few parts at a time are as fast as many, and keep the
    servers' queues short for small objects."""
    size = min(MAX_RUNNING, workers)
    return TaskPool(GreenPool(size), GreenPool(size), stop, claims)
