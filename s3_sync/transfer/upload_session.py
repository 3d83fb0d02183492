"""What all transfers of one mapping share, and multipart uploads that never stay behind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from s3_sync.errors import Deferred, RemoteError, RemoteUnavailable, Throttled
from s3_sync.model.objects import ObjectMeta
from s3_sync.providers.base import Bucket, Part
from s3_sync.runtime.concurrency import Pool, SerialPool
from s3_sync.state.expiries import Expiry

log = logging.getLogger("s3-sync")

#: how often an upload is asked for before the object has to wait
BEGIN_TRIES = 2


class Ledger(Protocol):
    """Remembers over a crash what is open at the store, what expires there, whether there are manifests."""

    def begins(self, name: str) -> int:
        """The store is about to be asked for an upload: from now on there may be one, until it is known what
        became of this request, which is called by the number."""
        ...

    def not_begun(self, begin: int) -> None:
        """It has said no."""
        ...

    def begun(self, begin: int, name: str, upload_id: str) -> None: ...

    def completing(self, upload_id: str) -> None:
        """The store is about to be asked to complete it."""
        ...

    def ended(self, upload_id: str) -> None: ...

    def unsure(self, upload_id: str) -> None:
        """It may be complete, or be so in a while: it is to be aborted later, if it is still there."""
        ...

    def expires(self, expiry: Expiry) -> None:
        """This copy is soon all that there is of an object; it is to be deleted when it has expired."""
        ...

    def manifest_written(self) -> None:
        """One is about to be stored."""
        ...

    def may_hold_manifests(self) -> bool:
        """Whether what is written over may have one."""
        ...


class NoLedger:
    """Remembers nothing."""

    def begins(self, name: str) -> int:
        return 0

    def not_begun(self, begin: int) -> None:
        pass

    def begun(self, begin: int, name: str, upload_id: str) -> None:
        pass

    def completing(self, upload_id: str) -> None:
        pass

    def ended(self, upload_id: str) -> None:
        pass

    def unsure(self, upload_id: str) -> None:
        pass

    def expires(self, expiry: Expiry) -> None:
        pass

    def manifest_written(self) -> None:
        pass

    def may_hold_manifests(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Overwrite:
    """What may be in the way: ``if_absent``, nothing; ``if_match``, exactly this ETag; neither, anything.

    A bucket that cannot promise either is written to without a condition.
    """

    if_absent: bool = False
    if_match: str | None = None

    def for_bucket(self, bucket: Bucket) -> Overwrite:
        """What of it this bucket can promise."""
        features = bucket.features
        return Overwrite(
            if_absent=self.if_absent and features.put_if_absent,
            if_match=self.if_match if features.put_if_match else None,
        )


@dataclass(frozen=True, slots=True)
class Sending:
    """``parts``: where the parts of large objects are sent; its size bounds how many at a time, over all
    objects. ``count`` is told the bytes read from Swift, as they are read. ``fits``: whether an object of so
    many bytes may be sent here and now."""

    bucket: Bucket
    count: Callable[[int], None]
    parts: Pool = field(default_factory=SerialPool)
    ledger: Ledger = field(default_factory=NoLedger)
    fits: Callable[[int], bool] = lambda size: True

    def ensure_inline(self, size: int) -> None:
        """Raise Deferred for what has to wait for other means."""
        if not self.fits(size):
            raise Deferred(f"{size} bytes wait for a place in the lane of large objects", size)


@dataclass(slots=True)
class Upload:
    """An open multipart upload. ``unsure``: the store was asked to complete it, and has not answered."""

    sending: Sending
    name: str
    upload_id: str
    unsure: bool = False

    def complete(self, parts: Sequence[Part], condition: Overwrite) -> None:
        """Raises any RemoteError. One that was repeated may be underway although the last answer is a no."""
        self.sending.ledger.completing(self.upload_id)
        self.unsure = True
        try:
            self.sending.bucket.complete_upload(
                self.name, self.upload_id, parts, condition.if_match, condition.if_absent
            )
        except Exception as error:
            self.unsure = isinstance(error, RemoteUnavailable | Throttled)
            raise
        self.unsure = False


@contextmanager
def open_upload(sending: Sending, name: str, meta: ObjectMeta) -> Iterator[Upload]:
    """Begin a multipart upload, which the caller completes inside the ``with`` block.

    However the block fails, the upload is aborted; but not while the store may still be completing it, for
    not every store keeps the two apart: Swift's S3 API makes an object then whose parts are gone. That stays
    in the ledger, as does an abort that fails itself.
    """
    bucket, ledger = sending.bucket, sending.ledger
    begin, upload_id = _begin(sending, name, meta)
    upload = Upload(sending, name, upload_id)
    done = False
    try:
        ledger.begun(begin, name, upload_id)
        yield upload
        done = True
    finally:
        if upload.unsure:
            log.warning("whether upload %s of %s is complete is not known", upload_id, name)
            ledger.unsure(upload_id)
        elif done or _aborted(bucket, name, upload_id):
            ledger.ended(upload_id)


def _begin(sending: Sending, name: str, meta: ObjectMeta) -> tuple[int, str]:
    """Wrappers do not repeat this request: one that was not answered may have opened an upload all the same,
    so that each has an entry of its own in the ledger."""
    for tries_left in range(BEGIN_TRIES - 1, -1, -1):
        begin = sending.ledger.begins(name)
        try:
            return begin, sending.bucket.create_upload(name, meta)
        except RemoteError as error:
            if not error.transient:  # else it may be open without our knowing
                sending.ledger.not_begun(begin)
            if not error.transient or not tries_left:
                raise
    raise AssertionError("not reached")


def _aborted(bucket: Bucket, name: str, upload_id: str) -> bool:
    """Must not hide the error that led here."""
    try:
        bucket.abort_upload(name, upload_id)
    except RemoteError as error:
        log.warning("upload %s of %s could not be aborted: %s", upload_id, name, error)
        return False
    return True
