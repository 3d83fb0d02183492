"""Which objects of a mapping are copied, and when a copy counts as up to date."""

from __future__ import annotations

import logging
from collections.abc import Callable

from s3_sync.cluster.newest import LocalState, Present
from s3_sync.config.settings import Mapping
from s3_sync.errors import ClockSkewed, LocalBehind, ObjectRefused, TargetIsSource
from s3_sync.model.copies import origin_of
from s3_sync.model.objects import LocalInfo, ObjectInfo
from s3_sync.model.outcomes import CONDITION, LIFETIME_OVER, OWN_COPY
from s3_sync.providers.base import Bucket
from s3_sync.runtime.log_once import LogOnce
from s3_sync.transfer.decide import Decision, as_version, decide, is_older_version_of
from s3_sync.transfer.large_object import LargeObject
from s3_sync.transfer.source import OpenObject
from s3_sync.transfer.upload import remote_meta

log = logging.getLogger("s3-sync")


class CopyRules:
    """The rules of one mapping."""

    def __init__(self, mapping: Mapping, bucket: Bucket, now: Callable[[], float]) -> None:
        self._mapping = mapping
        self._bucket = bucket
        self._moves = not mapping.profile.retain_local
        self._to_swift = bucket.features.x_timestamp
        self._lifetime = mapping.lifetime
        self._now = now
        self._log_once = LogOnce()

    def reason_to_skip(self, local: OpenObject) -> str | None:
        """Return why the object is not to be copied; None if it is. Raises ObjectRefused for one that is to
        be moved and would be deleted by the store at once, and ClockSkewed if that is true by one clock
        only: what is skipped is not looked at again."""
        if not self._mapping.profile.criteria.matches(local.headers):
            return CONDITION
        if self._mapping.is_account and self._is_own(local.info):
            what = "%s: its target is its own account; objects that it has written there are left alone"
            log.log(self._log_once.level_for("loop", self._mapping.control_key), what, self._mapping.label)
            return OWN_COPY
        expires = self._delete_at(local.info)
        now, offset = self._now(), self._bucket.clock_offset
        if expires is None or expires > now + max(0.0, offset):
            return None
        if expires > now + min(0.0, offset):
            ahead = "store" if offset > 0 else "node"
            raise ClockSkewed(
                f"the copy's lifetime ends at {expires}, which only the {ahead}'s clock has passed"
            )
        if self._moves:
            why = f"the store would delete the copy at once: its lifetime ended at {expires}"
            raise ObjectRefused(LIFETIME_OVER, why)
        return LIFETIME_OVER

    def decide(self, info: LocalInfo, remote: ObjectInfo | None, large: LargeObject | None) -> Decision:
        """Decide how to make the remote agree. Raises LocalBehind, TargetIsSource."""
        if remote is not None and self._moves and self._is_own(info) and self.may_be_source(info, remote):
            raise TargetIsSource(f"{info.name} at the remote is this very object")
        decision = self._compare(info, remote, large)
        if decision is Decision.WAIT:
            raise LocalBehind("the remote has a newer object than all replicas that answered")
        if decision is Decision.NOOP and remote is not None and not self._is_complete(info, remote):
            return Decision.POST  # the same metadata, with the right mark and expiry
        return decision

    def is_proof(self, info: LocalInfo, remote: ObjectInfo, large: LargeObject | None) -> bool:
        """Return whether the remote has all that is needed before the local object is deleted."""
        return self._compare(info, remote, large) is Decision.NOOP and self._is_complete(info, remote)

    def _compare(self, info: LocalInfo, remote: ObjectInfo | None, large: LargeObject | None) -> Decision:
        version = as_version(info, self._bucket.features)
        is_same = None if large is None else large.matches_stored
        return decide(version, remote, is_same, self._bucket.clock_offset)

    def _is_complete(self, info: LocalInfo, remote: ObjectInfo) -> bool:
        """Whether a copy with the right content has everything else that one of this version needs.

        The copy of a moved object is soon the only one, and its mark decides what is older: a delete from
        before this version must find the copy newer. With ``remote_delete_after``, the copy's lifetime starts
        again with a new version.
        """
        if not self._lives_as_it_should(info, remote):
            return False
        if not (self._moves or self._mapping.profile.remote_delete_after):
            return True
        if is_older_version_of(remote, as_version(info, self._bucket.features)):
            return False
        # one without a mark was made by 0.1, or by a client there
        return not (self._moves and self._to_swift) or remote.meta.swift_timestamp is not None

    def _lives_as_it_should(self, info: LocalInfo, remote: ObjectInfo) -> bool:
        """Whether the store deletes a copy when it should. That of a segment may live longer, because a large
        object of a later date needs it."""
        wanted = self._delete_at(info)
        if remote.expires == wanted or not remote.meta.is_segment:
            return remote.expires == wanted
        return remote.expires is None or (wanted is not None and remote.expires > wanted)

    def may_be_source(self, local: LocalInfo, remote: ObjectInfo) -> bool:
        """Return whether the remote object may be the local one itself: a mapping into its own source. A
        client's object has no mark, and nothing else has its X-Timestamp."""
        written = remote.x_timestamp
        marked = remote.meta.swift_timestamp is not None and not self._is_own(local)
        return written is not None and written.raw == local.timestamp.raw and not marked

    def check_not_source(self, name: str, state: LocalState) -> None:
        """Raise TargetIsSource if the local object has the mark that was just given to the remote one."""
        if not isinstance(state, Present):
            return
        origin = origin_of(state.headers.items(), self._mapping.container, name, state.timestamp)
        if origin is not None and origin.writer == self._mapping.writer:
            raise TargetIsSource(f"{name} at the remote is this very object")

    def _is_own(self, info: LocalInfo) -> bool:
        """Whether this mapping has written the local object itself."""
        return self._to_swift and info.origin is not None and info.origin.writer == self._mapping.writer

    def _delete_at(self, info: LocalInfo) -> int | None:
        return self._lifetime.delete_at(remote_meta(info, self._bucket.features))
