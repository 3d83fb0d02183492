"""What all rows of one mapping are handled with, made when the mapping's bucket is opened."""

from __future__ import annotations

from dataclasses import dataclass

from s3_sync.config.settings import Mapping
from s3_sync.daemon.counters import MappingCounters
from s3_sync.daemon.delete_limiter import DeleteLimiter
from s3_sync.daemon.name_locks import NameLocks
from s3_sync.providers.base import Bucket
from s3_sync.providers.store_limits import MIB
from s3_sync.sync.lifecycle.release import LifecycleState
from s3_sync.sync.rows.handler import RowHandler, WriteGuards
from s3_sync.sync.rows.remote_lookup import RemoteLookup
from s3_sync.sync.rows.upload_ledger import UploadLedger
from s3_sync.sync.services import Context
from s3_sync.transfer.upload_session import TransferContext

#: larger objects, in bytes, are sent in a lane of their own
LARGE_OBJECT_BYTES = 128 * MIB
#: at most this many objects of a mapping wait for that lane; others are sent within batches
MAX_WAITING_LARGE = 1000


class LanePlaces:
    """The free places among the large objects of one mapping that wait for their lane."""

    def __init__(self) -> None:
        self._free = 0

    def start_batch(self, waiting: int) -> None:
        """``waiting``: number of objects that wait now."""
        self._free = MAX_WAITING_LARGE - waiting

    def take(self) -> None:
        self._free -= 1

    def fits_batch(self, size: int) -> bool:
        """Whether an object of this many bytes is to be sent within the batch: it is small enough, or no
        place is free."""
        return size <= LARGE_OBJECT_BYTES or self._free <= 0


@dataclass(frozen=True, slots=True)
class RowServices:
    """``names``: the locks of the mapping's names. ``large_handler``: for rows in the lane of large objects.
    ``former_segments``: for objects that, as a scan of the account has just shown, no large object names any
    more, while the mapping's segment index is older. ``places``: those in the lane's waiting list. ``tally``:
    counts the outcomes."""

    bucket: Bucket
    lookup: RemoteLookup
    names: NameLocks
    delete_limiter: DeleteLimiter
    handler: RowHandler
    large_handler: RowHandler
    former_segments: RowHandler
    places: LanePlaces
    ledger: UploadLedger
    tally: MappingCounters

    @classmethod
    def of(
        cls,
        context: Context,
        mapping: Mapping,
        bucket: Bucket,
        names: NameLocks,
        ledger: UploadLedger,
        lifecycle: LifecycleState,
    ) -> RowServices:
        now, activity = context.clock.now, context.activity
        tally = activity.mapping_counters(mapping, context.stats)
        limiter = DeleteLimiter(
            mapping, context.journal, context.controls, activity.counters_for(mapping), now
        )
        places = LanePlaces()
        locks = context.remote_accounts.of(mapping.credentials).locks
        sending = TransferContext(bucket, tally.read, context.parts, ledger, places.fits_batch, locks)
        large_sending = TransferContext(bucket, tally.read, context.large.parts, ledger, locks=locks)
        local, guards = context.local, WriteGuards(names, limiter)
        return cls(
            bucket=bucket,
            lookup=RemoteLookup(
                bucket, f"{mapping.label}, {mapping.credentials.store_id}/{mapping.bucket}", now
            ),
            names=names,
            delete_limiter=limiter,
            handler=RowHandler(mapping, sending, local, now, lifecycle, guards),
            large_handler=RowHandler(mapping, large_sending, local, now, lifecycle, guards),
            former_segments=RowHandler(mapping, sending, local, now, guards=guards),
            places=places,
            ledger=ledger,
            tally=tally,
        )

    def check_all_policies(self) -> None:
        """The container has rows in several policies: see ``RowHandler.check_all_policies``."""
        for handler in (self.handler, self.large_handler, self.former_segments):
            handler.check_all_policies()
