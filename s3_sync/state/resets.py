"""Progress of resets: rows of a database that are compared again, whatever is known about them.

Each database applies a reset once. It then has one pass for its own rows and one for those of other nodes in
the journal, and the mapping's cursors stay as they are. New rows therefore do not wait behind old ones, and a
kill costs one batch.
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
    """Rows ``next_row`` to ``last_row``, still to be compared, not before ``due``. ``kind``: PRIMARY (own
    rows) or VERIFY (rows of other nodes). ``prefix`` and ``since`` are those of the reset ``id``."""

    database: str
    id: str
    kind: str
    prefix: str
    since: float
    next_row: int
    last_row: int
    due: float


def is_reset(name: str, written: float, prefix: str, since: float) -> bool:
    """Whether a reset of names with this ``prefix``, changed ``since`` then, concerns an object last changed
    at ``written``; seconds since the epoch."""
    return name.startswith(prefix) and written >= since


class Resets:
    """All mappings' resets, in the journal's file. Raises StateError."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def taken(self, mapping: str, database: str) -> str:
        """Return the id of the last reset that this database has applied; empty if none."""
        found = self._file.one(
            "SELECT id FROM resets_taken WHERE mapping = ? AND database = ?", mapping, database
        )
        return found[0] if found else ""

    def take(self, mapping: str, database: str, reset: str, passes: Sequence[ResetRange], now: float) -> None:
        """Apply a reset in one transaction: add its passes, and make the failures of the objects concerned
        due ``now``, quarantined ones included."""
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
        """Return the passes in the order of the resets, own rows before those of other nodes."""
        rows = self._file.all(
            f"SELECT {COLUMNS} FROM resets WHERE mapping = ? AND database = ? ORDER BY id, kind",
            mapping, database,
        )  # fmt: skip
        return [ResetRange(*row) for row in rows]

    def advance(self, mapping: str, begun: ResetRange, next_row: int) -> ResetRange | None:
        """Record that rows before ``next_row`` were compared. Returns the remaining range; None if there is
        none."""
        where = (mapping, begun.database, begun.id, begun.kind)
        with self._file.transaction() as db:
            if next_row > begun.last_row:
                db.execute(f"DELETE FROM resets WHERE {_SAME}", where)
                return None
            db.execute(f"UPDATE resets SET next_row = ? WHERE {_SAME}", (next_row, *where))
        return replace(begun, next_row=next_row)
