"""One local database of a container, for one mapping: the primary pass, the verify pass, what is due.

- The primary pass takes rows after ``last_row`` and acts on those that hash to this replica's ordinal.
- The verify pass follows ``verification_slack`` behind and looks at the rows of the other ordinals: their
  daemon has most likely sent them already, and if it is absent, this one does. Listings answer for most.
- Rows before their ``copy_after`` are kept as ranges in the journal and read again when due.

Order, for each batch: window into the journal, rows, journal, cursor. See ``s3_sync.state.journal``.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from zlib import crc32

from s3_sync.cluster.brokers import ContainerDb, LocalReplica
from s3_sync.cluster.client import VERSIONING
from s3_sync.config.schema import Mapping
from s3_sync.errors import LocalError
from s3_sync.model.rows import Row, owner_ordinal
from s3_sync.state.checkpoint import Checkpoint
from s3_sync.state.journal import PRIMARY, VERIFY, DueRange
from s3_sync.sync.batch import Batches, Result
from s3_sync.sync.context import Context
from s3_sync.sync.schedule import setback_pause
from s3_sync.sync.views import Before, Listed, View

log = logging.getLogger("s3-sync")

#: for so long, in seconds, a turn may look for large objects
LEARN_SLICE = 2.0
#: so many rounds of verification in the time of one slack
ROUNDS = 6
#: a batch that is compared with listings takes so many times as many rows, up to so many: a page answers for
#: all rows that lie on it, and they come in any order
COMPARED_AT_ONCE, COMPARED_AT_MOST = 25, 25_000


class DatabaseCrawl:
    """``step`` does one batch of each kind and says whether there is more to do right away."""

    def __init__(
        self, context: Context, mapping: Mapping, key: str, batches: Batches, replica: LocalReplica
    ) -> None:
        self._context = context
        self._mapping = mapping
        self._key = key
        self._batches = batches
        self._replica = replica
        self._checkpoint: Checkpoint | None = None
        self._database = ""
        #: what the files looked like when everything in them had been seen, and when to look anyhow
        self._seen: object = None
        self._wake = 0.0
        #: how often in a row the database could not be read, and until when it is left alone
        self._setbacks = 0
        self._rest_until = 0.0

    @property
    def troubled(self) -> bool:
        return bool(self._setbacks)

    def step(self, limit: int) -> tuple[bool, list[Result]]:
        """``limit``: rows to read for each kind of work. Raises StateError, RemoteError.

        A database that cannot be read is left alone for a while: others of the container need not wait.
        """
        if self._context.clock.now() < self._rest_until:
            return False, []
        try:
            more, results = self._step(limit)
        except LocalError as error:
            level = logging.DEBUG if self._setbacks else logging.ERROR
            self._setbacks += 1
            self._rest_until = self._context.clock.now() + setback_pause(self._setbacks)
            log.log(level, "Failed to read a database of %s: %s", self._mapping.label, error)
            return False, []
        self._setbacks = 0
        return more, results

    def _step(self, limit: int) -> tuple[bool, list[Result]]:
        fingerprint = self._replica.fingerprint()
        if fingerprint is None or (fingerprint == self._seen and self._context.clock.now() < self._wake):
            return False, []
        self._seen = None  # until everything has been done
        with self._replica.open() as db:
            # A deleted container is read too: its last rows are the deletes that emptied it.
            if not self._readable(db):
                self._seen, self._wake = fingerprint, float("inf")
                return False, []
            if db.id != self._database:  # first look, or another database in the same place
                self._database, self._checkpoint = db.id, None
            if db.has_several_policies():
                self._batches.handler.ask_every_policy()
            if not self._mapping.profile.retain_local and not self._know_segments(db):
                return True, []
            if self._checkpoint is None or _is_ahead(self._checkpoint, db):
                self._checkpoint = self._load(db) or self._begin(db)
            results: list[Result] = []
            self._wake = float("inf")
            more = self._due(db, limit, results)
            more = self._primary(db, limit, results) or more
            more = self._verify(db, limit, results) or more
        next_range = self._context.journal.next_range(self._key, self._database)
        self._wake = min(self._wake, float("inf") if next_range is None else next_range)
        self._seen = None if more else fingerprint
        return more, results

    def _readable(self, db: ContainerDb) -> bool:
        """Raises LocalError for a container out of which nothing may be moved."""
        if not self._mapping.profile.retain_local and not VERSIONING.isdisjoint(db.metadata()):
            raise LocalError("the container is versioned: its objects are links to versions, not to be moved")
        state = db.sharding_state()
        if state != "unsharded":
            log.error("%s is %s: sharded containers are not read by this version", self._mapping.label, state)
        return state == "unsharded"

    def _know_segments(self, db: ContainerDb) -> bool:
        """Before anything is moved: what is part of a large object. False: it takes more turns than this."""
        until = self._context.clock.now() + LEARN_SLICE
        return self._batches.named.catch_up(
            db, lambda: self._context.stop.is_set() or self._context.clock.now() > until
        )

    @property
    def _share(self) -> str:
        return f"{'-' if self._replica.ordinal is None else self._replica.ordinal}/{self._replica.replicas}"

    def _load(self, db: ContainerDb) -> Checkpoint | None:
        """Progress of an earlier run, if its numbers mean what they meant then.

        They do not when the ring gave this replica another share of the rows, nor when the database is an
        older copy of itself (from a backup, or after a power failure): it gives the same numbers to other
        rows then. And an earlier version may have sent rows beyond its cursor.
        """
        checkpoint = self._context.statuses.load(self._mapping, db.id)
        if checkpoint is None or checkpoint.share not in ("", self._share):
            return None
        if _is_ahead(checkpoint, db):
            log.warning("A database of %s is older than it was: comparing all of it", self._mapping.label)
            return None
        sweep_until = db.max_rowid() if checkpoint.adopted else checkpoint.sweep_until
        return replace(checkpoint, share=self._share, sweep_until=sweep_until)

    def _begin(self, db: ContainerDb) -> Checkpoint:
        """No usable progress: one listing decides whether anything can be in the way."""
        last, begun = db.max_rowid(), self._context.clock.now()
        if self._batches.holds_nothing():
            checkpoint = Checkpoint(fresh_until=last, begun=begun, share=self._share)
            log.info("Nothing is stored yet for %s: copying rows up to %d", self._mapping.label, last)
        else:
            self._batches.look_for_manifests()
            checkpoint = Checkpoint(sweep_until=last, begun=begun, share=self._share)
            log.info("Comparing %s with what is stored already, rows up to %d", self._mapping.label, last)
        self._context.statuses.save(self._mapping, db.id, checkpoint)
        return checkpoint

    def _primary(self, db: ContainerDb, limit: int, results: list[Result]) -> bool:
        checkpoint = self._known()
        if self._replica.ordinal is None:
            return False
        if checkpoint.last_row < checkpoint.sweep_until:
            limit = _more_to_compare(limit)
        rows, last = db.rows_since(checkpoint.last_row, limit)
        if last <= checkpoint.last_row:
            return False
        own = [row for row in rows if self._is_own(row)]
        reached = last
        if own:
            log.info(
                "Processing %d rows since row %d for %s", len(own), checkpoint.last_row, self._mapping.label
            )
            views = self._views(own, self._context.journal.window(self._key, db.id))
            self._context.journal.open_window(self._key, db.id, last)
            result = self._batches.run(own, views)
            self._batches.settle(result, later=self._ranges(result.not_due, PRIMARY))
            results.append(result)
            if result.abandoned_from is not None:
                reached = result.abandoned_from - 1
        self._save(replace(checkpoint, last_row=reached))
        if own:
            log.info("Processed %d rows; last row: %d; for %s", len(own), reached, self._mapping.label)
        return not self._context.stop.is_set()

    def _views(self, rows: Sequence[Row], window: int) -> dict[str, View]:
        """Rows of a broken-off batch and of a sweep are compared, and those that have waited so long that
        another node's daemon may have sent them; the rest are known to be new.

        Of a broken-off batch a listing shows only what is absent: what it shows as sent may be the version
        before, of the same bytes, whose transfer ended when this row had been written already. Not so in a
        sweep, which begins where progress is lost: then nobody knows where the batch began, and it would cost
        a HEAD for every row before its end.
        """
        checkpoint, now = self._known(), self._context.clock.now()
        sweep = max(window, checkpoint.sweep_until)
        shared = self._replica.replicas > 1
        compare = {r.name for r in rows if r.rowid <= sweep or (shared and self._shared_from(r) <= now)}
        views = self._batches.survey(sorted(compare))
        for row in rows:
            if row.name not in compare:
                views[row.name] = Before.FRESH if row.rowid <= checkpoint.fresh_until else Before.NEW
            elif checkpoint.sweep_until < row.rowid <= window and views[row.name] != Listed(None):
                views[row.name] = Before.UNKNOWN
        return views

    def _shared_from(self, row: Row) -> float:
        """From when on another node's daemon may look at this row as well: a slack after it was written, and
        after the mapping began, or everybody would send everything that was there before."""
        begun = max(row.timestamp.seconds, self._known().begun)
        return begun + self._context.settings.verification_slack_seconds

    def _verified_from(self, row: Row) -> float:
        """When this database's next round after that is. In rounds, so that there are many rows for one
        listing instead of a HEAD for each; and every database has its own rhythm."""
        slack = self._context.settings.verification_slack_seconds
        if not slack:
            return self._shared_from(row)
        length = slack / ROUNDS
        phase = crc32(self._database.encode("utf-8")) % 1000 / 1000 * length
        return phase + math.ceil((self._shared_from(row) - phase) / length) * length

    def _verify(self, db: ContainerDb, limit: int, results: list[Result]) -> bool:
        checkpoint = self._known()
        if self._replica.ordinal is not None and self._replica.replicas == 1:
            if checkpoint.last_verified_row != checkpoint.last_row:
                self._save(replace(checkpoint, last_verified_row=checkpoint.last_row))
            return False
        rows, last = db.rows_since(checkpoint.last_verified_row, _more_to_compare(limit))
        if last <= checkpoint.last_verified_row:
            return False
        now = self._context.clock.now()
        too_young = next((row for row in rows if self._verified_from(row) > now), None)
        if too_young is not None:
            self._wake = min(self._wake, self._verified_from(too_young))
            last = too_young.rowid - 1
            rows = [row for row in rows if row.rowid <= last]
        others = [row for row in rows if not self._is_own(row)]
        if others:
            log.info(
                "Verifying %d rows since row %d for %s",
                len(others), checkpoint.last_verified_row, self._mapping.label,
            )  # fmt: skip
            result = self._batches.run(others, self._batches.survey([row.name for row in others]))
            self._batches.settle(result, later=self._ranges(result.not_due, VERIFY))
            results.append(result)
            if result.abandoned_from is not None:
                last = result.abandoned_from - 1
            log.info("Verified %d rows; last row: %d; for %s", len(others), last, self._mapping.label)
        if last > checkpoint.last_verified_row:
            self._save(replace(self._known(), last_verified_row=last))
        return too_young is None and not self._context.stop.is_set()

    def _due(self, db: ContainerDb, limit: int, results: list[Result]) -> bool:
        """Read again the ranges whose time has come, up to ``limit`` rows of them; what is not due yet makes
        new ranges."""
        now = self._context.clock.now()
        for due in self._context.journal.due_ranges(self._key, db.id, now):
            if limit <= 0 or self._context.stop.is_set():
                break
            found, last = db.rows_since(due.first_row - 1, min(limit, due.last_row - due.first_row + 1))
            rows = [row for row in found if row.rowid <= due.last_row and self._belongs(row, due)]
            result = self._batches.run(rows, self._due_views(rows, due))
            if result.complete:
                rest = [replace(due, first_row=last + 1)] if found and last < due.last_row else []
                later = self._ranges(result.not_due, due.kind) + rest
                self._batches.settle(result, later=later, looked_at=[due])
            else:
                self._batches.settle(result)
            results.append(result)
            limit -= len(found)
        return limit <= 0

    def _due_views(self, rows: Sequence[Row], due: DueRange) -> dict[str, View]:
        """What is listed in a row's way is no proof, unless the row is another node's to send: a transfer
        of the version before may have ended after this one was written, with the same bytes."""
        views = self._batches.survey([row.name for row in rows])
        if due.kind == PRIMARY:
            views = {name: view if view == Listed(None) else Before.UNKNOWN for name, view in views.items()}
        return views

    def _belongs(self, row: Row, due: DueRange) -> bool:
        return self._is_own(row) == (due.kind == PRIMARY)

    def _ranges(self, rows: Iterable[Row], kind: str) -> list[DueRange]:
        """One range over rows that are not due; a little patience lets neighbours become due together."""
        waiting = list(rows)
        if not waiting:
            return []
        first_due = min(self._batches.handler.due(row) for row in waiting)
        if kind == VERIFY:
            first_due += self._context.settings.verification_slack_seconds
        patience = min(60.0, self._mapping.profile.copy_after / 10)
        rowids = [row.rowid for row in waiting]
        return [DueRange(self._database, kind, min(rowids), max(rowids), first_due + patience)]

    def _is_own(self, row: Row) -> bool:
        replica = self._replica
        return replica.ordinal is not None and owner_ordinal(row.name, replica.replicas) == replica.ordinal

    def _known(self) -> Checkpoint:
        assert self._checkpoint is not None
        return self._checkpoint

    def _save(self, checkpoint: Checkpoint) -> None:
        self._context.statuses.save(self._mapping, self._database, checkpoint)
        self._checkpoint = checkpoint


def _is_ahead(checkpoint: Checkpoint, db: ContainerDb) -> bool:
    """Whether rows were seen that the database does not know: its numbers only grow."""
    return max(checkpoint.last_row, checkpoint.last_verified_row) > db.max_rowid()


def _more_to_compare(limit: int) -> int:
    return min(COMPARED_AT_ONCE * limit, max(limit, COMPARED_AT_MOST))
