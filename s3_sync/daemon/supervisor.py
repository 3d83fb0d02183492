"""Pre-fork supervision: a parent process starts workers, restarts those that die, and forwards signals.

The parent does nothing else: it has no threads and no connections, so that it can fork at any time. Workers
report through memory that all processes share.
"""

from __future__ import annotations

import ctypes
import logging
import mmap
import os
import signal
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from s3_sync.runtime.concurrency import fork

log = logging.getLogger("s3-sync")

_SLOT = struct.Struct("=?d")
_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD})
_PR_SET_PDEATHSIG = 1
#: how often the parent polls, in seconds; it handles a signal at once
TICK = 1.0
#: seconds of run time after which a worker's failures count from one again
HEALTHY_AFTER = 60.0
#: seconds until a dead worker is restarted: initially, and at most
RESTART_DELAY, MAX_RESTART_DELAY = 1.0, 60.0


class WorkerStatus:
    """For each worker: whether it has been ready since its start, and when it last reported itself
    healthy."""

    def __init__(self, count: int) -> None:
        self._memory = mmap.mmap(-1, _SLOT.size * count)

    def is_ready(self, number: int) -> bool:
        return bool(self._read(number)[0])

    def last_report(self, number: int) -> float:
        """In monotonic seconds, which are the same for all processes."""
        return float(self._read(number)[1])

    def report(self, number: int) -> None:
        """Called by the worker to report that it is ready and healthy."""
        self._memory[self._place(number)] = _SLOT.pack(True, time.monotonic())

    def clear(self, number: int) -> None:
        self._memory[self._place(number)] = _SLOT.pack(False, 0.0)

    def _read(self, number: int) -> tuple[bool, float]:
        ready, last_report = _SLOT.unpack(self._memory[self._place(number)])
        return ready, last_report

    def _place(self, number: int) -> slice:
        return slice(number * _SLOT.size, (number + 1) * _SLOT.size)


@dataclass(slots=True)
class _Worker:
    number: int
    pid: int = 0
    started: float = 0.0
    start_at: float = 0.0
    failures: int = 0


class Workers:
    """``work(number)`` runs in each worker, numbered from 0, and returns its exit code.

    ``once``: workers that end are not restarted. ``tick`` is called about every second. SIGTERM, SIGINT and
    SIGHUP are forwarded to all workers.
    """

    def __init__(
        self,
        count: int,
        work: Callable[[int], int],
        once: bool,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self.status = WorkerStatus(count)
        self._workers = [_Worker(number) for number in range(count)]
        self._work = work
        self._once = once
        self._tick = tick
        self._stopping = False
        self._failed = False

    def all_ready(self) -> bool:
        """Whether every worker has been ready since it was started."""
        return all(self.status.is_ready(worker.number) for worker in self._workers)

    def all_healthy(self, timeout: float) -> bool:
        """Whether each worker has reported in the last ``timeout`` seconds, or is known to be down."""
        oldest = time.monotonic() - timeout
        return all(not each.pid or self.status.last_report(each.number) >= oldest for each in self._workers)

    def run(self) -> int:
        """Run the workers. Returns the exit code, in the parent and in every worker: in the parent, 1 when
        one of them failed.

        A worker that fails before it is first ready stops all: the configuration or the machine is broken.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        while True:
            for worker in self._workers:
                if self._is_startable(worker) and (code := self._start(worker, before)) is not None:
                    return code
            if not any(worker.pid for worker in self._workers) and (self._stopping or self._once):
                break
            self._wait()
            self._tick()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return 1 if self._failed else 0

    def _is_startable(self, worker: _Worker) -> bool:
        if worker.pid or self._stopping or (self._once and worker.started):
            return False
        return time.monotonic() >= worker.start_at

    def _start(self, worker: _Worker, mask: set[int | signal.Signals]) -> int | None:
        """Fork a worker. Returns None in the parent, the exit code in the worker."""
        self.status.clear(worker.number)
        worker.started = time.monotonic()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        parent = os.getpid()
        worker.pid = fork()
        if worker.pid:
            return None
        # a killed parent could not stop this worker
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until ``work`` installs its own handler
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if os.getppid() != parent:
            return 1
        return self._work(worker.number)

    def _wait(self) -> None:
        found = signal.sigtimedwait(_SIGNALS, TICK)
        if found is not None and found.si_signo in (signal.SIGTERM, signal.SIGINT):
            self._stop()
        elif found is not None and found.si_signo == signal.SIGHUP:
            self._send(signal.SIGHUP)
        for worker in self._workers:
            if worker.pid:
                pid, status = os.waitpid(worker.pid, os.WNOHANG)
                if pid:
                    self._ended(worker, os.waitstatus_to_exitcode(status))

    def _ended(self, worker: _Worker, code: int) -> None:
        pid, worker.pid = worker.pid, 0
        how = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
        name = f"process {worker.number + 1} of {len(self._workers)} (pid {pid})"
        if self._stopping or (self._once and code >= 0):
            self._failed = self._failed or code > 0
            return
        if self._once:
            log.error("%s %s", name, how)
            self._failed = True
            return
        if code > 0 and not worker.failures and not self.status.is_ready(worker.number):
            log.error("%s %s before it was ready: stopping all processes", name, how)
            self._failed = True
            self._stop()
            return
        worker.failures = 1 if time.monotonic() - worker.started > HEALTHY_AFTER else worker.failures + 1
        delay = min(MAX_RESTART_DELAY, RESTART_DELAY * 2.0 ** (worker.failures - 1))
        worker.start_at = time.monotonic() + delay
        log.error("%s %s; restarting it in %.0f s", name, how, delay)

    def _stop(self) -> None:
        self._stopping = True
        self._send(signal.SIGTERM)

    def _send(self, number: signal.Signals) -> None:
        for worker in self._workers:
            if worker.pid:
                os.kill(worker.pid, number)
