"""The services that the jobs of this daemon share."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from s3_sync.cluster.databases import LocalDatabases
from s3_sync.cluster.services import LocalObjects
from s3_sync.daemon.job import Pools
from s3_sync.daemon.services import Services
from s3_sync.daemon.task_pool import TaskPool
from s3_sync.providers.remote_references import RemoteAccounts
from s3_sync.runtime.concurrency import Pool
from s3_sync.state.checkpoint import StatusFiles
from s3_sync.state.journal import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncServices(Services):
    """Access to the local cluster, the state files of this process, and what is known of remote accounts."""

    brokers: LocalDatabases
    local: LocalObjects
    journal: Journal
    statuses: StatusFiles
    remote_accounts: RemoteAccounts = field(default_factory=RemoteAccounts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context(SyncServices):
    """``SyncServices`` with the pools of the lane that a job runs in; see ``daemon.job.Pools``."""

    workers: Pool
    parts: Pool
    large: TaskPool

    @classmethod
    def of(cls, services: SyncServices, pools: Pools) -> Context:
        shared = {each.name: getattr(services, each.name) for each in fields(SyncServices)}
        return cls(**shared, workers=pools.workers, parts=pools.parts, large=pools.large)
