"""What was last sent of each container's own metadata, and whether sending it fails now.

Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from s3_sync.model.outcomes import pause_after
from s3_sync.state.journal_file import JournalFile

SCHEMA = """
CREATE TABLE IF NOT EXISTS containers (
    mapping TEXT NOT NULL PRIMARY KEY, digest TEXT NOT NULL, read_acl TEXT NOT NULL, names TEXT NOT NULL,
    reset TEXT NOT NULL, attempts INTEGER NOT NULL, first_failure REAL NOT NULL, last_failure REAL NOT NULL,
    next_try REAL NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL) WITHOUT ROWID;
"""
COLUMNS = "digest, read_acl, names, reset, attempts, first_failure, last_failure, next_try, reason, detail"


@dataclass(frozen=True, slots=True)
class ContainerRecord:
    """``digest``, ``read_acl``: of what was sent last, see ``model.container_metadata``; empty: nothing.
    ``names``: the headers that were ever sent. ``reset``: id of the last reset before. ``attempts``: failures
    in a row since, the last one for ``reason``."""

    digest: str = ""
    read_acl: str = ""
    names: tuple[str, ...] = ()
    reset: str = ""
    attempts: int = 0
    first_failure: float = 0.0
    last_failure: float = 0.0
    next_try: float = 0.0
    reason: str = ""
    detail: str = ""

    @classmethod
    def of_row(cls, row: tuple[object, ...]) -> ContainerRecord:
        """``row``: the columns of ``COLUMNS``."""
        record = cls(*row)  # type: ignore[arg-type]
        return replace(record, names=tuple(filter(None, str(record.names).split("\n"))))


class ContainerRecords:
    """All mappings' records, in the journal's file. Raises StateError."""

    def __init__(self, file: JournalFile, backoff: Callable[[int], float]) -> None:
        self._file = file
        self._backoff = backoff

    def load(self, mapping: str) -> ContainerRecord:
        found = self._file.one(f"SELECT {COLUMNS} FROM containers WHERE mapping = ?", mapping)
        return ContainerRecord.of_row(found) if found else ContainerRecord()

    def save(self, mapping: str, record: ContainerRecord) -> None:
        """Replace a mapping's record, durably."""
        values = (
            mapping, record.digest, record.read_acl, "\n".join(record.names), record.reset, record.attempts,
            record.first_failure, record.last_failure, record.next_try, record.reason, record.detail,
        )  # fmt: skip
        with self._file.transaction() as db:
            db.execute("INSERT OR REPLACE INTO containers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    def failed(self, record: ContainerRecord, now: float, reason: str, detail: str) -> ContainerRecord:
        """Return the record after one more failure, with the next attempt delayed by the backoff."""
        attempts = record.attempts + 1
        pause = pause_after(reason, attempts, self._backoff)
        first = record.first_failure if record.attempts else now
        return replace(
            record, attempts=attempts, first_failure=first, last_failure=now, next_try=now + pause,
            reason=reason, detail=detail,
        )  # fmt: skip
