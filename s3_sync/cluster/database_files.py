"""Detects changes of a container database's files without opening them."""

from __future__ import annotations

import os
import time

from s3_sync.errors import LocalUnavailable

#: Equal fingerprints of a database's files mean that nothing was written in between.
Fingerprint = tuple[tuple[str | float, ...], ...]

#: a file changed within this time may change again without a different mtime (seconds)
_MTIME_RESOLUTION = 0.1


class DatabaseFiles:
    """The files of one database: ``HASH.db``, after sharding ``HASH_<epoch>.db``, and ``.pending`` files with
    rows not yet committed.

    The directory is listed only when it has changed; otherwise two or three stats show that the database is
    idle.
    """

    def __init__(self) -> None:
        self._directory: tuple[int, int] | None = None
        self._names: tuple[str, ...] = ()

    def fingerprint(self, path: str) -> Fingerprint | None:
        """Return the fingerprint; None if there is no database. ``path``: of ``HASH.db``, which may not
        exist.

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
                if abs(now - status.st_mtime) >= _MTIME_RESOLUTION:
                    self._directory = directory
            found = tuple([_signature(folder, each, now) for each in self._names])
        except FileNotFoundError:
            self._directory = None
            return None
        except OSError as error:
            raise LocalUnavailable(f"{folder}: {error}") from error
        return found if any(each.endswith(".db") for each in self._names) else None


def _files(folder: str, stem: str) -> tuple[str, ...]:
    names = (each for each in os.listdir(folder) if each.startswith(stem))
    return tuple(sorted(each for each in names if each.endswith((".db", ".pending"))))


def _signature(folder: str, name: str, now: float) -> tuple[str | float, ...]:
    status = os.stat(f"{folder}/{name}")
    signature = (name, status.st_mtime_ns, status.st_size, status.st_ino)
    return (*signature, time.monotonic()) if abs(now - status.st_mtime) < _MTIME_RESOLUTION else signature
