"""The last step of a move: giving the local bytes up once the remote copy has proved itself.

Of a large object that is the manifest; ``sync.departures`` says what becomes of its segments.
"""

from __future__ import annotations

from dataclasses import dataclass

from s3_sync.cluster.guarded_delete import GuardedDelete
from s3_sync.cluster.newest import Present
from s3_sync.config.settings import Mapping
from s3_sync.errors import CopyUnproven, NotFound, ObjectRefused, SegmentChanged
from s3_sync.model.objects import MARKS, ObjectInfo
from s3_sync.model.timestamps import Timestamp
from s3_sync.state.expiries import Expiry
from s3_sync.sync.lifecycle.account_segment_index import AccountSegmentIndex
from s3_sync.sync.lifecycle.segment_cleanup import CleanupLedger
from s3_sync.sync.lifecycle.segment_index import SegmentIndex
from s3_sync.transfer.decide import Decision, decide, is_older_version_of
from s3_sync.transfer.large_upload import LargeObject, has_manifest, large_kind
from s3_sync.transfer.source import OpenObject
from s3_sync.transfer.upload_session import Sending

#: headers of an object that no copy carries: what clients have set, and the ACL of its own that s3api keeps
#: (``s3_acl``), without which the copy would be nobody's, or everybody's
_LEFT_BEHIND = frozenset(
    {"x-robots-tag", "x-object-sysmeta-s3api-acl", *(f"x-object-meta-{mark}" for mark in MARKS)}
)


@dataclass(slots=True)
class LifecycleState:
    """What a mapping that does not retain local objects has to know.

    ``departures``: where the segments of large objects are written down that follow them. ``named``: what is
    part of a large object and does not leave without it; ``neighbours``: the same for the whole account,
    where all of its containers are mapped, or for one container in shards.
    """

    departures: CleanupLedger
    named: SegmentIndex
    neighbours: AccountSegmentIndex | None = None


class Release:
    """For mappings that do not retain local objects. Without ``moving``, segments stay."""

    def __init__(
        self, mapping: Mapping, sending: Sending, removal: GuardedDelete, moving: LifecycleState | None = None
    ) -> None:
        self._mapping = mapping
        self._bucket = sending.bucket
        self._ledger = sending.ledger
        self._removal = removal
        self._moving = moving
        self._departures = (
            None if moving is None or mapping.profile.retain_local_segments else moving.departures
        )

    def is_segment(self, name: str) -> bool:
        """Whether a local large object is known to consist of it."""
        if self._moving is None:
            return False
        if self._moving.named.has(name):
            return True
        others = self._moving.neighbours
        return others is not None and others.has(self._mapping.container, name)

    def may_judge(self, written: Timestamp) -> bool:
        """Whether that is known of what was written then."""
        others = self._moving.neighbours if self._moving else None
        return others is None or others.may_judge(written.seconds)

    def ask_again_at(self) -> float:
        """When it may be known of what it is not known of now."""
        others = self._moving.neighbours if self._moving else None
        return others.ask_again_at() if others else 0.0

    def check_movable(self, local: OpenObject) -> None:
        """Raise ObjectRefused for what a remote copy of bytes and metadata would not replace."""
        if local.kind == "symlink":
            raise ObjectRefused("symlink", "a symlink is not moved: the remote copy would be of its target")
        kind = large_kind(local)
        if kind == "dlo" and local.info.size:
            raise ObjectRefused("dlo_body", f"the manifest has {local.info.size} bytes that no copy carries")
        left_behind = _LEFT_BEHIND | {"x-object-manifest"} if kind == "slo" else _LEFT_BEHIND
        if lost := sorted(left_behind.intersection(name for name in local.headers if local.headers[name])):
            raise ObjectRefused("metadata_not_copied", f"the remote copy would lack {', '.join(lost)}")

    def check_large(self, large: LargeObject) -> None:
        """Raise SegmentChanged for a large object whose segments are still to come."""
        if not large.manifest.segments:
            raise SegmentChanged(f"{large.info.name} has no segments yet")

    def release(
        self, version: Present, local: ObjectInfo, seen: ObjectInfo | None, large: LargeObject | None = None
    ) -> None:
        """Delete ``version`` locally.

        ``seen``: a HEAD of the remote copy that was made in this turn without writing to it since, as was
        a look at the stored manifest; None to ask now. What the store said when it took the bytes does not
        count as proof. Raises CopyUnproven when the copy is not what it should be, LocalChanged when a
        client was faster, SegmentChanged when a DLO has other segments now, StateError.
        """
        self._note_expiry(version, self._prove(local, seen, large))
        if large is None or self._departures is None:
            self._remove(local.name, version)
            return
        self._departures.note(large)
        self._remove(local.name, version)
        self._departures.note(large, gone=True)

    def _prove(self, local: ObjectInfo, seen: ObjectInfo | None, large: LargeObject | None) -> ObjectInfo:
        """What the store shows."""
        proven = seen is not None
        if seen is None:
            try:
                seen = self._bucket.head_object(local.name)
            except NotFound as error:
                raise CopyUnproven("the copy cannot be seen yet; the local object stays") from error
        decision = decide(local, seen) if large is None else decide(large.info, seen, large.matches_stored)
        if decision is not Decision.NOOP or is_older_version_of(seen, local):
            raise CopyUnproven("the remote copy is not what was sent; the local object stays")
        if large is None:
            return seen
        if not proven and not has_manifest(self._bucket, large, seen):
            raise CopyUnproven("the stored manifest is not the one that was sent; the local object stays")
        large.check_unchanged()
        return seen

    def _note_expiry(self, version: Present, copy: ObjectInfo) -> None:
        """Once the local object is gone, nothing else says that its copy expires."""
        assert copy.meta is not None
        if self._mapping.profile.expires_copies and copy.meta.delete_at is not None:
            mark = copy.meta.marks.get("swift-timestamp", "")
            data = version.data_timestamp.internal
            self._ledger.expires(Expiry(copy.name, copy.meta.delete_at, data, mark))

    def _remove(self, name: str, version: Present) -> None:
        self._removal.remove(self._mapping.account, self._mapping.container, name, version)
