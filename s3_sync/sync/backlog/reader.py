"""The backlog of each mapping on this node, computed from files and databases alone.

The result is the same in the daemon and outside, whether the daemon runs or not: the status files hold the
cursors, the journal what they have passed, and the databases what follows them. What only a running daemon
knows, such as its throughput, is not included.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add
from typing import Protocol

from s3_sync.cluster.brokers import ContainerDb, LocalReplica
from s3_sync.config.settings import Mapping
from s3_sync.errors import LocalError, LocalMissing
from s3_sync.model.timestamps import Timestamp
from s3_sync.state.checkpoint import Checkpoint, StatusFiles
from s3_sync.state.journal import RETRY, WAITING, DueRange
from s3_sync.state.journal_view import FailureCounts, JournalView
from s3_sync.state.resets import ResetRange
from s3_sync.sync.backlog.count import Amount, Backlog, CountScope, count
from s3_sync.sync.backlog.position import DatabasePlace, RowPosition, position_of

#: the pause before a database is counted again, as a multiple of the count's duration
RECOUNT_REST_FACTOR = 20.0


class Replicas(Protocol):
    """The part of ``cluster.brokers.Brokers`` that is used here."""

    def replicas(self, account: str, container: str) -> list[LocalReplica]: ...


@dataclass(frozen=True, slots=True)
class DatabaseBacklog:
    """The backlog of one database. ``id`` is empty if it cannot be read, and ``error`` has the reason.

    ``last_row``, ``last_verified_row``: 0 if there is no usable checkpoint; ``begun``: whether there is one.
    ``counted_at``: the time for which the counts hold, in seconds since the epoch. ``resets``: the ranges
    that resets have left to compare; ``reset_taken``: the id of the last reset that was started.
    """

    path: str
    id: str = ""
    ordinal: int | None = None
    replicas: int = 1
    max_row: int = 0
    last_row: int = 0
    last_verified_row: int = 0
    begun: bool = False
    counts: Backlog = field(default_factory=Backlog)
    counted_at: float = 0.0
    resets: tuple[ResetRange, ...] = ()
    reset_taken: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class MappingBacklog:
    """The backlog of one mapping. ``databases``: those on this node now. ``saved``: when a cursor was last
    saved, in seconds since the epoch; None if never."""

    mapping: Mapping
    databases: tuple[DatabaseBacklog, ...]
    troubles: FailureCounts
    saved: float | None

    @property
    def counts(self) -> Backlog:
        return reduce(add, (each.counts for each in self.databases), Backlog())

    @property
    def retrying(self) -> Amount:
        """Objects that failed and are retried, and large objects in their lane or waiting for it. A row of
        these after a cursor is counted here only."""
        since = [
            Timestamp.parse(oldest).seconds + delay
            for oldest, delay in (
                (self.troubles.oldest, self.mapping.profile.copy_after),
                (self.troubles.oldest_delete, 0),  # deletes are due at once
            )
            if oldest
        ]
        number = self.troubles.retrying + self.troubles.waiting
        return Amount(
            number, number, self.troubles.retrying_size + self.troubles.waiting_size, min(since, default=None)
        )

    @property
    def pending(self) -> Amount:
        """Objects that could have been handled by now: overdue rows and retries. Excluded are rows that wait
        for their ``copy_after``, and the quarantine."""
        return self.counts.overdue + self.retrying

    @property
    def failing(self) -> int:
        """Objects whose last attempt failed, including quarantined ones and expired copies, segments that
        were left behind, and the container's metadata."""
        found = self.troubles
        return found.retrying + found.quarantined + found.expiring + found.metadata + found.segments

    @property
    def errors(self) -> tuple[str, ...]:
        return tuple(each.error for each in self.databases if each.error)

    @property
    def counted_at(self) -> float | None:
        """When the counts were last correct, in seconds since the epoch; None if no database can be
        counted."""
        return min((each.counted_at for each in self.databases if each.id), default=None)


@dataclass(frozen=True, slots=True)
class _Cursors:
    """The checkpoint of a mapping in a database, and its journal entries before it."""

    checkpoint: Checkpoint | None
    ranges: tuple[DueRange, ...]
    retrying: frozenset[str]


@dataclass(slots=True)
class _Known:
    """A cached count, and its inputs. ``replica``: caches the fingerprint of its files."""

    replica: LocalReplica
    backlog: DatabaseBacklog
    made_from: object
    not_before: float


