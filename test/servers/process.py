"""Child processes that come up within a deadline, keep a log, and never outlive their parent."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from servers.forks import ForkedProcess, ForkServer, die_with_parent

LOOPBACK = "127.0.0.1"
UNMEASURED = {"COVERAGE_PROCESS_CONFIG": ""}  # for children whose code is not ours: coverage slows them down


class ServerError(Exception):
    """A server did not start, or ended when it should run; the text ends with the tail of its log."""


class ReservedPort:
    """A free TCP port of `ip` that nobody else is given until `release()`.

    The socket is bound and never listens: the kernel hands the port to no other bind or connect, a
    server that sets SO_REUSEADDR (all of ours do) can listen on it, and while it does not, clients are
    refused. So parallel clusters cannot collide, and a server comes back on the port that it had.
    """

    def __init__(self, ip: str = LOOPBACK) -> None:
        self.ip = ip
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((ip, 0))
        self.port: int = self._socket.getsockname()[1]

    def accepts(self) -> bool:
        """Whether somebody listens on it now."""
        with socket.socket() as probe:
            probe.settimeout(1.0)
            return probe.connect_ex((self.ip, self.port)) == 0

    def release(self) -> None:
        self._socket.close()


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Poll `condition` until it is true; `TimeoutError(what)` after `seconds`.

    The longer it has taken, the longer are the pauses: to ask costs those who do what is waited for time.
    """
    begun = time.monotonic()
    while not condition():
        waited = time.monotonic() - begun
        if waited > seconds:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(min(0.02 + waited / 10, 0.2))


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without what redirects or authenticates HTTP clients, plus `extra`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "RCLONE_")) and not name.lower().endswith("_proxy")
    }
    return kept | {"PYTHONWARNINGS": "ignore"} | dict(extra or {})


def python_module(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this package with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


class Child:
    """One child process with its log file. `forks`: who forks it, with what its command then is.

    On Linux it gets SIGKILL when the thread that started it ends, so start it from the main thread;
    `outlive=True` is for servers that a person wants to keep.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        forks: ForkServer | None = None,
        outlive: bool = False,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self.environment = child_environment(environment)
        self.outlive = outlive
        self._forks = forks
        self._process: subprocess.Popen[bytes] | ForkedProcess | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ServerError(f"{self.name} is not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        if self.running:
            raise ServerError(f"{self.name} runs already")
        cwd = self.log.parent  # `python -m` looks for modules here first
        with self.log.open("ab") as log:
            if self._forks:
                self._process = self._forks.start(
                    self.command, environment=self.environment, cwd=cwd, stdout=log, stderr=log
                )
                return
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=cwd,
                start_new_session=True,  # Ctrl-C is for the tests; they stop their servers in order
                preexec_fn=None if self.outlive else die_with_parent(),  # noqa: PLW1509 - takes no lock
            )

    def wait_ready(self, ready: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait until `ready()`; `ServerError` with the log's tail if the child ends or takes too long."""
        try:
            wait_until(lambda: not self.running or ready(), seconds, self.name)
        except TimeoutError as error:
            self.stop()
            raise ServerError(f"{error}\n{self.tail()}") from error
        if not self.running:
            raise ServerError(f"{self.name} ended with {self.wait(0)}\n{self.tail()}")

    def wait(self, seconds: float) -> int:
        """The exit status; `subprocess.TimeoutExpired` if it still runs after `seconds`."""
        if self._process is None:
            raise ServerError(f"{self.name} is not started")
        return self._process.wait(seconds)

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def freeze(self) -> None:
        """Stop it from running: connections are accepted by the kernel and never answered."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def stop(self, grace: float = 5.0) -> None:
        """Ask it to end, then kill it after `grace` seconds; nothing happens if it does not run."""
        if not self.running:
            return
        self.signal(signal.SIGTERM)
        self.thaw()
        try:
            self.wait(grace)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self.wait(grace)

    def tail(self, size: int = 4000) -> str:
        """The end of its log, headed by the log's path."""
        data = self.log.read_bytes() if self.log.exists() else b""
        return f"--- {self.log}\n{data[-size:].decode(errors='replace')}"
