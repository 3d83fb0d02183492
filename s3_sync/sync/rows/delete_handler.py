"""The row of a deleted object: delete it remotely, on proof.

The newest local state of the name, in every policy, must be a client's tombstone.
"""

from __future__ import annotations

from collections.abc import Callable

from s3_sync.cluster.newest import NewestState, Present, Unknown
from s3_sync.config.settings import Mapping
from s3_sync.daemon.delete_limiter import DeleteLimiter
from s3_sync.errors import DeletesHeld, LocalBehind, LocalUnavailable, NotFound, ObjectRefused
from s3_sync.model.objects import ObjectInfo, ObjectMeta
from s3_sync.model.outcomes import DELETE_NOT_PROPAGATED, OWN_TOMBSTONE, SUPERSEDED, Kind, Outcome
from s3_sync.model.rows import Row
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import Bucket
from s3_sync.providers.limits import check_limits
from s3_sync.sync.rows.remote_state import ROUNDED, ListedState, Presumption, RemoteState

_PRESENT = Outcome(Kind.PRESENT)


class Deletes:
    """Handles rows of deleted objects of one mapping. Called by ``RowHandler``, under the name's lock."""

    def __init__(self, mapping: Mapping, bucket: Bucket, newest: NewestState) -> None:
        self._mapping = mapping
        self._bucket = bucket
        self._newest = newest
        #: how many may be sent; None = all
        self.guard: DeleteLimiter | None = None

    def handle(self, row: Row, view: RemoteState, proven: Callable[[Row], None] | None) -> Outcome:
        """Raises LocalError, RemoteError. ``proven`` is told of a delete instead of its being sent.

        The row's *data* timestamp is the delete's: where a POST came before it, the row's newest
        timestamp may be that POST's.
        """
        if row.data_timestamp.offset:
            return Outcome(Kind.SKIPPED, OWN_TOMBSTONE)
        if not self._mapping.profile.propagate_delete:
            return Outcome(Kind.SKIPPED, DELETE_NOT_PROPAGATED)
        if view is Presumption.ABSENT or view == ListedState(None) or not self._can_hold(row.name):
            return _PRESENT
        return self._handle(row, view, proven)

    def _handle(self, row: Row, view: RemoteState, proven: Callable[[Row], None] | None) -> Outcome:
        """A delete that is to be propagated, if what is there now proves it."""
        if self.guard is not None:
            self.guard.ensure_open(row.data_timestamp.seconds)
        look = view is Presumption.UNKNOWN or (
            isinstance(view, ListedState) and self._may_be_newer(view, row)
        )
        remote = self._head(row.name) if look else None
        if look and remote is None:
            return _PRESENT  # another daemon, or an earlier try, has been here
        state = self._newest.of(self._mapping.account, self._mapping.container, row.name)
        if isinstance(state, Unknown):
            return self._unproven(row)
        if state.timestamp < row.data_timestamp:
            raise LocalUnavailable(
                f"the newest replica found is of {state.timestamp}, the row of {row.data_timestamp}"
            )
        if isinstance(state, Present):
            return Outcome(Kind.SKIPPED, SUPERSEDED)
        if not state.by_client:
            return Outcome(Kind.SKIPPED, OWN_TOMBSTONE)
        # after a POST by a server whose clock was ahead, the row's newest timestamp is the one in the mark
        if remote is not None and _is_of_after(remote, max(state.timestamp, row.timestamp)):
            raise LocalBehind("the remote copy is newer than the newest delete that is known here")
        (proven or self._send_delete)(row)
        return Outcome(Kind.DELETED)

    def _may_be_newer(self, view: ListedState, row: Row) -> bool:
        """Whether a listed copy may be of a version that came after this delete, and that the replicas have
        forgotten since: tombstones are not kept for ever, and a node that was away longer has old ones.

        Of what was moved it may be all that there is. Otherwise its age in the listing is enough.
        """
        if not self._mapping.profile.retain_local:
            return True
        return view.info is None or view.info.last_modified + ROUNDED + view.off >= row.data_timestamp.seconds

    def _send_delete(self, row: Row) -> None:
        written = row.data_timestamp.seconds
        if self.guard is not None and not self.guard.acquire(written):
            raise DeletesHeld("the delete budget is used up")
        deleted = False
        try:
            deleted = self._bucket.delete_object(row.name)
        finally:
            if self.guard is not None and not deleted:
                self.guard.refund(written)

    def _unproven(self, row: Row) -> Outcome:
        """The tombstone was reclaimed: nobody can say any more that this delete is the last word."""
        if self._head(row.name) is None:
            return _PRESENT
        detail = "a delete is recorded, but no object server remembers it; the remote copy is kept"
        return Outcome(Kind.FAILED, "delete_unproven", detail)

    def _can_hold(self, name: str) -> bool:
        try:
            check_limits(self._bucket, name, ObjectMeta(), 0)
        except ObjectRefused:
            return False
        return True

    def _head(self, name: str) -> ObjectInfo | None:
        try:
            return self._bucket.head_object(name)
        except NotFound:
            return None


def _is_of_after(remote: ObjectInfo, timestamp: Timestamp) -> bool:
    """Whether a stored copy says that it is of a version newer than ``timestamp``."""
    marked = remote.meta.swift_timestamp if remote.meta is not None else None
    return marked is not None and marked > timestamp
