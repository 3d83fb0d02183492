"""Directories for the servers' data: on tmpfs where there is one, and never left behind for good.

tmpfs makes fsync free and takes the 64 KiB extended attributes that Swift may write. Each directory
holds a locked file; a directory whose lock can be taken belongs to a process that was killed, and the
next `scratch_dir` removes it. A directory that is meant to stay holds a `.keep`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

PREFIX = "s3-sync-test-"
MEMORY = Path("/dev/shm")
ENOUGH = 1 << 30  # bytes; a container engine gives 64 MiB of /dev/shm, too little for large objects


def scratch_base() -> Path:
    """The directory under which scratch directories are made: tmpfs with room, or else the temp directory."""
    with contextlib.suppress(OSError):
        if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ENOUGH:
            return MEMORY
    return Path(tempfile.gettempdir())


class ScratchDir:
    """A new directory at `.path`; `remove()` deletes it, `keep()` protects it from everybody."""

    def __init__(self, name: str) -> None:
        base = scratch_base()
        sweep(base)
        self.path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{name}-", dir=base))
        # Locked before it gets the name that sweep() looks for.
        unnamed = self.path / ".lock-new"
        self._lock = os.open(unnamed, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        unnamed.rename(self.path / ".lock")

    def keep(self) -> None:
        (self.path / ".keep").touch()

    def remove(self) -> None:
        remove_all(self.path)
        os.close(self._lock)


def remove_all(path: Path) -> None:
    """Remove a directory of any depth: `shutil` recurses."""
    subprocess.run(["rm", "-rf", "--", path], check=False)


def sweep(base: Path) -> None:
    """Remove the scratch directories in `base` whose owner is gone."""
    for path in base.glob(PREFIX + "*"):
        try:
            if (path / ".keep").exists():
                continue
            lock = os.open(path / ".lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue  # somebody else's, or being made just now
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        else:
            remove_all(path)
        finally:
            os.close(lock)
