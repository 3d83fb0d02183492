"""Journal of the multipart uploads that are open at a store, so that none is lost in a crash.

Times are seconds since the epoch. Every change is durable when the method returns.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from s3_sync.state.journal_file import JournalFile

SCHEMA = """
CREATE TABLE IF NOT EXISTS uploads (
    mapping TEXT NOT NULL, upload_id TEXT NOT NULL, name TEXT NOT NULL, begun REAL NOT NULL,
    PRIMARY KEY (mapping, upload_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS begins (
    id INTEGER PRIMARY KEY, mapping TEXT NOT NULL, name TEXT NOT NULL, noted REAL NOT NULL);
CREATE TABLE IF NOT EXISTS completions (
    mapping TEXT NOT NULL, upload_id TEXT NOT NULL, asked REAL NOT NULL,
    PRIMARY KEY (mapping, upload_id)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Open:
    """An open upload. ``completing``: when its completion was last requested; None if never."""

    name: str
    upload_id: str
    completing: float | None


class CreateRequest(NamedTuple):
    """A request to create an upload whose outcome is unknown. ``id``: its number in the journal."""

    id: int
    name: str
    requested: float


@dataclass(frozen=True, slots=True)
class InFlight:
    """What this process has in flight, in memory only. ``uploads``: upload ids. ``requests``: ids of creation
    requests, with the time until which they may be in progress."""

    uploads: set[str] = field(default_factory=set)
    requests: dict[int, float] = field(default_factory=dict)


class Uploads:
    """All mappings' uploads, in the journal's file. Raises StateError."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file
        self._in_flight: dict[str, InFlight] = {}

    def in_flight(self, mapping: str) -> InFlight:
        """Return what this process has in flight for a mapping, always the same object. The caller updates
        it."""
        return self._in_flight.setdefault(mapping, InFlight())

    def starting(self, mapping: str, name: str, now: float) -> int:
        """Record that an upload is about to be created, before its upload id is known. Returns the id of this
        creation request; there may be several for one name."""
        with self._file.transaction() as db:
            added = db.execute(
                "INSERT INTO begins (mapping, name, noted) VALUES (?, ?, ?)", (mapping, name, now)
            )
        assert added.lastrowid is not None
        return added.lastrowid

    def start_failed(self, begin: int) -> None:
        """Record that the creation failed."""
        with self._file.transaction() as db:
            db.execute("DELETE FROM begins WHERE id = ?", (begin,))

    def beginning(self, mapping: str) -> list[CreateRequest]:
        """Return the creation requests whose outcome is unknown, oldest first."""
        rows = self._file.all("SELECT id, name, noted FROM begins WHERE mapping = ? ORDER BY id", mapping)
        return [CreateRequest(*row) for row in rows]

    def started(self, mapping: str, begin: int, name: str, upload_id: str, now: float) -> None:
        """Record that the upload was created; it is open at the store until ``ended``."""
        with self._file.transaction() as db:
            db.execute("DELETE FROM begins WHERE id = ?", (begin,))
            db.execute("INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?)", (mapping, upload_id, name, now))

    def completing(self, mapping: str, upload_id: str, now: float) -> None:
        """Record that completion is about to be requested; the store may go on with it after a timeout."""
        with self._file.transaction() as db:
            db.execute("INSERT OR REPLACE INTO completions VALUES (?, ?, ?)", (mapping, upload_id, now))

    def finished(self, mapping: str, upload_id: str) -> None:
        """Record that the upload was completed or aborted."""
        with self._file.transaction() as db:
            for table in ("uploads", "completions"):
                db.execute(f"DELETE FROM {table} WHERE mapping = ? AND upload_id = ?", (mapping, upload_id))

    def open(self, mapping: str) -> list[Open]:
        rows = self._file.all(
            "SELECT name, upload_id, asked FROM uploads LEFT JOIN completions USING (mapping, upload_id)"
            " WHERE mapping = ? ORDER BY begun",
            mapping,
        )
        return [Open(*row) for row in rows]
