"""Journal of segments at another Swift that may be needed by no large object there any more.

An entry is written before a large object is replaced or deleted, and before one is sent, so that a crash at
any point leaves no segment of which nothing knows. It is independent of failures and cursors, so a reset
keeps it. Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from s3_sync.state.journal_file import JournalFile

SCHEMA = """
CREATE TABLE IF NOT EXISTS left_segments (
    mapping TEXT NOT NULL, container TEXT NOT NULL, name TEXT NOT NULL, etag TEXT NOT NULL,
    due REAL NOT NULL, attempts INTEGER NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL,
    PRIMARY KEY (mapping, container, name)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS left_segments_due ON left_segments (mapping, due);
"""
#: of a mapping: those whose last attempt failed
FAILED = "mapping = ? AND reason != ''"
COLUMNS = "container, name, etag, due, attempts, reason, detail"
_SAME = "mapping = ? AND container = ? AND name = ? AND etag = ?"
_UNCHANGED = f"{_SAME} AND due = ? AND attempts = ?"


@dataclass(frozen=True, slots=True)
class LeftSegment:
    """``container`` and ``name`` are the store's. ``etag``: the MD5 of its bytes; of a combined segment that
    was not sent yet, its mark ``combined-etag``."""

    container: str
    name: str
    etag: str

    @property
    def place(self) -> tuple[str, str]:
        return self.container, self.name

    @property
    def path(self) -> str:
        """How commands name it."""
        return f"{self.container}/{self.name}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A segment, and how often it could not be deleted; ``reason`` is that of the last attempt, empty if it
    found the segment in use."""

    segment: LeftSegment
    due: float
    attempts: int = 0
    reason: str = ""
    detail: str = ""

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> Entry:
        """``row``: the values of COLUMNS."""
        return cls(LeftSegment(*row[:3]), *row[3:])


class LeftSegments:
    """All mappings' entries, in the journal's file. Raises StateError."""

    def __init__(self, file: JournalFile, backoff: Callable[[int], float]) -> None:
        self._file = file
        self._backoff = backoff

    def note(self, mapping: str, segments: Sequence[LeftSegment], due: float) -> None:
        """Record segments, durably. They replace entries for the same names."""
        if not segments:
            return
        with self._file.transaction() as db:
            db.executemany(
                "INSERT OR REPLACE INTO left_segments VALUES (?, ?, ?, ?, ?, 0, '', '')",
                [(mapping, *astuple(segment), due) for segment in segments],
            )

    def settle(self, mapping: str, done: Sequence[LeftSegment]) -> None:
        """Remove the entries for these segments. One that was replaced by one with another ETag stays."""
        if not done:
            return
        with self._file.transaction() as db:
            db.executemany(
                f"DELETE FROM left_segments WHERE {_SAME}", [(mapping, *astuple(each)) for each in done]
            )

    def conclude(self, mapping: str, results: Sequence[tuple[Entry, Entry | None]]) -> None:
        """Replace each entry by the other one; None: remove it. One that was noted again since it was read
        stays as it is."""
        if not results:
            return
        removed = [(mapping, *_identity(entry)) for entry, later in results if later is None]
        postponed = [
            (later.due, later.attempts, later.reason, later.detail, mapping, *_identity(entry))
            for entry, later in results
            if later is not None
        ]
        with self._file.transaction() as db:
            db.executemany(f"DELETE FROM left_segments WHERE {_UNCHANGED}", removed)
            db.executemany(
                f"UPDATE left_segments SET due = ?, attempts = ?, reason = ?, detail = ? WHERE {_UNCHANGED}",
                postponed,
            )

    def is_unchanged(self, mapping: str, entry: Entry) -> bool:
        """Return whether the segment was not noted again since the entry was read."""
        query = f"SELECT 1 FROM left_segments WHERE {_UNCHANGED}"
        return self._file.one(query, mapping, *_identity(entry)) is not None

    def due(self, mapping: str, now: float, limit: int, and_new: bool = False) -> list[Entry]:
        """Return entries that are due, longest waiting first. ``and_new``: and all that were never tried."""
        rows = self._file.all(
            f"SELECT {COLUMNS} FROM left_segments"
            " WHERE mapping = ? AND (due <= ? OR (? AND attempts = 0)) ORDER BY due, container, name LIMIT ?",
            mapping, now, and_new, limit,
        )  # fmt: skip
        return [Entry.of_row(row) for row in rows]

    def postponed(self, entry: Entry, now: float, reason: str = "", detail: str = "") -> Entry:
        """Return the entry after one more attempt, with the next one delayed by the backoff."""
        attempts = entry.attempts + 1
        return Entry(entry.segment, now + self._backoff(attempts), attempts, reason, detail)

    def failing(self, mapping: str) -> int:
        """Count the entries whose last attempt failed."""
        found = self._file.one(f"SELECT count(*) FROM left_segments WHERE {FAILED}", mapping)
        return found[0] if found else 0

    def clock_set_back(self, mapping: str, now: float) -> None:
        """The clock was set back to ``now``: entries scheduled by the old clock become due."""
        with self._file.transaction() as db:
            db.execute("UPDATE left_segments SET due = ? WHERE mapping = ? AND due > ?", (now, mapping, now))


def _identity(entry: Entry) -> tuple[str, str, str, float, int]:
    return (*astuple(entry.segment), entry.due, entry.attempts)
