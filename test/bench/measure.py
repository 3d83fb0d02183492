"""Running a command and knowing what it cost."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from servers.process import child_environment


@dataclass(frozen=True)
class Run:
    """One finished process: seconds of wall clock and of CPU."""

    seconds: float
    cpu: float


def run(command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Run:
    """Run it to its end. Raises RuntimeError with the log's tail when it fails."""
    with log.open("ab") as output:
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=child_environment(environment),
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}:\n{log.read_text()[-2000:]}")
    return Run(seconds, usage.ru_utime + usage.ru_stime)


def median(values: Sequence[float]) -> float:
    return statistics.median(values)
