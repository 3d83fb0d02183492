"""The local cluster, as far as objects go."""

from __future__ import annotations

from dataclasses import dataclass

from s3_sync.cluster.accounts import Accounts
from s3_sync.cluster.client import LocalSwift
from s3_sync.cluster.guarded_delete import GuardedDelete
from s3_sync.cluster.newest import NewestState
from s3_sync.cluster.reader import ObjectReader
from s3_sync.cluster.references import References
from s3_sync.cluster.segments import SegmentReader


@dataclass(frozen=True, slots=True)
class LocalObjects:
    """Reading objects and segments, knowing their newest state and who names them, deleting one version;
    what accounts consist of."""

    reader: ObjectReader
    newest: NewestState
    segments: SegmentReader
    removal: GuardedDelete
    references: References
    accounts: Accounts

    @classmethod
    def of(cls, reader: ObjectReader, client: LocalSwift, newest: NewestState) -> LocalObjects:
        """All that looks at the cluster through these three."""
        references = References(reader, newest, client)
        return cls(
            reader,
            newest,
            SegmentReader(reader, newest, client),
            GuardedDelete(newest, client),
            references,
            Accounts(client, references),
        )
