"""Running a command, or watching one that runs, and knowing what it cost."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from servers.process import child_environment

#: how often the peak of memory is looked up, in seconds; the kernel keeps it, only the end must not be missed
_LOOK = 0.02


@dataclass(frozen=True)
class Run:
    """One process: seconds of wall clock and of CPU, and its peak of resident memory in MB.

    ``finished``: False for one that was ended because it took too long.
    """

    seconds: float
    cpu: float
    rss: float
    finished: bool = True


def run(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    limit: float | None = None,
) -> Run:
    """Run it to its end, or for ``limit`` seconds. Raises RuntimeError with the log's tail when it fails."""
    with log.open("ab") as output:
        started = monotonic()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=child_environment(environment),
        )
        peak = _Peak(process.pid)
        timer = threading.Timer(limit, process.kill) if limit is not None else None
        if timer is not None:
            timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = monotonic() - started
        if timer is not None:
            timer.cancel()
        peak.end()
    process.returncode = os.waitstatus_to_exitcode(status)
    finished = process.returncode != -signal.SIGKILL
    if finished and process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}:\n{log.read_text()[-2000:]}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, peak.megabytes, finished)


class _Peak:
    """The peak of a process's resident memory, read from the process itself for as long as it lives.

    What `wait4` tells would not do: it is at least what the parent had when it forked.
    """

    def __init__(self, pid: int) -> None:
        self.megabytes = 0.0
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK):
            self.megabytes = peak_rss(self._pid) or self.megabytes


def peak_rss(pid: int) -> float:
    """The peak of resident memory so far, in MB; 0 for a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def cpu_seconds(pid: int) -> float:
    """CPU that the threads of a process have used so far; the kernel counts nanoseconds in schedstat."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def machine_cpu_seconds() -> float:
    """What all processors together have been busy for since the start; proc(5), /proc/stat."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _idle, _wait, *interrupts = map(int, file.readline().split()[1:8])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def median(values: Sequence[float]) -> float:
    return statistics.median(values)
