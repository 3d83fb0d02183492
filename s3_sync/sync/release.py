"""The last step of a move: giving the local bytes up once the remote copy has proved itself."""

from __future__ import annotations

from s3_sync.cluster.newest import Present
from s3_sync.cluster.removal import Removal
from s3_sync.config.schema import Mapping
from s3_sync.errors import CopyUnproven, NotFound, ObjectRefused
from s3_sync.model.objects import MARKS, ObjectInfo
from s3_sync.state.expiries import Expiry
from s3_sync.transfer.decide import Decision, decide
from s3_sync.transfer.large import large_kind
from s3_sync.transfer.sending import Sending
from s3_sync.transfer.source import OpenObject

#: headers of an object that clients may set and that no copy carries
_LEFT_BEHIND = frozenset({"x-robots-tag", *(f"x-object-meta-{mark}" for mark in MARKS)})


class Release:
    """For mappings that do not retain local objects."""

    def __init__(self, mapping: Mapping, sending: Sending, removal: Removal) -> None:
        self._mapping = mapping
        self._bucket = sending.bucket
        self._ledger = sending.ledger
        self._removal = removal

    def check_movable(self, local: OpenObject) -> None:
        """Raise ObjectRefused for what a remote copy of bytes and metadata would not replace."""
        if local.kind == "symlink":
            raise ObjectRefused("symlink", "a symlink is not moved: the remote copy would be of its target")
        if large_kind(local):
            raise ObjectRefused("large_object", "large objects (SLO, DLO) are not moved by this version")
        if lost := sorted(_LEFT_BEHIND.intersection(name for name in local.headers if local.headers[name])):
            raise ObjectRefused("metadata_not_copied", f"the remote copy would lack {', '.join(lost)}")

    def release(self, version: Present, local: ObjectInfo, seen: ObjectInfo | None) -> None:
        """Delete ``version`` locally.

        ``seen``: a HEAD of the remote copy that was made in this turn without writing to it since; None
        to ask now. What the store said when it took the bytes does not count as proof. Raises
        CopyUnproven when the copy is not what it should be, LocalChanged when a client was faster.
        """
        if seen is None:
            try:
                seen = self._bucket.head_object(local.name)
            except NotFound as error:
                raise CopyUnproven("the copy cannot be seen yet; the local object stays") from error
        if decide(local, seen) is not Decision.NOOP:
            raise CopyUnproven("the remote copy is not what was sent; the local object stays")
        self._note_expiry(version, seen)
        self._removal.remove(self._mapping.account, self._mapping.container, local.name, version)

    def _note_expiry(self, version: Present, copy: ObjectInfo) -> None:
        """Once the local object is gone, nothing else says that its copy expires."""
        assert copy.meta is not None
        if self._mapping.profile.expires_copies and copy.meta.delete_at is not None:
            mark = copy.meta.marks.get("swift-timestamp", "")
            data = version.data_timestamp.internal
            self._ledger.expires(Expiry(copy.name, copy.meta.delete_at, data, mark))
