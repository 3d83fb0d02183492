"""Every error that crosses a module boundary, as one tree.

    SyncError
    |-- ConfigError               the configuration cannot be used; carries every problem found
    |-- UsageError                what was asked for does not make sense
    |-- StateError                a status file or the journal cannot be read or written
    |-- ObjectRefused             the target can never hold this object as it is (``reason`` says why)
    |-- Deferred                  so large that it waits for a place among the large objects
    |-- DeletesHeld               more was deleted than the mapping's budget allows; others have to wait
    |-- LocalError                the local Swift cluster
    |   |-- LocalUnavailable      too few answers to know the truth; try later              (transient)
    |   |-- LocalBehind           the stored copy is newer than all that is known here       (transient)
    |   |-- LocalChanged          the object moved on while we looked; its newer row wins   (transient)
    |   |-- SegmentChanged        a segment is not, or no more, what its manifest says      (transient)
    |   `-- LocalMissing          the object is not there, and that is known
    `-- RemoteError               the remote store
        |-- NotFound              no such object, bucket or upload
        |-- AccessDenied          not allowed to do this
        |   |-- CredentialsRefused  there are none, or unknown, wrong or expired ones
        |   `-- ClockSkewed       our clock, or the store's, is wrong
        |-- PreconditionFailed    If-Match / If-None-Match did not hold
        |-- BadDigest             the bytes that arrived are not the bytes that were promised (transient)
        |-- CopyUnproven          the store does not show the copy as it was sent            (transient)
        |-- Throttled             slow down; ``retry_after`` seconds when the store said so   (transient)
        |-- RemoteUnavailable     5xx, refused or broken connection, time-out                 (transient)
        |   `-- UnexpectedAnswer  an answer that is not the store's, or not to this question  (transient)
        |-- NotSupported          this store does not have that operation
        |-- Archived              the bytes are in a cold storage class and cannot be read now
        `-- InvalidRequest        any other refusal
            `-- ListingUnusable   the answer to a LIST is no listing, or not one in order

Retrying looks at ``transient`` only. A provider translates its SDK's exceptions into this tree in one
place, its ``errors`` module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class SyncError(Exception):
    """Base of everything below. ``transient``: the same call may succeed later, unchanged."""

    transient = False
    #: short machine-readable word used in the journal, in metrics and in reports
    reason = "error"


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a configuration: where (``containers[3].copy_after``) and what."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class ConfigError(SyncError):
    """The configuration cannot be used. ``problems`` lists everything that is wrong with it."""

    reason = "config"

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class UsageError(SyncError):
    """What the operator asked for does not make sense here."""

    reason = "usage"


class StateError(SyncError):
    """A status file or the journal cannot be read or written."""

    reason = "state"


class ObjectRefused(SyncError):
    """The target can never hold this object as it is; retried only when it changes, or on reset."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Deferred(SyncError):
    """The object is so large, or is in the lane of such objects already, that others must not wait for it.

    ``size``: its bytes; 0 where only the row knows.
    """

    transient = True
    reason = "large"

    def __init__(self, detail: str, size: int = 0) -> None:
        super().__init__(detail)
        self.size = size


class DeletesHeld(SyncError):
    """Until the next interval, or until an operator says so."""

    transient = True
    reason = "delete_budget"


class LocalError(SyncError):
    """Reading the local Swift cluster failed."""

    reason = "local"


class LocalUnavailable(LocalError):
    """Too few object servers answered to know the newest state."""

    transient = True
    reason = "local_unavailable"


class LocalBehind(LocalError):
    """The stored copy is of a newer version than any that the servers of the object know of.

    Either some of them have an old truth, or the newer one was forgotten or lost. What is stored stays.
    """

    transient = True
    reason = "local_behind"


class LocalChanged(LocalError):
    """The object changed between two looks at it."""

    transient = True
    reason = "local_changed"


class SegmentChanged(LocalError):
    """A segment of a large object is missing, or has other bytes than its manifest says."""

    transient = True
    reason = "segment_changed"


class LocalMissing(LocalError):
    """The object is gone, by the word of every server that could have it."""

    reason = "local_missing"


class RemoteError(SyncError):
    """The remote store refused or failed a request.

    ``status`` is the HTTP status (0 when there was no answer), ``code`` the store's own error code.
    Messages never hold credentials.
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
    """There is no such object, bucket or upload (``code`` tells which, where the store says so)."""

    reason = "remote_not_found"


class AccessDenied(RemoteError):
    """The credentials may not do this; where the store says more, it is one of those below."""

    reason = "remote_denied"


class CredentialsRefused(AccessDenied):
    """The store does not know who we are: whatever else we ask, it will say the same."""

    reason = "remote_credentials"


class ClockSkewed(AccessDenied):
    """A signature's time is too far from the store's, so that it refuses all of them."""

    reason = "remote_clock"


class PreconditionFailed(RemoteError):
    """If-Match or If-None-Match did not hold: somebody else wrote the key."""

    reason = "remote_precondition"


class BadDigest(RemoteError):
    """The store, or our own check of its answer, found other bytes than were promised."""

    transient = True
    reason = "bad_digest"


class CopyUnproven(RemoteError):
    """After everything was sent, the store shows no copy, or another one than it should."""

    transient = True
    reason = "copy_unproven"


class Throttled(RemoteError):
    """429, SlowDown, or a 503 that asks for patience."""

    transient = True
    reason = "remote_throttled"


class RemoteUnavailable(RemoteError):
    """5xx, no connection, a broken one, or a time-out."""

    transient = True
    reason = "remote_unavailable"


class UnexpectedAnswer(RemoteUnavailable):
    """What came back is not this store's answer to this request: a portal's page, another document, an answer
    without what the protocol requires, a redirect. Whether anything was done is not known."""

    reason = "remote_answer"


class NotSupported(RemoteError):
    """The store does not have this operation."""

    reason = "remote_not_supported"


class Archived(RemoteError):
    """The object is in an archive storage class: it must be restored there before it can be read."""

    reason = "remote_archived"


class InvalidRequest(RemoteError):
    """The store refused the request for a reason that a repetition will not change."""

    reason = "remote_refused"


class ListingUnusable(InvalidRequest):
    """What the store answers to a LIST cannot be believed: another document, out of order, or incomplete."""

    reason = "remote_listing"
