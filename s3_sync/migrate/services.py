"""The services that the jobs of this daemon share."""

from __future__ import annotations

from dataclasses import dataclass, fields

from s3_sync.cluster.client import LocalSwift
from s3_sync.cluster.guarded_delete import GuardedDelete
from s3_sync.cluster.newest import NewestState
from s3_sync.cluster.object_writer import Writers
from s3_sync.config.settings import Mapping
from s3_sync.daemon.job import Pools
from s3_sync.daemon.services import Services
from s3_sync.daemon.task_pool import TaskPool
from s3_sync.migrate.division import Division
from s3_sync.migrate.ownership import ClientObjects
from s3_sync.runtime.concurrency import Pool
from s3_sync.state.held_deletes import HeldDeletesLedger
from s3_sync.state.migration_failures import MigrationFailures
from s3_sync.state.migration_status import MigrationStatuses
from s3_sync.state.segment_cleanups import SegmentCleanups


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrateServices(Services):
    """Access to the local cluster, and the state files of this process. ``max_object``: the largest object
    that the local cluster takes, in bytes; ``pages``: threads that request pages of listings; ``dry_run``:
    nothing is written, but what would be is counted."""

    client: LocalSwift
    newest: NewestState
    writers: Writers
    removal: GuardedDelete
    division: Division
    statuses: MigrationStatuses
    failures: MigrationFailures
    held: HeldDeletesLedger
    cleanups: SegmentCleanups
    clients: ClientObjects
    max_object: int
    segment_size: int
    pages: Pool
    dry_run: bool = False

    def halted(self, mapping: Mapping) -> bool:
        """Whether no more work may begin for a migration now, be it that its timetable allows none."""
        return Services.halted(self, mapping) or self.registry.limiter(mapping).is_closed


@dataclass(frozen=True, slots=True, kw_only=True)
class Context(MigrateServices):
    """``MigrateServices`` with the pools of the lane that a job runs in; see ``daemon.job.Pools``."""

    workers: Pool
    parts: Pool
    large: TaskPool

    @classmethod
    def of(cls, services: MigrateServices, pools: Pools) -> Context:
        shared = {each.name: getattr(services, each.name) for each in fields(MigrateServices)}
        return cls(**shared, workers=pools.workers, parts=pools.parts, large=pools.large)
