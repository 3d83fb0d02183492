"""The deletes at the end of a pass over one container."""

from __future__ import annotations

from collections.abc import Sequence

from s3_sync.config.settings import Mapping
from s3_sync.errors import SyncError
from s3_sync.migrate.decide import LocalEntry
from s3_sync.migrate.deletes import Deletes, DeleteServices
from s3_sync.migrate.own_segments import OwnSegments
from s3_sync.migrate.services import Context
from s3_sync.migrate.source_proof import BucketProof
from s3_sync.providers.base import Bucket, Provider
from s3_sync.state.migration_status import PassCounts


class ContainerDeletes:
    """``run`` takes what a whole pass has found in the local container alone."""

    def __init__(self, context: Context, mapping: Mapping, source: BucketProof) -> None:
        self._context = context
        self._mapping = mapping
        self._segments = OwnSegments(
            context.client, context.newest, context.removal, context.cleanups, context.parts
        )
        services = DeleteServices(
            client=context.client,
            newest=context.newest,
            removal=context.removal,
            segments=self._segments,
            controls=context.controls,
            ledger=context.held,
            clients=context.clients,
            pool=context.workers,
            clock=context.clock,
            halted=lambda: context.halted(mapping),
            failed=self._failed,
        )
        self._deletes = Deletes(services, mapping, source)
        self._failures = 0

    def run(self, local_only: Sequence[LocalEntry]) -> PassCounts:
        """Delete what was deleted at the source. Returns how many were deleted, have failed, and wait for an
        operator. Raises SyncError."""
        self._failures = 0
        self._segments.resume(self._mapping, self._mapping.container)
        self._deletes.begin_pass()
        deleted = self._deletes.reconcile(self._mapping.container, local_only)
        held = self._deletes.end_pass()
        return PassCounts(deleted=deleted, failed=self._failures, waiting=held.count if held else 0)

    def _failed(self, name: str, error: SyncError) -> None:
        self._failures += 1
        now = self._context.clock.now()
        self._context.failures.record(self._mapping.journal_key, name, error.reason, str(error), now)


def container_deletes(
    context: Context, mapping: Mapping, provider: Provider, bucket: Bucket
) -> ContainerDeletes:
    assert mapping.migration is not None
    return ContainerDeletes(context, mapping, BucketProof(provider, bucket, mapping.migration.prefix))
