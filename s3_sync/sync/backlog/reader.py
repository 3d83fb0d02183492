"""What is outstanding for each mapping on this node, from files and databases alone.

True whoever asks, and whether the daemon runs or not: the status files say where the cursors are, the journal
what they have passed, and the databases what lies behind. What only a running daemon knows, such as its
speed, is not in here.
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
from s3_sync.sync.backlog.count import Amount, Backlog, Scope, count

#: a count that took some time is not repeated for so many times as long, so that it stays a small part of it
REST = 20.0


class Replicas(Protocol):
    """Such as ``cluster.brokers.Brokers``."""

    def replicas(self, account: str, container: str) -> list[LocalReplica]: ...


@dataclass(frozen=True, slots=True)
class DatabaseBacklog:
    """One database. ``id`` is empty where it cannot be read, and ``error`` says why.

    ``last_row``, ``last_verified_row``: 0 where there is no progress that can be used. ``begun``: whether
    there is. ``counted_at``: what the counts are true for, in seconds since the epoch. ``resets``: what they
    have left to compare; ``reset_taken``: the id of the last one that was begun.
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
    """``databases``: those that are on this node now. ``saved``: when a cursor was last written down, in
    seconds since the epoch; None if never."""

    mapping: Mapping
    databases: tuple[DatabaseBacklog, ...]
    troubles: FailureCounts
    saved: float | None

    @property
    def counts(self) -> Backlog:
        return reduce(add, (each.counts for each in self.databases), Backlog())

    @property
    def retrying(self) -> Amount:
        """What failed and is tried again, and large objects that wait for their lane or are in it. A row of
        it that is behind a cursor too is counted here only."""
        since = [
            Timestamp.parse(oldest).seconds + delay
            for oldest, delay in (
                (self.troubles.oldest, self.mapping.profile.copy_after),
                (self.troubles.oldest_delete, 0),  # waits for nothing
            )
            if oldest
        ]
        number = self.troubles.retrying + self.troubles.waiting
        return Amount(
            number, number, self.troubles.sizes[0] + self.troubles.waiting_size, min(since, default=None)
        )

    @property
    def pending(self) -> Amount:
        """Everything that could have been done by now and has not: behind or retried. Not in it: what waits
        for its ``copy_after``, and what is in quarantine."""
        return self.counts.behind + self.retrying

    @property
    def failing(self) -> int:
        """Objects whose last try failed, quarantined ones and expired copies included."""
        return self.troubles.retrying + self.troubles.quarantined + self.troubles.expiring

    @property
    def errors(self) -> tuple[str, ...]:
        return tuple(each.error for each in self.databases if each.error)

    @property
    def counted_at(self) -> float | None:
        """When the counts were last true, in seconds since the epoch; None where nothing can be counted."""
        return min((each.counted_at for each in self.databases if each.id), default=None)


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far a mapping is in a database, and what lies before that."""

    checkpoint: Checkpoint | None
    ranges: tuple[DueRange, ...]
    retrying: frozenset[str]


@dataclass(slots=True)
class _Known:
    """A database's count, and what it was made from. ``replica``: remembers the files that it has seen."""

    replica: LocalReplica
    facts: DatabaseBacklog
    made_from: object
    not_before: float


class BacklogReader:
    """Answers again and again: what has not changed is not counted again, and an idle mapping costs a few
    stats and questions to the journal. ``breathe`` is called between chunks of a long count."""

    def __init__(
        self,
        replicas: Replicas,
        statuses: StatusFiles,
        journal: JournalView,
        slack: float,
        now: Callable[[], float] = time.time,
        breathe: Callable[[], None] = lambda: None,
    ) -> None:
        self._replicas = replicas
        self._statuses = statuses
        self._journal = journal
        self._slack = slack
        self._now = now
        self._breathe = breathe
        self._known: dict[str, dict[LocalReplica, _Known]] = {}

    def of(self, mapping: Mapping) -> MappingBacklog:
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
                found = found.facts
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

    def _database(
        self, mapping: Mapping, replica: LocalReplica, known: _Known | None
    ) -> _Known | DatabaseBacklog:
        now = self._now()
        try:
            fingerprint = replica.fingerprint()
            if fingerprint is None:
                return DatabaseBacklog(replica.path)
            if known is not None and (facts := self._holds(mapping, known, fingerprint, now)):
                known.facts = facts
                return known
            with replica.open() as db:
                progress = self._progress(mapping, db.id)
                facts = self._count(mapping, replica, progress, db)
        except LocalMissing:
            return DatabaseBacklog(replica.path)
        except LocalError as error:
            return DatabaseBacklog(replica.path, error=str(error))
        ended = self._now()
        rest = ended + REST * max(0.0, ended - now)
        return _Known(replica, facts, (fingerprint, progress, mapping.profile), rest)

    def _holds(
        self, mapping: Mapping, known: _Known, fingerprint: object, now: float
    ) -> DatabaseBacklog | None:
        """The facts again, if another count would give the same; and as they are, if it comes too early."""
        facts = known.facts
        if now < facts.counted_at:  # the clock was set back
            return None
        if now < known.not_before:
            return facts
        made_from = fingerprint, self._progress(mapping, facts.id), mapping.profile
        same = now < facts.counts.changes_at and known.made_from == made_from
        return replace(facts, counted_at=now) if same else None

    def _count(
        self, mapping: Mapping, replica: LocalReplica, progress: _Progress, db: ContainerDb
    ) -> DatabaseBacklog:
        now, last = self._now(), db.max_rowid()
        scope = self._scope(mapping, replica, progress, db)
        return DatabaseBacklog(
            path=replica.path,
            id=db.id,
            ordinal=replica.ordinal,
            replicas=replica.replicas,
            max_row=last,
            last_row=scope.last_row,
            last_verified_row=scope.last_verified_row,
            begun=scope.begun > 0,
            counts=count(db, scope, now, self._breathe),
            counted_at=now,
        )

    def _progress(self, mapping: Mapping, database: str) -> _Progress:
        checkpoint = self._statuses.load(mapping, database)
        key = mapping.journal_key
        tried = self._journal.names(key, RETRY) | self._journal.names(key, WAITING)
        return _Progress(checkpoint, self._journal.ranges(key, database), tried)

    def _scope(self, mapping: Mapping, replica: LocalReplica, progress: _Progress, db: ContainerDb) -> Scope:
        """With the daemon's own idea of what progress can be used."""
        checkpoint = progress.checkpoint
        if checkpoint is None or not checkpoint.holds_for(replica.share, db):
            checkpoint = Checkpoint()
        return Scope(
            profile=mapping.profile,
            ordinal=replica.ordinal,
            replicas=replica.replicas,
            last_row=checkpoint.last_row,
            last_verified_row=checkpoint.last_verified_row,
            begun=checkpoint.begun,
            slack=self._slack,
            ranges=progress.ranges if checkpoint.last_row or checkpoint.last_verified_row else (),
            retrying=progress.retrying,
        )
