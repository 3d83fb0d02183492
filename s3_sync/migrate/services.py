"""The services that the jobs of this daemon share."""

from __future__ import annotations

from dataclasses import dataclass, fields

from s3_sync.cluster.client import LocalSwift
from s3_sync.cluster.newest import NewestState
from s3_sync.daemon.job import Pools
from s3_sync.daemon.services import Services
from s3_sync.daemon.task_pool import TaskPool
from s3_sync.migrate.division import Division
from s3_sync.runtime.concurrency import Pool
from s3_sync.state.migration_failures import MigrationFailures
from s3_sync.state.migration_status import MigrationStatuses


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrateServices(Services):
    """Access to the local cluster, and the state files of this process. ``max_object``: the largest object
    that the local cluster takes, in bytes; ``dry_run``: nothing is written, but what would be is logged."""

    client: LocalSwift
    newest: NewestState
    division: Division
    statuses: MigrationStatuses
    failures: MigrationFailures
    max_object: int
    segment_size: int
    dry_run: bool = False


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
