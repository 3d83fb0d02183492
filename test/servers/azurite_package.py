"""Azurite, Microsoft's emulator of the blob service, from npm, in a folder of its own.

`python -m servers.azurite_package`, as `bin/test` does it, installs it once (a minute, 150 MB). The folder is
`.venv/tools/azurite`. Servers and tests only look whether it is there: it needs Node.js and npm.
"""

from __future__ import annotations

import shutil

from servers import tools
from servers.tools import Unavailable

#: newer ones need Node.js 22
VERSION = "3.35.0"
_HOME = tools.TOOLS / "azurite"
_SCRIPT = _HOME / "node_modules/azurite/dist/src/blob/main.js"
_SECONDS = 280


def command(*arguments: str) -> list[str]:
    return [shutil.which("node") or "node", str(_SCRIPT), *arguments]


def missing() -> str:
    """Why Azurite cannot be started here; empty if it can."""
    if _SCRIPT.exists() and shutil.which("node"):
        return ""
    return f"Azurite is not in {_HOME} ({tools.reason('azurite', 'bin/test installs it')})"


def fetch() -> None:
    """Install it, unless that was done. Raises Unavailable."""
    with tools.alone("azurite"):
        if missing():
            with tools.noted("azurite"):
                _install()


def _install() -> None:
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise Unavailable("there is no npm")
    install = [npm, "install", "--no-fund", "--no-audit", "--ignore-scripts", "--prefix", str(_HOME)]
    tools.run([*install, f"azurite@{VERSION}"], _SECONDS)


if __name__ == "__main__":
    tools.main("Azurite", fetch)
