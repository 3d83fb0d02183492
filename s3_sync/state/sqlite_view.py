"""Read-only access to a journal's file, without blocking the process that writes it."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from typing import Any
from urllib.parse import quote

from s3_sync.errors import StateError


class SqliteView:
    """One file, read-only; it need not exist yet.

    The connection is kept open; each query sees what is committed at that time.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    def all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return no rows if the file does not exist or is just being created. Raises StateError."""
        with self._lock:
            try:
                db = self._connected()
                return [] if db is None else db.execute(query, values).fetchall()
            except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter: a damaged schema in a message
                if "no such table" in str(error):
                    return []
                raise StateError(f"cannot read the journal {self._path}: {error}") from error
            except OSError as error:
                raise StateError(f"cannot read the journal {self._path}: {error.strerror}") from error

    def _connected(self) -> sqlite3.Connection | None:
        """Return the connection; reopen it if the file was replaced, as a damaged journal is. None if there
        is no file."""
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            self._close()
            return None
        if self._file != (status.st_dev, status.st_ino):
            self._close()
        if self._db is None:
            # SQLite does not report the reason. Do not open and close the file to find it: closing any
            # descriptor drops all POSIX locks that this process holds on the file, the writer's included,
            # and the next reader to close would take itself for the last one and remove the -wal file
            if not os.access(self._path, os.R_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            address = f"file:{quote(self._path)}?mode=ro"
            self._db = sqlite3.connect(address, uri=True, timeout=5, check_same_thread=False)
            self._file = (status.st_dev, status.st_ino)
        return self._db

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
        self._db, self._file = None, None
