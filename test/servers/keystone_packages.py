"""Keystone from PyPI, in an environment of its own, and a template of its database.

`python -m servers.keystone_packages`, as `bin/test` does it, makes both once (under a minute). The folder is
`.venv/tools/keystone`; a change of what is made here makes another one.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from servers import tools

CHILD = Path(__file__).with_name("keystone_child.py")
#: the oldest that the tests are known to run with
PACKAGES = ("keystone>=27", "werkzeug")
_HOME = tools.TOOLS / "keystone"
_PYTHON = _HOME / "bin" / "python"
_SECONDS = 280


def command(*arguments: str) -> list[str]:
    """A command of `keystone_child.py`. Isolated, or Python would find `servers/keystone.py` for Keystone."""
    return [str(_PYTHON), "-I", str(CHILD), *arguments]


def template() -> Path:
    """A directory with `etc`, keys and database, in which nobody runs a server."""
    return _HOME / "template"


def fetch() -> None:
    """Make the environment and the template, unless that was done. Raises Unavailable."""
    wanted = hashlib.sha256("\n".join([*PACKAGES, CHILD.read_text()]).encode()).hexdigest()
    stamp = _HOME / "made-of.sha256"
    with tools.alone("keystone"):
        if stamp.exists() and stamp.read_text() == wanted:
            return
        if not _PYTHON.exists():
            tools.run([sys.executable, "-m", "venv", str(_HOME)], _SECONDS)
        pip = [str(_PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        tools.run([*pip, *PACKAGES], _SECONDS)
        shutil.rmtree(template(), ignore_errors=True)
        tools.run(command("template", str(template())), _SECONDS)
        stamp.write_text(wanted)


if __name__ == "__main__":
    tools.main("Keystone", fetch)
