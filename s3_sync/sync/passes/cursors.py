"""The cursors of one database for one mapping, and which of its rows this node owns."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from zlib import crc32

from s3_sync.cluster.brokers import ContainerDb, LocalReplica
from s3_sync.config.settings import Mapping
from s3_sync.daemon.stop import Stop
from s3_sync.model.rows import Row
from s3_sync.model.timestamps import Timestamp
from s3_sync.state.checkpoint import Checkpoint, StatusFiles
from s3_sync.state.controls import Controls
from s3_sync.state.due_times import VERIFY_ROUNDS_PER_SLACK, verifiable_at
from s3_sync.state.journal import Journal
from s3_sync.state.tail import LENGTH, Tail
from s3_sync.sync.lifecycle.segment_index import SegmentIndex
from s3_sync.sync.rows.services import RowServices
from s3_sync.sync.services import Context

log = logging.getLogger("s3-sync")

#: a clock that is set back by less, in seconds, has no effect
CLOCK_SLEW = 1.0
#: a batch that is compared with listings is larger by this factor, up to this number of rows: one page
#: settles all rows in its range, whatever their order
COMPARE_BATCH_FACTOR, MAX_COMPARE_BATCH = 25, 25_000


@dataclass(frozen=True, slots=True)
class DatabaseScope:
    """One mapping's work on one database, and where its progress is kept. ``key``: the mapping's name in the
    journal. ``slack``: the verification slack, in seconds. ``once``, ``stop``: see ``daemon.services``."""

    mapping: Mapping
    key: str
    replica: LocalReplica
    journal: Journal
    statuses: StatusFiles
    controls: Controls
    now: Callable[[], float]
    slack: float
    once: bool
    stop: Stop

    @classmethod
    def of(cls, context: Context, mapping: Mapping, replica: LocalReplica) -> DatabaseScope:
        return cls(
            mapping=mapping,
            key=mapping.journal_key,
            replica=replica,
            journal=context.journal,
            statuses=context.statuses,
            controls=context.controls,
            now=context.clock.now,
            slack=context.settings.verification_slack_seconds,
            once=context.once,
            stop=context.stop,
        )

    @property
    def is_handoff(self) -> bool:
        """Whether the ring gives this database no ordinal: it then owns no rows, and verifies all."""
        return self.replica.ordinal is None

    @property
    def share(self) -> str:
        """Which rows are own ones, as ``ordinal/replicas``."""
        return self.replica.share

    def owns(self, row: Row) -> bool:
        return self.replica.owns(row.name)


class Cursors:
    """The checkpoint of one database, with two cursors: the primary pass moves one, the verify pass the
    other.

    With ``once``, the database ends for both where it ended when it was first read, because a busy container
    would never be done. ``until``: rows that become due later than that are left, too.
    """

    def __init__(self, scope: DatabaseScope, services: RowServices, segment_index: SegmentIndex) -> None:
        self._scope = scope
        self._lookup = services.lookup
        self._ledger = services.ledger
        self._segment_index = segment_index
        self._database = ""
        self._checkpoint: Checkpoint | None = None
        self._moved_until = 0.0
        self._last = math.inf
        self.until = math.inf

    @property
    def database(self) -> str:
        """The id of the current database."""
        return self._database

    @property
    def checkpoint(self) -> Checkpoint:
        assert self._checkpoint is not None
        return self._checkpoint

    def load(self, db: ContainerDb) -> None:
        """Load the checkpoint when ``db`` is first read, or another database has taken its place, or an older
        copy of it. Raises StateError, RemoteError."""
        if db.id != self._database:
            self._database, self._checkpoint = db.id, None
            if self._scope.once:
                self._last, self.until = db.max_rowid(), self._scope.now()
        self._moved_until = db.moved_until()
        if self._checkpoint is None or not self._checkpoint.is_of(db):
            self._checkpoint = self._load(db) or self._start(db)
        if self._checkpoint.begun > self._scope.now() + CLOCK_SLEW:
            # the clock was fast then: the real time of the start is unknown
            self._checkpoint = replace(self._checkpoint, begun=0.0)

    def rows_since(self, db: ContainerDb, rowid: int, limit: int) -> tuple[list[Row], int]:
        """Like ``ContainerDb.rows_since``, up to the end."""
        rows, last = db.rows_since(rowid, limit)
        if last <= self._last:
            return rows, last
        return [row for row in rows if row.rowid <= self._last], max(rowid, int(self._last))

    def move(
        self,
        db: ContainerDb,
        rows: Iterable[Row],
        last_row: int | None = None,
        last_verified_row: int | None = None,
    ) -> None:
        """Save cursors. ``rows``: the rows that they pass. Raises StateError, LocalUnavailable."""
        moved = self.checkpoint
        if last_row is not None:
            moved = replace(moved, last_row=last_row)
        if last_verified_row is not None:
            moved = replace(moved, last_verified_row=last_verified_row)
        newest = max((row.timestamp for row in rows), default=Timestamp(0))
        self._save(db, moved, newest if moved.tail is None else max(newest, moved.tail.newest))

    def may_be_in_other_database(self, row: Row) -> bool:
        """Whether the row may be in another database of the container as well, whose daemon sends it, too:
        sharding copies rows from one database to another.

        Once rows are being moved, no row counts as fresh any more.
        """
        if row.timestamp.seconds >= self._moved_until:
            return False
        is_moving = self._moved_until > self._scope.now()
        return is_moving or row.rowid > self.checkpoint.fresh_until

    def verifiable_at(self, row: Row) -> float:
        """When another node's daemon may verify this row."""
        return verifiable_at(row.timestamp.seconds, self.checkpoint.begun, self._scope.slack)

    def verify_round_at(self, row: Row) -> float:
        """When this database's first verify round after ``verifiable_at`` starts. Rounds collect rows, so
        that a listing can replace a HEAD for each; each database has its own phase."""
        slack = self._scope.slack
        if not slack:
            return self.verifiable_at(row)
        length = slack / VERIFY_ROUNDS_PER_SLACK
        phase = crc32(self._database.encode("utf-8")) % 1000 / 1000 * length
        return phase + math.ceil((self.verifiable_at(row) - phase) / length) * length

    def _save(self, db: ContainerDb, checkpoint: Checkpoint, newest: Timestamp) -> Checkpoint:
        """``newest``: no row up to the cursors is newer."""
        saved = replace(checkpoint, tail=Tail.of(db.last_rows(checkpoint.end, LENGTH), newest))
        self._scope.statuses.save(self._scope.mapping, db.id, saved)
        self._checkpoint = saved
        return saved

    def _load(self, db: ContainerDb) -> Checkpoint | None:
        """The checkpoint of an earlier run, if its ROWIDs are still valid. An earlier version may have sent
        rows beyond its cursor; a checkpoint without a tail gets one."""
        mapping, share = self._scope.mapping, self._scope.share
        checkpoint = self._scope.statuses.load(mapping, db.id)
        if checkpoint is None or checkpoint.share not in ("", share):
            return None
        if not checkpoint.is_of(db):
            log.warning(
                "A database of %s was replaced by an older copy: comparing all its rows", mapping.label
            )
            self._segment_index.restart(db.id)
            return None
        sweep_until = db.max_rowid() if checkpoint.adopted else checkpoint.sweep_until
        known = replace(checkpoint, share=share, sweep_until=sweep_until)
        if known.tail is not None or known.adopted:  # saved when a cursor next moves
            return known
        return self._save(db, known, Timestamp.from_seconds(self._scope.now()))

    def _start(self, db: ContainerDb) -> Checkpoint:
        """A new checkpoint: one listing, of a shard within its bounds, tells whether anything is stored.
        While rows are being moved, an empty listing proves nothing."""
        scope, label = self._scope, self._scope.mapping.label
        last, begun = db.max_rowid(), scope.now()
        bounds = db.bounds()
        if any(bounds):
            self._lookup.note_manifests(self._ledger)
        if self._moved_until <= begun and self._lookup.is_known_empty(*bounds):
            checkpoint = Checkpoint(fresh_until=last, begun=begun, share=scope.share)
            log.info("Nothing is stored yet for %s: copying rows up to %d", label, last)
        else:
            self._lookup.note_manifests(self._ledger)
            checkpoint = Checkpoint(sweep_until=last, begun=begun, share=scope.share)
            log.info("Comparing %s with the objects already stored, rows up to %d", label, last)
        if resets := scope.controls.resets(scope.mapping):
            # these resets were requested before the comparison that starts now, which covers them
            scope.journal.resets.take(scope.key, db.id, resets[-1].id, [], begun)
        return self._save(db, checkpoint, Timestamp(0))


def compare_batch_size(limit: int) -> int:
    """Rows in a batch that is compared with listings, where other batches have ``limit`` rows."""
    return min(COMPARE_BATCH_FACTOR * limit, max(limit, MAX_COMPARE_BATCH))
