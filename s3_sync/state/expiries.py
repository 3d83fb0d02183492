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
    ``copy``: the mark of the stored copy; both in internal form."""

    name: str
    delete_at: int
    version: str
    copy: str


@dataclass(frozen=True, slots=True)
class Entry:
    """``attempts``: tries that failed so far, the last one for ``reason``; 0 when it only has to wait."""

    expiry: Expiry
    attempts: int = 0
    next_try: float = 0.0
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

    def due(self, mapping: str, delete_at: float, next_try: float, limit: int) -> list[Entry]:
        """Entries with an X-Delete-At up to ``delete_at`` that may be tried at ``next_try``, oldest first."""
        return self._entries(
            "mapping = ? AND delete_at <= ? AND next_try <= ? ORDER BY delete_at, name LIMIT ?",
            mapping, delete_at, next_try, limit,
        )  # fmt: skip

    def entries(self, mapping: str, limit: int = 1000, after: str = "") -> list[Entry]:
        """Everything that is noted about a mapping by name, a page at a time."""
        return self._entries("mapping = ? AND name > ? ORDER BY name LIMIT ?", mapping, after, limit)

    def failing(self, mapping: str) -> int:
        """How many are overdue because a try failed."""
        found = self._file.one("SELECT count(*) FROM expiries WHERE mapping = ? AND attempts > 0", mapping)
        return found[0] if found else 0

    def settle(self, mapping: str, done: Sequence[Expiry], later: Sequence[Entry] = ()) -> None:
        """Nothing is left to do for ``done``; ``later`` says when to try again. What else was noted about
        such a name meanwhile stays."""
        if not (done or later):
            return
        with self._file.transaction() as db:
            db.executemany(
                f"DELETE FROM expiries WHERE {_SAME}", [(mapping, *astuple(expiry)) for expiry in done]
            )
            db.executemany(
                f"UPDATE expiries SET attempts = ?, next_try = ?, reason = ?, detail = ? WHERE {_SAME}",
                [
                    (each.attempts, each.next_try, each.reason, each.detail, mapping, *astuple(each.expiry))
                    for each in later
                ],
            )

    def set_back(self, mapping: str, now: float) -> None:
        """The clock was set back to ``now``: what waits for a time that it told may be tried now."""
        with self._file.transaction() as db:
            db.execute(
                "UPDATE expiries SET next_try = ? WHERE mapping = ? AND next_try > ?", (now, mapping, now)
            )

    def failed(self, entry: Entry, now: float, reason: str, detail: str) -> Entry:
        """The entry after one more failure: the pauses grow."""
        attempts = entry.attempts + 1
        return Entry(entry.expiry, attempts, now + self._backoff(attempts), reason, detail)

    def _entries(self, where: str, *values: object) -> list[Entry]:
        rows = self._file.all(
            "SELECT name, delete_at, version, copy, attempts, next_try, reason, detail"
            f" FROM expiries WHERE {where}",
            *values,
        )
        return [Entry(Expiry(*row[:4]), *row[4:]) for row in rows]
