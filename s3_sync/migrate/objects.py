"""Migrates the objects of one container, one at a time: copies them, or records why that failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from s3_sync.cluster.delete_record import DeleteRecord
from s3_sync.cluster.newest import Deleted, Present
from s3_sync.config.coverage import EVERYWHERE
from s3_sync.config.settings import Mapping
from s3_sync.errors import Archived, LocalUnavailable, RemoteError, SyncError
from s3_sync.migrate.copying import Copied, CopyServices, ObjectCopier, Outcome
from s3_sync.migrate.decide import Action
from s3_sync.migrate.division import Lookups
from s3_sync.migrate.large.job import LargeServices
from s3_sync.migrate.large_copying import LargeCopier
from s3_sync.migrate.own_segments import OwnSegments
from s3_sync.migrate.ownership import owned_version
from s3_sync.migrate.replaced_segments import ReplacedSegments
from s3_sync.migrate.services import Context
from s3_sync.model.migration import source_version
from s3_sync.model.objects import ListedObject
from s3_sync.model.outcomes import PRESENT, SUPERSEDED, VANISHED, Kind
from s3_sync.model.outcomes import Outcome as RowOutcome
from s3_sync.providers.base import Bucket
from s3_sync.state.migration_status import PassCounts
from s3_sync.transfer.restore import Limits

#: segments of an SLO, Swift's default (``max_manifest_segments``)
MAX_SEGMENTS = 1000
_OUTCOMES = {
    Outcome.COPIED: RowOutcome(Kind.COPIED),
    Outcome.UPDATED: RowOutcome(Kind.UPDATED),
    Outcome.SUPERSEDED: RowOutcome(Kind.SKIPPED, SUPERSEDED),
    Outcome.GONE: RowOutcome(Kind.SKIPPED, VANISHED),
    Outcome.SAME: PRESENT,
}


@dataclass(frozen=True, slots=True)
class Result:
    """``outage``: the error if it is one of the source or of the local cluster, which the next object will
    meet, too."""

    outcome: RowOutcome
    counts: PassCounts
    outage: SyncError | None = None


class ObjectMigration:
    """``lookups``: an object that is missing in the local listing may have been deleted there by a client, or
    copied by another node meanwhile: the object servers are asked before it is downloaded."""

    def __init__(
        self,
        context: Context,
        mapping: Mapping,
        bucket: Bucket,
        count: Callable[[int], None],
        lookups: Lookups,
    ) -> None:
        self._context = context
        self._mapping = mapping
        self._bucket = bucket
        self._lookups = lookups
        self._key = mapping.journal_key
        self._writer = context.writers.of(mapping.account)
        self._record = DeleteRecord(self._writer, mapping.container)
        #: whether there is one; None: not known yet
        self._has_record: bool | None = None
        large = LargeServices(
            source=bucket,
            writer=self._writer,
            limits=Limits(context.max_object, MAX_SEGMENTS, context.segment_size),
            parts=context.parts,
            count=count,
            prepare=self._prepare_segments,
            # what every container of an account has is migrated in any case
            allowed=(EVERYWHERE,) if mapping.covers_account else mapping.profile.segment_containers,
            now=context.clock.now,
            source_digest=mapping.source_digest,
        )
        copier = LargeCopier(large)
        services = CopyServices(
            bucket, self._writer, copier, count, context.clock.now, self._owned, mapping.source_digest
        )
        self._copier = ObjectCopier(services, mapping.container)
        own = OwnSegments(context.client, context.newest, context.removal, context.cleanups, context.parts)
        self._replaced = ReplacedSegments(own, context.newest, mapping)

    def is_due(self, listed: ListedObject) -> bool:
        """Whether a listed object may be tried now: it has not failed lately, or there is no other time."""
        now = self._context.clock.now()
        return self._context.once or self._context.failures.is_due(
            self._key, listed.name, now, _version(listed)
        )

    def migrate(self, listed: ListedObject, action: Action) -> Result:
        """Do what was decided for a listed object. Raises StateError; every other error is recorded."""
        try:
            copied = self._copy(listed, action)
        except Archived as error:
            return self._failed(listed, self._retrieved(listed, error))
        except SyncError as error:
            return self._failed(listed, error)
        self._context.failures.settle(self._key, [listed.name])
        moved = copied.outcome in (Outcome.COPIED, Outcome.UPDATED)
        return Result(_OUTCOMES[copied.outcome], PassCounts(moved=int(moved), bytes=copied.size))

    def _copy(self, listed: ListedObject, action: Action) -> Copied:
        if action is Action.COPY and self._was_deleted(listed):
            return Copied(Outcome.SUPERSEDED)
        if action is Action.COPY and self._lookups.is_due():
            is_newer = self._is_newer_locally(listed)
            self._lookups.learn(is_newer)
            if is_newer:
                return Copied(Outcome.SUPERSEDED)
        if self._context.dry_run:
            return Copied(Outcome.COPIED, listed.size)
        if action is Action.COMPARE:
            found = self._copier.compare(listed)
            if isinstance(found, Copied):
                return found
            with self._replaced.around(listed.name):
                return self._copier.copy_again(listed, found)
        if action is Action.REPLACE:
            with self._replaced.around(listed.name):
                return self._copier.copy(listed, action)
        return self._copier.copy(listed, action)

    def _owned(self, name: str) -> Present | None:
        mapping = self._mapping
        state = self._context.newest.of(mapping.account, mapping.container, name)
        return owned_version(state, mapping.source_digest)

    def _prepare_segments(self, container: str) -> None:
        """Create a container for segments with the policy of the migration, unless it exists. Raises
        LocalUnavailable."""
        status, _ = self._writer.request("HEAD", container)
        if status // 100 == 2:
            return
        policy = self._mapping.profile.storage_policy
        status, _ = self._writer.request(
            "PUT", container, headers={"X-Storage-Policy": policy} if policy else None
        )
        if status // 100 != 2:
            raise LocalUnavailable(f"PUT {container}: status {status}")

    def _is_newer_locally(self, listed: ListedObject) -> bool:
        state = self._context.newest.of(self._mapping.account, self._mapping.container, listed.name)
        listed_at = source_version(listed.last_modified, 0.0)
        if isinstance(state, Deleted):
            return state.timestamp >= listed_at
        return isinstance(state, Present) and state.timestamp >= listed_at

    def _was_deleted(self, listed: ListedObject) -> bool:
        """Return whether a client's delete of what the source keeps is on record, by cloud-shunt: then Swift
        may have no tombstone of it any more."""
        if self._has_record is None:
            self._has_record = self._record.exists
        return self._has_record and self._record.of(listed.name) > source_version(listed.last_modified, 0.0)

    def _retrieved(self, listed: ListedObject, archived: Archived) -> Archived:
        """Have the store retrieve an archived object if the configuration says so. Returns the error with
        what came of that."""
        wanted = self._mapping.profile.archive_restore
        if wanted is None or self._context.dry_run:
            return archived
        try:
            found = self._bucket.retrieve_object(listed.name, wanted.days, wanted.tier)
        except SyncError as refused:
            return Archived(f"{archived}; it cannot be retrieved: {refused}")
        return Archived(f"{archived}; retrieval {found.value}")

    def _failed(self, listed: ListedObject, error: SyncError) -> Result:
        reason, now = error.reason, self._context.clock.now()
        self._context.failures.record(self._key, listed.name, reason, str(error), now, _version(listed))
        if isinstance(error, Archived):
            return Result(RowOutcome(Kind.FAILED, reason), PassCounts(waiting=1))
        is_outage = isinstance(error, LocalUnavailable) or (
            isinstance(error, RemoteError) and error.transient
        )
        kind = Kind.PENDING if is_outage else Kind.FAILED
        return Result(RowOutcome(kind, reason), PassCounts(failed=1), error if is_outage else None)


def _version(listed: ListedObject) -> str:
    """Return what tells the versions of a listed object apart."""
    return f"{listed.etag}/{listed.last_modified}"
