"""One mapping: its databases on this node, its retries, and when to come back."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

from s3_sync.cluster.brokers import LocalReplica
from s3_sync.config.coverage import Coverage
from s3_sync.config.settings import Mapping
from s3_sync.daemon.delay_queue import backoff_delay
from s3_sync.daemon.job import StepResult
from s3_sync.daemon.stop import LinkedStop
from s3_sync.errors import SyncError
from s3_sync.model.outcomes import Outcome
from s3_sync.providers.base import Bucket
from s3_sync.runtime.log_once import LogOnce
from s3_sync.state.journal import Counts
from s3_sync.sync.lifecycle.account_segment_index import AccountSegmentIndex
from s3_sync.sync.lifecycle.bucket_expiry_rule import BucketExpiryRule
from s3_sync.sync.lifecycle.release import LifecycleState
from s3_sync.sync.lifecycle.segment_cleanup import CleanupLedger, SegmentCleaner
from s3_sync.sync.lifecycle.segment_index import SegmentIndex
from s3_sync.sync.passes.database import DatabaseCrawl
from s3_sync.sync.passes.expiry import ExpiryPass
from s3_sync.sync.passes.large_objects import LargeObjects
from s3_sync.sync.rows.batch import (
    OUTAGE_REASONS,
    STORE_WIDE_REASONS,
    BatchResult,
    BatchRunner,
    is_outage,
    row_of,
)
from s3_sync.sync.rows.upload_ledger import UploadLedger, reap
from s3_sync.sync.services import Context

log = logging.getLogger("s3-sync")

#: how long the list of local databases of a container is trusted, in seconds
REPLICAS_FOR = 60.0
#: how long a batch takes at least, in seconds, where a budget of requests is what slows it down
BUDGETED_BATCH = 30.0
#: so many new rows, all failed, are an outage
MANY = 3
#: how often unfinished uploads are looked for, in seconds
REAP_EVERY = 3600.0
#: segments of moved objects: how often they are deleted, for how long they keep rows waiting, and how many
#: times as long as the last walk through the account took the next one waits; in seconds
SWEEP_EVERY, SWEEP_SLICE, SWEEP_REST = 60.0, 2.0, 10.0
#: for so long, in seconds, a turn may look for large objects
WALK_SLICE = 2.0


class ContainerCrawl:
    """Of one container; lives as long as its mapping. ``step`` never raises.

    ``neighbours``: what is known of the large objects of its account, where all of that is mapped.
    """

    def __init__(
        self, context: Context, mapping: Mapping, neighbours: AccountSegmentIndex | None = None
    ) -> None:
        self.mapping = mapping
        self.key = mapping.journal_key
        context = replace(context, stop=LinkedStop(context.stop))
        self._context = context
        self._heartbeat = context.activity.heartbeat_for(mapping)
        self._log_once = LogOnce()
        self._batches: BatchRunner | None = None
        self._databases: dict[LocalReplica, DatabaseCrawl] = {}
        self._listed_at = float("-inf")
        self._turns = -1
        self._setbacks = 0
        #: why nothing gets through; empty as long as something does
        self._outage = ""
        self._retried_once = False
        self._paused = False
        # what failed in an outage that the process before this one saw need not wait for its own time
        context.journal.retry_now(self.key, OUTAGE_REASONS, context.clock.now())
        self._reap_at = float("-inf")
        self._ledger = UploadLedger(context.journal, self.key, context.clock.now)
        self._expirations = ExpiryPass(context, mapping, self.key)
        self._departures = CleanupLedger(context.journal.departures, self.key)
        named = SegmentIndex(mapping, context.local.references)
        self._moving = LifecycleState(self._departures, named, neighbours)
        #: through a container with shards out of which objects are moved
        self._walk: AccountSegmentIndex | None = None
        self._sweeping: Iterator[None] | None = None
        self._sweep_at = float("-inf")
        self._sweep_begun = 0.0
        self._sweep_failed = False
        self._gate = context.registry.limiter(mapping)
        self._closed = False
        self._large = LargeObjects(
            context, mapping, self.key, lambda: not (self._setbacks or self._gate.is_closed)
        )
        self._lifetime = BucketExpiryRule(mapping, context.journal, self.key, context.clock.now)

    @property
    def outstanding(self) -> Counts:
        counts = self._context.journal.counts(self.key)
        return replace(counts, retrying=counts.retrying + self._expirations.failing)

    @property
    def has_leftovers(self) -> bool:
        left = self.outstanding
        return bool(left.retrying or left.quarantined or left.waiting)

    @property
    def children(self) -> None:
        """See ``Job``: a container has none."""
        return None

    def children_of(self, mapping: Mapping) -> list[Mapping]:
        return []

    def update_coverage(self, coverage: Coverage) -> None:
        """The mapping of a container depends on no other one; the lane replaces the job if it changes."""

    def summary(self, everything: bool) -> str | None:
        if self._batches is not None and self._batches.tally.scanned:
            return self._batches.tally.summary()
        return "scanned 0: nothing" if everything else None

    @property
    def is_failing(self) -> bool:
        """The last attempt at something failed."""
        return (
            bool(self._setbacks)
            or self._sweep_failed
            or self._lifetime.failing
            or any(database.troubled for database in self._databases.values())
            or (self._context.once and (self._closed or self._holds_deletes))
        )

    @property
    def _holds_deletes(self) -> bool:
        return self._batches is not None and self._batches.guard.is_held

    def retire(self) -> None:
        """It gets no other turn, and in this one nothing more is begun; what is on its way goes on."""
        self._context.stop.set()
        self._large.retire()

    def step(self) -> StepResult:
        """One batch of each kind of work."""
        self._heartbeat.begin()
        step = self._guarded_step()
        slow = self._batches is not None and self._batches.slow.any_left
        self._heartbeat.end(idle=not (step.has_more or slow), failing=self.is_failing)
        return step

    def _guarded_step(self) -> StepResult:
        if self._is_paused() or self._rests():
            return StepResult(False)
        try:
            more = self._step()
        except SyncError as error:
            return self._setback(str(error))
        except Exception as error:
            self._log_once.exception(log, error, "Failed to process %s", self.mapping.label)
            return self._setback(repr(error))
        if self._outage:
            return self._setback(f"nothing gets through: {self._outage}")
        if self._setbacks:
            self._recovered()
        return StepResult(more and not self._context.stop.is_set())

    def _is_paused(self) -> bool:
        """By the operator. What is in flight at that time ends, nothing more is begun."""
        paused = self._context.controls.is_paused(self.mapping)
        if paused != self._paused:
            log.info("%s: %s", self.mapping.label, "paused by the operator" if paused else "resumed")
            self._paused = paused
        return paused

    def _step(self) -> bool:
        results: list[BatchResult] = []
        # after a setback a few rows show whether it is over, before many fail
        limit = self._context.settings.items_chunk if not self._setbacks else self._context.workers.size
        limit = self._gate.fit_batch(limit, BUDGETED_BATCH)
        self._reap()
        databases = self._local_databases()
        if databases and not self._setbacks:  # else it is other nodes' business, or no moment for it
            self._lifetime.keep(lambda: self._open().bucket)
        if self._batches is not None and self._batches.guard.poll():
            for database in databases:
                database.wake()
        knows, more = self._look_around()
        for database in self._in_turn(databases) if knows else ():
            if self._context.halted(self.mapping):
                break
            again, done = database.step(limit)
            more, results = more or again, results + done
            tried = [outcome for result in done for outcome in result.tried]
            if not self._context.once and is_outage(tried, MANY):
                more = True
                break  # a container may have hundreds of shards, and they would most likely fail as well
        fresh = [outcome for result in results for outcome in result.tried]
        retried: list[Outcome] = []
        more = self._retry(limit, retried) or more
        again, expired = self._expirations.run(limit, self._open)
        more, retried = more or again, retried + expired
        self._large.feed(self._open)
        retried += self._tried_apart()
        self._outage = ""
        if self._is_outage(fresh, retried):
            last = next(outcome for outcome in reversed(retried + fresh) if outcome.reason in OUTAGE_REASONS)
            self._outage = f"{last.reason}: {last.detail}"
        if not self._outage and not (more and self._context.once):
            more = self._sweep() or more
        if self._context.once and not more:
            more = self._large.wait() or (self._batches is not None and self._batches.slow.wait())
        return more

    def _tried_apart(self) -> list[Outcome]:
        """What became of objects that no batch waits for. Raises StateError."""
        tried = self._large.tried()
        return tried if self._batches is None else tried + self._batches.slow.tried()

    def _look_around(self) -> tuple[bool, bool]:
        """Whether rows may be handled, and whether there is more to find out right away. Raises SyncError.

        Where objects are moved out of a container with shards, no database tells of all its large objects: so
        nothing is moved before a walk through all of it.
        """
        if self._walk is None:
            return True, False
        try:
            more = self._walk.run(WALK_SLICE)
        except SyncError as error:
            if not self._walk.known:
                raise
            more = False
            level = self._log_once.level_for("walk", type(error).__name__)
            log.log(level, "%s: its large objects have to be looked for again: %s", self.mapping.label, error)
        return self._walk.known, more

    def _in_turn(self, databases: list[DatabaseCrawl]) -> list[DatabaseCrawl]:
        """All of them, another one first in each turn."""
        self._turns += 1
        start = self._turns % len(databases) if databases else 0
        return databases[start:] + databases[:start]

    def _rests(self) -> bool:
        """Whether the timetable of a budget says that nothing is begun now. What is under way goes on."""
        closed = self._gate.is_closed
        if closed != self._closed:
            self._closed = closed
            what = "nothing is begun until the timetable allows it" if closed else "going on by the timetable"
            log.info("%s: %s", self.mapping.label, what)
        return closed

    def _is_outage(self, fresh: list[Outcome], retried: list[Outcome]) -> bool:
        """Objects that failed before and fail again say nothing new, and neither do a few new ones, as long
        as the store answers otherwise: they must not slow down all the others. But after a setback it is
        over only when something works.

        Refused credentials and a wrong clock concern everybody, and one is enough, unless the store answers a
        request that is about no object: then it refuses the names or the metadata of these.
        """
        tried = fresh + retried
        if is_outage(fresh, MANY):
            return True
        refused = [outcome for outcome in tried if outcome.reason in STORE_WIDE_REASONS]
        if refused:
            return not self._open().listings.store_answers()
        if self._setbacks:
            return is_outage(tried, 1)
        return is_outage(tried, 1) and not self._open().listings.store_answers()

    def _sweep(self) -> bool:
        """Segments of what was moved, a slice at a time; whether there is more to do right away.

        A walk through an account may be long. The next one begins only after many times as long.
        """
        now = self._context.clock.now
        if self._sweeping is None:
            if now() < self._sweep_at or self.mapping.profile.retain_local or self._departures.is_empty():
                return False
            if not self._may_sweep():
                return False
            self._sweeping, self._sweep_begun, self._sweep_failed = self._new_sweep(), now(), False
        elif not self._may_sweep():
            return False
        until = now() + SWEEP_SLICE
        try:
            for _ in self._sweeping:
                if self._context.stop.is_set() or not 0 <= until - now() <= SWEEP_SLICE:
                    return True
        except SyncError as error:
            level = self._log_once.level_for("sweep", type(error).__name__)
            log.log(level, "%s: segments of moved objects have to wait: %s", self.mapping.label, error)
            self._sweep_failed = True
        self._sweeping = None
        if self._moving.neighbours is not None:
            self._moving.neighbours.swept(self)
        if self._context.once:
            return not self._sweep_failed and not self._departures.is_empty()
        self._sweep_at = now() + max(SWEEP_EVERY, SWEEP_REST * (now() - self._sweep_begun))
        return False

    def _may_sweep(self) -> bool:
        """Of the containers of an account one at a time: each sweep walks through all of it."""
        neighbours = self._moving.neighbours
        return neighbours is None or self._context.once or neighbours.may_sweep(self)

    def _new_sweep(self) -> Iterator[None]:
        batches = self._open()
        sweep = SegmentCleaner(
            self.mapping, batches.bucket, self._context.local, self._departures, self._context.parts,
            batches.move_segments,
        )  # fmt: skip
        yield from sweep.run()
        self._sweep_failed = sweep.failed

    def _reap(self) -> None:
        """At the start, and now and then."""
        now = self._context.clock.now()
        if now >= self._reap_at and not self._setbacks:
            self._reap_at = now + REAP_EVERY
            reap(self.mapping.label, self._ledger, lambda: self._open().bucket, self._log_once)

    def _retry(self, limit: int, tried: list[Outcome]) -> bool:
        """Objects that failed before and whose time has come; with ``once``, each of them one time.

        In an outage a few are tried whether it is their time or not: that shows whether it is over.
        """
        journal = self._context.journal
        if self._context.once:
            if self._retried_once:
                return False
            self._retried_once = True
            entries = journal.due_objects(self.key, float("inf"), 1_000_000)
        else:
            until = float("inf") if self._outage else self._context.clock.now()
            entries = journal.due_objects(self.key, until, limit)
        for start in range(0, len(entries), limit):
            batches = self._open()
            rows = [row_of(entry) for entry in entries[start : start + limit]]
            result = batches.run(rows, batches.look_up_shared(rows))
            batches.settle(result)
            tried += result.tried
            if is_outage(result.tried, MANY) or not result.complete:
                break
        return len(entries) == limit

    def _local_databases(self) -> list[DatabaseCrawl]:
        now = self._context.clock.now()
        if now < self._listed_at - REPLICAS_FOR:
            log.warning("%s: the clock was set back", self.mapping.label)
            self._context.journal.clock_set_back(self.key, now)
            self._reap_at = self._sweep_at = float("-inf")
            for database in self._databases.values():
                database.wake()
        if abs(now - self._listed_at) > REPLICAS_FOR:
            found = self._context.brokers.replicas(self.mapping.account, self.mapping.container)
            kept = {replica: self._databases.get(replica) for replica in found}
            self._databases = {
                replica: database
                or DatabaseCrawl(self._context, self.mapping, self.key, self._open(), replica)
                for replica, database in kept.items()
            }
            self._listed_at = now
            if not self.mapping.profile.retain_local and self._moving.neighbours is None:
                self._walk_if_sharded()
        return list(self._databases.values())

    def _walk_if_sharded(self) -> None:
        account, container = self.mapping.account, self.mapping.container
        if self._context.brokers.is_sharded(account, container):
            names = self._context.local.accounts.names(account, only=container)
            self._walk = self._moving.neighbours = AccountSegmentIndex(names, self._context.clock)

    def _open(self) -> BatchRunner:
        """The bucket's connections are made when there is something to do, and kept."""
        if self._batches is None:
            bucket = self._context.registry.open_bucket(self.mapping)
            if self.mapping.credentials.conditional_put:
                self._prove_conditions(bucket)
            self._batches = BatchRunner(
                self._context, self.mapping, bucket, self.key, self._ledger, self._moving
            )
        return self._batches

    def _prove_conditions(self, bucket: Bucket) -> None:
        """Raises RemoteError: better not to begin than to rely on what is not known."""
        bucket.probe_conditional_writes()
        if not bucket.features.put_if_absent:
            log.warning("%s: the store does not honour If-None-Match: going on without", self.mapping.label)

    def _recovered(self) -> None:
        """What failed meanwhile need not wait for its own time."""
        log.info("%s: working again", self.mapping.label)
        self._setbacks = 0
        self._context.journal.retry_now(self.key, OUTAGE_REASONS, self._context.clock.now())

    def _setback(self, why: str) -> StepResult:
        level = logging.DEBUG if self._setbacks else logging.ERROR
        self._setbacks += 1
        pause = backoff_delay(self._setbacks)
        log.log(level, "Failed to process %s: %s; next try in %.0f s", self.mapping.label, why, pause)
        return StepResult(False, pause)
