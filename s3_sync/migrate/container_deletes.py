"""The deletes at the end of a pass over one container."""

from __future__ import annotations

from collections.abc import Sequence

from s3_sync.config.settings import Mapping
from s3_sync.migrate.decide import LocalEntry
from s3_sync.migrate.deletes import Deletes, DeleteServices
from s3_sync.migrate.services import Context
from s3_sync.migrate.source_proof import BucketProof
from s3_sync.providers.base import Bucket, Provider
from s3_sync.state.migration_status import PassCounts


class ContainerDeletes:
    """``run`` takes what a whole pass has found in the local container alone. ``nodes``: how many share what
    a pass may delete."""

    def __init__(self, context: Context, mapping: Mapping, source: BucketProof) -> None:
        self.nodes = 1
        self._mapping = mapping
        self._deletes = Deletes(DeleteServices.of(context, mapping), mapping, source)

    def run(self, local_only: Sequence[LocalEntry]) -> PassCounts:
        """Delete what was deleted at the source. Returns how many were deleted, have failed, and wait for an
        operator. Raises SyncError."""
        self._deletes.nodes = self.nodes
        self._deletes.begin_pass()
        deleted = self._deletes.reconcile(self._mapping.container, local_only)
        held = self._deletes.end_pass()
        failed, waiting = self._deletes.failed, held.count if held else 0
        return PassCounts(deleted=deleted, failed=failed, waiting=waiting)


def container_deletes(
    context: Context, mapping: Mapping, provider: Provider, bucket: Bucket
) -> ContainerDeletes:
    assert mapping.migration is not None
    return ContainerDeletes(context, mapping, BucketProof(provider, bucket, mapping.migration.prefix))
