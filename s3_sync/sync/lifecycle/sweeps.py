"""The sweeps of one mapping: for segments here, of large objects that were moved, and for segments that large
objects have left behind at another Swift."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from s3_sync.config.settings import Mapping
from s3_sync.daemon.delete_limiter import DeleteLimiter
from s3_sync.providers.base import Bucket
from s3_sync.sync.lifecycle.left_segments import LeftLedger, LeftSegmentCleaner, RemoteSide
from s3_sync.sync.lifecycle.release import LifecycleState
from s3_sync.sync.lifecycle.segment_cleanup import Move, SegmentCleaner
from s3_sync.sync.lifecycle.segment_sweep import SegmentSweep, SweepTask
from s3_sync.sync.services import Context


@dataclass(frozen=True, slots=True)
class SweepServices:
    """What sweeps use of the mapping's rows. ``move``: moves objects that are segments no longer."""

    bucket: Bucket
    limiter: DeleteLimiter
    move: Move


class Sweeps:
    """``open_services``: opens the bucket when the first sweep needs it. Raises RemoteError."""

    def __init__(
        self,
        context: Context,
        mapping: Mapping,
        lifecycle: LifecycleState,
        open_services: Callable[[], SweepServices],
    ) -> None:
        self._context = context
        self._mapping = mapping
        self._lifecycle = lifecycle
        self._open_services = open_services
        self._left = LeftLedger(context.journal.left_segments, mapping.journal_key, context.once)
        self._moved = SegmentSweep(context, mapping, self._of_moved())
        self._remote = SegmentSweep(context, mapping, self._at_the_store())

    @property
    def failed(self) -> bool:
        """Whether the last sweep of either kind left something that another one has to delete."""
        return self._moved.failed or self._remote.failed

    @property
    def failing(self) -> int:
        """Number of segments at the store that could not be deleted."""
        return self._left.failing

    def clock_was_set_back(self) -> None:
        self._moved.clock_was_set_back()
        self._remote.clock_was_set_back()

    def step(self) -> bool:
        """Run one slice of each kind, if one is due. Returns whether there is more to do right away."""
        more = self._moved.step()
        return self._remote.step() or more

    def _of_moved(self) -> SweepTask:
        lifecycle, profile = self._lifecycle, self._mapping.profile

        def new_cleaner() -> SegmentCleaner:
            context, services = self._context, self._open_services()
            return SegmentCleaner(
                self._mapping,
                services.bucket,
                context.local,
                lifecycle.cleanups,
                context.parts,
                services.move,
            )

        return SweepTask(
            what="deletion of segments of moved objects",
            is_due=lambda: not profile.retain_local and not lifecycle.cleanups.is_empty(),
            new_cleaner=new_cleaner,
            turn=lambda: lifecycle.account_index.sweep_turn if lifecycle.account_index else None,
        )

    def _at_the_store(self) -> SweepTask:
        context, mapping = self._context, self._mapping
        account = context.remote_accounts.of(mapping.credentials)

        def new_cleaner() -> LeftSegmentCleaner:
            services = self._open_services()
            bucket, limiter = services.bucket, services.limiter
            remote = RemoteSide(bucket, account.references, account.locks, self._mirrored(), limiter)
            now = context.clock.now()
            return LeftSegmentCleaner(mapping, remote, context.local, self._left, context.parts, now)

        return SweepTask(
            what="deletion of segments that were left behind at the store",
            is_due=lambda: bool(self._left.due(context.clock.now(), 1)),
            new_cleaner=new_cleaner,
            turn=lambda: account.turn,
        )

    def _mirrored(self) -> set[str]:
        """The containers of the account to which mappings copy objects for their own sake, also by other
        credentials that may be for it."""
        credentials = self._mapping.credentials
        return {
            each.bucket
            for each in self._context.settings.mappings
            if not each.is_account and credentials.may_share_account(each.credentials)
        }
