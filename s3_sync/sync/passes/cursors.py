"""How far one database has been read for one mapping, and which of its rows are whose."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from zlib import crc32

from s3_sync.cluster.brokers import ContainerDb, LocalReplica
from s3_sync.config.settings import Mapping
from s3_sync.model.rows import Row, owner_ordinal
from s3_sync.model.timestamps import Timestamp
from s3_sync.state.checkpoint import Checkpoint
from s3_sync.state.tail import LENGTH, Tail
from s3_sync.sync.rows.batch import BatchRunner
from s3_sync.sync.services import Context

log = logging.getLogger("s3-sync")

#: seconds by which a clock may be set back without anything coming of it
CLOCK_SLEW = 1.0
#: so many rounds of verification in the time of one slack
ROUNDS = 6
#: a batch that is compared with listings takes so many times as many rows, up to so many: a page answers for
#: all rows that lie on it, and they come in any order
COMPARED_AT_ONCE, COMPARED_AT_MOST = 25, 25_000


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose work it is. ``key``: the mapping's name in the journal."""

    context: Context
    mapping: Mapping
    key: str
    batches: BatchRunner
    replica: LocalReplica

    @property
    def is_handoff(self) -> bool:
        """A database that the ring gives no ordinal owns nothing, and verifies everything."""
        return self.replica.ordinal is None

    @property
    def share(self) -> str:
        """Which rows are own ones, in a word."""
        return self.replica.share

    def owns(self, row: Row) -> bool:
        replica = self.replica
        return replica.ordinal is not None and owner_ordinal(row.name, replica.replicas) == replica.ordinal


class Cursors:
    """The checkpoint of one database. Its two cursors are moved by the two passes, one each.

    With ``once`` the database ends for them where it did when it was first looked at: on a busy container
    there would be no end otherwise. ``until``: what becomes due later than that is left, too.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._database = ""
        self._checkpoint: Checkpoint | None = None
        self._moved_until = 0.0
        self._last = math.inf
        self.until = math.inf

    @property
    def database(self) -> str:
        """The id of the database that this is about."""
        return self._database

    @property
    def checkpoint(self) -> Checkpoint:
        assert self._checkpoint is not None
        return self._checkpoint

    def load(self, db: ContainerDb) -> None:
        """At the first look at ``db``, or at another database in the same place, or when the one that is
        there has become older. Raises StateError, RemoteError."""
        if db.id != self._database:
            self._database, self._checkpoint = db.id, None
            if self._scope.context.once:
                self._last, self.until = db.max_rowid(), self._scope.context.clock.now()
        self._moved_until = db.moved_until()
        if self._checkpoint is None or not self._checkpoint.is_of(db):
            self._checkpoint = self._known(db) or self._begin(db)
        if self._checkpoint.begun > self._scope.context.clock.now() + CLOCK_SLEW:
            # the clock was fast then: nobody knows when that was
            self._checkpoint = replace(self._checkpoint, begun=0.0)

    def rows_since(self, db: ContainerDb, rowid: int, limit: int) -> tuple[list[Row], int]:
        """As ``ContainerDb.rows_since``, up to the end."""
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
        """Write cursors down. ``rows``: those that they pass. Raises StateError, LocalUnavailable."""
        moved = self.checkpoint
        if last_row is not None:
            moved = replace(moved, last_row=last_row)
        if last_verified_row is not None:
            moved = replace(moved, last_verified_row=last_verified_row)
        newest = max((row.timestamp for row in rows), default=Timestamp(0))
        self._save(db, moved, newest if moved.tail is None else max(newest, moved.tail.newest))

    def may_be_elsewhere(self, row: Row) -> bool:
        """Whether the row may be in another database of the container as well, whose daemon sends it too, or
        has sent it: a container that is sharded has its rows copied from one to the other.

        What was fresh when nothing was being moved is so no longer when something is.
        """
        if row.timestamp.seconds >= self._moved_until:
            return False
        is_moving = self._moved_until > self._scope.context.clock.now()
        return is_moving or row.rowid > self.checkpoint.fresh_until

    def shared_from(self, row: Row) -> float:
        """From when on another node's daemon may look at this row as well: a slack after it was written, and
        after the mapping began, or everybody would send everything that was there before."""
        begun = max(row.timestamp.seconds, self.checkpoint.begun)
        return begun + self._scope.context.settings.verification_slack_seconds

    def verified_from(self, row: Row) -> float:
        """When this database's next round after that is. In rounds, so that there are many rows for one
        listing instead of a HEAD for each; and every database has its own rhythm."""
        slack = self._scope.context.settings.verification_slack_seconds
        if not slack:
            return self.shared_from(row)
        length = slack / ROUNDS
        phase = crc32(self._database.encode("utf-8")) % 1000 / 1000 * length
        return phase + math.ceil((self.shared_from(row) - phase) / length) * length

    def _save(self, db: ContainerDb, checkpoint: Checkpoint, newest: Timestamp) -> Checkpoint:
        """``newest``: no row up to the cursors is younger."""
        saved = replace(checkpoint, tail=Tail.of(db.last_rows(checkpoint.end, LENGTH), newest))
        self._scope.context.statuses.save(self._scope.mapping, db.id, saved)
        self._checkpoint = saved
        return saved

    def _known(self, db: ContainerDb) -> Checkpoint | None:
        """Progress of an earlier run, if its numbers mean what they meant then. An earlier version may have
        sent rows beyond its cursor; what has no tail yet gets one."""
        mapping, share = self._scope.mapping, self._scope.share
        checkpoint = self._scope.context.statuses.load(mapping, db.id)
        if checkpoint is None or checkpoint.share not in ("", share):
            return None
        if not checkpoint.is_of(db):
            log.warning("A database of %s is an older copy of itself: comparing all of it", mapping.label)
            self._scope.batches.named.start_over(db.id)
            return None
        sweep_until = db.max_rowid() if checkpoint.adopted else checkpoint.sweep_until
        known = replace(checkpoint, share=share, sweep_until=sweep_until)
        if known.tail is not None or known.adopted:  # that is written down when it moves, and not before
            return known
        return self._save(db, known, Timestamp.from_seconds(self._scope.context.clock.now()))

    def _begin(self, db: ContainerDb) -> Checkpoint:
        """No usable progress: one listing decides whether anything can be in the way, of a shard only what is
        within its bounds. While rows are being moved, what is not stored yet may be on its way."""
        scope, label = self._scope, self._scope.mapping.label
        last, begun = db.max_rowid(), scope.context.clock.now()
        bounds = db.bounds()
        if any(bounds):
            scope.batches.look_for_manifests()
        if self._moved_until <= begun and scope.batches.listings.holds_nothing(*bounds):
            checkpoint = Checkpoint(fresh_until=last, begun=begun, share=scope.share)
            log.info("Nothing is stored yet for %s: copying rows up to %d", label, last)
        else:
            scope.batches.look_for_manifests()
            checkpoint = Checkpoint(sweep_until=last, begun=begun, share=scope.share)
            log.info("Comparing %s with what is stored already, rows up to %d", label, last)
        if resets := scope.context.controls.resets(scope.mapping):
            # of all that is compared from here on nothing was known when these were asked for
            scope.context.journal.resets.take(scope.key, db.id, resets[-1].id, [], begun)
        return self._save(db, checkpoint, Timestamp(0))


def more_to_compare(limit: int) -> int:
    return min(COMPARED_AT_ONCE * limit, max(limit, COMPARED_AT_MOST))
