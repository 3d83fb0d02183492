"""Multipart uploads that are open at a store, in the journal: none is forgotten in a crash.

Times are seconds since the epoch. Everything is durable when a method returns.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    """``completing``: when the store was last asked to complete it; None: never."""

    name: str
    upload_id: str
    completing: float | None


class Uploads:
    """All mappings' uploads, in the journal's file. Raises StateError."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file
        self._at_work: dict[str, tuple[set[str], dict[int, float]]] = {}

    def at_work(self, mapping: str) -> tuple[set[str], dict[int, float]]:
        """What this process is at, kept in memory by whoever asks: upload ids, and numbers of begins with the
        time until when they may be underway."""
        return self._at_work.setdefault(mapping, (set(), {}))

    def begins(self, mapping: str, name: str, now: float) -> int:
        """The store is about to be asked for an upload, whose id nobody knows yet; returns what this request
        is called here. There may be several for one name."""
        with self._file.transaction() as db:
            added = db.execute(
                "INSERT INTO begins (mapping, name, noted) VALUES (?, ?, ?)", (mapping, name, now)
            )
        assert added.lastrowid is not None
        return added.lastrowid

    def not_begun(self, begin: int) -> None:
        with self._file.transaction() as db:
            db.execute("DELETE FROM begins WHERE id = ?", (begin,))

    def beginning(self, mapping: str) -> list[tuple[int, str, float]]:
        """Each ``begins`` of which nothing more is known: what it returned, name, time."""
        rows = self._file.all("SELECT id, name, noted FROM begins WHERE mapping = ? ORDER BY id", mapping)
        return [(begin, name, noted) for begin, name, noted in rows]

    def begun(self, mapping: str, begin: int, name: str, upload_id: str, now: float) -> None:
        """It is open at the store, until ``ended``."""
        with self._file.transaction() as db:
            db.execute("DELETE FROM begins WHERE id = ?", (begin,))
            db.execute("INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?)", (mapping, upload_id, name, now))

    def completing(self, mapping: str, upload_id: str, now: float) -> None:
        """The store is about to be asked to complete it, and may be at it for longer than anybody waits."""
        with self._file.transaction() as db:
            db.execute("INSERT OR REPLACE INTO completions VALUES (?, ?, ?)", (mapping, upload_id, now))

    def ended(self, mapping: str, upload_id: str) -> None:
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
