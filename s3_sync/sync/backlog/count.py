"""Counts the backlog of a container database from its rows, a chunk at a time.

What the crawl will do with a row follows from the row's position: after a cursor, or in a range of the
journal that is read again. Nothing else is needed here: the daemon keeps no counters, so nothing has to be
repaired after a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from s3_sync.cluster.brokers import BriefRow, ContainerDb
from s3_sync.config.settings import Profile
from s3_sync.model.rows import owns_row
from s3_sync.model.timestamps import decode_row_timestamps
from s3_sync.state.due_times import VERIFY_ROUNDS_PER_SLACK, earliest_due
from s3_sync.state.journal import PRIMARY, VERIFY, DueRange
from s3_sync.state.resets import is_reset

#: rows per read, which takes some milliseconds
CHUNK_ROWS = 5000
#: rows of other nodes that are older than this multiple of the slack should have been verified: a round takes
#: up what became verifiable since the round before
VERIFY_FACTOR = (VERIFY_ROUNDS_PER_SLACK + 1) / VERIFY_ROUNDS_PER_SLACK
_MAX_ROWID = 1 << 63
_PLAIN_TIMESTAMP_LENGTH = len("1402464677.04188")


@dataclass(slots=True)
class Amount:
    """``rows``: all rows; ``objects``: rows that may need work, without names that are excluded and our own
    deletes. ``bytes``: size of the objects, as Swift lists them. ``oldest``: since when the first object
    could have been handled, in seconds since the epoch; None if there are no objects."""

    rows: int = 0
    objects: int = 0
    bytes: int = 0
    oldest: float | None = None

    def add(self, size: int | None, since: float) -> None:
        """Add one row; ``size`` is None if it needs no work."""
        self.rows += 1
        if size is not None:
            self.objects += 1
            self.bytes += size
            self.oldest = since if self.oldest is None else min(self.oldest, since)

    def __add__(self, other: Amount) -> Amount:
        times = [time for time in (self.oldest, other.oldest) if time is not None]
        return Amount(
            self.rows + other.rows,
            self.objects + other.objects,
            self.bytes + other.bytes,
            min(times, default=None),
        )


@dataclass(frozen=True, slots=True)
class CountScope:
    """The state of one mapping in one database.

    ``last_row``, ``last_verified_row``, ``begun``: from its checkpoint, 0 if there is no usable one.
    ``slack``: seconds after which other nodes' rows are verified. ``retrying``: names in the journal's
    retries, which are counted there.
    """

    profile: Profile
    ordinal: int | None
    replicas: int
    last_row: int
    last_verified_row: int
    begun: float
    slack: float
    ranges: Sequence[DueRange] = ()
    retrying: Collection[str] = ()

    @property
    def has_checkpoint(self) -> bool:
        return bool(self.last_row or self.last_verified_row or self.begun)

    def owns(self, name: str) -> bool:
        return owns_row(name, self.ordinal, self.replicas)

    def cursor(self, own: bool) -> int:
        """The cursor for own rows, or for those of other nodes."""
        return self.last_row if own else self.last_verified_row

    def earliest_due(self, waiting: DueRange) -> float:
        """Rows of the range that are due earlier had their turn when it was made."""
        return earliest_due(waiting, self.profile.copy_after, self.slack)


class _Waiting(NamedTuple):
    """A row: whether it is an own one, its size if it counts, since when it could have been handled, and
    whether it had to wait until then."""

    own: bool
    size: int | None
    since: float
    waits: bool


@dataclass(slots=True)
class Backlog:
    """``overdue``: own rows whose time has come. ``not_due``: own rows that wait for their ``copy_after``.
    ``unverified``: other nodes' rows to verify now; ``not_yet_verifiable``: those to verify later.
    ``changes_at``: when the next of the waiting rows is due."""

    overdue: Amount = field(default_factory=Amount)
    not_due: Amount = field(default_factory=Amount)
    unverified: Amount = field(default_factory=Amount)
    not_yet_verifiable: Amount = field(default_factory=Amount)
    changes_at: float = float("inf")

    def __add__(self, other: Backlog) -> Backlog:
        return Backlog(
            self.overdue + other.overdue,
            self.not_due + other.not_due,
            self.unverified + other.unverified,
            self.not_yet_verifiable + other.not_yet_verifiable,
            min(self.changes_at, other.changes_at),
        )


def count(db: ContainerDb, scope: CountScope, now: float, yield_to_hub: Callable[[], None]) -> Backlog:
    """Count the backlog of ``db``. ``yield_to_hub`` is called between chunks. Raises LocalError."""
    counter = _Counter(scope, now)
    for chunk in _chunks(db, scope):
        counter.add(chunk)
        yield_to_hub()
    return counter.finish()


def reset_rows(db: ContainerDb, prefix: str, since: float) -> Iterator[BriefRow]:
    """The rows that a reset of names with this ``prefix``, changed since that time, compares. Raises
    LocalError."""
    position = 0
    while rows := db.brief_since(position, CHUNK_ROWS):
        for row in rows:
            position, name, created_at, *_ = row
            if not name.startswith("\0") and is_reset(name, when_written(created_at)[0], prefix, since):
                yield row


def _chunks(db: ContainerDb, scope: CountScope) -> Iterator[list[BriefRow]]:
    """Rows after a cursor, and rows before it that a range covers."""
    cursor = scope.last_verified_row if scope.ordinal is None else scope.last_row
    if scope.replicas > 1:
        cursor = min(cursor, scope.last_verified_row)
    position = 0
    for each in sorted(scope.ranges, key=lambda each: each.first_row):
        position = max(position, each.first_row - 1)
        end = min(each.last_row, cursor)
        while position < end:
            chunk = db.brief_since(position, min(CHUNK_ROWS, end - position))
            position = min(chunk[-1][0], end) if chunk else end
            yield [row for row in chunk if row[0] <= end]
    position = cursor
    while chunk := db.brief_since(position, CHUNK_ROWS):
        position = chunk[-1][0]
        yield chunk


@dataclass(slots=True)
class _Range:
    """A range of the journal. ``since``: rows that are due earlier had their turn when the range was made;
    their amounts are in ``earlier``."""

    first: int
    last: int
    due: float
    since: float
    matched: bool = False
    earlier: Backlog = field(default_factory=Backlog)


class _Ranges:
    """The ranges of one kind, by first row. ``at`` must be called with increasing ROWIDs."""

    def __init__(self, ranges: Sequence[DueRange], scope: CountScope) -> None:
        self._coming = [
            _Range(each.first_row, each.last_row, each.due, scope.earliest_due(each))
            for each in sorted(ranges, key=lambda each: -each.first_row)
        ]
        self._open: list[_Range] = []

    def at(self, rowid: int) -> tuple[list[_Range], list[_Range]]:
        """Returns the ranges that cover the row, and those that ended before it since the last call."""
        while self._coming and self._coming[-1].first <= rowid:
            self._open.append(self._coming.pop())
        ended = [each for each in self._open if each.last < rowid]
        if ended:
            self._open = [each for each in self._open if each.last >= rowid]
        return self._open, ended


class _Counter:
    def __init__(self, scope: CountScope, now: float) -> None:
        self._scope = scope
        self._now = now
        self._counted = Backlog()
        kinds = {True: PRIMARY, False: VERIFY}
        self._ranges = {
            own: _Ranges([each for each in scope.ranges if each.kind == kind], scope)
            for own, kind in kinds.items()
        }

    def add(self, rows: Sequence[BriefRow]) -> None:
        scope, after = self._scope, self._scope.profile.copy_after
        exclude, deletes = scope.profile.exclude, scope.profile.propagate_delete
        for rowid, name, created_at, size, deleted, content_type in rows:
            if name.startswith("\0"):
                continue
            own = owns_row(name, scope.ordinal, scope.replicas)
            written, internal = when_written(created_at)
            left_alone = (
                (exclude is not None and exclude.match(name))
                or (deleted and (internal or not deletes))
                or (own and name in scope.retrying)
            )
            row = _Waiting(
                own,
                None if left_alone else listed_size(size, content_type),
                written if deleted else written + after,
                bool(after and not deleted),
            )
            if rowid > (scope.last_row if own else scope.last_verified_row):
                self._count(self._counted, row)
            elif not deleted:
                self._in_range(rowid, row)

    def finish(self) -> Backlog:
        for ranges in self._ranges.values():
            self._close(ranges.at(_MAX_ROWID)[1])
        return self._counted

    def _count(self, counted: Backlog, row: _Waiting) -> None:
        scope, since = self._scope, row.since
        waits = row.waits
        if not row.own:
            since = max(since, scope.begun) + scope.slack * VERIFY_FACTOR
            waits = waits or bool(scope.slack)
        waits = waits and since >= self._now
        if row.own:
            (counted.not_due if waits else counted.overdue).add(row.size, since)
        else:
            (counted.not_yet_verifiable if waits else counted.unverified).add(row.size, since)
        if waits:
            counted.changes_at = min(counted.changes_at, since)

    def _in_range(self, rowid: int, row: _Waiting) -> None:
        """Count a row within ranges. A row in several ranges counts once."""
        covering, ended = self._ranges[row.own].at(rowid)
        self._close(ended)
        if any(row.since >= each.since for each in covering):
            for each in covering:
                each.matched = True
            self._count(self._counted, row)
        elif covering:
            self._count(covering[0].earlier, row)

    def _close(self, ended: Sequence[_Range]) -> None:
        """A range with no matching row was made under another ``copy_after``: then no row is known to have
        had its turn."""
        for each in ended:
            if not each.matched and each.due > self._now:
                self._counted += each.earlier


def when_written(created_at: str) -> tuple[float, bool]:
    """When the row was last changed, and whether its data part has an offset, as our own deletes have."""
    if len(created_at) == _PLAIN_TIMESTAMP_LENGTH:
        return float(created_at), False
    data, content_type, meta = decode_row_timestamps(created_at)
    return max(data, content_type, meta).seconds, data.offset != 0


def listed_size(size: int, content_type: str) -> int:
    """The size in a listing: the row of an SLO has the size of its manifest, and the object's size after its
    content type (``swift.common.middleware.slo``)."""
    if "swift_bytes=" not in content_type:
        return size
    digits = content_type.rpartition("swift_bytes=")[2].partition(";")[0].strip()
    return int(digits) if digits.isdigit() else size
