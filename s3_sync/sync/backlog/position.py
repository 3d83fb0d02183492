"""Where the daemon is with single rows: whether a cursor has passed a row, and what the row waits for."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from s3_sync.cluster.brokers import ContainerDb
from s3_sync.model.rows import Row
from s3_sync.state import journal
from s3_sync.state.delete_count import DeleteCount
from s3_sync.state.due_times import verifiable_at
from s3_sync.state.journal import DueRange
from s3_sync.sync.backlog.count import CHUNK_ROWS, CountScope, when_written

# positions of a row
HANDLED, BEHIND, WAITS, HELD = "handled", "behind", "waits", "held"


@dataclass(frozen=True, slots=True)
class RowPosition:
    """One row in one database on this node. ``own``: this replica acts on it first.

    ``position``: HANDLED (a cursor has passed it), BEHIND (not read yet), WAITS (for its ``copy_after``, or
    for other nodes' daemons), HELD (a delete held by the delete budget). ``until``: the row is not read again
    before that, in seconds since the epoch; None if unknown.
    """

    database: str
    own: bool
    row: int
    cursor: int
    timestamp: str
    deleted: bool
    policy: int
    position: str
    until: float | None = None


@dataclass(frozen=True, slots=True)
class DatabasePlace:
    """One database, open, and what is known of the mapping's work on it. ``deletes``: of the mapping."""

    path: str
    db: ContainerDb
    scope: CountScope
    deletes: DeleteCount


def position_of(row: Row, place: DatabasePlace, now: float) -> RowPosition:
    """Raises LocalError."""
    own = place.scope.owns(row.name)
    cursor = place.scope.cursor(own)
    position: tuple[str, float | None]
    if row.rowid > cursor:
        position = _behind(row, place.scope, own, now)
    elif row.deleted:
        position = _delete(row, place, own)
    else:
        position = _deferred(row, place, own, now)
    return RowPosition(
        place.path, own, row.rowid, cursor, row.timestamp.internal, row.deleted, row.policy, *position
    )


def _behind(row: Row, scope: CountScope, own: bool, now: float) -> tuple[str, float | None]:
    if own or not scope.has_checkpoint:
        return BEHIND, None
    until = verifiable_at(row.timestamp.seconds, scope.begun, scope.slack)
    return (WAITS if until > now else BEHIND), until


def _delete(row: Row, place: DatabasePlace, own: bool) -> tuple[str, float | None]:
    held = [each.due for each in _covering(row, place.scope, journal.HELD if own else journal.HELD_VERIFY)]
    count = place.deletes
    if not held or not count.held or row.data_timestamp.seconds <= count.allowed_until:
        return HANDLED, None
    return HELD, min(held) if isfinite(min(held)) else None


def _deferred(row: Row, place: DatabasePlace, own: bool, now: float) -> tuple[str, float | None]:
    scope = place.scope
    due = row.timestamp.seconds + scope.profile.copy_after
    waiting = [
        each.due
        for each in _covering(row, scope, journal.PRIMARY if own else journal.VERIFY)
        if due >= scope.earliest_due(each) or (each.due > now and not _has_waiting(place, each))
    ]
    return (WAITS, max(due, min(waiting), now)) if waiting else (HANDLED, None)


def _covering(row: Row, scope: CountScope, kind: str) -> list[DueRange]:
    return [
        each for each in scope.ranges if each.kind == kind and each.first_row <= row.rowid <= each.last_row
    ]


def _has_waiting(place: DatabasePlace, of: DueRange) -> bool:
    """Whether any row of the range accounts for its due time. If none does, the range was made under another
    ``copy_after``: then no row is known to have had its turn."""
    scope, position = place.scope, of.first_row - 1
    earliest = scope.earliest_due(of) - scope.profile.copy_after
    while position < of.last_row:
        rows = place.db.brief_since(position, min(CHUNK_ROWS, of.last_row - position))
        if not rows:
            return False
        for position, name, created_at, _, deleted, _ in rows:
            young = not deleted and position <= of.last_row and when_written(created_at)[0] >= earliest
            if young and scope.owns(name) == (of.kind == journal.PRIMARY):
                return True
    return False
