"""How much of a container database is still to be done: counted from its rows, a chunk at a time.

What the crawler will do with a row follows from where the row lies: behind a cursor, or in a range of the
journal that is looked at again. So that is all that is asked here; nothing is kept while the daemon works,
and nothing has to be put right after a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from s3_sync.cluster.brokers import BriefRow
from s3_sync.config.settings import Profile
from s3_sync.model.rows import owner_ordinal
from s3_sync.model.timestamps import decode_row_timestamps
from s3_sync.state.journal import PRIMARY, VERIFY, DueRange

#: so many rows are read at once: some milliseconds
CHUNK = 5000
#: how much earlier than its rows a range of the journal may be due: what floating point loses
_ROUNDED = 0.001
#: other nodes' rows are verified in rounds, a sixth of the slack apart: by then it should have happened
VERIFIED_WITHIN = 7 / 6
_BEYOND = 1 << 63
_PLAIN = len("1402464677.04188")


class Countable(Protocol):
    """Such as ``cluster.brokers.ContainerDb``."""

    def brief_since(self, rowid: int, limit: int) -> list[BriefRow]: ...


@dataclass(slots=True)
class Amount:
    """``rows``: all of them; ``objects``: those that something may have to be done about, not counting what
    is left alone by its name or as our own delete. ``bytes``: of objects, as Swift lists them.
    ``oldest``: since when the first of them could have been done, in seconds since the epoch; None of no
    objects.
    """

    rows: int = 0
    objects: int = 0
    bytes: int = 0
    oldest: float | None = None

    def add(self, size: int | None, since: float) -> None:
        """One row; ``size`` None where it is no object to do anything about."""
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
class Scope:
    """Where one mapping stands in one database.

    ``last_row``, ``last_verified_row``, ``begun``: of its checkpoint, 0 where there is none that can be used.
    ``slack``: seconds after which other nodes' rows are verified. ``retrying``: names that the journal has
    as objects to try again, which are counted there.
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

    def patience(self, kind: str) -> float:
        """What a range's time has been put off by, besides the ``copy_after`` of its first row."""
        wait = min(60.0, self.profile.copy_after / 10)
        return wait if kind == PRIMARY else wait + self.slack


class _Waiting(NamedTuple):
    """A row: whose it is, what it counts for, since when it could have been done, and whether it had to wait
    for that time."""

    own: bool
    size: int | None
    since: float
    waits: bool


@dataclass(slots=True)
class Backlog:
    """``behind``: own rows whose time has come. ``later``: own rows that wait for their ``copy_after``.
    ``unverified``: other nodes' rows that are to be verified now; ``unverified_later``: those that will be.
    ``changes_at``: when some of what is counted as later is due."""

    behind: Amount = field(default_factory=Amount)
    later: Amount = field(default_factory=Amount)
    unverified: Amount = field(default_factory=Amount)
    unverified_later: Amount = field(default_factory=Amount)
    changes_at: float = float("inf")

    def __add__(self, other: Backlog) -> Backlog:
        return Backlog(
            self.behind + other.behind,
            self.later + other.later,
            self.unverified + other.unverified,
            self.unverified_later + other.unverified_later,
            min(self.changes_at, other.changes_at),
        )


def count(db: Countable, scope: Scope, now: float, breathe: Callable[[], None]) -> Backlog:
    """``breathe`` is called between chunks. Raises LocalError."""
    counter = _Counter(scope, now)
    for chunk in _chunks(db, scope):
        counter.add(chunk)
        breathe()
    return counter.finish()


def _chunks(db: Countable, scope: Scope) -> Iterator[list[BriefRow]]:
    """Rows behind a cursor, and those before it that ranges cover."""
    cursor = scope.last_verified_row if scope.ordinal is None else scope.last_row
    if scope.replicas > 1:
        cursor = min(cursor, scope.last_verified_row)
    position = 0
    for each in sorted(scope.ranges, key=lambda each: each.first_row):
        position = max(position, each.first_row - 1)
        end = min(each.last_row, cursor)
        while position < end:
            chunk = db.brief_since(position, min(CHUNK, end - position))
            position = min(chunk[-1][0], end) if chunk else end
            yield [row for row in chunk if row[0] <= end]
    position = cursor
    while chunk := db.brief_since(position, CHUNK):
        position = chunk[-1][0]
        yield chunk


