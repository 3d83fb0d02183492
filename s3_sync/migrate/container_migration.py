"""The job of one migrated container: passes over the listings of both sides.

A pass begins after the marker that the status file has, and ends with the last name. Batches of names follow
each other without waiting for the objects of the batch before: a large object delays no other. The marker
moves to the end of a batch once that batch, and all before it, are done; so after a crash nothing is skipped.
What has failed does not hold the marker: it is recorded, and retried in later passes.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from functools import partial

from s3_sync.config.coverage import Coverage
from s3_sync.config.settings import Mapping, MigrationOptions
from s3_sync.daemon.job import StepResult
from s3_sync.daemon.job_backoff import JobBackoff
from s3_sync.daemon.stop import LinkedStop
from s3_sync.errors import SyncError
from s3_sync.migrate.account_metadata import AccountMetadata
from s3_sync.migrate.container_deletes import ContainerDeletes, container_deletes
from s3_sync.migrate.containers import Containers
from s3_sync.migrate.decide import Action, LocalEntry, decide
from s3_sync.migrate.objects import ObjectMigration, Result
from s3_sync.migrate.scan import Batch, Scan
from s3_sync.migrate.services import Context
from s3_sync.model.objects import ListedObject
from s3_sync.model.timestamps import iso_date_or_zero
from s3_sync.providers.base import Bucket
from s3_sync.runtime.log_once import LogOnce
from s3_sync.state.migration_status import PassCounts

log = logging.getLogger("swift-s3-migrator")

#: names that only the local cluster has that one pass considers; more are left to the next pass
MAX_LOCAL_ONLY = 100_000
#: this many objects in a row that fail for reasons of the source, or of the local cluster, count as an outage
OUTAGE_MIN_OBJECTS = 20
#: batches in flight
MAX_BATCHES = 4
#: how often a step that waits for objects in flight polls, in seconds
POLL = 0.05


@dataclass(slots=True)
class _Flight:
    """A batch in flight: of its objects, ``remaining`` are not done yet."""

    last: str | None
    remaining: int


@dataclass(slots=True)
class _Pass:
    """``after``: the marker that it began after; empty for a pass over everything. ``counts``: since the last
    save. ``failed_in_row``: objects that failed in an outage since the last one that did not."""

    batches: Iterator[Batch]
    objects: ObjectMigration
    after: str
    not_after: float | None
    #: names that have failed before, and were not met yet
    failed_before: set[str]
    counts: PassCounts = field(default_factory=PassCounts)
    is_new: bool = True
    listed: int = 0
    local_only: list[LocalEntry] = field(default_factory=list)
    flights: deque[_Flight] = field(default_factory=deque)
    ended: bool = False
    failed_in_row: int = 0
    outage: SyncError | None = None

    def begin(self, batch: Batch) -> Iterator[tuple[ListedObject, Action]]:
        """Count a batch, and yield the objects that something has to be done about."""
        self.listed += batch.listed
        for source, local in batch.pairs:
            action = decide(source, local, self.not_after)
            if source is None or action is Action.LOCAL_ONLY:
                if local is not None and len(self.local_only) < MAX_LOCAL_ONLY:
                    self.local_only.append(local)
            elif action is not Action.NONE:
                self.failed_before.discard(source.name)
                yield source, action

    def count(self, more: PassCounts) -> None:
        values = (getattr(self.counts, each.name) + getattr(more, each.name) for each in fields(PassCounts))
        self.counts = PassCounts(*values)

    def take_counts(self) -> PassCounts:
        """Return what was counted since the last call."""
        counts, self.counts = self.counts, PassCounts()
        return counts

    def add(self, result: Result) -> None:
        self.count(result.counts)
        if result.outage is None:
            self.failed_in_row, self.outage = 0, None
        else:
            self.failed_in_row, self.outage = self.failed_in_row + 1, result.outage


class ContainerMigration:
    """The migration of one container, from the start to the end of its mapping. ``step`` never raises."""

    def __init__(self, context: Context, mapping: Mapping) -> None:
        assert mapping.migration is not None
        self.mapping = mapping
        self._options: MigrationOptions = mapping.migration
        self._context = replace(context, stop=LinkedStop(context.stop))
        self._heartbeat = context.activity.heartbeat_for(mapping)
        self._tally = context.activity.mapping_counters(mapping, context.stats)
        self._backoff = JobBackoff("Failed to migrate", mapping.label)
        self._log_once = LogOnce()
        self._pass: _Pass | None = None
        self._deletes: ContainerDeletes | None = None
        #: the container of older versions, which is migrated, too; see ``Job``
        self.children: dict[str, Mapping] | None = None

    def children_of(self, mapping: Mapping) -> list[Mapping]:
        return []

    def update_coverage(self, coverage: Coverage) -> None:
        """Do nothing: a container's migration depends on no other."""

    @property
    def is_failing(self) -> bool:
        return self._backoff.is_failing

    @property
    def has_leftovers(self) -> bool:
        return bool(self._context.failures.names(self.mapping.journal_key))

    def summary(self, everything: bool) -> str | None:
        if self._tally.scanned:
            return self._tally.summary()
        return "scanned 0: nothing" if everything else None

    def retire(self) -> None:
        self._context.stop.set()

    def step(self) -> StepResult:
        """Begin the next batch of the pass, or end the pass."""
        self._heartbeat.begin()
        step = self._backoff.guard(self._checked_step)
        if self._backoff.is_failing:
            self._pass = None  # the next one begins after the marker
        self._heartbeat.end(idle=not step.has_more, failing=self.is_failing)
        return step

    def _checked_step(self) -> StepResult:
        if self._context.halted(self.mapping):
            return StepResult(False)
        step = self._step()
        self._backoff.succeeded()
        return step

    def _step(self) -> StepResult:
        if self._pass is None:
            self._pass = self._begin()
        current = self._pass
        if current.outage is not None and current.failed_in_row >= OUTAGE_MIN_OBJECTS:
            raise current.outage
        self._land(current)
        if not current.ended and len(current.flights) < MAX_BATCHES:
            batch = next(current.batches, None)
            current.ended = batch is None
            if batch is not None:
                self._start(current, batch)
            return StepResult(True)
        if current.flights:
            self._context.clock.sleep(POLL)
            return StepResult(True)
        self._end(current)
        return StepResult(False)

    def _begin(self) -> _Pass:
        context, options = self._context, self._options
        bucket = context.registry.open_bucket(self.mapping)
        status = context.statuses.of(self.mapping)
        if not context.dry_run:
            self._prepare(bucket)
        objects = ObjectMigration(context, self.mapping, bucket, self._tally.read, status.last_pass > 0)
        scan = Scan(bucket, self._local_entries, options.prefix, context.settings.items_chunk, context.pages)
        not_after = None if options.older_than is None else context.clock.now() - options.older_than
        failed = set(context.failures.names(self.mapping.journal_key))
        return _Pass(scan.batches(status.marker), objects, status.marker, not_after, failed)

    def _prepare(self, bucket: Bucket) -> None:
        """Make the local container, and the account if that is wanted, what they are at the source."""
        context, mapping = self._context, self.mapping
        provider = context.registry.provider(mapping.credentials)
        if not mapping.is_account:
            AccountMetadata(context.client, provider, mapping).reconcile()
        containers = Containers(context.client, provider, mapping, context.clock, bucket.clock_offset)
        versions = containers.prepare(mapping.container)
        if versions and not mapping.is_account:  # else it has a job as every container has
            older = replace(mapping, container=versions, bucket=versions, parent_key=mapping.journal_key)
            if self.children is None:
                self.children = {versions: older}
        self._deletes = container_deletes(context, mapping, provider, bucket)

    def _local_entries(self, after: str) -> Iterator[LocalEntry]:
        listing = self._context.client.objects(
            self.mapping.account, self.mapping.container, self._options.prefix, after=after
        )
        for entry in listing:
            modified = iso_date_or_zero(entry["last_modified"])
            yield LocalEntry(entry["name"], entry["bytes"], entry["hash"], modified)

    def _start(self, current: _Pass, batch: Batch) -> None:
        """Decide for each name of a batch, and begin to copy what is to be copied."""
        self._context.stats.counter(self.mapping.stats_prefix, "scanned", batch.listed)
        wanted = list(current.begin(batch))
        due = [(source, action) for source, action in wanted if current.objects.is_due(source)]
        listed_bytes = sum(source.size for source, _ in batch.pairs if source is not None)
        current.count(
            PassCounts(scanned=batch.listed, listed_bytes=listed_bytes, waiting=len(wanted) - len(due))
        )
        flight = _Flight(batch.last, len(due))
        current.flights.append(flight)
        for source, action in due:
            self._context.workers.spawn(partial(self._migrate, current, flight, source, action))

    def _migrate(self, current: _Pass, flight: _Flight, source: ListedObject, action: Action) -> None:
        try:
            if not self._context.stop.is_set():
                result = current.objects.migrate(source, action)
                self._tally.handled()
                self._tally.add(result.outcome)
                current.add(result)
        except Exception as error:
            self._log_once.exception(log, error, "Failed to migrate %s/%s", self.mapping.label, source.name)
            current.count(PassCounts(failed=1))
        finally:
            flight.remaining -= 1

    def _land(self, current: _Pass) -> None:
        """Move the marker to the end of the last batch that, with all before it, is done."""
        landed: _Flight | None = None
        while current.flights and not current.flights[0].remaining:
            landed = current.flights.popleft()
        if landed is None or self._context.stop.is_set():
            return
        self._save(current, landed.last or "")

    def _end(self, current: _Pass) -> None:
        if not current.after:
            # what a whole pass has not met again is gone at the source, or has been overwritten here
            self._context.failures.settle(self.mapping.journal_key, current.failed_before)
            if self._deletes is not None:
                current.count(self._deletes.run(current.local_only))
        self._save(current, "", ended=not current.after)
        self._context.statuses.flush()
        self._pass = None

    def _save(self, current: _Pass, marker: str, ended: bool = False) -> None:
        is_reset = current.is_new and not current.after
        current.is_new = False
        self._context.statuses.save_pass(self.mapping, marker, current.take_counts(), is_reset, ended)
