"""How far one database has been read for one mapping, and which of its rows are whose."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from zlib import crc32

from s3_sync.cluster.brokers import ContainerDb, LocalReplica
from s3_sync.config.schema import Mapping
from s3_sync.model.rows import Row, owner_ordinal
from s3_sync.state.checkpoint import Checkpoint
from s3_sync.sync.batch import Batches
from s3_sync.sync.context import Context

log = logging.getLogger("s3-sync")

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
    batches: Batches
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


class Progress:
    """The checkpoint of one database. Its two cursors are moved by the two passes, one each."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._database = ""
        self._checkpoint: Checkpoint | None = None
        self._moved_until = 0.0

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
        self._moved_until = db.moved_until()
        if self._checkpoint is None or _is_ahead(self._checkpoint, db):
            self._checkpoint = self._known(db) or self._begin(db)
        if self._checkpoint.begun > (now := self._scope.context.clock.now()):
            self._checkpoint = replace(self._checkpoint, begun=now)  # the clock has been set back

    def move(self, last_row: int | None = None, last_verified_row: int | None = None) -> None:
        """Write cursors down. Raises StateError."""
        moved = self.checkpoint
        if last_row is not None:
            moved = replace(moved, last_row=last_row)
        if last_verified_row is not None:
            moved = replace(moved, last_verified_row=last_verified_row)
        self._scope.context.statuses.save(self._scope.mapping, self._database, moved)
        self._checkpoint = moved

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

    def _known(self, db: ContainerDb) -> Checkpoint | None:
        """Progress of an earlier run, if its numbers mean what they meant then.

        They do not when the ring gave this replica another share of the rows, nor when the database is an
        older copy of itself (from a backup, or after a power failure): it gives the same numbers to other
        rows then. And an earlier version may have sent rows beyond its cursor.
        """
        mapping, share = self._scope.mapping, self._scope.share
        checkpoint = self._scope.context.statuses.load(mapping, db.id)
        if checkpoint is None or checkpoint.share not in ("", share):
            return None
        if _is_ahead(checkpoint, db):
            log.warning("A database of %s is older than it was: comparing all of it", mapping.label)
            return None
        sweep_until = db.max_rowid() if checkpoint.adopted else checkpoint.sweep_until
        return replace(checkpoint, share=share, sweep_until=sweep_until)

    def _begin(self, db: ContainerDb) -> Checkpoint:
        """No usable progress: one listing decides whether anything can be in the way, of a shard only what is
        within its bounds. While rows are being moved, what is not stored yet may be on its way."""
        scope, label = self._scope, self._scope.mapping.label
        last, begun = db.max_rowid(), scope.context.clock.now()
        bounds = db.bounds()
        if any(bounds):
            scope.batches.look_for_manifests()
        if self._moved_until <= begun and scope.batches.holds_nothing(*bounds):
            checkpoint = Checkpoint(fresh_until=last, begun=begun, share=scope.share)
            log.info("Nothing is stored yet for %s: copying rows up to %d", label, last)
        else:
            scope.batches.look_for_manifests()
            checkpoint = Checkpoint(sweep_until=last, begun=begun, share=scope.share)
            log.info("Comparing %s with what is stored already, rows up to %d", label, last)
        scope.context.statuses.save(scope.mapping, db.id, checkpoint)
        return checkpoint


def more_to_compare(limit: int) -> int:
    return min(COMPARED_AT_ONCE * limit, max(limit, COMPARED_AT_MOST))


def _is_ahead(checkpoint: Checkpoint, db: ContainerDb) -> bool:
    """Whether rows were seen that the database does not know: its numbers only grow."""
    return checkpoint.is_ahead_of(db.max_rowid())
