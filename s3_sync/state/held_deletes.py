"""What the deletes of migrations have been held back for, until an operator allows them.

A migration may delete only so many objects per pass, and none on the strength of a source that lists nothing.
The number that waits, and since when, must survive a restart: a permission is for what was waiting when it
was given, and for nothing that vanishes from the source later.
"""

from __future__ import annotations

from dataclasses import dataclass

from s3_sync.state.journal_file import JournalFile

SCHEMA = """
CREATE TABLE IF NOT EXISTS held_deletes (
    mapping TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL, since REAL NOT NULL,
    PRIMARY KEY (mapping)) WITHOUT ROWID;
"""
#: there are more of them than one pass may delete
DELETE_BUDGET = "delete_budget"
#: the source lists nothing at all
SOURCE_EMPTY = "source_empty"


@dataclass(frozen=True, slots=True)
class HeldDeletes:
    """``count`` objects wait. ``since``: when the number was first recorded, or has grown since; in seconds
    since the epoch."""

    reason: str
    count: int
    since: float


class HeldDeletesLedger:
    """All mappings' entries, by journal key. Raises StateError."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def get(self, mapping: str) -> HeldDeletes | None:
        row = self._file.one("SELECT reason, count, since FROM held_deletes WHERE mapping = ?", mapping)
        return None if row is None else HeldDeletes(*row)

    def put(self, mapping: str, held: HeldDeletes) -> None:
        """Record an entry, durably."""
        with self._file.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO held_deletes VALUES (?, ?, ?, ?)",
                (mapping, held.reason, held.count, held.since),
            )

    def remove(self, mapping: str) -> None:
        if self.get(mapping) is not None:
            with self._file.transaction() as db:
                db.execute("DELETE FROM held_deletes WHERE mapping = ?", (mapping,))
