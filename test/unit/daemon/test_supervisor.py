"""Several processes and their supervisor, which is a process of its own in each test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from s3_sync.daemon.supervisor import WorkerStatus

#: `work` writes a line for each start into `begun`
PROGRAM = """
import logging, os, signal, sys, time
from pathlib import Path
from s3_sync.daemon import supervisor as workers
from s3_sync.daemon.supervisor import Workers
workers.TICK, workers.RESTART_DELAY = 0.02, {pause}
logging.basicConfig(format="%(message)s")
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])

def begin(number):
    with open("begun", "a") as file:
        print(number, os.getpid(), file=file)

def work(number):
    begin(number)
    board.report(number)
    {work}

def tick():
    Path("well").write_text(str(family.all_ready() and family.all_healthy(0.5)))

family = Workers(3, work, {once}, tick)
board = family.status
sys.exit(family.run())
"""


class Family:
    def __init__(self, directory: Path, work: str, once: bool = False, pause: float = 0.01) -> None:
        self.directory = directory
        program = PROGRAM.format(work=work, once=once, pause=pause)
        self.process = subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=directory,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "EVENTLET_NO_GREENDNS": "yes"},
        )

    def begun(self) -> list[tuple[int, int]]:
        try:
            lines = (self.directory / "begun").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [(int(number), int(pid)) for number, pid in map(str.split, lines)]

    def end(self) -> tuple[int, str]:
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Callable[..., Family]]:
    families: list[Family] = []

    def new(work: str, **options: object) -> Family:
        families.append(Family(tmp_path, work, **options))  # type: ignore[arg-type]
        return families[-1]

    yield new
    for each in families:
        each.process.kill()
        each.process.communicate()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("work", "code", "said"),
    [
        ("return 0", 0, ""),
        ("return int(number == 1)", 1, ""),
        ("os.kill(os.getpid(), signal.SIGKILL) if number == 1 else 0; return 0", 1, "was killed by signal 9"),
    ],
)
def test_run_once_returns_1_if_any_process_fails(
    family: Callable[..., Family], work: str, code: int, said: str
) -> None:
    found = family(work, once=True)
    ended, errors = found.end()
    assert (ended, sorted(number for number, _ in found.begun())) == (code, [0, 1, 2])
    assert said in errors
    assert bool(errors) == bool(said)


def test_killed_process_is_restarted(family: Callable[..., Family]) -> None:
    found = family("time.sleep(60)")
    wait_for(lambda: (found.directory / "well").exists() and len(found.begun()) == 3)
    number, pid = found.begun()[1]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(found.begun()) == 4)
    assert found.begun()[3][0] == number
    found.process.terminate()
    code, errors = found.end()
    assert code == 0
    assert f"process {number + 1} of 3 (pid {pid}) was killed by signal 9; restarting it in" in errors
    assert not any(runs(pid) for _, pid in found.begun())


def test_process_that_fails_before_it_is_ready_stops_all(family: Callable[..., Family]) -> None:
    found = family("board.clear(number); return 1 if number == 2 else time.sleep(60)")
    code, errors = found.end()
    assert code == 1
    assert "of 3 (pid" in errors
    assert "ended with 1 before it was ready: stopping" in errors
    assert not any(runs(pid) for _, pid in found.begun())


def test_processes_end_when_the_supervisor_is_killed(family: Callable[..., Family]) -> None:
    found = family("time.sleep(60)")
    wait_for(lambda: len(found.begun()) == 3)
    found.process.kill()
    wait_for(lambda: not any(runs(pid) for _, pid in found.begun()))


def test_sighup_is_passed_on_to_all_processes(family: Callable[..., Family]) -> None:
    found = family("signal.signal(1, signal.SIG_DFL); signal.sigwait([1]); begin(9); time.sleep(60)")
    wait_for(lambda: len(found.begun()) == 3)
    found.process.send_signal(signal.SIGHUP)
    wait_for(lambda: [number for number, _ in found.begun()].count(9) == 3)
    found.process.terminate()
    assert found.end()[0] == 0


def test_supervisor_is_healthy_only_while_all_processes_report(family: Callable[..., Family]) -> None:
    """Ready once each process has reported, healthy as long as each reports in time."""
    found = family("\n    ".join(["while True:", "    time.sleep(0.02)", "    board.report(number)"]))
    well = found.directory / "well"
    wait_for(lambda: well.exists() and well.read_text() == "True")
    os.kill(found.begun()[0][1], signal.SIGSTOP)
    wait_for(lambda: well.read_text() == "False")
    os.kill(found.begun()[0][1], signal.SIGCONT)
    wait_for(lambda: well.read_text() == "True")


def test_worker_status_tells_reported_from_cleared_processes() -> None:
    board = WorkerStatus(2)
    before = time.monotonic()
    board.report(1)
    assert (board.is_ready(0), board.is_ready(1)) == (False, True)
    assert board.last_report(1) >= before
    board.clear(1)
    assert not board.is_ready(1)
