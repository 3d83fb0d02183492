"""Reading a journal beside the process that writes it, without keeping it from anything."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from s3_sync.errors import StateError
from s3_sync.state.delete_count import NOTED, DeleteCount, read_count
from s3_sync.state.expiries import Entry, Expiry
from s3_sync.state.journal import QUARANTINE, RETRY, WAITING, DueRange, Unsettled
from s3_sync.state.resets import COLUMNS, ResetRange

_UNSETTLED = (
    "name, state, policy, deleted, data_timestamp, timestamp, size, reason, detail,"
    " attempts, first_failure, last_failure, next_try"
)


#: containers that are told for a mapping
CONTAINERS = 20
_ELSEWHERE = "segments_elsewhere"


@dataclass(frozen=True, slots=True)
class FailureCounts:
    """What failed of one mapping and has not converged; and what waits for, or is in, the lane of large
    objects, which is no failure: ``waiting``, and its bytes.

    ``oldest``: of what is retried or waits, the oldest timestamp in internal form; "" when there is none.
    ``oldest_delete``: the same of deletes, which are not in ``oldest``.
    ``sizes``: bytes of what is retried, and of what is in quarantine; ``reasons``: how many for each reason,
    expired copies that could not be deleted among them, as ``expiring`` is. ``elsewhere``: what failed for
    segments in other containers, by its detail, which names the container; at most CONTAINERS of these.
    """

    retrying: int = 0
    quarantined: int = 0
    expiring: int = 0
    sizes: tuple[int, int] = (0, 0)
    oldest: str = ""
    oldest_delete: str = ""
    reasons: dict[str, int] = field(default_factory=dict)
    waiting: int = 0
    waiting_size: int = 0
    elsewhere: dict[str, int] = field(default_factory=dict)


class JournalView:
    """One journal, read only; there may be none yet. Every method raises StateError.

    A connection is kept: it reads what was committed at the time of each question.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    @property
    def uuid(self) -> str:
        """The journal's identity; empty when there is none yet."""
        found = self._all("SELECT value FROM meta WHERE key = 'uuid'")
        return str(found[0][0]) if found else ""

    def troubles(self, mapping: str) -> FailureCounts:
        count = {RETRY: 0, QUARANTINE: 0, WAITING: 0}
        size = dict(count)
        reasons: dict[str, int] = {}
        oldest = {False: "", True: ""}
        for state, reason, deleted, number, total, first in self._all(
            "SELECT state, reason, deleted, count(*), sum(size), min(timestamp) FROM unsettled"
            " WHERE mapping = ? GROUP BY state, reason, deleted",
            mapping,
        ):
            count[state] += number
            size[state] += total
            if state != WAITING:
                reasons[reason] = reasons.get(reason, 0) + number
            if state != QUARANTINE:
                oldest[bool(deleted)] = min(oldest[bool(deleted)] or first, first)
        expiring = 0
        for reason, number in self._all(
            "SELECT reason, count(*) FROM expiries WHERE mapping = ? AND attempts > 0 GROUP BY reason",
            mapping,
        ):
            expiring += number
            reasons[reason] = reasons.get(reason, 0) + number
        return FailureCounts(
            count[RETRY],
            count[QUARANTINE],
            expiring,
            (size[RETRY], size[QUARANTINE]),
            oldest[False],
            oldest[True],
            reasons,
            count[WAITING],
            size[WAITING],
            self._elsewhere(mapping) if _ELSEWHERE in reasons else {},
        )

    def _elsewhere(self, mapping: str) -> dict[str, int]:
        found = self._all(
            "SELECT detail, count(*) FROM unsettled WHERE mapping = ? AND reason = ?"
            " GROUP BY detail ORDER BY 2 DESC, 1 LIMIT ?",
            mapping,
            _ELSEWHERE,
            CONTAINERS,
        )
        return dict(found)

    def names(self, mapping: str, state: str) -> frozenset[str]:
        """Of all entries in ``state``."""
        rows = self._all("SELECT name FROM unsettled WHERE mapping = ? AND state = ?", mapping, state)
        return frozenset(name for (name,) in rows)

    def unsettled(self, mapping: str, limit: int = 1000, after: str = "") -> list[Unsettled]:
        """Every entry of a mapping by name, a page at a time."""
        return self._entries("name > ? ORDER BY name LIMIT ?", mapping, after, limit)

    def entry(self, mapping: str, name: str) -> Unsettled | None:
        return next(iter(self._entries("name = ?", mapping, name)), None)

    def failed_expiries(self, mapping: str) -> list[Entry]:
        """Expired copies that could not be deleted, by name."""
        return self._expiries("attempts > 0 ORDER BY name", mapping)

    def expiry(self, mapping: str, name: str) -> Entry | None:
        """When the copy of a moved object is to be deleted."""
        return next(iter(self._expiries("name = ?", mapping, name)), None)

    def mappings(self) -> frozenset[str]:
        """Of which something has failed, waits, or expires."""
        rows = self._all("SELECT mapping FROM unsettled UNION SELECT mapping FROM expiries")
        return frozenset(mapping for (mapping,) in rows)

    def ranges(self, mapping: str, database: str) -> tuple[DueRange, ...]:
        """By first row."""
        rows = self._all(
            "SELECT database, kind, first_row, last_row, due FROM ranges"
            " WHERE mapping = ? AND database = ? ORDER BY first_row",
            mapping, database,
        )  # fmt: skip
        return tuple(DueRange(*row) for row in rows)

    def reset_taken(self, mapping: str, database: str) -> str:
        """The id of the last reset that this database has begun; empty when there was none."""
        rows = self._all("SELECT id FROM resets_taken WHERE mapping = ? AND database = ?", mapping, database)
        return str(rows[0][0]) if rows else ""

    def reset_passes(self, mapping: str, database: str) -> tuple[ResetRange, ...]:
        """What resets still have to compare."""
        rows = self._all(
            f"SELECT {COLUMNS} FROM resets WHERE mapping = ? AND database = ? ORDER BY id, kind",
            mapping, database,
        )  # fmt: skip
        return tuple(ResetRange(*row) for row in rows)

    def deletes(self, mapping: str) -> DeleteCount:
        """What a mapping has deleted, and whether its delete budget holds others."""
        found = self._all("SELECT value FROM meta WHERE key = ?", f"{NOTED} of {mapping}")
        return read_count(found[0][0] if found else None)

    def close(self) -> None:
        with self._lock:
            self._close()

    def _entries(self, where: str, *values: object) -> list[Unsettled]:
        rows = self._all(f"SELECT {_UNSETTLED} FROM unsettled WHERE mapping = ? AND {where}", *values)
        return [
            Unsettled(name, state, policy, bool(deleted), *rest)
            for (name, state, policy, deleted, *rest) in rows
        ]

    def _expiries(self, where: str, *values: object) -> list[Entry]:
        rows = self._all(
            "SELECT name, delete_at, version, copy, attempts, next_try, reason, detail FROM expiries"
            f" WHERE mapping = ? AND {where}",
            *values,
        )
        return [Entry(Expiry(*row[:4]), *row[4:]) for row in rows]

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Nothing where there is no journal, or one that is just being made."""
        with self._lock:
            try:
                db = self._connected()
                return [] if db is None else db.execute(query, values).fetchall()
            except sqlite3.Error as error:
                if "no such table" in str(error):
                    return []
                raise StateError(f"cannot read the journal {self._path}: {error}") from error
            except OSError as error:
                raise StateError(f"cannot read the journal {self._path}: {error.strerror}") from error

    def _connected(self) -> sqlite3.Connection | None:
        """A journal that was replaced, because it was damaged, is opened anew."""
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            self._close()
            return None
        if self._file != (status.st_dev, status.st_ino):
            self._close()
        if self._db is None:
            # SQLite does not tell why it cannot; and nobody may open and close the file beside it: with any
            # descriptor that is closed all locks go that this process has on it, the writer's own among
            # them, and the next reader that ends takes itself for the last and removes the -wal file
            if not os.access(self._path, os.R_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            address = f"file:{quote(self._path)}?mode=ro"
            self._db = sqlite3.connect(address, uri=True, timeout=5, check_same_thread=False)
            self._file = (status.st_dev, status.st_ino)
        return self._db

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
        self._db, self._file = None, None
