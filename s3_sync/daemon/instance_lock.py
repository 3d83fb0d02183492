"""The lock on ``status_dir``: two daemons that share one would undo each other's progress."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from s3_sync.errors import ConfigError, Problem, StateError

_NAME = ".lock"


@contextmanager
def instance_lock(status_dir: str, program: str) -> Iterator[None]:
    """Hold the lock. Raises ConfigError where another daemon holds it, StateError."""
    try:
        with suppress(FileExistsError):
            os.mkdir(status_dir)  # not its parents: those may be a disk that is not mounted
        lock = os.open(os.path.join(status_dir, _NAME), os.O_CREAT | os.O_WRONLY, 0o600)
    except OSError as error:
        raise StateError(f"status_dir: cannot use {status_dir}: {error}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        message = f"another {program} is using {status_dir}"
        raise ConfigError([Problem("status_dir", message)]) from None
    except OSError as error:
        os.close(lock)
        raise StateError(f"status_dir: cannot use {status_dir}: {error}") from error
    try:
        yield
    finally:
        os.close(lock)


def lock_holder(status_dir: str) -> int | None:
    """The process that holds the lock; 0: none does; None: this system cannot tell.

    Reads the kernel's lock table instead of trying the lock, which could make a starting daemon fail.
    """
    try:
        file = os.stat(os.path.join(status_dir, _NAME))
        device = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}"
        with open("/proc/locks", encoding="ascii") as table:
            # "1: FLOCK  ADVISORY  WRITE 4711 08:01:393217 0 EOF"
            for words in map(str.split, table):
                if words[1:2] != ["FLOCK"]:
                    continue
                where, _, inode = words[5].rpartition(":")
                # file systems without a block device, such as overlay, may show a different one here
                if inode == str(file.st_ino) and (where == device or not os.major(file.st_dev)):
                    return int(words[4])
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, IndexError):
        return None
    return 0
