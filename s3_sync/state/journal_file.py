"""The journal's SQLite file: opening, setting aside a damaged one, transactions.

Calls are short and hold one lock: SQLite blocks the whole process with all its green threads, so nothing else
may happen inside a transaction. Several processes may have the same file open.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

from s3_sync.errors import StateError
from s3_sync.model.timestamps import Timestamp
from s3_sync.state.atomic import set_aside

log = logging.getLogger("s3-sync.state")

#: how long to wait for another process's transaction, in seconds; the daemon's own take milliseconds
BUSY_TIMEOUT = 20.0
#: declared type of a column -> storage classes that its values may have
_KINDS = {"text": "'text'", "integer": "'integer'", "real": "'real', 'integer'"}


class JournalFile:
    """One open file. ``schema``: statements that create missing tables. Every method raises StateError."""

    def __init__(self, path: str, schema: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.connection = _open(path, schema)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit everything or nothing; durable at the end. Raises StateError, for instance if the disk is
        full."""
        try:
            with self._lock, self.connection:
                # IMMEDIATE: a transaction that upgrades from read to write fails if another process wrote
                self.connection.execute("BEGIN IMMEDIATE")
                yield self.connection
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter: a damaged schema in a message
            raise StateError(f"cannot write the journal: {error}") from error

    def one(self, query: str, *values: object) -> tuple[Any, ...] | None:
        return next(iter(self.all(query, *values)), None)

    def all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self.connection.execute(query, values).fetchall()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise StateError(f"cannot read the journal: {error}") from error

    def size(self) -> int:
        """Return the bytes on disk, including the -wal and -shm files."""
        size = 0
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                size += os.stat(self._path + suffix).st_size
        return size

    def close(self) -> None:
        with self._lock:
            self.connection.close()


def _open(path: str, schema: str) -> sqlite3.Connection:
    """Open or create the file. A damaged one is set aside, and all mappings start over."""
    try:
        try:
            return _connect(path, schema)
        except sqlite3.OperationalError:  # disk full, no permission, locked: the file is not damaged
            raise
        except sqlite3.DatabaseError as error:
            log.error("journal %s is damaged (%s); set aside as %s", path, error, _set_aside(path))
            return _connect(path, schema)
    except (sqlite3.Error, OSError) as error:
        raise StateError(f"cannot open the journal {path}: {error}") from error


def _set_aside(path: str) -> str:
    """Set the database aside with its -wal and -shm files, which must not be applied to its successor."""
    aside = set_aside(path)
    for companion in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.rename(path + companion, aside + companion)
    return aside


def _connect(path: str, schema: str) -> sqlite3.Connection:
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    db = sqlite3.connect(path, timeout=BUSY_TIMEOUT, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        if db.execute("PRAGMA quick_check").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("quick_check failed")
        db.executescript(schema)
        _check_columns(db, schema)
        _check_values(db)
    except BaseException as error:
        db.close()  # at once: a connection closed later would remove the -wal file of its successor
        if isinstance(error, UnicodeDecodeError):  # SQLite's message quotes a damaged schema
            raise sqlite3.DatabaseError(str(error)) from error
        raise
    return db


def _check_columns(db: sqlite3.Connection, schema: str) -> None:
    """Check that the tables are those of this version: with others a daemon would send objects and then fail
    to record that. Raises OperationalError, as the file is not damaged. Tables that are not in ``schema`` do
    not matter."""
    with contextlib.closing(sqlite3.connect(":memory:")) as wanted:
        wanted.executescript(schema)
        for (table,) in wanted.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
            query = f"SELECT name FROM pragma_table_info('{table}') ORDER BY cid"
            if wanted.execute(query).fetchall() != db.execute(query).fetchall():
                raise sqlite3.OperationalError(
                    f"its table {table} is that of another version of this program"
                )


def _check_values(db: sqlite3.Connection) -> None:
    """Check the type of every value. SQLite neither enforces declared types nor keeps checksums, and an
    unreadable value would stop a mapping at each turn. Raises DatabaseError."""
    db.create_function("is_timestamp", 1, _is_timestamp, deterministic=True)
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in filter(lambda name: not name.startswith("sqlite_"), tables):
        columns = db.execute(f"PRAGMA table_info({table})").fetchall()
        wrong = [_is_wrong(name, kind.lower()) for _, name, kind, *_ in columns if kind.lower() in _KINDS]
        texts = [name for _, name, kind, *_ in columns if kind.lower() == "text"]
        if wrong and db.execute(f"SELECT 1 FROM {table} WHERE {' OR '.join(wrong)} LIMIT 1").fetchone():
            raise sqlite3.DatabaseError(f"table {table} has a value of the wrong type")
        try:
            for _ in db.execute(f"SELECT {', '.join(texts) or 1} FROM {table}"):
                pass
        except sqlite3.OperationalError as error:  # a text that is not UTF-8
            raise sqlite3.DatabaseError(str(error)) from error


def _is_wrong(column: str, kind: str) -> str:
    wrong = f"typeof({column}) NOT IN ({_KINDS[kind]}, 'null')"
    is_time = column.endswith("timestamp") and kind == "text"
    return f"{wrong} OR NOT is_timestamp({column})" if is_time else wrong


def _is_timestamp(text: object) -> bool:
    try:
        Timestamp.parse(str(text))
    except ValueError:
        return False
    return True
