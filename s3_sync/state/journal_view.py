"""Read-only access to a journal, without blocking the process that writes it."""

from __future__ import annotations

from dataclasses import dataclass, field

from s3_sync.state.container_records import COLUMNS as CONTAINER_COLUMNS
from s3_sync.state.container_records import ContainerRecord
from s3_sync.state.delete_count import META_KEY, DeleteCount, read_count
from s3_sync.state.expiries import Entry, Expiry
from s3_sync.state.journal import QUARANTINE, RETRY, WAITING, DueRange, Unsettled
from s3_sync.state.left_segments import COLUMNS as SEGMENT_COLUMNS
from s3_sync.state.left_segments import FAILED as FAILED_SEGMENTS
from s3_sync.state.left_segments import Entry as SegmentEntry
from s3_sync.state.resets import COLUMNS, ResetRange
from s3_sync.state.sqlite_view import SqliteView

_UNSETTLED = (
    "name, state, policy, deleted, data_timestamp, timestamp, size, reason, detail,"
    " attempts, first_failure, last_failure, next_try"
)


#: containers listed in ``FailureCounts.elsewhere``
MAX_CONTAINERS = 20
_ELSEWHERE = "segments_elsewhere"


@dataclass(frozen=True, slots=True)
class FailureCounts:
    """Counts of one mapping's failures that have not converged.

    ``waiting``, ``waiting_size``: objects in, or waiting for, the lane of large objects, which are not
    failures, and their bytes.
    ``oldest``: oldest timestamp, in internal form, of entries that are retried or wait; "" if there is none.
    ``oldest_delete``: the same for deletes, which do not count for ``oldest``.
    ``retrying_size``: bytes of retried objects.
    ``expiring``: expired copies that could not be deleted.
    ``metadata``: 1 if the container's own metadata cannot be sent.
    ``segments``: segments left behind at another Swift that could not be deleted.
    ``reasons``: number by reason, including ``expiring``, ``metadata`` and ``segments``.
    ``elsewhere``: failures because of segments in other containers, number by detail, which names the
    container; at most MAX_CONTAINERS.
    """

    retrying: int = 0
    quarantined: int = 0
    expiring: int = 0
    metadata: int = 0
    segments: int = 0
    retrying_size: int = 0
    oldest: str = ""
    oldest_delete: str = ""
    reasons: dict[str, int] = field(default_factory=dict)
    waiting: int = 0
    waiting_size: int = 0
    elsewhere: dict[str, int] = field(default_factory=dict)


