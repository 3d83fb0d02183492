"""Progress of a verification, in a file, so that it can be resumed.

It is an SQLite database because of the stored manifests: there may be millions, and which of them are
orphaned is known only after all names have been read."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from s3_sync.errors import StateError
from s3_sync.model.keys import MANIFEST_SUFFIX

_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (what TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS reached (container TEXT PRIMARY KEY, name TEXT NOT NULL, done INTEGER NOT NULL,
    looked_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS manifests (container TEXT NOT NULL, key TEXT NOT NULL,
    PRIMARY KEY (container, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS found (what TEXT NOT NULL, pending INTEGER NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (what, pending)) WITHOUT ROWID;
"""


_TABLES = {"about", "reached", "manifests", "found"}


@dataclass(slots=True)
class Seen:
    """Progress since the last save: number of names, keys of the manifests that they may have, and number of
    findings by kind and whether pending."""

    looked_at: int = 0
    manifests: list[str] = field(default_factory=list)
    found: Counter[tuple[str, bool]] = field(default_factory=Counter)


class Reached(NamedTuple):
    """How far a container is: ``name`` is the last one compared, empty if there is none."""

    name: str = ""
    done: bool = False


class VerificationState:
    """The open file. ``about``: identifies the verification, so that the progress of another is not used.

    Every method raises StateError; the constructor also if ``path`` is another kind of file, which is left
    unchanged, or if another process uses it.
    """

    def __init__(self, path: str, about: str, resume: bool) -> None:
        self._path = path
        with contextlib.ExitStack() as stack, self._errors():
            self._file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
            stack.callback(os.close, self._file)
            self._lock()
            self._db = sqlite3.connect(path, isolation_level=None)
            stack.callback(self._db.close)
            self._begin(about, resume)
            stack.pop_all()

    def reached(self, container: str) -> Reached:
        with self._errors():
            query = "SELECT name, done FROM reached WHERE container = ?"
            found = self._db.execute(query, (container,)).fetchone()
            return Reached(_text(found[0]), bool(found[1])) if found else Reached()

    def reach(self, container: str, name: str, seen: Seen, done: bool = False) -> None:
        """Save the progress: every finding up to ``name`` has been printed."""
        with self._errors(), self._transaction():
            self._db.executemany(
                "DELETE FROM manifests WHERE container = ? AND key = ?",
                [(container, key) for key in seen.manifests],
            )
            self._db.execute(
                "INSERT INTO reached VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET name = excluded.name,"
                " done = excluded.done, looked_at = looked_at + excluded.looked_at",
                (container, name, done, seen.looked_at),
            )
            self._db.executemany(
                "INSERT INTO found VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET number = number + excluded.number",
                [(what, pending, number) for (what, pending), number in seen.found.items()],
            )

    def add_manifests(self, container: str, keys: Iterable[str]) -> bool:
        """Add the keys of stored manifests. Returns whether there are any."""
        with self._errors(), self._transaction():
            rows = ((container, key) for key in keys)
            added = self._db.executemany("INSERT OR IGNORE INTO manifests VALUES (?, ?)", rows).rowcount
        return added > 0

    def has_manifests(self, container: str) -> bool:
        with self._errors():
            query = "SELECT 1 FROM manifests WHERE container = ? LIMIT 1"
            return self._db.execute(query, (container,)).fetchone() is not None

    def manifests(self, container: str) -> Iterator[str]:
        """Iterate over the manifests that belong to none of the names compared so far."""
        after = ""
        while True:
            with self._errors():
                query = "SELECT key FROM manifests WHERE container = ? AND key > ? ORDER BY key LIMIT 1000"
                keys = [_text(key) for (key,) in self._db.execute(query, (container, after))]
            if not keys:
                return
            yield from keys
            after = keys[-1]

    def counts(self) -> tuple[Counter[str], Counter[str]]:
        """Return the numbers of faults and of pending differences, each by kind, including earlier runs."""
        wrong, pending = Counter[str](), Counter[str]()
        with self._errors():
            for what, waits, number in self._db.execute("SELECT what, pending, number FROM found"):
                (pending if waits else wrong)[_text(what)] += int(number)
        return wrong, pending

    def looked_at(self) -> int:
        with self._errors():
            (number,) = self._db.execute("SELECT coalesce(sum(looked_at), 0) FROM reached").fetchone()
            return int(number)

    def close(self, remove: bool = False) -> None:
        self._db.close()
        if remove:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
        os.close(self._file)  # last: closing it drops every lock that SQLite holds on the file

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateError(f"{self._path}: in use by another verification") from None

    def _begin(self, about: str, resume: bool) -> None:
        if not self._is_ours():
            raise StateError(f"{self._path} is not a state file of a comparison")
        self._db.executescript(_SCHEMA)
        with self._transaction():
            before = self._db.execute("SELECT what FROM about").fetchone()
            if resume and before is not None:
                if before[0] != about:
                    raise StateError(f"{self._path} belongs to another verification: {before[0]}")
                return
            for table in _TABLES:
                self._db.execute(f"DELETE FROM {table}")
            self._db.execute("INSERT INTO about VALUES (?)", (about,))

    def _is_ours(self) -> bool:
        """Returns whether the file is a state file or empty."""
        try:
            names = self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            there = {name for (name,) in names}
        except sqlite3.OperationalError:  # disk full, no permission
            raise
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            return False
        return not there or there == _TABLES

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:
            # also a value of the wrong type, and a message of SQLite that quotes a damaged schema
            raise StateError(f"{self._path}: {getattr(error, 'strerror', None) or error}") from error


def _text(value: object) -> str:
    """Raises TypeError: SQLite does not enforce declared types."""
    if not isinstance(value, str):
        raise TypeError("it has a value of the wrong type")
    return value


def digest_of(key: str) -> str | None:
    """Return the part of a manifest's key that identifies the object; None if it is not a manifest's key."""
    digest = key.removesuffix(MANIFEST_SUFFIX)
    return digest if key.endswith(MANIFEST_SUFFIX) and len(digest) == 64 else None