@dataclass(slots=True)
class _Range:
    """``since``: rows of the range that are due earlier had their turn when it was made; what is known of
    them is in ``earlier``."""

    first: int
    last: int
    due: float
    since: float
    matched: bool = False
    earlier: Backlog = field(default_factory=Backlog)


class _Ranges:
    """Those of one kind, by first row; rows are asked for in order."""

    def __init__(self, ranges: Sequence[DueRange], patience: float) -> None:
        self._coming = [
            _Range(each.first_row, each.last_row, each.due, each.due - patience - _ROUNDED)
            for each in sorted(ranges, key=lambda each: -each.first_row)
        ]
        self._open: list[_Range] = []

    def at(self, rowid: int) -> tuple[list[_Range], list[_Range]]:
        """Those that cover the row, and those that have ended before it since the last question."""
        while self._coming and self._coming[-1].first <= rowid:
            self._open.append(self._coming.pop())
        ended = [each for each in self._open if each.last < rowid]
        if ended:
            self._open = [each for each in self._open if each.last >= rowid]
        return self._open, ended


class _Counter:
    def __init__(self, scope: Scope, now: float) -> None:
        self._scope = scope
        self._now = now
        self._counted = Backlog()
        kinds = {True: PRIMARY, False: VERIFY}
        self._ranges = {
            own: _Ranges([each for each in scope.ranges if each.kind == kind], scope.patience(kind))
            for own, kind in kinds.items()
        }

    def add(self, rows: Sequence[BriefRow]) -> None:
        scope, after = self._scope, self._scope.profile.copy_after
        exclude, deletes = scope.profile.exclude, scope.profile.propagate_delete
        alone = scope.ordinal is not None and scope.replicas == 1
        for rowid, name, created_at, size, deleted, content_type in rows:
            if name.startswith("\0"):
                continue
            own = alone or (
                scope.ordinal is not None and owner_ordinal(name, scope.replicas) == scope.ordinal
            )
            written, internal = _written(created_at)
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
            self._close(ranges.at(_BEYOND)[1])
        return self._counted

    def _count(self, counted: Backlog, row: _Waiting) -> None:
        scope, since = self._scope, row.since
        waits = row.waits
        if not row.own:
            since = max(since, scope.begun) + scope.slack * VERIFIED_WITHIN
            waits = waits or bool(scope.slack)
        waits = waits and since >= self._now
        if row.own:
            (counted.later if waits else counted.behind).add(row.size, since)
        else:
            (counted.unverified_later if waits else counted.unverified).add(row.size, since)
        if waits:
            counted.changes_at = min(counted.changes_at, since)

    def _in_range(self, rowid: int, row: _Waiting) -> None:
        """A row that lies in several ranges counts once."""
        covering, ended = self._ranges[row.own].at(rowid)
        self._close(ended)
        if any(row.since >= each.since for each in covering):
            for each in covering:
                each.matched = True
            self._count(self._counted, row)
        elif covering:
            self._count(covering[0].earlier, row)

    def _close(self, ended: Sequence[_Range]) -> None:
        """A range without a row that it could be about was made under another ``copy_after``: then none is
        known to have had its turn."""
        for each in ended:
            if not each.matched and each.due > self._now:
                self._counted += each.earlier


def _written(created_at: str) -> tuple[float, bool]:
    """When the row was last changed, and whether its data part has an offset, as our own deletes have."""
    if len(created_at) == _PLAIN:
        return float(created_at), False
    data, content_type, meta = decode_row_timestamps(created_at)
    return max(data, content_type, meta).seconds, data.offset != 0


def listed_size(size: int, content_type: str) -> int:
    """As in a listing: the row of an SLO has the size of its manifest, and that of the object behind its
    content type (``swift.common.middleware.slo``)."""
    if "swift_bytes=" not in content_type:
        return size
    digits = content_type.rpartition("swift_bytes=")[2].partition(";")[0].strip()
    return int(digits) if digits.isdigit() else size
