"""Every error that crosses a module boundary, as one tree.

    SyncError
    |-- ConfigError               the configuration is invalid; carries every problem found
    |-- UsageError                invalid arguments or an impossible request from the operator
    |-- StateError                a status file or the journal cannot be read or written
    |-- ObjectRefused             the target can never hold this object as it is (see ``reason``)
    |-- Deferred                  waits for a place in the lane of large objects       (transient)
    |-- DeletesHeld               the delete budget is used up; further deletes wait         (transient)
    |-- TargetIsSource            a mapping copies a container into itself
    |-- LocalError                the local Swift cluster
    |   |-- LocalUnavailable      too few answers to determine the newest state              (transient)
    |   |-- LocalBehind           the stored copy is newer than every known local state      (transient)
    |   |-- LocalChanged          the object changed during the operation; its newer row wins  (transient)
    |   |-- SegmentChanged        a segment is missing or does not match its manifest        (transient)
    |   `-- LocalMissing          the object does not exist; all servers confirmed it
    `-- RemoteError               the remote store
        |-- NotFound              no such object, bucket or upload
        |-- AccessDenied          the credentials do not permit the operation
        |   |-- CredentialsRefused  no credentials, or unknown, wrong or expired ones
        |   |-- ClockSkewed       the local clock or the store's is wrong
        |   `-- QuotaExceeded     the store, the account or the bucket is full
        |-- PreconditionFailed    If-Match / If-None-Match did not hold
        |-- BadDigest             the received bytes do not match their digest               (transient)
        |-- CopyUnproven          the store does not show the copy as it was sent            (transient)
        |-- Throttled             rate limited; ``retry_after`` in seconds if the store sent it  (transient)
        |-- RemoteUnavailable     5xx, refused or broken connection, timeout                 (transient)
        |   `-- UnexpectedAnswer  a response from something else, or to another request      (transient)
        |-- NotSupported          the store does not implement the operation
        |-- Archived              the bytes are in a cold storage class and cannot be read now
        |-- ObjectLocked          a retention period or a legal hold at the store protects the object
        |-- LinkTargetMissing     the target of a static link is not stored with the ETag that it names
        `-- InvalidRequest        any other refusal
            `-- ListingUnusable   the response to a LIST is not a listing, or is out of order

The retry wrapper looks at ``transient`` only. Each provider translates its SDK's exceptions into this tree
in one place, its ``errors`` module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class SyncError(Exception):
    """Base class of the tree. ``transient``: the same call may succeed later, unchanged."""

    transient = False
    #: short machine-readable code used in the journal, in metrics and in reports
    reason = "error"


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a configuration: where (``containers[3].copy_after``) and what."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class ConfigError(SyncError):
    """The configuration is invalid. ``problems`` lists every problem found."""

    reason = "config"

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class UsageError(SyncError):
    """The operator's request is invalid or cannot be carried out here."""

    reason = "usage"


class StateError(SyncError):
    """A status file or the journal cannot be read or written."""

    reason = "state"


class ObjectRefused(SyncError):
    """The target can never hold this object as it is; retried only after a change or a reset."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Deferred(SyncError):
    """The object belongs in the lane of large objects, or is there already, so the batch goes on without it.

    ``size``: in bytes; 0 if only the row has it.
    """

    transient = True
    reason = "large"

    def __init__(self, detail: str, size: int = 0) -> None:
        super().__init__(detail)
        self.size = size


class DeletesHeld(SyncError):
    """The delete budget is used up: deletes wait for the next interval or for the operator's permission."""

    transient = True
    reason = "delete_budget"


class TargetIsSource(SyncError):
    """The remote object is the local one: only another configuration helps."""

    reason = "target_is_source"


class LocalError(SyncError):
    """Reading the local Swift cluster failed."""

    reason = "local"


class LocalUnavailable(LocalError):
    """Too few object servers answered to determine the newest state."""

    transient = True
    reason = "local_unavailable"


class LocalBehind(LocalError):
    """The stored copy is newer than any version that the object servers have.

    Either some servers are stale, or the newer version was reclaimed or lost. The stored copy is kept.
    """

    transient = True
    reason = "local_behind"


class LocalChanged(LocalError):
    """The object changed between two requests for it."""

    transient = True
    reason = "local_changed"


class SegmentChanged(LocalError):
    """A segment of a large object is missing or does not match its manifest."""

    transient = True
    reason = "segment_changed"


class LocalMissing(LocalError):
    """The object does not exist, as every server that could have it confirmed."""

    reason = "local_missing"


class RemoteError(SyncError):
    """The remote store refused or failed a request.

    ``status`` is the HTTP status (0 if there was no response), ``code`` the store's own error code.
    Messages never contain credentials.
    """

    reason = "remote"

    def __init__(
        self, message: str, *, status: int = 0, code: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = retry_after


class NotFound(RemoteError):
    """There is no such object, bucket or upload (``code`` says which if the store reports it)."""

    reason = "remote_not_found"


class AccessDenied(RemoteError):
    """The credentials do not permit the operation; the subclasses carry what else the store reports."""

    reason = "remote_denied"


class CredentialsRefused(AccessDenied):
    """The store does not accept the credentials, so every other request would fail in the same way."""

    reason = "remote_credentials"


class QuotaExceeded(AccessDenied):
    """The store, the account or the bucket is full: other writes may fail in the same way, deletes do not."""

    reason = "quota_exceeded"


class ClockSkewed(AccessDenied):
    """The signature's time is too far from the store's clock, so the store refuses every request."""

    reason = "remote_clock"


class PreconditionFailed(RemoteError):
    """If-Match or If-None-Match did not hold: another client wrote the key."""

    reason = "remote_precondition"


class BadDigest(RemoteError):
    """The store, or the check of its response, found bytes that do not match their digest."""

    transient = True
    reason = "bad_digest"


class CopyUnproven(RemoteError):
    """After a complete upload the store shows no copy, or a different one."""

    transient = True
    reason = "copy_unproven"


class Throttled(RemoteError):
    """429, SlowDown, or a 503 that asks the client to slow down."""

    transient = True
    reason = "remote_throttled"


class RemoteUnavailable(RemoteError):
    """5xx, no connection, a broken connection, or a timeout."""

    transient = True
    reason = "remote_unavailable"


class UnexpectedAnswer(RemoteUnavailable):
    """The response is not this store's to this request: a portal's page, another document, a response
    without a required element, a redirect. Whether the request took effect is unknown."""

    reason = "remote_answer"


class NotSupported(RemoteError):
    """The store does not implement this operation."""

    reason = "remote_not_supported"


class Archived(RemoteError):
    """The object is in an archive storage class: the store must retrieve it before it can be read."""

    reason = "remote_archived"


class ObjectLocked(RemoteError):
    """The store must not change or delete the object, because of a retention period, a legal hold, or a rule
    of the bucket. Only time, or whoever set the lock, ends that."""

    reason = "object_locked"


class LinkTargetMissing(RemoteError):
    """The store takes a static link only if its target is there, with the ETag to which the link is bound:
    most likely it has not been copied yet."""

    reason = "symlink_target_missing"


class InvalidRequest(RemoteError):
    """The store refused the request for a reason that a retry will not change."""

    reason = "remote_refused"


class ListingUnusable(InvalidRequest):
    """The response to a LIST is unusable: another document, out of order, or incomplete."""

    reason = "remote_listing"
