"""Detects changes of the configuration file and of the secret files that it refers to."""

from __future__ import annotations

import os
from collections.abc import Iterable

#: path, and stat result or errno, of each file
StatSignature = list[tuple[str, object]]


class FileWatch:
    """Watches files by ``stat``, without reading them."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._secret_files: tuple[str, ...] = ()
        self._previous: StatSignature | None = None

    def watch_also(self, paths: Iterable[str]) -> None:
        """Replace the secret files that are watched too, with those found by the last load."""
        self._secret_files = tuple(sorted(paths))

    def changed(self) -> bool:
        """Returns whether anything has changed since the last call; True at the first one.

        The secret files are known only after the file was loaded, so adding them counts as a change: one
        made in between is not missed.
        """
        signature = self.stat_signature()
        if signature == self._previous:
            return False
        self._previous = signature
        return True

    def stat_signature(self) -> StatSignature:
        """Return a value that stays equal while no file changes; the configuration file comes first."""
        return [(path, _stat(path)) for path in (self.path, *self._secret_files)]


def _stat(path: str) -> object:
    try:
        found = os.stat(path)
    except OSError as error:
        return error.errno
    return found.st_mtime_ns, found.st_size, found.st_ino
