"""Whether the files of a container database have changed, without opening them."""

from __future__ import annotations

import os
import time

from s3_sync.errors import LocalUnavailable

#: What the files of a database look like; equal fingerprints mean that nothing was written in between.
Fingerprint = tuple[tuple[str | float, ...], ...]

#: a file changed so short a time ago may change again without a trace in its times (seconds)
_UNSETTLED = 0.1


class DatabaseFiles:
    """The files of one database: ``HASH.db``, after sharding ``HASH_<epoch>.db``, and rows not yet committed
    in ``.pending`` files.

    Which of them there are is read from the directory when that has changed; else two or three stats say
    that nothing has happened.
    """

    def __init__(self) -> None:
        self._directory: tuple[int, int] | None = None
        self._names: tuple[str, ...] = ()

    def fingerprint(self, path: str) -> Fingerprint | None:
        """``path``: of ``HASH.db``, whether it is there or not. None when there is no database.

        Raises LocalUnavailable.
        """
        folder, name = os.path.split(path)
        now = time.time()
        try:
            status = os.stat(folder)
            directory = (status.st_mtime_ns, status.st_ino)
            if directory != self._directory:
                self._directory = None
                self._names = _files(folder, name.removesuffix(".db"))
                if abs(now - status.st_mtime) >= _UNSETTLED:
                    self._directory = directory
            found = tuple([_seen(folder, each, now) for each in self._names])
        except FileNotFoundError:
            self._directory = None
            return None
        except OSError as error:
            raise LocalUnavailable(f"{folder}: {error}") from error
        return found if any(each.endswith(".db") for each in self._names) else None


def _files(folder: str, stem: str) -> tuple[str, ...]:
    names = (each for each in os.listdir(folder) if each.startswith(stem))
    return tuple(sorted(each for each in names if each.endswith((".db", ".pending"))))


def _seen(folder: str, name: str, now: float) -> tuple[str | float, ...]:
    status = os.stat(f"{folder}/{name}")
    seen = (name, status.st_mtime_ns, status.st_size, status.st_ino)
    return (*seen, time.monotonic()) if abs(now - status.st_mtime) < _UNSETTLED else seen
