"""Atomic file replacement: after a crash a file has either its old or its new content."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Collection

_TEMPORARY = ".tmp-"
#: ``tempfile`` appends eight characters to the prefix
_LEFTOVER = re.compile(re.escape(_TEMPORARY) + "[a-z0-9_]{8}")


def write_atomically(path: str, data: bytes, mode: int = 0o600) -> None:
    """Replace ``path``: temporary file beside it, fsync, rename, fsync of the directory. Raises OSError."""
    directory = os.path.dirname(path)
    descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=_TEMPORARY)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    sync_directory(directory)


def remove_leftovers(directory: str, before: float, keep: Collection[str] = ()) -> int:
    """Remove temporary files that a killed process left in ``directory``; returns their number.

    Only files last modified ``before`` that time (seconds since the epoch) are removed, since a younger one
    may still be being written, and none whose name is in ``keep``. Raises OSError.
    """
    removed = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            if not is_leftover(entry.name) or entry.name in keep:
                continue
            if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime < before:
                os.unlink(entry.path)
                removed += 1
    return removed


def is_leftover(name: str) -> bool:
    """Returns whether a file of this name may be a temporary file."""
    return _LEFTOVER.fullmatch(name) is not None


def sync_directory(directory: str) -> None:
    """Make renames in this directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def set_aside(path: str) -> str:
    """Rename a damaged file to ``<path>.corrupted.<n>`` with the first free n; returns the new path."""
    number = 1
    while os.path.exists(f"{path}.corrupted.{number}"):
        number += 1
    aside = f"{path}.corrupted.{number}"
    os.rename(path, aside)
    return aside