class JournalView:
    """One journal, read-only; it need not exist yet. Every method raises StateError.

    The connection is kept open; each query sees what is committed at that time.
    """

    def __init__(self, path: str) -> None:
        self._view = SqliteView(path)
        self._all = self._view.all

    @property
    def uuid(self) -> str:
        """The journal's identity; empty if it does not exist yet."""
        found = self._all("SELECT value FROM meta WHERE key = 'uuid'")
        return str(found[0][0]) if found else ""

    def failure_counts(self, mapping: str) -> FailureCounts:
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
        expiring = self._count_reasons("expiries WHERE mapping = ? AND attempts > 0", mapping, reasons)
        segments = self._count_reasons(f"left_segments WHERE {FAILED_SEGMENTS}", mapping, reasons)
        container = self.container(mapping)
        if container.attempts:
            reasons[container.reason] = reasons.get(container.reason, 0) + 1
        return FailureCounts(
            retrying=count[RETRY],
            quarantined=count[QUARANTINE],
            expiring=expiring,
            metadata=int(container.attempts > 0),
            segments=segments,
            retrying_size=size[RETRY],
            oldest=oldest[False],
            oldest_delete=oldest[True],
            reasons=reasons,
            waiting=count[WAITING],
            waiting_size=size[WAITING],
            elsewhere=self._elsewhere(mapping) if _ELSEWHERE in reasons else {},
        )

    def _count_reasons(self, where: str, mapping: str, reasons: dict[str, int]) -> int:
        """Count entries and add them to ``reasons``."""
        found = self._all(f"SELECT reason, count(*) FROM {where} GROUP BY reason", mapping)
        for reason, number in found:
            reasons[reason] = reasons.get(reason, 0) + number
        return sum(number for _, number in found)

    def _elsewhere(self, mapping: str) -> dict[str, int]:
        found = self._all(
            "SELECT detail, count(*) FROM unsettled WHERE mapping = ? AND reason = ?"
            " GROUP BY detail ORDER BY 2 DESC, 1 LIMIT ?",
            mapping,
            _ELSEWHERE,
            MAX_CONTAINERS,
        )
        return dict(found)

    def names(self, mapping: str, state: str) -> frozenset[str]:
        """Return the names of all entries in ``state``."""
        rows = self._all("SELECT name FROM unsettled WHERE mapping = ? AND state = ?", mapping, state)
        return frozenset(name for (name,) in rows)

    def unsettled(self, mapping: str, limit: int = 1000, after: str = "") -> list[Unsettled]:
        """Return a page of a mapping's entries, by name."""
        return self._entries("name > ? ORDER BY name LIMIT ?", mapping, after, limit)

    def entry(self, mapping: str, name: str) -> Unsettled | None:
        return next(iter(self._entries("name = ?", mapping, name)), None)

    def failed_expiries(self, mapping: str) -> list[Entry]:
        """Return the expired copies that could not be deleted, by name."""
        return self._expiries("attempts > 0 ORDER BY name", mapping)

    def expiry(self, mapping: str, name: str) -> Entry | None:
        """Return when the copy of a moved object must be deleted; None if it does not expire."""
        return next(iter(self._expiries("name = ?", mapping, name)), None)

    def failed_segments(self, mapping: str) -> list[SegmentEntry]:
        """Return the segments at another Swift that were left behind and could not be deleted, by place."""
        rows = self._all(
            f"SELECT {SEGMENT_COLUMNS} FROM left_segments WHERE {FAILED_SEGMENTS} ORDER BY container, name",
            mapping,
        )
        return [SegmentEntry.of_row(row) for row in rows]

    def container(self, mapping: str) -> ContainerRecord:
        """Return what was last sent of the container's own metadata, and whether that fails now."""
        rows = self._all(f"SELECT {CONTAINER_COLUMNS} FROM containers WHERE mapping = ?", mapping)
        return ContainerRecord.of_row(rows[0]) if rows else ContainerRecord()

    def mappings(self) -> frozenset[str]:
        """Return the mappings that have failures, waiting objects or expiries."""
        rows = self._all(
            "SELECT mapping FROM unsettled UNION SELECT mapping FROM expiries"
            " UNION SELECT mapping FROM containers WHERE attempts > 0"
            " UNION SELECT mapping FROM left_segments WHERE reason != ''"
        )
        return frozenset(mapping for (mapping,) in rows)

    def ranges(self, mapping: str, database: str) -> tuple[DueRange, ...]:
        """Return the ranges of a database, by first row."""
        rows = self._all(
            "SELECT database, kind, first_row, last_row, due FROM ranges"
            " WHERE mapping = ? AND database = ? ORDER BY first_row",
            mapping, database,
        )  # fmt: skip
        return tuple(DueRange(*row) for row in rows)

    def reset_taken(self, mapping: str, database: str) -> str:
        """Return the id of the last reset that this database has started; empty if there was none."""
        rows = self._all("SELECT id FROM resets_taken WHERE mapping = ? AND database = ?", mapping, database)
        return str(rows[0][0]) if rows else ""

    def reset_passes(self, mapping: str, database: str) -> tuple[ResetRange, ...]:
        """Return the ranges that resets still have to compare."""
        rows = self._all(
            f"SELECT {COLUMNS} FROM resets WHERE mapping = ? AND database = ? ORDER BY id, kind",
            mapping, database,
        )  # fmt: skip
        return tuple(ResetRange(*row) for row in rows)

    def deletes(self, mapping: str) -> DeleteCount:
        """Return the use of a mapping's delete budget."""
        found = self._all("SELECT value FROM meta WHERE key = ?", f"{META_KEY} of {mapping}")
        return read_count(found[0][0] if found else None)

    def close(self) -> None:
        self._view.close()

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
