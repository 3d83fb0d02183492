"""The job of one migrated container: passes over the listings of both sides.

A pass begins after the marker that the status file has, and ends with the last name. Batches of names follow
each other without waiting for the objects of the batch before: a large object delays no other. The marker
moves to the end of a batch once that batch, and all before it, are done; so after a crash nothing is skipped.
What has failed does not hold the marker: it is recorded, and retried in later passes.

Where several nodes share the work, the pass leaves their names to the others at first. It then goes again
through the parts in which something was left, and helps with what still is missing: see ``division``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from s3_sync.config.coverage import SEGMENTS, Coverage
from s3_sync.config.settings import Mapping, MigrationOptions
from s3_sync.daemon.job import StepResult
from s3_sync.daemon.job_backoff import JobBackoff
from s3_sync.daemon.stop import LinkedStop
from s3_sync.daemon.timetable import Timetable
from s3_sync.errors import SyncError
from s3_sync.migrate.account_metadata import AccountMetadata
from s3_sync.migrate.container_deletes import ContainerDeletes, container_deletes
from s3_sync.migrate.containers import Containers
from s3_sync.migrate.current_pass import Flight, Pass
from s3_sync.migrate.decide import Action, LocalEntry
from s3_sync.migrate.division import Lookups, Share
from s3_sync.migrate.objects import ObjectMigration
from s3_sync.migrate.scan import Batch, Scan
from s3_sync.migrate.services import Context
from s3_sync.model.objects import ListedObject
from s3_sync.providers.base import Bucket
from s3_sync.runtime.log_once import LogOnce
from s3_sync.state.migration_status import PassCounts

log = logging.getLogger("swift-s3-migrator")

#: this many objects in a row that fail for reasons of the source, or of the local cluster, count as an outage
OUTAGE_MIN_OBJECTS = 20
#: batches in flight
MAX_BATCHES = 4
#: how often a step that waits for objects in flight polls, in seconds
POLL = 0.05
#: what was left to another node is its own affair for so many poll intervals: by then it has seen it, too
HELP_AFTER_POLLS = 2


class ContainerMigration:
    """The migration of one container, from the start to the end of its mapping. ``step`` never raises.

    ``divided_by``: the bucket whose nodes share the work."""

    def __init__(self, context: Context, mapping: Mapping, divided_by: str) -> None:
        assert mapping.migration is not None
        self.mapping = mapping
        self._options: MigrationOptions = mapping.migration
        self._divided_by = divided_by
        self._context = replace(context, stop=LinkedStop(context.stop))
        self._heartbeat = context.activity.heartbeat_for(mapping)
        self._tally = context.activity.mapping_counters(mapping, context.stats)
        self._backoff = JobBackoff("Failed to migrate", mapping.label)
        self._timetable = Timetable(context.registry.limiter(mapping), mapping.label)
        self._log_once = LogOnce()
        self._pass: Pass | None = None
        #: when this node, which leaves creating it to another, found no local container; None: there is one
        self._missing_since: float | None = None
        #: names that only the local cluster has -> when this node, which leaves them to another, found that
        self._local_since: dict[str, float] = {}
        self._deletes: ContainerDeletes | None = None
        #: the container of older versions, which is migrated, too; see ``Job``
        self.children: dict[str, Mapping] | None = None

    def children_of(self, mapping: Mapping) -> list[Mapping]:
        return []

    def update_coverage(self, coverage: Coverage) -> None:
        """Do nothing: a container's migration depends on no other."""

    @property
    def is_failing(self) -> bool:
        return self._backoff.is_failing or (self._context.once and self._timetable.closed)

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
        if self._timetable.is_closed() or self._context.halted(self.mapping):
            return StepResult(False)
        failures, key = self._context.failures, self.mapping.journal_key
        try:
            step = self._step()
        except SyncError as error:
            failures.record(key, "", error.reason, str(error), self._context.clock.now())
            raise
        failures.settle(key, [""])
        self._backoff.succeeded()
        return step

    def _step(self) -> StepResult:
        if self._pass is None:
            share = self._context.division.share(self.mapping.account, self._divided_by)
            if share is None:
                return StepResult(False)
            if (seconds := self._seconds_to_container(share)) > 0:
                return self._wait(seconds)
            self._pass = self._begin(share)
        current = self._pass
        if current.outage is not None and current.failed_in_row >= OUTAGE_MIN_OBJECTS:
            raise current.outage
        self._land(current)
        if current.flights and current.flights[0].is_skipped:
            self._drop(current)
            return StepResult(True)
        if not current.ended and len(current.flights) < MAX_BATCHES:
            batch = next(current.batches, None)
            current.ended = batch is None
            if batch is not None:
                self._start(current, batch)
            return StepResult(True)
        if current.flights:
            self._context.clock.sleep(POLL)
            return StepResult(True)
        if current.left:
            return self._help(current)
        self._end(current)
        return StepResult(False)

    def _help(self, current: Pass) -> StepResult:
        """Go on with what other nodes have left undone, once they have had their time for it."""
        seconds = current.left_at + self._time_for_others - self._context.clock.now()
        if seconds > 0:
            return self._wait(seconds)
        current.help()
        return StepResult(True)

    @property
    def _time_for_others(self) -> float:
        """In seconds."""
        return HELP_AFTER_POLLS * self._context.settings.poll_interval

    def _wait(self, seconds: float) -> StepResult:
        if not self._context.once:
            return StepResult(False, seconds)
        self._context.clock.sleep(min(seconds, POLL))
        return StepResult(True)

    def _seconds_to_container(self, share: Share) -> float:
        """Return for how many seconds the local container is left to the nodes before this one, as it is
        missing; 0 or less: it exists, or this node has to create it."""
        context, mapping = self._context, self.mapping
        if (
            context.dry_run
            or not share.ordinal
            or context.client.container(mapping.account, mapping.container) is not None
        ):
            self._missing_since = None
            return 0.0
        now = context.clock.now()
        if self._missing_since is None:
            self._missing_since = now
        return self._missing_since + share.ordinal * self._time_for_others - now

    def _begin(self, share: Share) -> Pass:
        context, options = self._context, self._options
        bucket = context.registry.open_bucket(self.mapping)
        status = context.statuses.of(self.mapping)
        if not context.dry_run:
            self._prepare(bucket, share)
        if not status.last_pass:
            self._expect()
        lookups = Lookups(share, always=status.last_pass > 0)
        objects = ObjectMigration(context, self.mapping, bucket, self._tally.read, lookups)
        scan = Scan(bucket, self._local_entries, options.prefix, context.settings.items_chunk, context.pages)
        not_after = context.clock.now() - (options.older_than or 0.0)
        failed = set(context.failures.names(self.mapping.journal_key))
        begun = Pass(scan, objects, lookups, status.marker, not_after, share, failed)
        begun.walk([(status.marker, None)])
        return begun

    def _expect(self) -> None:
        """Save how much the source has, if it says so."""
        provider = self._context.registry.provider(self.mapping.credentials)
        told = provider.head_bucket(self.mapping.bucket)
        counts = (told.get(f"x-container-{what}", "") for what in ("object-count", "bytes-used"))
        objects, size = (int(count) if count.isdecimal() else None for count in counts)
        self._context.statuses.expect(self.mapping, objects, size)

    def _prepare(self, bucket: Bucket, share: Share) -> None:
        """Make the local container, and the account if that is wanted, what they are at the source."""
        context, mapping = self._context, self.mapping
        provider = context.registry.provider(mapping.credentials)
        if not mapping.is_account:
            AccountMetadata(context.client, provider, mapping).reconcile()
        containers = Containers(context.client, provider, mapping, context.clock, bucket.clock_offset)
        versions = containers.prepare(mapping.container)
        if containers.left_alone:
            level = self._log_once.level_for("versions", containers.left_alone)
            why = "%s: older versions are not migrated: their container %s is a client's here"
            log.log(level, why, mapping.label, containers.left_alone)
        if versions and not mapping.is_account and self.children is None:  # else it has a job of its own
            self.children = {versions: of_older_versions(mapping, versions)}
        if self._deletes is None:
            self._deletes = container_deletes(context, mapping, provider, bucket)
        self._deletes.nodes = share.nodes

    def _local_entries(self, after: str) -> Iterator[LocalEntry]:
        listing = self._context.client.objects(
            self.mapping.account, self.mapping.container, self._options.prefix, after=after
        )
        for entry in listing:
            yield LocalEntry.of(entry)

    def _start(self, current: Pass, batch: Batch) -> None:
        """Decide for each name of a batch, and begin to copy what is to be copied."""
        wanted = current.begin(batch, self._context.clock.now())
        due = [(source, action) for source, action in wanted if current.objects.is_due(source)]
        current.count(PassCounts(waiting=len(wanted) - len(due)))
        if not current.rank:
            self._count(current, batch)
        flight = Flight(batch.last, len(due))
        current.flights.append(flight)
        for source, action in due:
            self._context.workers.spawn(partial(self._migrate, current, flight, source, action))

    def _count(self, current: Pass, batch: Batch) -> None:
        current.listed += batch.listed
        self._context.stats.counter(self.mapping.stats_prefix, "scanned", batch.listed)
        listed_bytes = sum(source.size for source, _ in batch.pairs if source is not None)
        current.count(PassCounts(scanned=batch.listed, listed_bytes=listed_bytes))

    def _migrate(self, current: Pass, flight: Flight, source: ListedObject, action: Action) -> None:
        try:
            if self._context.halted(self.mapping):
                flight.is_skipped = True
            else:
                result = current.objects.migrate(source, action)
                self._tally.handled()
                self._tally.add(result.outcome)
                current.add(result)
        except Exception as error:
            self._log_once.exception(log, error, "Failed to migrate %s/%s", self.mapping.label, source.name)
            current.count(PassCounts(failed=1))
        finally:
            flight.remaining -= 1

    def _land(self, current: Pass) -> None:
        """Move the marker to the end of the last batch that, with all before it, is done."""
        landed: Flight | None = None
        while current.flights and not (current.flights[0].remaining or current.flights[0].is_skipped):
            landed = current.flights.popleft()
        if landed is None or self._context.stop.is_set():
            return
        self._heartbeat.made_progress()
        # what helps has begun the pass over: after a crash, the next one leaves nothing out
        self._save(current, "" if current.rank else landed.last or "")

    def _drop(self, current: Pass) -> None:
        """Give up the pass, which has left something out: the next one begins after the marker, and counts
        the names that it compares again."""
        counts, marker = current.take_counts(), self._context.statuses.of(self.mapping).marker
        current.count(PassCounts(moved=counts.moved, bytes=counts.bytes))
        self._save(current, marker)
        self._pass = None

    def _end(self, current: Pass) -> None:
        if not current.after:  # met nowhere: gone at the source, or done by another node or a client
            self._context.failures.settle(self.mapping.journal_key, current.failed_before)
            if self._deletes is not None:
                current.count(self._deletes.run(self._due_deletes(current)))
        self._save(current, "", ended=not current.after)
        self._context.statuses.flush()
        self._pass = None

    def _due_deletes(self, current: Pass) -> list[LocalEntry]:
        """Return what only the local cluster has, as far as it is this node's business now: the first of
        those that share a container deletes at once, the others what it has had the time for."""
        now, before = self._context.clock.now(), self._local_since
        time_for_others = current.share.ordinal * self._time_for_others
        if not time_for_others:
            return current.local_only
        self._local_since = {each.name: before.get(each.name, now) for each in current.local_only}
        return [each for each in current.local_only if now >= self._local_since[each.name] + time_for_others]

    def _save(self, current: Pass, marker: str, ended: bool = False) -> None:
        is_reset = current.is_new and not current.after
        current.is_new = False
        self._context.statuses.save_pass(self.mapping, marker, current.take_counts(), is_reset, ended)


def of_older_versions(mapping: Mapping, container: str) -> Mapping:
    """Return the mapping for the container of older versions of a single migration. Segments of what it has
    are where those of the current versions are."""
    places = (
        *mapping.profile.segment_containers,
        mapping.bucket,
        *(mapping.bucket + each for each in SEGMENTS),
    )
    return replace(
        mapping,
        container=container,
        bucket=container,
        parent_key=mapping.journal_key,
        profile=replace(mapping.profile, segment_containers=places),
    )
