"""Threads of the operating system for calls that block, such as those to files on a share that may hang."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from s3_sync.runtime.concurrency import original

Result = TypeVar("Result")
#: a sign of life, which a function that takes long gives from time to time
Touch = Callable[[], None]


class Abandoned(BaseException):
    """Raised in the function of a call that was abandoned."""


class RealThreads:
    """Runs functions in at most ``size`` threads of their own, while green threads of the process continue.

    The functions must use nothing that is cooperative in a patched process: no lock, no socket, no sleep, no
    logging. Threads start on demand, and end when they have been idle for ``idle`` seconds.
    """

    def __init__(self, size: int, idle: float = 10.0) -> None:
        self._size = size
        self._idle_seconds = idle
        self._threading: Any = original("threading")
        self._queue_module: Any = original("queue")
        self._queue: Any = self._queue_module.SimpleQueue()
        self._lock: Any = self._threading.Lock()
        self._threads = 0
        self._idle = 0

    @property
    def running(self) -> int:
        """Number of threads."""
        return self._threads

    def call(self, function: Callable[[Touch], Result], timeout: float) -> Result:
        """Call ``function`` in another thread and return its result.

        Raises TimeoutError after ``timeout`` seconds without an end and without a sign of life, the time
        before it begins included. Then the function ends with its next sign of life, if it ever gives one.
        """
        call = _Call(function, self._lock)
        self._queue.put(call)
        self._ensure_thread()
        return call.wait(timeout)

    def call_later(self, function: Callable[[], object]) -> None:
        """Call ``function`` in another thread, without waiting for it. Its errors are lost."""
        self._queue.put(_Errand(function))
        self._ensure_thread()

    def close(self) -> None:
        """End the threads that are idle. What hangs is left alone."""
        with self._lock:
            for _ in range(self._threads):
                self._queue.put(None)

    def _ensure_thread(self) -> None:
        with self._lock:
            if self._idle >= self._queue.qsize() or self._threads >= self._size:
                return
            self._threads += 1
        self._threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while (call := self._next()) is not None:
            call.run()
            del call  # with what its function refers to

    def _next(self) -> _Call[Any] | _Errand | None:
        """The next call, or None when this thread is to end."""
        while True:
            with self._lock:
                self._idle += 1
            try:
                call: _Call[Any] | _Errand | None = self._queue.get(timeout=self._idle_seconds)
            except self._queue_module.Empty:
                call = None
            with self._lock:
                self._idle -= 1
                if call is None and not self._queue.empty():
                    continue  # a call has come in meanwhile, and counts on this thread
                if call is None:
                    self._threads -= 1
            return call


class _Errand:
    """A call without a caller that waits."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function

    def run(self) -> None:
        with suppress(Exception):
            self._function()


class _Call(Generic[Result]):
    """One call. Its event is a file descriptor, which green threads can wait for."""

    def __init__(self, function: Callable[[Touch], Result], lock: Any) -> None:
        self._function: Callable[[Touch], Result] | None = function
        self._lock = lock
        self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._done = False
        self._abandoned = False
        self._result: Any = None
        self._error: BaseException | None = None
        self._alive = time.monotonic()

    def run(self) -> None:
        try:
            self._touch()
            assert self._function is not None
            self._result = self._function(self._touch)
        except BaseException as error:  # it is raised where the result is waited for
            self._error = error
        self._function = None
        with self._lock:
            self._done = True
            if self._abandoned:
                os.close(self._event)
            else:
                os.eventfd_write(self._event, 1)
        if self._abandoned and hasattr(self._result, "close"):
            self._result.close()

    def wait(self, timeout: float) -> Result:
        try:
            while not _is_readable(self._event, self._alive + timeout - time.monotonic()):
                if time.monotonic() >= self._alive + timeout:
                    raise TimeoutError(f"no answer for {timeout:g} s")
        finally:
            with self._lock:
                self._abandoned = True
                if self._done:
                    os.close(self._event)
        if self._error is not None:
            raise self._error
        found: Result = self._result
        return found

    def _touch(self) -> None:
        if self._abandoned:
            raise Abandoned
        self._alive = time.monotonic()


def _is_readable(descriptor: int, timeout: float) -> bool:
    """Wait for the descriptor. In a patched process ``select`` is cooperative, and there is no ``poll``."""
    timeout = max(0.0, timeout)
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(timeout * 1000))
    return bool(select.select([descriptor], [], [], timeout)[0])
