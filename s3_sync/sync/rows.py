"""One row: make the remote agree with what Swift has now.

``RowHandler.handle`` is level-triggered. The row only says that something happened to a name; what is
done follows from what both sides hold. Handling a row twice, late or out of order changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from s3_sync.cluster.newest import Deleted, NewestState, Present, Unknown
from s3_sync.cluster.reader import ObjectReader
from s3_sync.config.schema import Mapping
from s3_sync.errors import (
    Archived,
    LocalChanged,
    LocalMissing,
    LocalUnavailable,
    NotFound,
    NotSupported,
    ObjectRefused,
    PreconditionFailed,
    SyncError,
)
from s3_sync.model.objects import ObjectInfo, ObjectMeta
from s3_sync.model.outcomes import (
    CONDITION,
    DELETE_NOT_PROPAGATED,
    EXCLUDED,
    NOT_DUE,
    OWN_TOMBSTONE,
    SUPERSEDED,
    VANISHED,
    Kind,
    Outcome,
)
from s3_sync.model.rows import Row
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import Bucket
from s3_sync.providers.limits import check_limits
from s3_sync.sync.names import NameLocks
from s3_sync.sync.views import Before, Listed, View
from s3_sync.transfer.decide import Decision, decide
from s3_sync.transfer.source import OpenObject, Source
from s3_sync.transfer.upload import Overwrite, remote_meta, upload

log = logging.getLogger("s3-sync")

_PRESENT = Outcome(Kind.PRESENT)


class RowHandler:
    """Handles rows of one mapping. ``count`` is told the bytes read from Swift, as they are read."""

    def __init__(
        self,
        mapping: Mapping,
        bucket: Bucket,
        reader: ObjectReader,
        newest: NewestState,
        now: Callable[[], float],
        count: Callable[[int], None],
    ) -> None:
        self._mapping = mapping
        self._profile = mapping.profile
        self._bucket = bucket
        self._reader = reader
        self._newest = newest
        self._now = now
        self._count = count
        self._names = NameLocks()

    def handle(self, row: Row, view: View) -> Outcome:
        """Never raises: whatever goes wrong becomes PENDING or FAILED with its reason."""
        try:
            with self._names.hold(row.name):
                return self._handle(row, view)
        except SyncError as error:
            return outcome_of(error)
        except Exception as error:
            log.exception("Failed to handle row %d (%s) of %s", row.rowid, row.name, self._mapping.label)
            return Outcome(Kind.PENDING, "internal_error", repr(error))

    def due(self, row: Row) -> float:
        """When ``copy_after`` has passed for this row."""
        return row.timestamp.seconds + self._profile.copy_after

    def _is_due(self, written: Timestamp) -> bool:
        """Without ``copy_after`` no clock is asked: whoever wrote the object may have had another one."""
        return not self._profile.copy_after or written.seconds + self._profile.copy_after < self._now()

    def _handle(self, row: Row, view: View) -> Outcome:
        if self._profile.exclude is not None and self._profile.exclude.match(row.name):
            return Outcome(Kind.SKIPPED, EXCLUDED)
        if row.deleted:
            return self._delete(row, view)
        if not self._is_due(row.timestamp):
            return Outcome(Kind.PENDING, NOT_DUE)
        if isinstance(view, Listed) and view.info is not None and _listed_alike(row, view.info):
            return _PRESENT
        if view is Before.NEW and row.metadata_changed:
            view = Before.UNKNOWN  # a POST: most likely the bytes are there already
        if self._may_read_one_replica(view):
            try:
                return self._first_copy(row)
            except (PreconditionFailed, LocalChanged, LocalMissing):
                view = Before.UNKNOWN  # not as simple as it looked
        try:
            return self._converge(row, view)
        except (PreconditionFailed, LocalMissing):
            # somebody wrote the key between our HEAD and our PUT, or deleted the object before our GET
            return self._converge(row, Before.UNKNOWN)

    def _may_read_one_replica(self, view: View) -> bool:
        """Whether a copy can overwrite nothing, so that a single replica of the row's version will do.

        Not where a listing was needed to know that: it may be absent because it has been deleted since.
        """
        return view is Before.FRESH or (view is Before.NEW and self._bucket.features.put_if_absent)

    def _first_copy(self, row: Row) -> Outcome:
        source = self._source(row)
        with source.open(row.data_timestamp, None) as local:
            if local.info.timestamp != row.timestamp:
                raise LocalChanged(f"replica is at {local.info.timestamp}, row at {row.timestamp}")
            return self._put(source, local, Overwrite(if_absent=True))

    def _converge(self, row: Row, view: View) -> Outcome:
        """Compare the newest local state with the remote one, and act on the difference."""
        check_limits(self._bucket, row.name, ObjectMeta(), 0)  # a HEAD for an impossible key fails anyhow
        state = self._newest.of(self._mapping.account, self._mapping.container, row.name, [row.policy])
        if isinstance(state, Unknown):
            return Outcome(Kind.PENDING, LocalMissing.reason, "listed, but no object server has it")
        written = row.data_timestamp if isinstance(state, Deleted) else row.timestamp
        if state.timestamp < written:
            raise LocalUnavailable(f"the newest replica found is of {state.timestamp}, the row of {written}")
        if isinstance(state, Deleted) or not self._is_due(state.timestamp):
            return Outcome(Kind.SKIPPED, SUPERSEDED)  # by a row that will get its own turn
        if state.expired:
            return Outcome(Kind.SKIPPED, VANISHED)
        remote = None if self._known_absent(view) else self._head(row.name)
        source = self._source(row, state)
        with source.open(state.data_timestamp, None) as local:
            if local.info.timestamp != state.timestamp:
                raise LocalChanged(f"object is at {local.info.timestamp}, was at {state.timestamp}")
            return self._act(source, local, remote)

    def _act(self, source: Source, local: OpenObject, remote: ObjectInfo | None) -> Outcome:
        _refuse_unsupported(local)
        if not self._profile.criteria.matches(local.headers):
            return Outcome(Kind.SKIPPED, CONDITION)
        decision = decide(local.info, remote)
        if decision is Decision.NOOP:
            return _PRESENT
        if decision is Decision.WAIT:
            raise LocalUnavailable("the remote copy is newer than every replica that answered")
        if remote is None:
            return self._put(source, local, Overwrite(if_absent=True))
        if decision is Decision.POST and self._post(local.info, remote):
            return Outcome(Kind.UPDATED)
        return self._put(source, local, Overwrite(if_match=remote.etag))

    def _post(self, info: ObjectInfo, remote: ObjectInfo) -> bool:
        """Send metadata only; False where the store cannot do that with this object."""
        if info.size > self._bucket.limits.max_copy:
            return False
        meta = remote_meta(info)
        if remote.etag != info.md5:  # nobody says that the copy's ETag will be an MD5
            meta = meta.marked(swift_etag=info.md5 or "")
        check_limits(self._bucket, info.name, meta, info.size)
        try:
            self._bucket.post_object(info.name, meta, remote.etag)
        except (Archived, NotSupported):
            return False
        return True

    def _put(self, source: Source, local: OpenObject, overwrite: Overwrite) -> Outcome:
        _refuse_unsupported(local)
        if not self._profile.criteria.matches(local.headers):
            return Outcome(Kind.SKIPPED, CONDITION)
        upload(self._bucket, source, local, overwrite)
        return Outcome(Kind.COPIED, size=local.info.size)

    def _delete(self, row: Row, view: View) -> Outcome:
        """Delete remotely only on proof: the newest local state of the name is a client's tombstone.

        The row's *data* timestamp is the delete's: where a POST came before it, the row's newest
        timestamp may be that POST's.
        """
        if row.data_timestamp.offset:
            return Outcome(Kind.SKIPPED, OWN_TOMBSTONE)
        if not self._profile.propagate_delete:
            return Outcome(Kind.SKIPPED, DELETE_NOT_PROPAGATED)
        if view is Before.FRESH or view == Listed(None) or not self._can_hold(row.name):
            return _PRESENT
        if view is Before.UNKNOWN and self._head(row.name) is None:
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
        self._bucket.delete_object(row.name)
        return Outcome(Kind.DELETED)

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

    def _known_absent(self, view: View) -> bool:
        return view in (Before.NEW, Before.FRESH, Listed(None))

    def _head(self, name: str) -> ObjectInfo | None:
        try:
            return self._bucket.head_object(name)
        except NotFound:
            return None

    def _source(self, row: Row, state: Present | None = None) -> Source:
        reader = self._reader if state is None else self._reader.starting_at(state.node)
        open_object = partial(
            reader.open, self._mapping.account, self._mapping.container, row.name, row.policy
        )
        return Source(row.name, lambda expect, part: open_object(expect=expect, byte_range=part), self._count)


def outcome_of(error: SyncError) -> Outcome:
    """PENDING is tried again with growing pauses; FAILED waits for a change of the object or a reset."""
    if isinstance(error, ObjectRefused):
        return Outcome(Kind.FAILED, error.reason, str(error))
    return Outcome(Kind.PENDING, error.reason, str(error))


def _listed_alike(row: Row, info: ObjectInfo) -> bool:
    """Whether a listing alone shows that the remote holds this version, metadata included.

    The stored copy must be younger than the row: an overwrite with equal bytes and other metadata has
    the same size and ETag.
    """
    return (
        not row.metadata_changed
        and row.etag != ""  # a retry does not know it
        and info.size == row.size
        and info.etag == row.etag
        and info.last_modified > row.timestamp.seconds
    )


def _refuse_unsupported(local: OpenObject) -> None:
    if local.kind in ("slo", "dlo") or local.info.md5 is None:  # a symlink may lead to one
        raise ObjectRefused("large_object", "large objects (SLO, DLO) are not copied by this version")
