"""The last step of a move: deletes the local object once the remote copy is proved.

For a large object, that is the manifest; ``segment_cleanup`` describes what happens to its segments.
"""

from __future__ import annotations

from dataclasses import dataclass

from s3_sync.cluster.guarded_delete import GuardedDelete
from s3_sync.cluster.newest import Present
from s3_sync.config.settings import Mapping
from s3_sync.errors import CopyUnproven, NotFound, ObjectRefused, SegmentChanged
from s3_sync.model.headers import USER_PREFIX, looks_like_mark, lost_underscores
from s3_sync.model.objects import LocalInfo, ObjectInfo
from s3_sync.model.timestamps import Timestamp
from s3_sync.state.expiries import Expiry
from s3_sync.sync.lifecycle.account_segment_index import AccountSegmentIndex
from s3_sync.sync.lifecycle.segment_cleanup import CleanupLedger
from s3_sync.sync.lifecycle.segment_index import SegmentIndex
from s3_sync.transfer.copy_rules import CopyRules
from s3_sync.transfer.large_object import LargeObject, large_kind
from s3_sync.transfer.large_upload import has_manifest
from s3_sync.transfer.native_upload import note_expiring_segments
from s3_sync.transfer.source import OpenObject
from s3_sync.transfer.upload_session import TransferContext

#: headers that no copy carries, beside marks that clients have set; without the ACL that s3api keeps with an
#: object (``s3_acl``) the copy would have no owner, or be public
_LEFT_BEHIND = frozenset({"x-robots-tag", "x-object-sysmeta-s3api-acl"})
#: segments from which on Swift tells neither size nor ETag of a DLO: its ``container_listing_limit``
DLO_LIMIT = 10_000
_LOST_UNDERSCORES = ' (the store does not keep underscores in metadata names: set "keeps_underscores")'


@dataclass(slots=True)
class LifecycleState:
    """State of a mapping that does not retain local objects.

    ``cleanups``: large objects whose segments are to be deleted. ``segment_index``: the segments in the
    container, which do not move without their large object; ``account_index``: those of the whole account, if
    all of its containers are mapped, or of one sharded container.
    """

    cleanups: CleanupLedger
    segment_index: SegmentIndex
    account_index: AccountSegmentIndex | None = None


def _is_forged_mark(header: str) -> bool:
    return header.startswith(USER_PREFIX) and looks_like_mark(header.removeprefix(USER_PREFIX))


