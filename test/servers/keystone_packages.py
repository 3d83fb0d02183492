"""Keystone from PyPI, in an environment of its own, and a template of its database.

`python -m servers.keystone_packages`, as `bin/test` does it, makes both once (under a minute). The folder is
`.venv/tools/keystone`; a change of what is made here makes another one.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from servers.process import child_environment

CHILD = Path(__file__).with_name("keystone_child.py")
#: the oldest that the tests are known to run with
PACKAGES = ("keystone>=27", "werkzeug")
_TOOLS = Path(__file__).parents[2] / ".venv" / "tools" / "keystone"
_PYTHON = _TOOLS / "bin" / "python"
_SECONDS = 280


class Unavailable(Exception):
    """The text says why there is no Keystone."""


def command(*arguments: str) -> list[str]:
    """A command of `keystone_child.py`. Isolated, or Python would find `servers/keystone.py` for Keystone."""
    return [str(_PYTHON), "-I", str(CHILD), *arguments]


def template() -> Path:
    """A directory with `etc`, keys and database, in which nobody runs a server."""
    return _TOOLS / "template"


def fetch() -> None:
    """Make the environment and the template, unless that was done. Raises Unavailable."""
    _TOOLS.parent.mkdir(parents=True, exist_ok=True)
    wanted = hashlib.sha256("\n".join([*PACKAGES, CHILD.read_text()]).encode()).hexdigest()
    stamp = _TOOLS / "made-of.sha256"
    with (_TOOLS.parent / "keystone.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        if not _PYTHON.exists():
            _run(sys.executable, "-m", "venv", str(_TOOLS))
        _run(str(_PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES)
        shutil.rmtree(template(), ignore_errors=True)
        _run(*command("template", str(template())))
        stamp.write_text(wanted)


def _run(*command: str) -> None:
    try:
        subprocess.run(
            command,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"{' '.join(command[:4])}: {error.stderr.strip()[-2000:]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{' '.join(command[:4])}: {error}") from error


if __name__ == "__main__":
    try:
        fetch()
    except Unavailable as error:
        sys.exit(f"no Keystone: {error}")