class BacklogReader:
    """Computes backlogs repeatedly: unchanged databases are not counted again, so an idle mapping costs a few
    stats and queries to the journal. ``yield_to_hub`` is called between chunks of a long count."""

    def __init__(
        self,
        replicas: Replicas,
        statuses: StatusFiles,
        journal: JournalView,
        slack: float,
        now: Callable[[], float] = time.time,
        yield_to_hub: Callable[[], None] = lambda: None,
    ) -> None:
        self._replicas = replicas
        self._statuses = statuses
        self._journal = journal
        self._slack = slack
        self._now = now
        self._yield_to_hub = yield_to_hub
        self._known: dict[str, dict[LocalReplica, _Known]] = {}

    def read(self, mapping: Mapping) -> MappingBacklog:
        """Raises StateError, LocalError."""
        key = mapping.journal_key
        before = self._known.get(key, {})
        now: dict[LocalReplica, _Known] = {}
        databases: list[DatabaseBacklog] = []
        for replica in self._replicas.replicas(mapping.account, mapping.container):
            known = before.get(replica)
            found = self._database(mapping, replica if known is None else known.replica, known)
            if isinstance(found, _Known):
                now[replica] = found
                found = found.backlog
            if found.id or found.error:
                databases.append(
                    replace(
                        found,
                        resets=self._journal.reset_passes(key, found.id),
                        reset_taken=self._journal.reset_taken(key, found.id),
                    )
                )
        self._known[key] = now
        return MappingBacklog(
            mapping, tuple(databases), self._journal.failure_counts(key), self._statuses.saved(mapping)
        )

    def positions(self, mapping: Mapping, name: str) -> tuple[list[RowPosition], list[str]]:
        """The rows of one object in the databases on this node, and the errors of databases that cannot be
        read. Raises StateError, LocalError."""
        key = mapping.journal_key
        found: list[RowPosition] = []
        errors: list[str] = []
        for replica in self._replicas.replicas(mapping.account, mapping.container):
            try:
                with replica.open() as db:
                    rows = db.rows_of(name)
                    checkpoint = self._statuses.load(mapping, db.id)
                    cursors = _Cursors(checkpoint, self._journal.ranges(key, db.id), frozenset())
                    scope = self._scope(mapping, replica, cursors, db)
                    place = DatabasePlace(replica.path, db, scope, self._journal.deletes(key))
                    found += [position_of(row, place, self._now()) for row in rows]
            except LocalMissing:
                continue
            except LocalError as error:
                errors.append(str(error))
        return found, errors

    def _database(
        self, mapping: Mapping, replica: LocalReplica, known: _Known | None
    ) -> _Known | DatabaseBacklog:
        now = self._now()
        try:
            fingerprint = replica.fingerprint()
            if fingerprint is None:
                return DatabaseBacklog(replica.path)
            if known is not None and (backlog := self._reuse(mapping, known, fingerprint, now)):
                known.backlog = backlog
                return known
            with replica.open() as db:
                cursors = self._cursors(mapping, db.id)
                backlog = self._count(mapping, replica, cursors, db)
        except LocalMissing:
            return DatabaseBacklog(replica.path)
        except LocalError as error:
            return DatabaseBacklog(replica.path, error=str(error))
        ended = self._now()
        rest = ended + RECOUNT_REST_FACTOR * max(0.0, ended - now)
        return _Known(replica, backlog, (fingerprint, cursors, mapping.profile), rest)

    def _reuse(
        self, mapping: Mapping, known: _Known, fingerprint: object, now: float
    ) -> DatabaseBacklog | None:
        """The cached backlog if a new count would give the same; unchanged, if it is too early for a new
        count."""
        backlog = known.backlog
        if now < backlog.counted_at:  # the clock was set back
            return None
        if now < known.not_before:
            return backlog
        made_from = fingerprint, self._cursors(mapping, backlog.id), mapping.profile
        same = now < backlog.counts.changes_at and known.made_from == made_from
        return replace(backlog, counted_at=now) if same else None

    def _count(
        self, mapping: Mapping, replica: LocalReplica, cursors: _Cursors, db: ContainerDb
    ) -> DatabaseBacklog:
        now, last = self._now(), db.max_rowid()
        scope = self._scope(mapping, replica, cursors, db)
        return DatabaseBacklog(
            path=replica.path,
            id=db.id,
            ordinal=replica.ordinal,
            replicas=replica.replicas,
            max_row=last,
            last_row=scope.last_row,
            last_verified_row=scope.last_verified_row,
            begun=scope.begun > 0,
            counts=count(db, scope, now, self._yield_to_hub),
            counted_at=now,
        )

    def _cursors(self, mapping: Mapping, database: str) -> _Cursors:
        checkpoint = self._statuses.load(mapping, database)
        key = mapping.journal_key
        tried = self._journal.names(key, RETRY) | self._journal.names(key, WAITING)
        return _Cursors(checkpoint, self._journal.ranges(key, database), tried)

    def _scope(
        self, mapping: Mapping, replica: LocalReplica, cursors: _Cursors, db: ContainerDb
    ) -> CountScope:
        """Applies the daemon's own rules of which checkpoint is usable."""
        checkpoint = cursors.checkpoint
        if checkpoint is None or not checkpoint.holds_for(replica.share, db):
            checkpoint = Checkpoint()
        return CountScope(
            profile=mapping.profile,
            ordinal=replica.ordinal,
            replicas=replica.replicas,
            last_row=checkpoint.last_row,
            last_verified_row=checkpoint.last_verified_row,
            begun=checkpoint.begun,
            slack=self._slack,
            ranges=cursors.ranges if checkpoint.last_row or checkpoint.last_verified_row else (),
            retrying=cursors.retrying,
        )
