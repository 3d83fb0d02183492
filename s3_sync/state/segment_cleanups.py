"""Large objects whose local manifest was moved and whose local segments must still be deleted.

An entry is written before the manifest is deleted, because afterwards nothing else records its segments.
It is independent of failures and cursors, so a reset keeps it.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

from s3_sync.state.journal_file import JournalFile

SCHEMA = """
CREATE TABLE IF NOT EXISTS departures (
    mapping TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, gone INTEGER NOT NULL,
    segments TEXT NOT NULL, PRIMARY KEY (mapping, name, version));
"""


@dataclass(frozen=True, slots=True)
class SegmentCleanup:
    """``version``: the manifest's data timestamp, in internal form. ``gone``: the manifest is known to be
    deleted. ``segments``: in the format of ``sync.lifecycle.segment_cleanup``."""

    name: str
    version: str
    gone: bool
    segments: str


class SegmentCleanups:
    """All mappings' entries, in the journal's file. Raises StateError."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def note(self, mapping: str, departure: SegmentCleanup) -> None:
        """Record a cleanup, durably. It replaces that of the same version."""
        with self._file.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO departures VALUES (?, ?, ?, ?, ?)", (mapping, *astuple(departure))
            )

    def entries(self, mapping: str, limit: int) -> list[SegmentCleanup]:
        """Return up to ``limit`` cleanups, oldest first."""
        rows = self._file.all(
            "SELECT name, version, gone, segments FROM departures WHERE mapping = ?"
            " ORDER BY version, name LIMIT ?",
            mapping, limit,
        )  # fmt: skip
        return [SegmentCleanup(name, version, bool(gone), segments) for name, version, gone, segments in rows]

    def settle(self, mapping: str, departure: SegmentCleanup) -> None:
        """Remove an entry whose segments are all handled."""
        with self._file.transaction() as db:
            db.execute(
                "DELETE FROM departures WHERE mapping = ? AND name = ? AND version = ?",
                (mapping, departure.name, departure.version),
            )
