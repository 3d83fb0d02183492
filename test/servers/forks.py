"""Processes that start at once: forked off one that has imported their program already.

Most of what a start costs goes into the same imports each time. A `ForkServer` is a process that has done
them, and forks for each start. What runs then is a process of its own, with its own arguments, environment,
directory, outputs and session, and it ends as any other does. What is left out, the script itself and the
order of its imports, is what `test/cluster/test_sync_command_line.py` runs.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence

# The real ones: what is imported for the forks may replace these functions by cooperative ones.
from os import fork, read, waitpid, write
from pathlib import Path
from select import select
from typing import IO, Any

from servers.descriptors import NOTE, note_at_exit

IMPORT_ROOT = Path(__file__).resolve().parent.parent
UNTRACED = {"COVERAGE_PROCESS_CONFIG": ""}  # coverage begins in what is forked
MESSAGE = 1 << 20  # bytes; a request is an environment and a few arguments
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


class ForkedProcess:
    """The part of `subprocess.Popen` that is used here, for a process that is another one's child."""

    def __init__(self, pid: int, command: Sequence[str], status: int) -> None:
        self.pid = pid
        self.args = list(command)
        self.returncode: int | None = None
        self._status = status  # a pipe from which its exit status can be read once it has ended

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._await(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._await(timeout)
        if code is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout)
        return code

    def kill(self) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.wait()

    def _await(self, timeout: float | None) -> int | None:
        if self.returncode is None and select([self._status], [], [], timeout)[0]:
            told = read(self._status, 100)
            os.close(self._status)
            # Without a word: the fork server was killed, and its children with it.
            self.returncode = int(told) if told else -signal.SIGKILL
        return self.returncode


class ForkServer:
    """Forks processes off one that has called `preload`, a function as `package.module:name`.

    It ends with this process, and everything that it has forked ends with it.
    """

    def __init__(self, preload: str, environment: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        self._greeted = False
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "servers.forks", str(theirs.fileno()), preload],
                cwd=IMPORT_ROOT,
                env={**environment, **UNTRACED, "PYTHONPATH": str(IMPORT_ROOT)},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        atexit.register(self.stop)

    def start(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        cwd: Path,
        stdout: IO[bytes],
        stderr: IO[bytes],
    ) -> ForkedProcess:
        """`command`: a function as `package.module:name`, and what it finds in `sys.argv` behind that."""
        request = json.dumps({"command": list(command), "environment": dict(environment), "cwd": str(cwd)})
        status, theirs = os.pipe()
        try:
            with self._lock:
                self.greet()
                socket.send_fds(self._control, [request.encode()], [stdout.fileno(), stderr.fileno(), theirs])
                return ForkedProcess(int(self._answer()), command, status)
        except BaseException:
            os.close(status)
            raise
        finally:
            os.close(theirs)

    def greet(self) -> None:
        """Wait until everything is imported. Raises RuntimeError when that fails."""
        if not self._greeted:
            self._answer()
            self._greeted = True

    def stop(self) -> None:
        """End it and what it has forked; done at the end of this process at the latest."""
        self._control.close()
        self._process.wait()

    def _answer(self) -> str:
        answer = self._control.recv(MESSAGE).decode()
        if not answer or answer.startswith("Traceback"):
            raise RuntimeError(f"the fork server has ended\n{answer}")
        return answer


def serve(control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Fork for each request; returns only in the forked processes: the request, and the two outputs."""
    bind = die_with_parent()
    gc.collect()
    gc.freeze()  # what is never looked at by a collection is never copied for a child
    children: dict[int, int] = {}
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select([control, woken], [], [])
        if woken in ready:
            read(woken, 4096)
            _tell_who_ended(children)
        if control not in ready:
            continue
        message, fds, _, _ = socket.recv_fds(control, MESSAGE, 3)
        if not message:  # whoever asked is gone
            os._exit(0)
        *outputs, status = fds
        pid = fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if bind:
                bind()
            os.setsid()
            control.send(b"%d" % os.getpid())  # signals can be sent to its group from now on
            for fd in (control.detach(), woken, wake, status, *children.values()):
                os.close(fd)
            return json.loads(message), outputs
        children[pid] = status
        for fd in outputs:
            os.close(fd)


def _tell_who_ended(children: dict[int, int]) -> None:
    while children:
        pid, status = waitpid(-1, os.WNOHANG)
        if not pid:
            return
        pipe = children.pop(pid)
        with contextlib.suppress(BrokenPipeError):  # nobody wants to know
            write(pipe, b"%d" % os.waitstatus_to_exitcode(status))
        os.close(pipe)


def die_with_parent() -> Callable[[], None] | None:
    """What a forked child does, so that it gets SIGKILL when the thread that forked it ends.

    Everything is looked up before the fork. None where there is no such thing: only Linux has it.
    """
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask_for_the_signal() -> None:
        prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the request
            os._exit(1)

    return ask_for_the_signal


def become(request: dict[str, Any], outputs: list[int]) -> Callable[[], object]:
    """Make this process what was asked for; returns the function that it is to run."""
    for fd, output in enumerate(outputs, start=1):
        os.dup2(output, fd)
        os.close(output)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    if os.environ.get("COVERAGE_PROCESS_CONFIG"):
        import coverage

        coverage.process_startup(force=True)
    place, *_ = sys.argv = request["command"]
    if (file := os.environ.get(NOTE)) and not place.startswith("servers."):  # Swift's own leave some open
        note_at_exit(file)
    return find(place)


def find(place: str) -> Callable[[], object]:
    module, _, name = place.partition(":")
    found: Callable[[], object] = getattr(importlib.import_module(module), name)
    return found


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    try:
        find(sys.argv[2])()
    except BaseException:
        control.send(traceback.format_exc().encode()[-MESSAGE:])
        raise
    control.send(b"ready")
    become(*serve(control))()


if __name__ == "__main__":
    main()
