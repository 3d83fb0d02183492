"""What all transfers of one mapping share, and multipart uploads that are always completed or aborted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from s3_sync.errors import Deferred, RemoteError, RemoteUnavailable, Throttled
from s3_sync.model.objects import ObjectMeta
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import Bucket, MultipartUpload, Part
from s3_sync.runtime.concurrency import Pool, SerialPool
from s3_sync.runtime.key_locks import KeyLocks
from s3_sync.state.expiries import Expiry
from s3_sync.state.left_segments import LeftSegment

log = logging.getLogger("s3-sync")

#: attempts to create an upload before the object fails
CREATE_ATTEMPTS = 2


class Ledger(Protocol):
    """Records durably which uploads are open at the store, which copies expire, which segments may be left
    behind, and whether there are manifests."""

    def starting(self, name: str) -> int:
        """Record that an upload is about to be requested: it may be open from now on, until the outcome is
        known. Returns a number for this request."""
        ...

    def start_failed(self, begin: int) -> None:
        """Record that the store refused the request."""
        ...

    def started(self, begin: int, name: str, upload_id: str) -> None: ...

    def completing(self, upload_id: str) -> None:
        """Record that the store is about to be asked to complete the upload."""
        ...

    def finished(self, upload_id: str) -> None: ...

    def outcome_unknown(self, upload_id: str) -> None:
        """Record that the upload may be complete, or become so: it is aborted later, if still open."""
        ...

    def expires(self, expiry: Expiry) -> None:
        """Record that this copy is about to be all that is left of an object, and is to be deleted at its
        expiry."""
        ...

    def segments_left(self, segments: Sequence[LeftSegment], due: float | None = None) -> None:
        """Record that no large object at the store may soon name these segments any more, or yet. ``due``:
        when to look at them, in seconds since the epoch; None: after a while."""
        ...

    def segments_named(self, segments: Sequence[LeftSegment]) -> None:
        """Record that a large object at the store names these segments now."""
        ...

    def manifest_written(self) -> None:
        """Record that a manifest is about to be stored."""
        ...

    def may_hold_manifests(self) -> bool:
        """Return whether the object that is overwritten may have a manifest."""
        ...


class NoLedger:
    """Records nothing."""

    def starting(self, name: str) -> int:
        return 0

    def start_failed(self, begin: int) -> None:
        pass

    def started(self, begin: int, name: str, upload_id: str) -> None:
        pass

    def completing(self, upload_id: str) -> None:
        pass

    def finished(self, upload_id: str) -> None:
        pass

    def outcome_unknown(self, upload_id: str) -> None:
        pass

    def expires(self, expiry: Expiry) -> None:
        pass

    def segments_left(self, segments: Sequence[LeftSegment], due: float | None = None) -> None:
        pass

    def segments_named(self, segments: Sequence[LeftSegment]) -> None:
        pass

    def manifest_written(self) -> None:
        pass

    def may_hold_manifests(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Precondition:
    """The precondition of a write: ``if_absent``: nothing exists; ``if_match``: exactly this ETag; neither:
    none. ``replaces``: X-Timestamp of the latter, if the store is a Swift.

    A bucket without conditional writes is written to unconditionally.
    """

    if_absent: bool = False
    if_match: str | None = None
    replaces: Timestamp | None = None

    def for_bucket(self, bucket: Bucket) -> Precondition:
        """Return the part of the precondition that this bucket supports."""
        features = bucket.features
        return Precondition(
            if_absent=self.if_absent and features.put_if_absent,
            if_match=self.if_match if features.put_if_match else None,
            replaces=self.replaces,
        )


@dataclass(frozen=True, slots=True)
class TransferContext:
    """``parts``: the pool for parts of large objects; its size limits the parts in transfer over all objects.
    ``count`` is called with the number of bytes read from Swift, as they are read. ``fits``: whether an
    object of this many bytes may be sent by the current batch. ``locks``: of what is being sent, by container
    and name: a segment that several large objects name, or that has a row of its own, is sent by one thread,
    and the others find it there."""

    bucket: Bucket
    count: Callable[[int], None]
    parts: Pool = field(default_factory=SerialPool)
    ledger: Ledger = field(default_factory=NoLedger)
    fits: Callable[[int], bool] = lambda size: True
    locks: KeyLocks = field(default_factory=KeyLocks)

    def ensure_inline(self, size: int) -> None:
        """Raise Deferred for an object that has to wait for the lane of large objects."""
        if not self.fits(size):
            raise Deferred(f"{size} bytes: waiting for the lane of large objects", size)


@dataclass(slots=True)
class Upload:
    """An open multipart upload. ``outcome_unknown``: a request to complete it was not answered."""

    context: TransferContext
    handle: MultipartUpload
    outcome_unknown: bool = False

    def complete(self, parts: Sequence[Part], condition: Precondition) -> None:
        """Complete the upload. Raises any RemoteError.

        After a repeated request the first one may still be in progress, although the last answer is an error.
        """
        self.context.ledger.completing(self.handle.upload_id)
        self.outcome_unknown = True
        try:
            self.handle.complete(parts, condition.if_match, condition.if_absent)
        except Exception as error:
            self.outcome_unknown = isinstance(error, RemoteUnavailable | Throttled)
            raise
        self.outcome_unknown = False


@contextmanager
def open_upload(context: TransferContext, name: str, meta: ObjectMeta) -> Iterator[Upload]:
    """Create a multipart upload, which the caller completes inside the ``with`` block.

    If the block fails, the upload is aborted, unless the store may still be completing it: not every store
    serialises the two, and Swift's S3 API then creates an object whose parts are gone. Such an upload stays
    in the ledger, as does one whose abort fails.
    """
    ledger = context.ledger
    begin, handle = _create(context, name, meta)
    upload, upload_id = Upload(context, handle), handle.upload_id
    completed = False
    try:
        ledger.started(begin, name, upload_id)
        yield upload
        completed = True
    finally:
        if upload.outcome_unknown:
            log.warning(
                "Cannot tell whether upload %s of %s was completed: will abort it later if it is still open",
                upload_id,
                name,
            )
            ledger.outcome_unknown(upload_id)
        elif completed or _try_abort(handle):
            ledger.finished(upload_id)


def _create(context: TransferContext, name: str, meta: ObjectMeta) -> tuple[int, MultipartUpload]:
    """Create the upload. Wrappers do not retry this request: one without an answer may have opened an upload,
    so each attempt has a ledger entry of its own."""
    for attempts_left in range(CREATE_ATTEMPTS - 1, -1, -1):
        begin = context.ledger.starting(name)
        try:
            return begin, context.bucket.create_upload(name, meta)
        except RemoteError as error:
            if not error.transient:  # otherwise the upload may be open
                context.ledger.start_failed(begin)
            if not error.transient or not attempts_left:
                raise
    raise AssertionError("not reached")


def _try_abort(upload: MultipartUpload) -> bool:
    """Abort the upload and return whether that succeeded; the error that led here must not be replaced."""
    try:
        upload.abort()
    except RemoteError as error:
        log.warning("Failed to abort upload %s of %s: %s", upload.upload_id, upload.name, error)
        return False
    return True
