"""The journal: every row that a cursor has passed and that is not settled yet.

One SQLite file for all processes of a daemon; each mapping belongs to one process. A cursor moves only after
the journal's commit, so a kill at any moment loses nothing:

1. ``open_window`` before rows are handled: after a crash, rows up to there may or may not have been sent;
2. ``settle`` afterwards, in one transaction: add failures and not-yet-due ranges, remove settled names;
3. then write the status file, whose cursor closes the window by reaching its end.

All times are seconds since the epoch.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

from s3_sync.model.outcomes import pause_after
from s3_sync.runtime.backoff import Backoff
from s3_sync.state.container_records import SCHEMA as CONTAINERS
from s3_sync.state.container_records import ContainerRecords
from s3_sync.state.expiries import SCHEMA as EXPIRIES
from s3_sync.state.expiries import Expiries
from s3_sync.state.journal_file import JournalFile
from s3_sync.state.left_segments import SCHEMA as LEFT_SEGMENTS
from s3_sync.state.left_segments import LeftSegments
from s3_sync.state.resets import SCHEMA as RESETS
from s3_sync.state.resets import Resets
from s3_sync.state.segment_cleanups import SCHEMA as DEPARTURES
from s3_sync.state.segment_cleanups import SegmentCleanups
from s3_sync.state.uploads import SCHEMA as UPLOADS
from s3_sync.state.uploads import Uploads

RETRY = "retry"
QUARANTINE = "quarantine"
WAITING = "waiting"
PRIMARY = "primary"
VERIFY = "verify"
#: key in ``meta``; its value changes with every change by the operator
EDITED = "edited"
#: kinds of ranges whose deletes are held by the delete budget
HELD, HELD_VERIFY = "held", "held verify"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unsettled (
    mapping TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, policy INTEGER NOT NULL,
    deleted INTEGER NOT NULL, data_timestamp TEXT NOT NULL, timestamp TEXT NOT NULL, size INTEGER NOT NULL,
    reason TEXT NOT NULL, detail TEXT NOT NULL, attempts INTEGER NOT NULL,
    first_failure REAL NOT NULL, last_failure REAL NOT NULL, next_try REAL NOT NULL,
    PRIMARY KEY (mapping, name)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unsettled_next ON unsettled (mapping, state, next_try);
CREATE TABLE IF NOT EXISTS ranges (
    mapping TEXT NOT NULL, database TEXT NOT NULL, kind TEXT NOT NULL,
    first_row INTEGER NOT NULL, last_row INTEGER NOT NULL, due REAL NOT NULL,
    PRIMARY KEY (mapping, database, kind, first_row)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS windows (
    mapping TEXT NOT NULL, database TEXT NOT NULL, last_row INTEGER NOT NULL,
    PRIMARY KEY (mapping, database)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Unsettled:
    """One object that has not converged. ``state`` is RETRY, QUARANTINE, or WAITING for a place in the lane
    of large objects, which is not a failure. Timestamps in internal form.

    Only its identity matters for the next attempt: what to do is decided again from the state of both sides.
    """

    name: str
    state: str
    policy: int
    deleted: bool
    data_timestamp: str
    timestamp: str
    size: int
    reason: str
    detail: str
    attempts: int = 0
    first_failure: float = 0.0
    last_failure: float = 0.0
    next_try: float = 0.0


@dataclass(frozen=True, slots=True)
class DueRange:
    """Rows of a database that are handled again at ``due``. ``kind``: PRIMARY or VERIFY, or HELD or
    HELD_VERIFY, where only the rows of deleted objects are handled."""

    database: str
    kind: str
    first_row: int
    last_row: int
    due: float


@dataclass(slots=True)
class Settlement:
    """The result of one batch.

    ``settled``: (name, timestamp in internal form) of finished objects; an entry with a newer timestamp
    stays. ``postponed``: (name, earliest time of the next attempt). ``deferred``: entries that become
    WAITING. ``later``: ranges to handle again. ``looked_at``: ranges that are done.
    """

    failures: list[Unsettled] = field(default_factory=list)
    settled: list[tuple[str, str]] = field(default_factory=list)
    postponed: list[tuple[str, float]] = field(default_factory=list)
    deferred: list[Unsettled] = field(default_factory=list)
    later: list[DueRange] = field(default_factory=list)
    looked_at: list[DueRange] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Counts:
    """Number and ``size`` in bytes of a mapping's entries; ``oldest`` is None if there are none. ``waiting``:
    entries that wait for, or occupy, a place in the lane of large objects."""

    retrying: int
    quarantined: int
    size: int
    oldest: float | None
    waiting: int = 0


class Journal:
    """The open journal. ``backoff(attempts) -> seconds`` is the delay after that many failures."""

    def __init__(self, path: str, backoff: Backoff) -> None:
        self._backoff = backoff
        schema = (_SCHEMA, CONTAINERS, EXPIRIES, DEPARTURES, LEFT_SEGMENTS, RESETS, UPLOADS)
        self._file = JournalFile(path, "".join(schema))
        self._db = self._file.connection
        self._transaction, self._one, self._all = self._file.transaction, self._file.one, self._file.all
        self.containers = ContainerRecords(self._file, backoff)
        self.expiries = Expiries(self._file, backoff)
        self.departures = SegmentCleanups(self._file)
        self.left_segments = LeftSegments(self._file, backoff)
        self.uploads = Uploads(self._file)
        self.resets = Resets(self._file)
        self.uuid = self._identity()
        #: mapping -> name -> timestamp of every entry; in memory because it is needed for every row
        self._names: dict[str, dict[str, str]] = {}
        self._edited = self._edits()
        self._data_version: object = None

    def open_window(self, mapping: str, database: str, last_row: int) -> None:
        """Rows up to ``last_row`` are about to be handled."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO windows VALUES (?, ?, ?)", (mapping, database, last_row))

    def window(self, mapping: str, database: str) -> int:
        """Return the last row of the last batch that was started; 0 if none was. Rows up to there may have
        been handled without a record."""
        found = self._one(
            "SELECT last_row FROM windows WHERE mapping = ? AND database = ?", mapping, database
        )
        return found[0] if found else 0

    def settle(self, mapping: str, settlement: Settlement, now: float) -> None:
        """Record the result of a batch, durably and in one transaction."""
        known = self._known(mapping)
        gone = [name for name, timestamp in settlement.settled if name in known and known[name] <= timestamp]
        postponed = [(when, mapping, name) for name, when in settlement.postponed if name in known]
        others = settlement.failures, settlement.deferred, settlement.looked_at, settlement.later
        if not (gone or postponed or any(others)):
            return
        with self._transaction():
            for name in gone:
                self._db.execute("DELETE FROM unsettled WHERE mapping = ? AND name = ?", (mapping, name))
            self._db.executemany(
                "UPDATE unsettled SET next_try = max(next_try, ?) WHERE mapping = ? AND name = ?", postponed
            )
            for failure in settlement.failures:
                self._record(mapping, failure, now)
            for deferred in settlement.deferred:
                self._defer(mapping, deferred, now)
            for later in settlement.looked_at:
                self._db.execute(
                    "DELETE FROM ranges WHERE mapping = ? AND database = ? AND kind = ? AND first_row = ?",
                    (mapping, later.database, later.kind, later.first_row),
                )
            self._db.executemany(
                "INSERT INTO ranges VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " last_row = max(last_row, excluded.last_row), due = min(due, excluded.due)",
                [
                    (mapping, each.database, each.kind, each.first_row, each.last_row, each.due)
                    for each in settlement.later
                ],
            )
        for name in gone:
            known.pop(name, None)
        for each in settlement.failures + settlement.deferred:
            known[each.name] = max(each.timestamp, known.get(each.name, ""))

    def has(self, mapping: str, name: str) -> bool:
        """Returns whether there is an entry for ``name``."""
        return name in self._known(mapping)

    def due_objects(self, mapping: str, now: float, limit: int, state: str = RETRY) -> list[Unsettled]:
        """Return entries in ``state`` that are due, longest waiting first."""
        if not self._known(mapping):
            return []  # called at each turn of each mapping; other processes only remove entries
        self._follow()
        return self._entries(
            "mapping = ? AND state = ? AND next_try <= ? ORDER BY next_try LIMIT ?",
            mapping,
            state,
            now,
            limit,
        )

    def waiting(self, mapping: str) -> int:
        """Count the WAITING entries."""
        if not self._known(mapping):
            return 0
        found = self._one("SELECT count(*) FROM unsettled WHERE mapping = ? AND state = ?", mapping, WAITING)
        return int(found[0]) if found else 0

    def unsettled(self, mapping: str, limit: int = 1000, after: str = "") -> list[Unsettled]:
        """Return a page of a mapping's entries, by name."""
        return self._entries("mapping = ? AND name > ? ORDER BY name LIMIT ?", mapping, after, limit)

    def due_ranges(self, mapping: str, database: str, now: float) -> list[DueRange]:
        rows = self._all(
            "SELECT database, kind, first_row, last_row, due FROM ranges"
            " WHERE mapping = ? AND database = ? AND due <= ? ORDER BY due",
            mapping,
            database,
            now,
        )
        return [DueRange(*row) for row in rows]

    def retry_now(self, mapping: str, reasons: Iterable[str], now: float) -> None:
        """The remote is available again: make entries with one of ``reasons`` due, and those whose last
        failure lies in the future because the clock was set back."""
        if not self._known(mapping):
            return
        chosen = list(reasons)
        marks = ", ".join("?" * len(chosen))
        with self._transaction():
            self._db.execute(
                "UPDATE unsettled SET next_try = ?"
                f" WHERE mapping = ? AND next_try > ? AND (reason IN ({marks}) OR last_failure > ?)",
                (now, mapping, now, *chosen, now),
            )

    def clock_set_back(self, mapping: str, now: float) -> None:
        """The clock was set back to ``now``: everything scheduled by the old clock becomes due."""
        self.retry_now(mapping, (), now)
        self.expiries.clock_set_back(mapping, now)
        self.left_segments.clock_set_back(mapping, now)
        with self._transaction():
            self._db.execute(
                "UPDATE ranges SET due = ? WHERE mapping = ? AND due > ?",
                (now, mapping, now),
            )

    def release_deletes(self, mapping: str, now: float) -> None:
        """Make held deletes due."""
        with self._transaction():
            self._db.execute(
                "UPDATE ranges SET due = ? WHERE mapping = ? AND kind IN (?, ?) AND due > ?",
                (now, mapping, HELD, HELD_VERIFY, now),
            )
            self._db.execute(
                "UPDATE unsettled SET next_try = ? WHERE mapping = ? AND deleted AND state != ?",
                (now, mapping, QUARANTINE),
            )

    def next_range(self, mapping: str, database: str) -> float | None:
        """Return when the next range of this database is due; None if there is none."""
        found = self._one("SELECT min(due) FROM ranges WHERE mapping = ? AND database = ?", mapping, database)
        return found[0] if found else None

    def set_meta(self, mapping: str, key: str, value: str) -> None:
        """Store a value about a mapping, durably; it replaces the previous one of the same ``key``."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"{key} of {mapping}", value))

    def get_meta(self, mapping: str, key: str) -> str | None:
        found = self._one("SELECT value FROM meta WHERE key = ?", f"{key} of {mapping}")
        return found[0] if found else None

    def counts(self, mapping: str) -> Counts:
        found = self._one(
            "SELECT count(*), coalesce(sum(state = ?), 0), coalesce(sum(state = ?), 0),"
            " coalesce(sum(size), 0), min(first_failure) FROM unsettled WHERE mapping = ?",
            QUARANTINE,
            WAITING,
            mapping,
        )
        total, quarantined, waiting, size, oldest = found or (0, 0, 0, 0, None)
        return Counts(total - quarantined - waiting, quarantined, size, oldest, waiting)

    def has_entries(self, mapping: str) -> bool:
        """Returns whether anything is left to do for a mapping whose databases are all gone."""
        tables = ("unsettled", "uploads", "begins", "expiries", "departures", "left_segments")
        return any(self._one(f"SELECT 1 FROM {table} WHERE mapping = ? LIMIT 1", mapping) for table in tables)

    def reset(self, mapping: str) -> None:
        """Remove a mapping's failures, quarantined ones included, and its ranges and windows."""
        with self._transaction():
            for table in ("unsettled", "ranges", "windows"):
                self._db.execute(f"DELETE FROM {table} WHERE mapping = ?", (mapping,))
        self._names.pop(mapping, None)

    def size(self) -> int:
        """Return the bytes on disk."""
        return self._file.size()

    def close(self) -> None:
        self._file.close()

    def _known(self, mapping: str) -> dict[str, str]:
        """Return name -> timestamp of the mapping's entries. Apart from the operator, only this process
        changes them."""
        if mapping not in self._names:
            entries = self._all("SELECT name, timestamp FROM unsettled WHERE mapping = ?", mapping)
            # another thread may have inserted its own dict meanwhile, and changed it since
            return self._names.setdefault(mapping, dict(entries))
        return self._names[mapping]

    def _edits(self) -> str:
        """Return the EDITED mark; it differs after the operator has changed entries, see ``journal_edit``."""
        found = self._one("SELECT value FROM meta WHERE key = ?", EDITED)
        return found[0] if found else ""

    def _follow(self) -> None:
        """Reload the cached names if the operator has dropped some."""
        data_version = self._all("PRAGMA data_version")[0][0]
        if data_version == self._data_version:
            return  # no other connection has written anything
        self._data_version = data_version
        edited = self._edits()
        if edited == self._edited:
            return
        self._edited = edited
        for mapping, known in self._names.items():
            entries = self._all("SELECT name, timestamp FROM unsettled WHERE mapping = ?", mapping)
            known.clear()  # in place: a batch may hold a reference to this dict
            known.update(entries)

    def _record(self, mapping: str, failure: Unsettled, now: float) -> None:
        before = self._db.execute(
            "SELECT attempts, first_failure, timestamp FROM unsettled WHERE mapping = ? AND name = ?",
            (mapping, failure.name),
        ).fetchone()
        attempts, first = (before[0] + 1, before[1]) if before else (1, now)
        next_try = now + pause_after(failure.reason, attempts, self._backoff)
        if before and before[2] > failure.timestamp:  # an old row must not replace a newer one
            self._db.execute(
                "UPDATE unsettled SET attempts = ?, last_failure = ?,"
                " next_try = CASE state WHEN ? THEN next_try ELSE ? END WHERE mapping = ? AND name = ?",
                (attempts, now, WAITING, next_try, mapping, failure.name),
            )
            return
        self._db.execute(
            "INSERT OR REPLACE INTO unsettled VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                mapping, failure.name, failure.state, failure.policy, failure.deleted, failure.data_timestamp,
                failure.timestamp, failure.size, failure.reason, failure.detail, attempts, first, now,
                next_try,
            ),
        )  # fmt: skip

    def _defer(self, mapping: str, each: Unsettled, now: float) -> None:
        """Record a deferred object. Earlier failures of it are kept, and so is an entry about a newer
        version."""
        self._db.execute(
            "INSERT INTO unsettled VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET state = excluded.state, policy = excluded.policy,"
            " deleted = excluded.deleted, data_timestamp = excluded.data_timestamp,"
            " timestamp = excluded.timestamp, size = excluded.size, reason = excluded.reason,"
            " detail = excluded.detail, next_try = excluded.next_try"
            " WHERE excluded.timestamp >= unsettled.timestamp",
            (
                mapping, each.name, WAITING, each.policy, each.deleted, each.data_timestamp, each.timestamp,
                each.size, each.reason, each.detail, now, now, now,
            ),
        )  # fmt: skip

    def _entries(self, where: str, *values: object) -> list[Unsettled]:
        rows = self._all(
            "SELECT name, state, policy, deleted, data_timestamp, timestamp, size, reason, detail,"
            f" attempts, first_failure, last_failure, next_try FROM unsettled WHERE {where}",
            *values,
        )
        return [
            Unsettled(name, state, policy, bool(deleted), *rest)
            for name, state, policy, deleted, *rest in rows
        ]

    def _identity(self) -> str:
        with self._transaction():
            self._db.execute("INSERT OR IGNORE INTO meta VALUES ('uuid', ?)", (uuid.uuid4().hex,))
        return str(self._all("SELECT value FROM meta WHERE key = 'uuid'")[0][0])
