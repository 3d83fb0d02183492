"""Stored copies that are to be deleted when they expire, of objects that are not in Swift any more.

An entry is written before the local object is given up: from then on no row tells of it. It has its own life
beside failures and progress, so that a reset keeps it. Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass

from s3_sync.state.journal_file import JournalFile

SCHEMA = """
CREATE TABLE IF NOT EXISTS expiries (
    mapping TEXT NOT NULL, name TEXT NOT NULL, delete_at INTEGER NOT NULL, version TEXT NOT NULL,
    copy TEXT NOT NULL, attempts INTEGER NOT NULL, next_try REAL NOT NULL, reason TEXT NOT NULL,
    detail TEXT NOT NULL, PRIMARY KEY (mapping, name)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS expiries_due ON expiries (mapping, delete_at);
"""
_SAME = "mapping = ? AND name = ? AND delete_at = ? AND version = ? AND copy = ?"


@dataclass(frozen=True, slots=True)
class Expiry:
    """``delete_at``: the X-Delete-At. ``version``: data timestamp of the local object that was moved;
    ``copy``: the mark of the stored copy, which may be older where its bytes were there already; both in
    internal form."""

    name: str
    delete_at: int
    version: str
    copy: str


@dataclass(frozen=True, slots=True)
class Postponed:
    """An entry that stays. ``attempts``: tries that failed; 0 when it only has to wait longer."""

    expiry: Expiry
    attempts: int
    next_try: float
    reason: str = ""
    detail: str = ""


class Expiries:
    """All mappings' entries, in the journal's file. Raises StateError."""

    def __init__(self, file: JournalFile, backoff: Callable[[int], float]) -> None:
        self._file = file
        self._backoff = backoff

    def note(self, mapping: str, expiry: Expiry) -> None:
        """Durable when it returns. What was noted about an earlier version of that name is replaced."""
        with self._file.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO expiries VALUES (?, ?, ?, ?, ?, 0, 0, '', '')",
                (mapping, *astuple(expiry)),
            )

    def due(self, mapping: str, delete_at: float, next_try: float, limit: int) -> list[Expiry]:
        """Entries with an X-Delete-At up to ``delete_at`` that may be tried at ``next_try``, oldest first."""
        rows = self._file.all(
            "SELECT name, delete_at, version, copy FROM expiries"
            " WHERE mapping = ? AND delete_at <= ? AND next_try <= ? ORDER BY delete_at, name LIMIT ?",
            mapping, delete_at, next_try, limit,
        )  # fmt: skip
        return [Expiry(*row) for row in rows]

    def settle(self, mapping: str, done: Sequence[Expiry]) -> None:
        """Nothing is left to do for these, unless something else was noted meanwhile."""
        with self._file.transaction() as db:
            db.executemany(
                f"DELETE FROM expiries WHERE {_SAME}", [(mapping, *astuple(expiry)) for expiry in done]
            )

    def postpone(self, mapping: str, expiry: Expiry, until: float) -> None:
        """It is not the time yet."""
        with self._file.transaction() as db:
            db.execute(
                f"UPDATE expiries SET attempts = 0, next_try = ?, reason = '', detail = '' WHERE {_SAME}",
                (until, mapping, *astuple(expiry)),
            )

    def fail(self, mapping: str, expiry: Expiry, now: float, reason: str, detail: str) -> None:
        """It is tried again, after pauses that grow."""
        with self._file.transaction() as db:
            found = db.execute(
                f"SELECT attempts FROM expiries WHERE {_SAME}", (mapping, *astuple(expiry))
            ).fetchone()
            attempts = found[0] + 1 if found else 1
            db.execute(
                f"UPDATE expiries SET attempts = ?, next_try = ?, reason = ?, detail = ? WHERE {_SAME}",
                (attempts, now + self._backoff(attempts), reason, detail, mapping, *astuple(expiry)),
            )

    def failing(self, mapping: str) -> int:
        """How many are overdue because a try failed."""
        found = self._file.one("SELECT count(*) FROM expiries WHERE mapping = ? AND attempts > 0", mapping)
        return found[0] if found else 0

    def entries(self, mapping: str, limit: int = 1000, after: str = "") -> list[Postponed]:
        """Everything that is noted about a mapping by name, a page at a time."""
        rows = self._file.all(
            "SELECT name, delete_at, version, copy, attempts, next_try, reason, detail FROM expiries"
            " WHERE mapping = ? AND name > ? ORDER BY name LIMIT ?",
            mapping, after, limit,
        )  # fmt: skip
        return [Postponed(Expiry(*row[:4]), *row[4:]) for row in rows]
