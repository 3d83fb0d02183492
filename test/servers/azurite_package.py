"""Azurite, Microsoft's emulator of the blob service, from npm, in a folder of its own.

`python -m servers.azurite_package`, as `bin/test` does it, installs it once (a minute, 150 MB). The folder is
`.venv/tools/azurite`. Servers and tests only look whether it is there: it needs Node.js and npm.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

from servers.process import child_environment

#: newer ones need Node.js 22
VERSION = "3.35.0"
_TOOLS = Path(__file__).parents[2] / ".venv" / "tools"
_HOME = _TOOLS / "azurite"
_SCRIPT = _HOME / "node_modules/azurite/dist/src/blob/main.js"
_REASON = _TOOLS / "azurite.missing"
_SECONDS = 280


class Unavailable(Exception):
    """The text says why there is no Azurite."""


def command(*arguments: str) -> list[str]:
    return [shutil.which("node") or "node", str(_SCRIPT), *arguments]


def missing() -> str:
    """Why Azurite cannot be started here; empty if it can."""
    if _SCRIPT.exists() and shutil.which("node"):
        return ""
    reason = _REASON.read_text() if _REASON.exists() else "bin/test installs it"
    return f"Azurite is not in {_HOME} ({reason})"


def fetch() -> None:
    """Install it, unless that was done. Raises Unavailable."""
    _TOOLS.mkdir(parents=True, exist_ok=True)
    with (_TOOLS / "azurite.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not missing():
            return
        _REASON.unlink(missing_ok=True)
        try:
            _install()
        except Unavailable as error:
            _REASON.write_text(str(error))
            raise


def _install() -> None:
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise Unavailable("there is no npm")
    install = [npm, "install", "--no-fund", "--no-audit", "--ignore-scripts", "--prefix", str(_HOME)]
    environment = child_environment()
    try:
        subprocess.run(
            [*install, f"azurite@{VERSION}"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise Unavailable(" ".join(error.stderr.split())[-500:]) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"npm: {error}") from error


if __name__ == "__main__":
    try:
        fetch()
    except Unavailable as error:
        sys.exit(f"no Azurite: {error}")
