"""One row: make the remote agree with what Swift has now.

``RowHandler.handle`` is level-triggered. The row only says that something happened to a name; what is
done follows from what both sides hold. Handling a row twice, late or out of order changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from copy import copy
from functools import partial

from s3_sync.cluster.newest import Deleted, Present, Unknown
from s3_sync.cluster.services import LocalObjects
from s3_sync.config.settings import Mapping
from s3_sync.daemon.name_locks import NameLocks
from s3_sync.errors import (
    Deferred,
    LocalBehind,
    LocalChanged,
    LocalMissing,
    LocalUnavailable,
    NotFound,
    ObjectRefused,
    PreconditionFailed,
    SyncError,
)
from s3_sync.model.objects import ObjectInfo, ObjectMeta
from s3_sync.model.outcomes import (
    CONDITION,
    EXCLUDED,
    NOT_DUE,
    SEGMENT,
    SUPERSEDED,
    VANISHED,
    Kind,
    Outcome,
)
from s3_sync.model.rows import Row
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.limits import check_limits
from s3_sync.runtime.log_once import LogOnce
from s3_sync.sync.lifecycle.release import LifecycleState, Release
from s3_sync.sync.rows.delete_handler import Deletes
from s3_sync.sync.rows.remote_state import ROUNDED, ListedState, Presumption, RemoteState
from s3_sync.transfer.decide import Decision, decide, has_manifest_mark, is_older_version_of
from s3_sync.transfer.large_upload import (
    LargeObject,
    as_stored,
    ensure_manifest,
    examine,
    large_kind,
    upload_large,
    write_manifest,
)
from s3_sync.transfer.metadata import update_metadata
from s3_sync.transfer.source import OpenObject, Source
from s3_sync.transfer.upload import upload
from s3_sync.transfer.upload_session import Overwrite, Sending

log = logging.getLogger("s3-sync")

_PRESENT = Outcome(Kind.PRESENT)
_STORED = frozenset({Kind.COPIED, Kind.UPDATED, Kind.PRESENT})


class RowHandler:
    """Handles rows of one mapping.

    Where the profile does not retain local objects, a row is done when the local object is gone, too.
    """

    def __init__(
        self,
        mapping: Mapping,
        sending: Sending,
        local: LocalObjects,
        now: Callable[[], float],
        moving: LifecycleState | None = None,
        names: NameLocks | None = None,
    ) -> None:
        self._log_once = LogOnce()
        self._mapping = mapping
        self._profile = mapping.profile
        self._sending = sending
        self._bucket = sending.bucket
        self._reader = local.reader.following(mapping.profile.follow_symlinks)
        self._newest = local.newest
        self._segments = local.segments
        self._now = now
        moves = not mapping.profile.retain_local
        self._removal = local.removal
        self._release = Release(mapping, sending, local.removal, moving) if moves else None
        self.deletes = Deletes(mapping, self._bucket, local.newest)
        self.names = names or NameLocks()
        # a move takes place for good: then another policy must not hold anything newer, either
        self._every_policy = moves

    def handle(self, row: Row, view: RemoteState, proven: Callable[[Row], None] | None = None) -> Outcome:
        """Never raises: whatever goes wrong becomes PENDING or FAILED with its reason.

        ``proven`` is told of a delete that may be sent, instead of its being sent; the caller sees to it.
        """

        def act() -> Outcome:
            with self.names.hold(row.name):
                return self._act_on(row, view, proven)

        return self._guarded(row, act)

    def handle_claimed(self, row: Row, sending: Sending) -> Outcome:
        """The same with other means, for a name that the caller has claimed."""
        other = copy(self)
        other._sending = sending
        return self._guarded(row, lambda: other._act_on(row, Presumption.UNKNOWN, None))

    def handle_unnamed(self, row: Row) -> Outcome:
        """Handle an object that no large object names any more, as a walk through the account has just shown.
        What the mapping learnt of its large objects before that does not count."""
        other = copy(self)
        other._release = Release(self._mapping, self._sending, self._removal)

        def act() -> Outcome:
            with self.names.hold(row.name):
                return other._act_on(row, Presumption.UNKNOWN, None)

        return self._guarded(row, act)

    def _guarded(self, row: Row, act: Callable[[], Outcome]) -> Outcome:
        try:
            return act()
        except SyncError as error:
            return outcome_of(error)
        except Exception as error:
            about = row.rowid, row.name, self._mapping.label
            self._log_once.exception(log, error, "Failed to handle row %d (%s) of %s", *about)
            return Outcome(Kind.PENDING, "internal_error", repr(error))

    def _act_on(self, row: Row, view: RemoteState, proven: Callable[[Row], None] | None) -> Outcome:
        if self._profile.exclude is not None and self._profile.exclude.match(row.name):
            return Outcome(Kind.SKIPPED, EXCLUDED)
        return self.deletes.handle(row, view, proven) if row.deleted else self._handle(row, view)

    def ask_every_policy(self) -> None:
        """The container has rows of several: an object in one may be older than its namesake in another."""
        self._every_policy = True

    def due(self, row: Row) -> float:
        """When ``copy_after`` has passed for this row; where that is not all that it waits for, when it is
        worth another look."""
        due = row.timestamp.seconds + self._profile.copy_after
        if (
            self._release is None
            or row.deleted
            or due > self._now()
            or self._release.may_judge(row.timestamp)
        ):
            return due
        return self._release.ask_again_at()

    def _is_due(self, written: Timestamp) -> bool:
        """Without ``copy_after`` no clock is asked: whoever wrote the object may have had another one."""
        return not self._profile.copy_after or written.seconds + self._profile.copy_after < self._now()

    def _handle(self, row: Row, view: RemoteState) -> Outcome:
        if not self._is_due(row.timestamp):
            return Outcome(Kind.PENDING, NOT_DUE)
        if self._release is not None and not self._release.may_judge(row.timestamp):
            return Outcome(Kind.PENDING, NOT_DUE)
        if self._release is None and isinstance(view, ListedState) and _listed_alike(row, view):
            return _PRESENT
        if view is Presumption.PROBABLY_ABSENT and row.metadata_changed:
            view = Presumption.UNKNOWN  # a POST: most likely the bytes are there already
        if self._release is not None and isinstance(view, Presumption):
            # it may be a moved object that came back, or a replica that was away for longer than Swift
            # remembers deletes: nothing but a look tells
            view = Presumption.UNKNOWN
        if self._may_read_one_replica(view):
            try:
                return self._first_copy(row, view)
            except (PreconditionFailed, LocalChanged, LocalMissing):
                view = Presumption.UNKNOWN  # not as simple as it looked
        try:
            return self._converge(row, view)
        except (PreconditionFailed, LocalMissing):
            # somebody wrote the key between our HEAD and our PUT, or deleted the object before our GET
            return self._converge(row, Presumption.UNKNOWN)

    def _may_read_one_replica(self, view: RemoteState) -> bool:
        """Whether a copy can overwrite nothing, so that a single replica of the row's version will do.

        Not where a listing was needed to know that: it may be absent because it has been deleted since.
        """
        if self._release is not None:
            return False
        if self._bucket.features.put_if_absent:
            return view in (Presumption.ABSENT, Presumption.PROBABLY_ABSENT)
        return view is Presumption.ABSENT and not self._every_policy

    def _first_copy(self, row: Row, view: RemoteState) -> Outcome:
        source = self._source(row)
        with source.open(row.data_timestamp, None) as local:
            if local.info.timestamp != row.timestamp:
                raise LocalChanged(f"replica is at {local.info.timestamp}, row at {row.timestamp}")
            if not self._profile.criteria.matches(local.headers):
                return Outcome(Kind.SKIPPED, CONDITION)
            if view is Presumption.PROBABLY_ABSENT and large_kind(local):
                # a condition is looked at when all parts have been sent: better to ask before
                raise PreconditionFailed("whether the large object is there has to be asked first")
            large = self._examined(local)
            self._sending.ensure_inline(local.info.size if large is None else large.info.size)
            return self._put(source, local, large, Overwrite(if_absent=True))

    def _converge(self, row: Row, view: RemoteState) -> Outcome:
        """Compare the newest local state with the remote one, and act on the difference."""
        check_limits(self._bucket, row.name, ObjectMeta(), 0)  # a HEAD for an impossible key fails anyhow
        policies = None if self._every_policy else [row.policy]
        state = self._newest.of(self._mapping.account, self._mapping.container, row.name, policies)
        if isinstance(state, Unknown):
            return Outcome(Kind.PENDING, LocalMissing.reason, "listed, but no object server has it")
        if isinstance(state, Present) and state.policy != row.policy:
            return Outcome(Kind.SKIPPED, SUPERSEDED)
        written = row.data_timestamp if isinstance(state, Deleted) else row.timestamp
        if state.timestamp < written:
            raise LocalUnavailable(f"the newest replica found is of {state.timestamp}, the row of {written}")
        if isinstance(state, Deleted) or not self._is_turn(row, state):
            return Outcome(Kind.SKIPPED, SUPERSEDED)  # by a row that will get its own turn
        if state.expired:
            return Outcome(Kind.SKIPPED, VANISHED)
        remote = None if self._known_absent(view) else self._head(row.name)
        source = self._source(row, state)
        with source.open(state.data_timestamp, None) as local:
            if local.info.timestamp != state.timestamp:
                raise LocalChanged(f"object is at {local.info.timestamp}, was at {state.timestamp}")
            # little, beside the bytes that it may spare: a condition is looked at when all have been sent
            worth = view in (Presumption.PROBABLY_ABSENT, ListedState(None)) and large_kind(local)
            if worth or (view is Presumption.PROBABLY_ABSENT and self._sending.ledger.may_hold_manifests()):
                remote = self._head(row.name)  # and a manifest must not stay behind
            outcome, large = self._act(source, local, remote)
        if self._release is not None and outcome.kind in _STORED:
            self._release.release(state, local.info, remote if outcome is _PRESENT else None, large)
        return outcome

    def _is_turn(self, row: Row, state: Present) -> bool:
        """Whether this row may act for ``state``, which it is about or which came after it.

        A move acts for exactly the row's version. What came after it is due only ``copy_after`` later, when
        whatever any daemon still sends of this version has long landed.
        """
        if self._release is not None and state.timestamp != row.timestamp:
            return False
        return self._is_due(state.timestamp)

    def _act(
        self, source: Source, local: OpenObject, remote: ObjectInfo | None
    ) -> tuple[Outcome, LargeObject | None]:
        """The outcome, and what a large object consists of."""
        if not self._profile.criteria.matches(local.headers):
            return Outcome(Kind.SKIPPED, CONDITION), None
        if self._release is not None and self._release.is_segment(source.name):
            return Outcome(Kind.SKIPPED, SEGMENT), None
        if self._release is not None:
            self._release.check_movable(local)
        large = self._examined(local)
        if large is None:
            return self._agree(source, local, remote, None), None
        if self._release is not None:
            self._release.check_large(large)
        if remote is not None:
            large = as_stored(self._bucket, large, remote)
        return self._agree(source, local, remote, large), large

    def _agree(
        self, source: Source, local: OpenObject, remote: ObjectInfo | None, large: LargeObject | None
    ) -> Outcome:
        info = local.info if large is None else large.info
        decision = self._decide(info, remote, large)
        if decision is Decision.NOOP:
            written = large is not None and ensure_manifest(self._sending, large, remote)
            return Outcome(Kind.UPDATED) if written else _PRESENT
        self._sending.ensure_inline(
            info.size
        )  # new metadata means a copy in the store, which takes its time, too
        if remote is None:
            return self._put(source, local, large, Overwrite(if_absent=True))
        if large is None and has_manifest_mark(remote):
            # before the marks go that tell of it
            self._bucket.delete_manifest(info.name)
        if decision is Decision.POST and update_metadata(self._sending, info, remote, large):
            if large is not None and self._profile.remote_delete_after:
                write_manifest(self._sending, large)
            elif large is not None:
                ensure_manifest(self._sending, large)
            return Outcome(Kind.UPDATED)
        return self._put(source, local, large, Overwrite(if_match=remote.etag))

    def _decide(self, info: ObjectInfo, remote: ObjectInfo | None, large: LargeObject | None) -> Decision:
        decision = decide(info, remote, None if large is None else large.matches_stored)
        if decision is Decision.WAIT:
            raise LocalBehind("the remote copy is newer than every replica that answered")
        if decision is Decision.NOOP and remote is not None and self._has_to_be_marked(remote, info):
            return Decision.POST  # the same once more
        return decision

    def _has_to_be_marked(self, remote: ObjectInfo, info: ObjectInfo) -> bool:
        """Whether a copy with this very content, but of an older version, must become one of this version."""
        # where objects are moved it is soon all that there is, and its mark all that tells what is older: a
        # delete of a time before this version must find that it is newer. Else its life there begins anew
        wanted = self._release is not None or self._profile.remote_delete_after
        return bool(wanted) and is_older_version_of(remote, info)

    def _examined(self, local: OpenObject) -> LargeObject | None:
        """What a large object consists of; None for a plain one."""
        if large_kind(local) is None:
            return None
        allowed = self._profile.segment_containers
        return examine(local, self._segments.of(self._mapping.account, local.container, allowed))

    def _put(
        self, source: Source, local: OpenObject, large: LargeObject | None, overwrite: Overwrite
    ) -> Outcome:
        if large is not None:
            upload_large(self._sending, large, overwrite)
            return Outcome(Kind.COPIED, size=large.info.size)
        upload(self._sending, source, local, overwrite)
        return Outcome(Kind.COPIED, size=local.info.size)

    def _known_absent(self, view: RemoteState) -> bool:
        return view in (Presumption.PROBABLY_ABSENT, Presumption.ABSENT, ListedState(None))

    def _head(self, name: str) -> ObjectInfo | None:
        try:
            return self._bucket.head_object(name)
        except NotFound:
            return None

    def _source(self, row: Row, state: Present | None = None) -> Source:
        reader = self._reader if state is None else self._reader.starting_at(state.node, state.timestamp)
        open_object = partial(
            reader.open, self._mapping.account, self._mapping.container, row.name, row.policy
        )
        return Source(row.name, lambda expect, part: open_object(expect=expect, byte_range=part))


def outcome_of(error: SyncError) -> Outcome:
    """PENDING is tried again with growing pauses; FAILED waits for a change of the object or a reset."""
    if isinstance(error, Deferred):
        return Outcome(Kind.PENDING, error.reason, str(error), error.size)
    if isinstance(error, ObjectRefused):
        return Outcome(Kind.FAILED, error.reason, str(error))
    return Outcome(Kind.PENDING, error.reason, str(error))


def _listed_alike(row: Row, view: ListedState) -> bool:
    """Whether a listing alone shows that the remote holds this version, metadata included.

    The stored copy must be younger than the row, by our clock: an overwrite with equal bytes and other
    metadata has the same size and ETag. The row of an SLO describes its manifest and never looks like the
    copy; that of a DLO is mostly an empty object's, so that nothing empty is settled here.
    """
    info = view.info
    return (
        info is not None
        and not row.metadata_changed
        and row.etag != ""  # a retry does not know it
        and info.size == row.size > 0
        and info.etag == row.etag
        and info.last_modified - ROUNDED - view.off > row.timestamp.seconds
    )
