"""Journal of copies that must be deleted at their X-Delete-At, of objects that have been moved out of Swift.

An entry is written before the local object is deleted, because afterwards no row refers to the copy. It is
independent of failures and cursors, so a reset keeps it. Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass

from s3_sync.model.outcomes import pause_after
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
    """A copy with an expiry date. ``delete_at``: its X-Delete-At. ``version``: data timestamp of the moved
    local object. ``copy``: the mark of the stored copy. Both timestamps in internal form."""

    name: str
    delete_at: int
    version: str
    copy: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An expiry and its failures. ``attempts``: failed attempts so far, the last one for ``reason``; 0 if
    none has failed."""

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
        """Record an expiry, durably. It replaces that of an earlier version of the same name."""
        with self._file.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO expiries VALUES (?, ?, ?, ?, ?, 0, 0, '', '')",
                (mapping, *astuple(expiry)),
            )

    def due(self, mapping: str, delete_at: float, next_try: float, limit: int) -> list[Entry]:
        """Return entries with an X-Delete-At up to ``delete_at`` and a next attempt up to ``next_try``,
        oldest first."""
        return self._entries(
            "mapping = ? AND delete_at <= ? AND next_try <= ? ORDER BY delete_at, name LIMIT ?",
            mapping, delete_at, next_try, limit,
        )  # fmt: skip

    def entries(self, mapping: str, limit: int = 1000, after: str = "") -> list[Entry]:
        """Return a page of a mapping's entries, by name."""
        return self._entries("mapping = ? AND name > ? ORDER BY name LIMIT ?", mapping, after, limit)

    def failing(self, mapping: str) -> int:
        """Count the entries that are overdue because an attempt failed."""
        found = self._file.one("SELECT count(*) FROM expiries WHERE mapping = ? AND attempts > 0", mapping)
        return found[0] if found else 0

    def settle(self, mapping: str, done: Sequence[Expiry], later: Sequence[Entry] = ()) -> None:
        """Remove ``done`` and reschedule ``later``. An entry that was replaced meanwhile stays as it is."""
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

    def clock_set_back(self, mapping: str, now: float) -> None:
        """The clock was set back to ``now``: entries scheduled by the old clock become due."""
        with self._file.transaction() as db:
            db.execute(
                "UPDATE expiries SET next_try = ? WHERE mapping = ? AND next_try > ?", (now, mapping, now)
            )

    def failed(self, entry: Entry, now: float, reason: str, detail: str) -> Entry:
        """Return the entry after one more failure, with the next attempt delayed by the backoff."""
        attempts = entry.attempts + 1
        pause = pause_after(reason, attempts, self._backoff)
        return Entry(entry.expiry, attempts, now + pause, reason, detail)

    def _entries(self, where: str, *values: object) -> list[Entry]:
        rows = self._file.all(
            "SELECT name, delete_at, version, copy, attempts, next_try, reason, detail"
            f" FROM expiries WHERE {where}",
            *values,
        )
        return [Entry(Expiry(*row[:4]), *row[4:]) for row in rows]
