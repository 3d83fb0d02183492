"""Whether the configuration has become another one: the file itself, or one that holds a secret of it."""

from __future__ import annotations

import os
from collections.abc import Iterable

#: path and state of each file
StatSignature = list[tuple[str, object]]


class FileWatch:
    """Looks at files without reading them. ``also``: to be set to the secret files that the last reading told
    of; from then on a change of one of these is a change, too."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._also: tuple[str, ...] = ()
        self._seen: StatSignature | None = None

    def also(self, paths: Iterable[str]) -> None:
        self._also = tuple(sorted(paths))

    def changed(self) -> bool:
        """Whether anything is another than at the last time; True at the first.

        Which files hold secrets is known once the file was read, so that after that it is a change once more:
        none in between is missed.
        """
        seen = self.looks()
        if seen == self._seen:
            return False
        self._seen = seen
        return True

    def looks(self) -> StatSignature:
        """Equal for as long as nothing has changed; the file itself comes first."""
        return [(path, _stat(path)) for path in (self.path, *self._also)]


def _stat(path: str) -> object:
    try:
        found = os.stat(path)
    except OSError as error:
        return error.errno
    return found.st_mtime_ns, found.st_size, found.st_ino
