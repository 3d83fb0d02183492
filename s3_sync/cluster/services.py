"""The services of the local cluster."""

from __future__ import annotations

from dataclasses import dataclass

from s3_sync.cluster.accounts import Accounts
from s3_sync.cluster.client import LocalSwift
from s3_sync.cluster.container_servers import ContainerServers
from s3_sync.cluster.guarded_delete import GuardedDelete
from s3_sync.cluster.newest import NewestState
from s3_sync.cluster.reader import ObjectReader
from s3_sync.cluster.references import References
from s3_sync.cluster.segments import SegmentReader


@dataclass(frozen=True, slots=True)
class LocalObjects:
    """Bundles reading objects and segments, their newest state, references to them, guarded deletes,
    accounts, and replicas of containers."""

    reader: ObjectReader
    newest: NewestState
    segments: SegmentReader
    removal: GuardedDelete
    references: References
    accounts: Accounts
    containers: ContainerServers

    @classmethod
    def of(cls, reader: ObjectReader, client: LocalSwift, newest: NewestState) -> LocalObjects:
        """Build all services from these three."""
        references = References(reader, newest, client)
        return cls(
            reader,
            newest,
            SegmentReader(reader, newest, client),
            GuardedDelete(newest, client),
            references,
            Accounts(client, references),
            ContainerServers(reader.servers),
        )
