"""The job of one mapped container: its databases on this node, its retries, and its cleanups."""

from __future__ import annotations

import logging
from dataclasses import replace

from s3_sync.cluster.brokers import LocalReplica
from s3_sync.config.coverage import Coverage
from s3_sync.config.settings import Mapping
from s3_sync.daemon.job import StepResult
from s3_sync.daemon.job_backoff import JobBackoff
from s3_sync.daemon.name_locks import NameLocks
from s3_sync.daemon.stop import LinkedStop
from s3_sync.daemon.timetable import Timetable
from s3_sync.errors import SyncError
from s3_sync.model.outcomes import Outcome
from s3_sync.providers.base import Bucket
from s3_sync.runtime.log_once import LogOnce
from s3_sync.state.journal import Counts
from s3_sync.sync.lifecycle.account_segment_index import AccountSegmentIndex
from s3_sync.sync.lifecycle.bucket_expiry_rule import BucketExpiryRule
from s3_sync.sync.lifecycle.release import LifecycleState
from s3_sync.sync.lifecycle.segment_cleanup import CleanupLedger
from s3_sync.sync.lifecycle.segment_index import SegmentIndex
from s3_sync.sync.lifecycle.sweeps import Sweeps, SweepServices
from s3_sync.sync.passes.cursors import DatabaseScope
from s3_sync.sync.passes.database import DatabaseCrawl
from s3_sync.sync.passes.expiry import ExpiryPass
from s3_sync.sync.passes.large_objects import LargeObjects
from s3_sync.sync.passes.result import NOTHING, PassResult
from s3_sync.sync.rows.batch import (
    OUTAGE_REASONS,
    OWN_FAILURE,
    SILENT_REASONS,
    STORE_WIDE_REASONS,
    BatchRunner,
    is_outage,
    row_of,
)
from s3_sync.sync.rows.services import RowServices
from s3_sync.sync.rows.upload_ledger import UploadLedger, abort_orphaned_uploads
from s3_sync.sync.services import Context

log = logging.getLogger("s3-sync")

#: how long the list of a container's local databases is cached, in seconds
REPLICA_LIST_TTL = 60.0
#: target duration of a batch, in seconds, under a limit of requests per second
RATE_LIMITED_BATCH_SECONDS = 30.0
#: this many new rows that all fail count as an outage
OUTAGE_MIN_ROWS = 3
#: seconds between two checks for orphaned uploads
ORPHAN_CHECK_INTERVAL = 3600.0
#: time per step, in seconds, for scanning for large objects
SCAN_SLICE = 2.0


