"""Handles the row of a deleted object: deletes the remote copy if the delete is proved.

Proof: the newest local state of the name, over all policies, is a client's tombstone.
"""

from __future__ import annotations

from collections.abc import Callable

from s3_sync.cluster.newest import NewestState, Present, Unknown
from s3_sync.config.settings import Mapping
from s3_sync.daemon.delete_limiter import DeleteLimiter
from s3_sync.errors import DeletesHeld, LocalBehind, LocalUnavailable, NotFound, ObjectRefused
from s3_sync.model.objects import ObjectInfo, ObjectMeta
from s3_sync.model.outcomes import DELETE_NOT_PROPAGATED, OWN_TOMBSTONE, PRESENT, SUPERSEDED, Kind, Outcome
from s3_sync.model.rows import Row
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import Bucket
from s3_sync.providers.limits import check_limits
from s3_sync.sync.rows.remote_state import LISTING_TIME_RESOLUTION, ListedState, Presumption, RemoteState
from s3_sync.transfer.decide import has_manifest_mark, is_newer
from s3_sync.transfer.native_copy import note_left_segments
from s3_sync.transfer.upload_session import TransferContext


class DeleteHandler:
    """Handles rows of deleted objects of one mapping. ``RowHandler`` calls it while it holds the name's
    lock."""

    def __init__(
        self,
        mapping: Mapping,
        sending: TransferContext,
        newest: NewestState,
        limiter: DeleteLimiter | None = None,
    ) -> None:
        self._mapping = mapping
        self._sending = sending
        self._bucket = sending.bucket
        self._newest = newest
        self._limiter = limiter

    def handle(self, row: Row, known: RemoteState, on_proved: Callable[[Row], None] | None) -> Outcome:
        """Raises LocalError, RemoteError. ``on_proved`` receives a proved delete, which is then not sent.

        The delete's time is the row's *data* timestamp: if a POST preceded the delete, the row's newest
        timestamp may be the POST's.
        """
        if row.data_timestamp.offset:
            return Outcome(Kind.SKIPPED, OWN_TOMBSTONE)
        if not self._mapping.profile.propagate_delete:
            return Outcome(Kind.SKIPPED, DELETE_NOT_PROPAGATED)
        if known is Presumption.ABSENT or known == ListedState(None) or not self._can_hold(row.name):
            return PRESENT
        return self._handle(row, known, on_proved)

    def _handle(self, row: Row, known: RemoteState, on_proved: Callable[[Row], None] | None) -> Outcome:
        """Propagate a delete if the current state proves it."""
        if self._limiter is not None:
            self._limiter.ensure_open(row.data_timestamp.seconds)
        features = self._bucket.features
        look = (
            known is Presumption.UNKNOWN
            or (isinstance(known, ListedState) and self._may_be_newer(known, row))
            or features.x_timestamp  # a client of another Swift may have written it
            or features.native_large_objects  # it may have segments
        )
        remote = self._head(row.name) if look else None
        if look and remote is None and features.native_large_objects:
            remote = self._hidden(row.name)
        if look and remote is None:
            return PRESENT  # another daemon, or an earlier attempt, has deleted it
        state = self._newest.of(self._mapping.account, self._mapping.container, row.name)
        if isinstance(state, Unknown):
            return self._unproven(row)
        if state.timestamp < row.data_timestamp:
            raise LocalUnavailable(
                f"the newest replica found is from {state.timestamp}, the row from {row.data_timestamp}"
            )
        if isinstance(state, Present):
            return Outcome(Kind.SKIPPED, SUPERSEDED)
        if not state.by_client:
            return Outcome(Kind.SKIPPED, OWN_TOMBSTONE)
        # after a POST by a server whose clock was fast, the row's newest timestamp is the one in the mark
        newest = max(state.timestamp, row.timestamp)
        if remote is not None and is_newer(remote, newest, self._bucket.clock_offset):
            raise LocalBehind("the remote copy is newer than the newest delete known locally")
        if remote is not None and self._bucket.features.native_large_objects and has_manifest_mark(remote):
            note_left_segments(self._sending, row.name)
        (on_proved or self._send_delete)(row)
        return Outcome(Kind.DELETED)

    def _may_be_newer(self, listed: ListedState, row: Row) -> bool:
        """Whether a listed copy may be of a version newer than this delete that the replicas have forgotten
        since: tombstones expire, and a node that was away for longer has old ones.

        The copy of a moved object may be the only one, so a HEAD is always needed. Otherwise its age in the
        listing is enough.
        """
        if not self._mapping.profile.retain_local:
            return True
        return (
            listed.info is None
            or listed.info.last_modified + LISTING_TIME_RESOLUTION + listed.clock_offset
            >= row.data_timestamp.seconds
        )

    def _send_delete(self, row: Row) -> None:
        delete_copy(self._bucket, row.name, self._limiter, row.data_timestamp.seconds, row.timestamp)

    def _unproven(self, row: Row) -> Outcome:
        """The outcome when the tombstone was reclaimed: the delete cannot be proved to be the last event."""
        if self._head(row.name) is None:
            return PRESENT
        detail = "a delete is recorded, but no object server has its tombstone; the remote copy is kept"
        return Outcome(Kind.FAILED, "delete_unproven", detail)

    def _can_hold(self, name: str) -> bool:
        try:
            check_limits(self._bucket, name, ObjectMeta(), 0)
        except ObjectRefused:
            return False
        return True

    def _hidden(self, name: str) -> ObjectInfo | None:
        """A DLO that a HEAD does not show because the container of its segments is gone."""
        return self._head(name) if self._bucket.large_objects.reveal(name) else None

    def _head(self, name: str) -> ObjectInfo | None:
        try:
            return self._bucket.head_object(name)
        except NotFound:
            return None


def delete_copy(
    bucket: Bucket,
    name: str,
    limiter: DeleteLimiter | None,
    deleted_at: float,
    version: Timestamp | None = None,
) -> None:
    """Delete a copy if the delete budget allows it; a copy that was not there costs nothing of it.
    ``deleted_at``: when Swift received the delete. ``version``: of the delete, which no copy may be newer
    than. Raises DeletesHeld, StateError, RemoteError."""
    if limiter is not None and not limiter.acquire(deleted_at):
        raise DeletesHeld("the delete budget is used up")
    deleted = False
    try:
        deleted = bucket.delete_object(name, version)
    finally:
        if limiter is not None and not deleted:
            limiter.refund(deleted_at)
