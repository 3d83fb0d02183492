"""Handles one row: makes the remote agree with the current state in Swift.

``RowHandler.handle`` is level-triggered. The row only says that a name has changed; the action follows from
the state of both sides. Handling a row twice, late or out of order changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from s3_sync.cluster.newest import Deleted, Present, Unknown
from s3_sync.cluster.services import LocalObjects
from s3_sync.config.settings import Mapping
from s3_sync.daemon.delete_limiter import DeleteLimiter
from s3_sync.daemon.name_locks import NameLocks
from s3_sync.errors import (
    Deferred,
    LocalChanged,
    LocalMissing,
    LocalUnavailable,
    NotFound,
    ObjectLocked,
    ObjectRefused,
    PreconditionFailed,
    SyncError,
)
from s3_sync.model.objects import LocalInfo, ObjectInfo, ObjectMeta
from s3_sync.model.outcomes import (
    EXCLUDED,
    NOT_DUE,
    PRESENT,
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
from s3_sync.sync.rows.delete_handler import DeleteHandler
from s3_sync.sync.rows.remote_state import LISTING_TIME_RESOLUTION, ListedState, Presumption, RemoteState
from s3_sync.transfer.checksum_proof import with_proved_md5
from s3_sync.transfer.copy_rules import CopyRules
from s3_sync.transfer.decide import Decision, has_manifest_mark
from s3_sync.transfer.large_object import LargeObject, large_kind, read_large_object
from s3_sync.transfer.large_upload import as_stored, ensure_manifest, upload_large, write_manifest
from s3_sync.transfer.metadata import update_metadata
from s3_sync.transfer.native_copy import note_left_segments
from s3_sync.transfer.native_plan import native_options, with_plan
from s3_sync.transfer.source import OpenObject, Source
from s3_sync.transfer.upload import upload
from s3_sync.transfer.upload_session import Precondition, TransferContext

log = logging.getLogger("s3-sync")

_STORED = frozenset({Kind.COPIED, Kind.UPDATED, Kind.PRESENT})


@dataclass(frozen=True, slots=True)
class WriteGuards:
    """Admission checks of a write: the lock on its name and, for a delete, the delete budget, if any."""

    names: NameLocks = field(default_factory=NameLocks)
    delete_limiter: DeleteLimiter | None = None


class RowHandler:
    """Handles rows of one mapping.

    If the profile does not retain local objects, a row is done only when the local object is deleted as well.
    Without ``lifecycle`` no object counts as a segment, and the segments of moved objects stay.
    """

    def __init__(
        self,
        mapping: Mapping,
        sending: TransferContext,
        local: LocalObjects,
        now: Callable[[], float],
        lifecycle: LifecycleState | None = None,
        guards: WriteGuards | None = None,
    ) -> None:
        self._log_once = LogOnce()
        self._mapping = mapping
        self._profile = mapping.profile
        self._sending = sending
        self._bucket = sending.bucket
        self._reader = local.reader.for_copies(mapping, self._bucket.features.symlinks)
        self._newest = local.newest
        self._segments = local.segments
        self._now = now
        moves = not mapping.profile.retain_local
        self._rules = CopyRules(mapping, sending.bucket, now)
        self._release = Release(mapping, sending, local.removal, self._rules, lifecycle) if moves else None
        guards = guards or WriteGuards()
        self.names = guards.names
        self._deletes = DeleteHandler(mapping, sending, local.newest, guards.delete_limiter)
        # a move is irreversible: no other policy may hold a newer version
        self._every_policy = moves

    def handle(self, row: Row, known: RemoteState, on_proved: Callable[[Row], None] | None = None) -> Outcome:
        """Never raises: any failure becomes PENDING or FAILED with its reason.

        ``known``: what is known of the key at the remote. ``on_proved`` receives a delete that may be sent;
        the caller then sends it.
        """

        def act() -> Outcome:
            with self.names.hold(row.name):
                return self._dispatch(row, known, on_proved)

        return self._guarded(row, act)

    def agrees(self, row: Row, known: RemoteState) -> bool:
        """Whether ``handle`` would return PRESENT for this row without any request, or waiting for a lock."""
        return (
            self._release is None
            and not row.deleted
            and self._is_listed(row, known)
            and self._is_due(row.timestamp)
            and (self._profile.exclude is None or not self._profile.exclude.match(row.name))
            and self.names.is_free(row.name)
        )

    def handle_claimed(self, row: Row) -> Outcome:
        """Like ``handle``, for a name that the caller has claimed and of whose key nothing is known."""
        return self._guarded(row, lambda: self._dispatch(row, Presumption.UNKNOWN, None))

    def _guarded(self, row: Row, act: Callable[[], Outcome]) -> Outcome:
        try:
            return act()
        except SyncError as error:
            return outcome_of(error)
        except Exception as error:
            about = row.rowid, row.name, self._mapping.label
            self._log_once.exception(log, error, "Failed to handle row %d (%s) of %s", *about)
            return Outcome(Kind.PENDING, "internal_error", repr(error))

    def _dispatch(self, row: Row, known: RemoteState, on_proved: Callable[[Row], None] | None) -> Outcome:
        if self._profile.exclude is not None and self._profile.exclude.match(row.name):
            return Outcome(Kind.SKIPPED, EXCLUDED)
        return self._deletes.handle(row, known, on_proved) if row.deleted else self._handle(row, known)

    def check_all_policies(self) -> None:
        """The container has rows in several policies: an object in one may be older than its namesake in
        another."""
        self._every_policy = True

    def next_due(self, row: Row) -> float:
        """When ``copy_after`` has passed for this row; or, if it waits for something else too, when to try it
        again."""
        due = row.timestamp.seconds + self._profile.copy_after
        if (
            self._release is None
            or row.deleted
            or due > self._now()
            or self._release.is_current_for(row.timestamp)
        ):
            return due
        return self._release.retry_at()

    def _is_due(self, written: Timestamp) -> bool:
        """Without ``copy_after`` no clock is read: the clock of the object's writer may differ."""
        return not self._profile.copy_after or written.seconds + self._profile.copy_after < self._now()

    def _handle(self, row: Row, known: RemoteState) -> Outcome:
        if not self._is_due(row.timestamp):
            return Outcome(Kind.PENDING, NOT_DUE)
        if self._release is not None and not self._release.is_current_for(row.timestamp):
            return Outcome(Kind.PENDING, NOT_DUE)
        if self._release is None and self._is_listed(row, known):
            return PRESENT
        if known is Presumption.PROBABLY_ABSENT and row.metadata_changed:
            known = Presumption.UNKNOWN  # a POST: the bytes are most likely stored already
        if self._release is not None and isinstance(known, Presumption):
            # it may be a moved object that came back, or a replica that was away for longer than tombstones
            # are kept: only a HEAD can tell
            known = Presumption.UNKNOWN
        if self._may_read_one_replica(known):
            try:
                return self._first_copy(row, known)
            except (PreconditionFailed, ObjectLocked, LocalChanged, LocalMissing):
                known = Presumption.UNKNOWN  # the presumption was wrong
        try:
            return self._converge(row, known)
        except (PreconditionFailed, LocalMissing):
            # the key was written between HEAD and PUT, or the object was deleted before the GET; or it is a
            # DLO that a HEAD does not show
            if self._bucket.features.native_large_objects:
                self._bucket.large_objects.reveal(row.name)
            return self._converge(row, Presumption.UNKNOWN)

    def _is_listed(self, row: Row, known: RemoteState) -> bool:
        has_timestamps = self._bucket.features.x_timestamp
        return isinstance(known, ListedState) and _matches_listing(row, known, has_timestamps)

    def _may_read_one_replica(self, known: RemoteState) -> bool:
        """Whether the copy cannot overwrite anything, so that a single replica of the row's version is
        sufficient.

        False if absence is only known from a listing: the object may have been deleted since.
        """
        if self._release is not None:
            return False
        if self._bucket.features.put_if_absent:
            return known in (Presumption.ABSENT, Presumption.PROBABLY_ABSENT)
        return known is Presumption.ABSENT and not self._every_policy

    def _first_copy(self, row: Row, known: RemoteState) -> Outcome:
        source = self._source(row)
        with source.open(row.data_timestamp, None) as local:
            if local.info.timestamp != row.timestamp:
                raise LocalChanged(f"replica is at {local.info.timestamp}, row at {row.timestamp}")
            if reason := self._rules.reason_to_skip(local):
                return Outcome(Kind.SKIPPED, reason)
            if known is Presumption.PROBABLY_ABSENT and large_kind(local):
                # the store checks a condition only after all parts were sent: a HEAD first is cheaper
                raise PreconditionFailed("a large object needs a HEAD first")
            large = self._load_manifest(local)
            self._sending.ensure_inline(local.info.size if large is None else large.info.size)
            return self._put(source, local, large, Precondition(if_absent=True))

    def _converge(self, row: Row, known: RemoteState) -> Outcome:
        """Compare the newest local state with the remote one, and act on the difference."""
        check_limits(self._bucket, row.name, ObjectMeta(), 0)  # a HEAD for an invalid key would fail
        policies = None if self._every_policy else [row.policy]
        state = self._newest.of(self._mapping.account, self._mapping.container, row.name, policies)
        if isinstance(state, Unknown):
            return Outcome(Kind.PENDING, LocalMissing.reason, "listed, but no object server has it")
        if isinstance(state, Present) and state.policy != row.policy:
            return Outcome(Kind.SKIPPED, SUPERSEDED)
        written = row.data_timestamp if isinstance(state, Deleted) else row.timestamp
        if state.timestamp < written:
            raise LocalUnavailable(
                f"the newest replica found is from {state.timestamp}, the row from {written}"
            )
        if isinstance(state, Deleted) or not self._is_current_row(row, state):
            return Outcome(Kind.SKIPPED, SUPERSEDED)  # by another row, which is handled separately
        if state.expired:
            return Outcome(Kind.SKIPPED, VANISHED)
        remote = None if self._known_absent(known) else self._head(row.name)
        source = self._source(row, state)
        with source.open(state.data_timestamp, None) as local:
            if local.info.timestamp != state.timestamp:
                raise LocalChanged(f"object is at {local.info.timestamp}, was at {state.timestamp}")
            # a HEAD costs little: the store checks a condition only after all bytes were sent
            needs_head = known in (Presumption.PROBABLY_ABSENT, ListedState(None)) and large_kind(local)
            if needs_head or (
                known is Presumption.PROBABLY_ABSENT and self._sending.ledger.may_hold_manifests()
            ):
                remote = self._head(row.name)  # a stored manifest must not be left behind
            outcome, large = self._act(source, local, remote)
        if self._release is not None and outcome.kind in _STORED:
            self._release.release(state, local.info, remote if outcome is PRESENT else None, large)
        return outcome

    def _is_current_row(self, row: Row, state: Present) -> bool:
        """Whether this row may act for ``state``, which is its own version or a later one.

        A move acts only for the row's version. A later version is due ``copy_after`` later, when anything
        that a daemon may still be sending of this version has completed.
        """
        if self._release is not None and state.timestamp != row.timestamp:
            return False
        return self._is_due(state.timestamp)

    def _act(
        self, source: Source, local: OpenObject, remote: ObjectInfo | None
    ) -> tuple[Outcome, LargeObject | None]:
        """Returns the outcome, and the manifest of a large object."""
        if reason := self._rules.reason_to_skip(local):
            return Outcome(Kind.SKIPPED, reason), None
        if self._release is not None and self._release.is_segment(source.name):
            return Outcome(Kind.SKIPPED, SEGMENT), None
        if self._release is not None:
            self._release.check_movable(local)
        large = self._load_manifest(local)
        if large is None:
            return self._apply(source, local, remote, None), None
        if self._release is not None:
            self._release.check_large(large)
        if remote is not None:
            large = as_stored(self._bucket, large, remote)
        return self._apply(source, local, remote, large), large

    def _apply(
        self, source: Source, local: OpenObject, remote: ObjectInfo | None, large: LargeObject | None
    ) -> Outcome:
        info = local.info if large is None else large.info
        if large is None:
            decision = self._decide(source, info, remote)
        else:
            decision = self._rules.decide(info, remote, large)
        if decision is Decision.NOOP:
            written = large is not None and ensure_manifest(self._sending, large, remote)
            return Outcome(Kind.UPDATED) if written else PRESENT
        # before new metadata, too: the store then copies the object, which is slow
        self._sending.ensure_inline(info.size)
        if remote is None:
            return self._put(source, local, large, Precondition(if_absent=True))
        if large is None and has_manifest_mark(remote):
            # both are done first, while the copy's marks still tell what it is
            if self._bucket.features.native_large_objects:
                note_left_segments(self._sending, info.name)
            self._bucket.manifests.delete(info.name)
        if decision is Decision.POST and update_metadata(self._sending, info, remote, large):
            if large is not None and self._profile.remote_delete_after:
                write_manifest(self._sending, large)
            elif large is not None:
                ensure_manifest(self._sending, large, remote if large.plan else None)
            if self._release is not None and self._rules.may_be_source(local.info, remote):
                mapping = self._mapping
                state = self._newest.of(mapping.account, mapping.container, info.name)
                self._rules.check_not_source(info.name, state)
            return Outcome(Kind.UPDATED)
        overwrite = Precondition(if_match=remote.etag, replaces=remote.x_timestamp)
        return self._put(source, local, large, overwrite)

    def _decide(self, source: Source, info: LocalInfo, remote: ObjectInfo | None) -> Decision:
        """What to do with a plain object."""
        proved = remote
        if remote is not None and info.meta.link is None:
            proved = with_proved_md5(source, info, remote)
        decision = self._rules.decide(info, proved, None)
        if decision is Decision.NOOP and proved is not remote:
            return Decision.POST  # with a mark for the MD5, so that it is known from now on
        return decision

    def _load_manifest(self, local: OpenObject) -> LargeObject | None:
        """The manifest of a large object; None for a plain object."""
        if large_kind(local) is None:
            return None
        profile = self._profile
        segments = self._segments.of(self._mapping.account, local.container, profile.segment_containers)
        large = read_large_object(local, segments)
        if not self._bucket.features.native_large_objects:
            return large
        return with_plan(large, self._bucket, native_options(self._mapping))

    def _put(
        self, source: Source, local: OpenObject, large: LargeObject | None, overwrite: Precondition
    ) -> Outcome:
        if large is not None:
            upload_large(self._sending, large, overwrite)
            return Outcome(Kind.COPIED, size=large.info.size)
        upload(self._sending, source, local, overwrite)
        return Outcome(Kind.COPIED, size=local.info.size)

    def _known_absent(self, known: RemoteState) -> bool:
        return known in (Presumption.PROBABLY_ABSENT, Presumption.ABSENT, ListedState(None))

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
    """PENDING is retried with growing delays; FAILED waits for a change of the object or a reset."""
    if isinstance(error, Deferred):
        return Outcome(Kind.PENDING, error.reason, str(error), error.size)
    if isinstance(error, ObjectRefused):
        return Outcome(Kind.FAILED, error.reason, str(error))
    return Outcome(Kind.PENDING, error.reason, str(error))


def _matches_listing(row: Row, listed: ListedState, has_timestamps: bool) -> bool:
    """Whether a listing alone shows that the remote holds this version, metadata included.

    The copy must be younger than the row, by our clock: an overwrite with equal bytes but other metadata has
    the same size and ETag. Or it must have the row's X-Timestamp, if the store has such. The row of an SLO
    describes its manifest and never matches the copy; that of a DLO usually looks like an empty object's, so
    empty objects never match.
    """
    info = listed.info
    return (
        info is not None
        and not row.metadata_changed
        and row.etag != ""  # unknown for a retry
        and info.size == row.size > 0
        and info.etag == row.etag
        and (
            info.last_modified - LISTING_TIME_RESOLUTION - listed.clock_offset > row.timestamp.seconds
            or (has_timestamps and Timestamp.from_seconds(info.last_modified) == row.timestamp)
        )
    )