class ContainerCrawl:
    """The crawl of one mapped container, from the start to the end of the mapping. ``step`` never raises.

    ``account_index``: the index of large objects in the whole account, if the mapping covers the account.
    """

    def __init__(
        self, context: Context, mapping: Mapping, account_index: AccountSegmentIndex | None = None
    ) -> None:
        self.mapping = mapping
        self.key = mapping.journal_key
        context = replace(context, stop=LinkedStop(context.stop))
        self._context = context
        self._heartbeat = context.activity.heartbeat_for(mapping)
        self._log_once = LogOnce()
        self._names = NameLocks(context.large.claims(self.key))
        self._services: RowServices | None = None
        self._batches: BatchRunner | None = None
        self._databases: dict[LocalReplica, DatabaseCrawl] = {}
        self._listed_at = float("-inf")
        self._turns = -1
        self._backoff = JobBackoff("Failed to process", mapping.label)
        #: the last failure in the current outage; None if there is none
        self._outage: Outcome | None = None
        #: whether the last step showed that the failures were the objects' own: there was no outage
        self._was_none = False
        self._retried_once = False
        self._paused = False
        # objects that failed in an outage before this process started are due at once
        context.journal.retry_now(self.key, OUTAGE_REASONS, context.clock.now())
        self._abort_orphans_at = float("-inf")
        self._ledger = UploadLedger(context.journal, self.key, context.clock.now)
        self._expiry_pass = ExpiryPass(context, mapping, self.key)
        cleanups = CleanupLedger(context.journal.departures, self.key)
        segment_index = SegmentIndex(mapping, context.local.references)
        self._lifecycle = LifecycleState(cleanups, segment_index, account_index)
        #: index of a sharded container out of which objects are moved
        self._container_index: AccountSegmentIndex | None = None
        self._sweeps = Sweeps(context, mapping, self._lifecycle, self._sweep_services)
        self._gate = context.registry.limiter(mapping)
        self._timetable = Timetable(self._gate, mapping.label)
        self._large = LargeObjects(
            context,
            mapping,
            self.key,
            self._names,
            lambda: not (self._backoff.is_failing or self._gate.is_closed),
        )
        self._expiry_rule = BucketExpiryRule(mapping, context.journal, self.key, context.clock.now)

    @property
    def outstanding(self) -> Counts:
        counts = self._context.journal.counts(self.key)
        metadata = int(self._context.journal.containers.load(self.key).attempts > 0)
        failing = self._expiry_pass.failing + self._sweeps.failing + metadata
        return replace(counts, retrying=counts.retrying + failing)

    @property
    def has_leftovers(self) -> bool:
        left = self.outstanding
        return bool(left.retrying or left.quarantined or left.waiting)

    @property
    def children(self) -> None:
        """A container has no children; see ``Job``."""
        return None

    def children_of(self, mapping: Mapping) -> list[Mapping]:
        return []

    def update_coverage(self, coverage: Coverage) -> None:
        """Do nothing: a container's mapping depends on no other; if it changes, the lane replaces the job."""

    def summary(self, everything: bool) -> str | None:
        if self._services is not None and self._services.tally.scanned:
            return self._services.tally.summary()
        return "scanned 0: nothing" if everything else None

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt at any of its tasks failed."""
        return (
            self._backoff.is_failing
            or self._sweeps.failed
            or self._expiry_rule.failing
            or any(database.is_failing for database in self._databases.values())
            or (self._context.once and (self._timetable.closed or self._holds_deletes))
        )

    @property
    def _holds_deletes(self) -> bool:
        return self._services is not None and self._services.delete_limiter.is_held

    def retire(self) -> None:
        """Start nothing more, in the current step either. Requests in flight complete."""
        self._context.stop.set()
        self._large.retire()

    def step(self) -> StepResult:
        """Run one batch of each kind of work."""
        self._heartbeat.begin()
        if self._is_paused() or self._timetable.is_closed():
            step = StepResult(False)
        else:
            step = self._backoff.guard(self._checked_step)
        slow = self._batches is not None and self._batches.stragglers.any_left
        self._heartbeat.end(idle=not (step.has_more or slow), failing=self.is_failing)
        return step

    def _checked_step(self) -> StepResult:
        more = self._step()
        if self._outage is not None:
            return self._backoff.failed(f"no request succeeds: {self._outage.reason}: {self._outage.detail}")
        if not more and self._batches is not None:
            self._batches.tolerate(0)
        if self._backoff.succeeded() and not self._was_none:
            # objects that failed during the outage become due at once
            self._context.journal.retry_now(self.key, OUTAGE_REASONS, self._context.clock.now())
        return StepResult(more and not self._context.stop.is_set())

    def _is_paused(self) -> bool:
        """Whether the operator has paused the mapping. Requests in flight complete; nothing new is
        started."""
        paused = self._context.controls.is_paused(self.mapping)
        if paused != self._paused:
            log.info("%s: %s", self.mapping.label, "paused by the operator" if paused else "resumed")
            self._paused = paused
        return paused

    def _step(self) -> bool:
        # after a failed step a small batch shows whether the outage is over
        failing = self._backoff.is_failing
        limit = self._context.workers.size if failing else self._context.settings.items_chunk
        limit = self._gate.fit_batch(limit, RATE_LIMITED_BATCH_SECONDS)
        self._abort_orphans()
        databases = self._local_databases()
        if databases and not failing:  # without databases, another node ensures the rule
            self._expiry_rule.ensure(lambda: self._row_services().bucket)
        if self._services is not None and self._services.delete_limiter.poll():
            for database in databases:
                database.wake()
        ready, more = self._scan_segments()
        trial = failing and self._outage is not None and self._outage.reason not in SILENT_REASONS
        fresh = NOTHING
        for database in self._rotated(databases) if ready else ():
            if self._context.halted(self.mapping):
                break
            result = database.step(limit, trial)
            fresh += result
            if not self._context.once and is_outage(result.attempted, OUTAGE_MIN_ROWS):
                more = True
                break  # the other databases, possibly hundreds of shards, would most likely fail too
        retried = self._retry(limit) + self._expiry_pass.run(limit, self._row_services)
        self._large.feed(self._batch_runner)
        retried += self._outcomes_outside_batches()
        more = more or fresh.has_more or retried.has_more
        recovered = any(outcome.settled for outcome in retried.attempted)
        self._was_none = OWN_FAILURE in fresh.attempted and not recovered
        self._outage = None
        if self._is_outage(fresh.attempted, retried.attempted):
            outcomes = reversed(retried.attempted + fresh.attempted)
            self._outage = next(outcome for outcome in outcomes if outcome.reason in OUTAGE_REASONS)
        if self._outage is None and not (more and self._context.once):
            more = self._sweeps.step() or more
        if self._context.once and not more:
            more = self._large.wait() or (self._batches is not None and self._batches.stragglers.wait())
        return more

    def _outcomes_outside_batches(self) -> PassResult:
        """Outcomes of objects that no batch waits for: large objects and stragglers. Raises StateError."""
        tried = self._large.take_outcomes()
        slow = [] if self._batches is None else self._batches.stragglers.take_outcomes()
        return PassResult(attempted=(*tried, *slow)) if tried or slow else NOTHING

    def _scan_segments(self) -> tuple[bool, bool]:
        """Returns whether rows may be handled, and whether the scan has more to do right away. Raises
        SyncError.

        A mapping that moves objects out of a sharded container scans the whole container first, because no
        single database lists all of its large objects.
        """
        if self._container_index is None:
            return True, False
        try:
            more = self._container_index.advance(SCAN_SLICE)
        except SyncError as error:
            if not self._container_index.known:
                raise
            more = False
            level = self._log_once.level_for("walk", type(error).__name__)
            log.log(
                level, "%s: scan for large objects failed, will be repeated: %s", self.mapping.label, error
            )
        return self._container_index.known, more

    def _rotated(self, databases: list[DatabaseCrawl]) -> list[DatabaseCrawl]:
        """The databases, rotated by one on each call, so that each comes first in turn."""
        self._turns += 1
        start = self._turns % len(databases) if databases else 0
        return databases[start:] + databases[:start]

    def _is_outage(self, fresh: tuple[Outcome, ...], retried: tuple[Outcome, ...]) -> bool:
        """Whether the store, and not single objects, is failing.

        Repeated failures of the same objects, and a few new ones, are no outage as long as the store answers
        other requests: they must not slow down the rest. After a failed step the outage ends only when
        something succeeds.

        A refused credential or a wrong clock affects all objects, so one such outcome is enough, unless the
        store answers a request that concerns no object: then it rejects these objects' names or metadata.
        """
        tried = fresh + retried
        if not tried or OWN_FAILURE in fresh:
            return False
        if is_outage(fresh, OUTAGE_MIN_ROWS):
            return True
        refused = [outcome for outcome in tried if outcome.reason in STORE_WIDE_REASONS]
        if refused:
            return not self._row_services().lookup.store_answers()
        if self._backoff.is_failing:
            return is_outage(tried, 1)
        return is_outage(tried, 1) and not self._row_services().lookup.store_answers()

    def _sweep_services(self) -> SweepServices:
        services = self._row_services()
        return SweepServices(services.bucket, services.delete_limiter, self._batch_runner().move_segments)

    def _abort_orphans(self) -> None:
        """Abort orphaned uploads at the start and once per ORPHAN_CHECK_INTERVAL."""
        now = self._context.clock.now()
        if now >= self._abort_orphans_at and not self._backoff.is_failing:
            self._abort_orphans_at = now + ORPHAN_CHECK_INTERVAL
            abort_orphaned_uploads(
                self.mapping.label, self._ledger, lambda: self._row_services().bucket, self._log_once
            )

    def _retry(self, limit: int) -> PassResult:
        """Retry failed objects that are due; with ``once``, each failed object one time.

        During an outage a few are retried before they are due, to detect its end.
        """
        journal = self._context.journal
        if self._context.once:
            if self._retried_once:
                return NOTHING
            self._retried_once = True
            entries = journal.due_objects(self.key, float("inf"), 1_000_000)
        else:
            until = float("inf") if self._outage is not None else self._context.clock.now()
            entries = journal.due_objects(self.key, until, limit)
        if not entries:
            return NOTHING
        attempted: list[Outcome] = []
        for start in range(0, len(entries), limit):
            batches = self._batch_runner()
            rows = [row_of(entry) for entry in entries[start : start + limit]]
            result = batches.run(rows, self._row_services().lookup.look_up_shared(rows))
            batches.record(result)
            attempted += result.attempted
            if is_outage(result.attempted, OUTAGE_MIN_ROWS) or not result.complete:
                break
        return PassResult(len(entries) == limit, tuple(attempted))

    def _local_databases(self) -> list[DatabaseCrawl]:
        now = self._context.clock.now()
        if now < self._listed_at - REPLICA_LIST_TTL:
            log.warning("%s: the system clock was set back", self.mapping.label)
            self._context.journal.clock_set_back(self.key, now)
            self._abort_orphans_at = float("-inf")
            self._sweeps.clock_was_set_back()
            for database in self._databases.values():
                database.wake()
        if abs(now - self._listed_at) > REPLICA_LIST_TTL:
            found = self._context.brokers.replicas(self.mapping.account, self.mapping.container)
            kept = {replica: self._databases.get(replica) for replica in found}
            self._databases = {
                replica: database or self._new_database(replica) for replica, database in kept.items()
            }
            self._listed_at = now
            if not self.mapping.profile.retain_local and self._lifecycle.account_index is None:
                self._index_if_sharded()
        return list(self._databases.values())

    def _index_if_sharded(self) -> None:
        account, container = self.mapping.account, self.mapping.container
        if self._context.brokers.is_sharded(account, container):
            names = self._context.local.accounts.names(account, only=container)
            self._container_index = self._lifecycle.account_index = AccountSegmentIndex(
                names, self._context.clock
            )

    def _new_database(self, replica: LocalReplica) -> DatabaseCrawl:
        context = self._context
        return DatabaseCrawl(
            DatabaseScope.of(context, self.mapping, replica),
            self._row_services(),
            self._batch_runner(),
            self._lifecycle.segment_index,
            context.brokers,
            context.local.containers,
        )

    def _row_services(self) -> RowServices:
        """Create the services, and with them the bucket's connections, on first use. Raises RemoteError."""
        if self._services is None:
            bucket = self._context.registry.open_bucket(self.mapping)
            if self.mapping.credentials.wants_conditional_writes:
                self._probe_conditions(bucket)
            self._services = RowServices.of(
                self._context, self.mapping, bucket, self._names, self._ledger, self._lifecycle
            )
        return self._services

    def _batch_runner(self) -> BatchRunner:
        if self._batches is None:
            self._batches = BatchRunner(self._context, self.mapping, self.key, self._row_services())
        return self._batches

    def _probe_conditions(self, bucket: Bucket) -> None:
        """Raises RemoteError: without a probe result the crawl must not rely on conditional writes."""
        bucket.probe_conditional_writes()
        if not bucket.features.put_if_absent:
            log.warning(
                "%s: the store ignores If-None-Match; copying without conditional writes", self.mapping.label
            )
