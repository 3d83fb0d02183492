"""The failures of migrations: objects that could not be copied or deleted, and why.

Everything is compared again in each pass, so an entry is a record for the operator and the time of the next
attempt. A lost file loses no object.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from s3_sync.config.settings import Mapping
from s3_sync.errors import Archived
from s3_sync.model.outcomes import pause_after
from s3_sync.runtime.backoff import Backoff, exponential
from s3_sync.state.journal_file import JournalFile
from s3_sync.streams.small_files import is_text

log = logging.getLogger("s3-sync.state")

#: entries of all migrations together, about 100 MiB; further failures are only counted
MAX_ENTRIES = 200_000
#: letters of a message that are kept
MAX_MESSAGE = 500
#: pause after a failure that ends only when the store has retrieved the object, in seconds, at least
ARCHIVED_PAUSE = 3600.0
_backoff = exponential(base=30.0, ceiling=6 * 3600.0)

SCHEMA = """
CREATE TABLE IF NOT EXISTS failures (
    mapping TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, reason TEXT NOT NULL,
    message TEXT NOT NULL, attempts INTEGER NOT NULL, first_failed REAL NOT NULL, last_failed REAL NOT NULL,
    next_try REAL NOT NULL, PRIMARY KEY (mapping, name)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS failures_next ON failures (mapping, next_try);
"""
COLUMNS = "name, version, reason, message, attempts, first_failed, last_failed, next_try"


@dataclass(frozen=True, slots=True)
class MigrationFailure:
    """One object; an empty ``name`` is that of the container itself, or of the whole migration.

    ``version``: as the source's listing told it, "" if it told nothing. Times in seconds since the epoch.
    """

    name: str
    version: str
    reason: str
    message: str
    attempts: int
    first_failed: float
    last_failed: float
    next_try: float


def is_of(key: str, mapping: Mapping) -> bool:
    """Whether a journal key is that of a migration, or of a container of an account-wide one."""
    if key == mapping.journal_key:
        return True
    account, _, container = key.rpartition("#")[0].partition("/")
    if not mapping.is_account_wide or account != mapping.account or not container:
        return False
    return mapping.of_container(container).journal_key == key


class MigrationFailures:
    """The open journal. ``key``: a mapping's ``journal_key``. For several threads; every method raises
    StateError."""

    def __init__(self, path: str, backoff: Backoff = _backoff, limit: int = MAX_ENTRIES) -> None:
        self._backoff = backoff
        self._limit = limit
        self._file = JournalFile(path, SCHEMA)
        self._lock = threading.Lock()
        #: of every mapping, because most names of a pass have not failed; an operator may have dropped some
        self._names: dict[str, set[str]] = {}
        for mapping, name in self._file.all("SELECT mapping, name FROM failures"):
            self._names.setdefault(mapping, set()).add(name)
        self._count = sum(map(len, self._names.values()))

    def record(
        self, key: str, name: str, reason: str, message: str, now: float, version: str = ""
    ) -> MigrationFailure | None:
        """Record a failure, durably; returns the entry, None if there is no room for it."""
        message = message[:MAX_MESSAGE].encode("utf-8", "backslashreplace").decode()
        with self._lock:
            known = name in self._names.get(key, ())
            if not is_text(name) or (not known and self._count >= self._limit):
                return None
            before = self._one(key, name) if known else None
            attempts = before.attempts + 1 if before and before.version == version else 1
            pause = pause_after(reason, attempts, self._backoff)
            if reason == Archived.reason:
                pause = max(ARCHIVED_PAUSE, pause)
            first = before.first_failed if before else now
            made = MigrationFailure(name, version, reason, message, attempts, first, now, now + pause)
            with self._file.transaction() as db:
                db.execute(
                    "INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (key, name, version, reason, message, attempts, first, now, made.next_try),
                )
            if not known:
                self._names.setdefault(key, set()).add(name)
                self._count += 1
                if self._count == self._limit:
                    log.warning("%d objects have failed; further ones are not listed", self._count)
            return made

    def settle(self, key: str, names: Iterable[str]) -> None:
        """Remove the entries of these names, which are done. Cheap if there is none."""
        known = self._names.get(key)
        if not known or not (gone := known.intersection(names)):
            return
        with self._lock:
            with self._file.transaction() as db:
                db.executemany(
                    "DELETE FROM failures WHERE mapping = ? AND name = ?", [(key, name) for name in gone]
                )
            self._count -= len(gone & known)
            known -= gone

    def is_due(self, key: str, name: str, now: float, version: str = "") -> bool:
        """Whether a name may be tried: it has not failed, another version of it has, or its pause is over. A
        failure in the future, of a clock that was set back, does not count."""
        if name not in self._names.get(key, ()):
            return True
        found = self._one(key, name)
        if found is None or found.version != version:
            return True
        return found.next_try <= now or found.last_failed > now

    def due(self, key: str, now: float, limit: int) -> list[MigrationFailure]:
        """Return entries whose pause is over, longest waiting first."""
        if not self._names.get(key):
            return []
        return self._entries(
            "mapping = ? AND (next_try <= ? OR last_failed > ?) ORDER BY next_try LIMIT ?",
            key, now, now, limit,
        )  # fmt: skip

    def retry_now(self, key: str, reasons: Iterable[str], now: float) -> None:
        """What stood in the way is over: make entries with one of these reasons due."""
        if self._names.get(key):
            with self._file.transaction() as db:
                db.executemany(
                    "UPDATE failures SET next_try = min(next_try, ?) WHERE mapping = ? AND reason = ?",
                    [(now, key, reason) for reason in reasons],
                )

    def names(self, key: str) -> frozenset[str]:
        """Return the names that have failed."""
        with self._lock:
            return frozenset(self._names.get(key, ()))

    def page(self, key: str, limit: int = 1000, after: str | None = None) -> list[MigrationFailure]:
        """Return a page of the entries, by name."""
        if after is None:
            return self._entries("mapping = ? ORDER BY name LIMIT ?", key, limit)
        return self._entries("mapping = ? AND name > ? ORDER BY name LIMIT ?", key, after, limit)

    def prune(self, kept: Iterable[Mapping]) -> None:
        """Remove the entries of all migrations but these. An account-wide one keeps all of its
        containers."""
        kept = list(kept)
        with self._lock:
            gone = [key for key in self._names if not any(is_of(key, mapping) for mapping in kept)]
            if not gone:
                return
            with self._file.transaction() as db:
                db.executemany("DELETE FROM failures WHERE mapping = ?", [(key,) for key in gone])
            for key in gone:
                self._count -= len(self._names.pop(key))

    def close(self) -> None:
        self._file.close()

    def _one(self, key: str, name: str) -> MigrationFailure | None:
        return next(iter(self._entries("mapping = ? AND name = ?", key, name)), None)

    def _entries(self, where: str, *values: object) -> list[MigrationFailure]:
        rows = self._file.all(f"SELECT {COLUMNS} FROM failures WHERE {where}", *values)
        return [MigrationFailure(*row) for row in rows]
