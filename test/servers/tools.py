"""Programs of others that tests need: each is installed once, in a folder of `.venv/tools`.

`bin/test` runs their modules. Who finds a program missing can tell why: the reason is kept beside it.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from servers.process import child_environment

TOOLS = Path(__file__).parents[2] / ".venv" / "tools"
#: maximum characters quoted of what a command says
_MAX_SAID = 1000


class Unavailable(Exception):
    """The text says why this machine has not got the program."""


@contextmanager
def alone(name: str) -> Iterator[None]:
    """No other process installs this program at the same time."""
    TOOLS.mkdir(parents=True, exist_ok=True)
    with (TOOLS / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def noted(name: str) -> Iterator[None]:
    """Keep why the program could not be installed, for ``reason``; raises Unavailable then."""
    file = _reason_file(name)
    file.unlink(missing_ok=True)
    try:
        yield
    except (Unavailable, OSError) as error:
        file.write_text(text := " ".join(str(error).split()))
        raise Unavailable(text) from error


def reason(name: str, otherwise: str) -> str:
    """Why the program could not be installed; ``otherwise`` if nobody has tried."""
    file = _reason_file(name)
    return file.read_text() if file.exists() else otherwise


def _reason_file(name: str) -> Path:
    return TOOLS / f"{name}.missing"


def run(
    command: Sequence[str],
    seconds: float,
    *,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """What it printed. Raises Unavailable with the end of what it said if it fails."""
    what = " ".join(command[:4])
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=child_environment() if environment is None else environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"{what}: {error.stderr.strip()[-_MAX_SAID:]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{what}: {error}") from error
    return done.stdout


def main(what: str, fetch: Callable[[], None]) -> None:
    """The main function of a module that installs a program; exits with one line where there is none."""
    try:
        fetch()
    except Unavailable as error:
        sys.exit(f"no {what}: {error}")
