"""How far resets have come: rows of a database that are compared once more, whatever was known of them.

A reset is taken by each database once: then the journal has one pass for its own rows and one for those of
other nodes, and the progress of the mapping stays as it is. So what is new does not wait behind what is old,
and a kill costs one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

from s3_sync.state.journal_file import JournalFile

SCHEMA = """
CREATE TABLE IF NOT EXISTS resets (
    mapping TEXT NOT NULL, database TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, prefix TEXT NOT NULL,
    since REAL NOT NULL, next_row INTEGER NOT NULL, last_row INTEGER NOT NULL, due REAL NOT NULL,
    PRIMARY KEY (mapping, database, id, kind)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS resets_taken (
    mapping TEXT NOT NULL, database TEXT NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (mapping, database)) WITHOUT ROWID;
"""
COLUMNS = "database, id, kind, prefix, since, next_row, last_row, due"
_SAME = "mapping = ? AND database = ? AND id = ? AND kind = ?"


@dataclass(frozen=True, slots=True)
class ResetRange:
    """Rows ``next_row`` to ``last_row`` are still to be compared, not before ``due``. ``kind``: PRIMARY, own
    rows, or VERIFY, those of other nodes. ``prefix``, ``since``: of the reset ``id``."""

    database: str
    id: str
    kind: str
    prefix: str
    since: float
    next_row: int
    last_row: int
    due: float


class Resets:
    """Of all mappings, in the journal's file. Raises StateError."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def taken(self, mapping: str, database: str) -> str:
        """The id of the last one that was taken; empty when none was."""
        found = self._file.one(
            "SELECT id FROM resets_taken WHERE mapping = ? AND database = ?", mapping, database
        )
        return found[0] if found else ""

    def take(self, mapping: str, database: str, reset: str, passes: Sequence[ResetRange], now: float) -> None:
        """All at once: the passes begin, and what has failed of the objects that they are about is tried
        again ``now``, what is in quarantine too."""
        with self._file.transaction() as db:
            db.execute("INSERT OR REPLACE INTO resets_taken VALUES (?, ?, ?)", (mapping, database, reset))
            for each in passes:
                db.execute(
                    "INSERT OR REPLACE INTO resets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (mapping, *astuple(each)),
                )
            for prefix, since in {(each.prefix, each.since) for each in passes}:
                db.execute(
                    "UPDATE unsettled SET state = 'retry', next_try = min(next_try, ?)"
                    " WHERE mapping = ? AND state != 'waiting' AND substr(name, 1, ?) = ? AND timestamp >= ?",
                    (now, mapping, len(prefix), prefix, f"{since:016.5f}"),
                )

    def passes(self, mapping: str, database: str) -> list[ResetRange]:
        """In the order in which they were asked for, own rows before those of others."""
        rows = self._file.all(
            f"SELECT {COLUMNS} FROM resets WHERE mapping = ? AND database = ? ORDER BY id, kind",
            mapping, database,
        )  # fmt: skip
        return [ResetRange(*row) for row in rows]

    def advance(self, mapping: str, begun: ResetRange, next_row: int) -> ResetRange | None:
        """Rows before ``next_row`` have been compared; None: these were all."""
        where = (mapping, begun.database, begun.id, begun.kind)
        with self._file.transaction() as db:
            if next_row > begun.last_row:
                db.execute(f"DELETE FROM resets WHERE {_SAME}", where)
                return None
            db.execute(f"UPDATE resets SET next_row = ? WHERE {_SAME}", (next_row, *where))
        return replace(begun, next_row=next_row)
