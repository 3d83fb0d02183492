"""Deleting the stored copy of an object that was moved, when it has expired: ``propagate_expiration``."""

from __future__ import annotations

import logging
from collections.abc import Callable

from s3_sync.cluster.newest import Deleted, LocalState, NewestState, Present
from s3_sync.config.settings import Mapping
from s3_sync.daemon.delete_limiter import DeleteGuard
from s3_sync.daemon.name_locks import NameLocks
from s3_sync.errors import NotFound, SyncError
from s3_sync.model.objects import ObjectInfo
from s3_sync.model.outcomes import EXCLUDED, EXPIRED, HELD, NOT_DUE, SUPERSEDED, Kind, Outcome
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import Bucket
from s3_sync.runtime.log_once import Told
from s3_sync.state.expiries import Expiry
from s3_sync.sync.rows.handler import outcome_of

log = logging.getLogger("s3-sync")


class Expirer:
    """One stored copy at a time; ``names`` are the locks under which rows of the mapping are handled."""

    guard: DeleteGuard | None = None

    def __init__(
        self,
        mapping: Mapping,
        bucket: Bucket,
        newest: NewestState,
        names: NameLocks,
        now: Callable[[], float],
    ) -> None:
        self._mapping = mapping
        self._bucket = bucket
        self._newest = newest
        self._names = names
        self._now = now
        self._told = Told()

    def handle(self, expiry: Expiry) -> Outcome:
        """Never raises. Delete the copy if it is still the one that was noted, and nothing newer is known."""
        try:
            with self._names.hold(expiry.name):
                return self._expire(expiry)
        except SyncError as error:
            return outcome_of(error)
        except Exception as error:
            self._told.exception(log, error, "Failed to expire %s of %s", expiry.name, self._mapping.label)
            return Outcome(Kind.PENDING, "internal_error", repr(error))

    def _expire(self, expiry: Expiry) -> Outcome:
        exclude = self._mapping.profile.exclude
        if exclude is not None and exclude.match(expiry.name):
            return Outcome(Kind.SKIPPED, EXCLUDED)
        try:
            remote = self._bucket.head_object(expiry.name)
        except NotFound:
            return Outcome(Kind.PRESENT)
        if not _is_copy(remote, expiry):
            return Outcome(Kind.SKIPPED, SUPERSEDED)
        if not self._is_due(expiry):
            return Outcome(Kind.PENDING, NOT_DUE)
        state = self._newest.of(self._mapping.account, self._mapping.container, expiry.name)
        if isinstance(state, Present) and state.expired:
            return Outcome(
                Kind.PENDING, NOT_DUE
            )  # it was restored; what became of it shows when it is reaped
        if not _is_gone(state, expiry):
            return Outcome(Kind.SKIPPED, SUPERSEDED)
        if self.guard is not None and not self.guard.take(expiry.delete_at):
            return Outcome(Kind.PENDING, HELD, "the delete budget is used up")
        deleted = False
        try:
            deleted = self._bucket.delete_object(expiry.name)
        finally:
            if self.guard is not None and not deleted:
                self.guard.give_back(expiry.delete_at)
        return Outcome(Kind.DELETED, EXPIRED)

    def _is_due(self, expiry: Expiry) -> bool:
        """By the store's clock as well, which has just been heard of: ours may be fast."""
        now = self._now() + min(0.0, self._bucket.clock_off)
        return now >= expiry.delete_at + self._mapping.profile.propagate_expiration_offset


def _is_copy(remote: ObjectInfo, expiry: Expiry) -> bool:
    """Whether what is stored is the very copy that the entry is about."""
    assert remote.meta is not None
    return (
        remote.meta.marks.get("swift-timestamp") == expiry.copy and remote.meta.delete_at == expiry.delete_at
    )


def _is_gone(state: LocalState, expiry: Expiry) -> bool:
    """Whether nothing has happened to the name since, but that its object was moved, or was restored and
    then reaped: Swift's expirer deletes with X-Delete-At for a timestamp."""
    if isinstance(state, Present):
        return False
    if not isinstance(state, Deleted):
        return True  # forgotten by now
    moved = Timestamp.parse(expiry.version).after()
    return state.timestamp <= moved or state.timestamp == Timestamp.from_seconds(expiry.delete_at)