class Release:
    """Releases local objects of a mapping that does not retain them. Without ``lifecycle``, segments stay."""

    def __init__(
        self,
        mapping: Mapping,
        sending: TransferContext,
        removal: GuardedDelete,
        rules: CopyRules,
        lifecycle: LifecycleState | None = None,
    ) -> None:
        self._mapping = mapping
        self._sending = sending
        self._bucket = sending.bucket
        self._ledger = sending.ledger
        self._removal = removal
        self._rules = rules
        self._lifecycle = lifecycle
        self._cleanups = (
            None if lifecycle is None or mapping.profile.retain_local_segments else lifecycle.cleanups
        )

    def is_segment(self, name: str) -> bool:
        """Whether a local large object is known to include this object."""
        if self._lifecycle is None:
            return False
        if self._lifecycle.segment_index.is_segment(name):
            return True
        others = self._lifecycle.account_index
        return others is not None and others.is_segment(self._mapping.container, name)

    def is_current_for(self, written: Timestamp) -> bool:
        """Whether ``is_segment`` is reliable for an object last changed at ``written``."""
        others = self._lifecycle.account_index if self._lifecycle else None
        return others is None or others.is_current_for(written.seconds)

    def retry_at(self) -> float:
        """When to call ``is_current_for`` again after it returned False."""
        others = self._lifecycle.account_index if self._lifecycle else None
        return others.retry_at() if others else 0.0

    def check_movable(self, local: OpenObject) -> None:
        """Raise ObjectRefused for an object that a copy of its bytes and metadata would not replace."""
        if local.kind == "symlink" and local.info.meta.link is None:
            raise ObjectRefused("symlink", "a symlink is not moved: the remote copy would be of its target")
        kind = large_kind(local)
        if kind == "dlo" and local.info.size:
            raise ObjectRefused(
                "dlo_body", f"the manifest has {local.info.size} bytes of its own, which a copy would lack"
            )
        orphans = _LEFT_BEHIND | {"x-object-manifest"} if kind == "slo" else _LEFT_BEHIND
        present = [name for name, value in local.headers.items() if value]
        if local.info.origin is not None:  # marks of another cluster's daemon are no metadata of a user
            present = [name for name in present if not _is_forged_mark(name)]
        if lost := sorted(name for name in present if name in orphans or _is_forged_mark(name)):
            raise ObjectRefused("metadata_not_copied", f"the remote copy would lack {', '.join(lost)}")

    def check_large(self, large: LargeObject) -> None:
        """Raise SegmentChanged for a large object without segments: they are probably still to come. Raise
        ObjectRefused for a DLO of which another Swift would tell neither size nor ETag."""
        count = len(large.manifest.segments)
        if not count:
            raise SegmentChanged(f"{large.info.name} has no segments yet")
        if large.plan is not None and not large.plan.is_static and count >= DLO_LIMIT:
            why = f"{count} segments are too many for a DLO that only the store has: set convert_dlo"
            raise ObjectRefused("too_large", why)

    def release(
        self, version: Present, local: LocalInfo, seen: ObjectInfo | None, large: LargeObject | None = None
    ) -> None:
        """Delete ``version`` locally.

        ``seen``: the result of a HEAD of the remote copy, made since the last write to it, together with a
        check of the stored manifest; None to send a HEAD now. The store's answer to the upload is no proof.
        Raises CopyUnproven if the copy is not as expected, LocalChanged if a client changed the object
        meanwhile, SegmentChanged if a DLO's segments changed, StateError.
        """
        copy = self._prove(local, seen, large)
        self._note_expiry(version, copy)
        if large is not None and large.plan is not None and copy.expires is not None:
            note_expiring_segments(self._sending, large, copy.expires)
        if large is None or self._cleanups is None:
            self._remove(local.name, version)
            return
        self._cleanups.note(large)
        self._remove(local.name, version)
        self._cleanups.note(large, gone=True)

    def _prove(self, local: LocalInfo, seen: ObjectInfo | None, large: LargeObject | None) -> ObjectInfo:
        """Returns the copy's metadata at the store."""
        proven = seen is not None
        if seen is None:
            try:
                seen = self._bucket.head_object(local.name)
            except NotFound as error:
                raise CopyUnproven(
                    "the store does not show the copy yet; the local object is kept"
                ) from error
        if not self._rules.is_proof(local if large is None else large.info, seen, large):
            why = _LOST_UNDERSCORES if lost_underscores(local.meta, seen.meta) else ""
            raise CopyUnproven(f"the remote copy differs from what was sent{why}; the local object is kept")
        if large is None:
            return seen
        if not proven and not has_manifest(self._sending, large, seen):
            raise CopyUnproven(
                "the stored manifest differs from the one that was sent; the local object is kept"
            )
        large.check_unchanged()
        return seen

    def _note_expiry(self, version: Present, copy: ObjectInfo) -> None:
        """Write down when the copy expires: once the local object is gone, nothing else records it."""
        if self._mapping.expires_copies and copy.meta.delete_at is not None:
            mark = copy.meta.marks.get("swift-timestamp", "")
            data = version.data_timestamp.internal
            self._ledger.expires(Expiry(copy.name, copy.meta.delete_at, data, mark))

    def _remove(self, name: str, version: Present) -> None:
        self._removal.delete_version(self._mapping.account, self._mapping.container, name, version)
