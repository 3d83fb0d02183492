"""The outcomes of handling a row: the single list for code, metrics, statsd and reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from s3_sync.errors import LinkTargetMissing, ObjectLocked


class Kind(Enum):
    """The outcome counters; scanned is the sum of all of them."""

    COPIED = "copied"  # the bytes were sent
    UPDATED = "updated"  # only metadata was sent
    PRESENT = "present"  # the remote already agreed
    DELETED = "deleted"  # a client's delete was propagated, or the object expired at the remote
    SKIPPED = "skipped"  # nothing to do, for the reason given
    PENDING = "pending"  # not due yet, or failed and will be retried
    FAILED = "failed"  # cannot succeed until the object or the configuration changes: quarantined


@dataclass(frozen=True, slots=True)
class Outcome:
    """``reason``: a short word, always set for SKIPPED, PENDING and FAILED. ``size``: bytes sent, or to be
    sent if the reason is LARGE."""

    kind: Kind
    reason: str = ""
    detail: str = ""
    size: int = 0

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do for this row."""
        return self.kind not in (Kind.PENDING, Kind.FAILED)


#: the remote has the current version
PRESENT = Outcome(Kind.PRESENT)
_DAY = 86400.0
#: reasons of PENDING that end only when somebody ends them, or after days
_LASTING = frozenset({ObjectLocked.reason})
#: reasons of PENDING that mostly end soon, and otherwise never
_SOON_OR_NEVER = frozenset({LinkTargetMissing.reason})


def pause_after(reason: str, attempts: int, backoff: Callable[[int], float]) -> float:
    """Return the seconds until the next try after so many failures, the last one for this reason."""
    pause = backoff(attempts)
    if reason in _SOON_OR_NEVER:
        return min(_DAY, pause * attempts)
    return max(_DAY, pause) if reason in _LASTING else pause


# reasons of SKIPPED
EXCLUDED = "excluded"
CONDITION = "condition"
VANISHED = "vanished"
SUPERSEDED = "superseded"
SEGMENT = "segment"
OWN_TOMBSTONE = "own_tombstone"
OWN_COPY = "own_copy"
LIFETIME_OVER = "lifetime_over"
DELETE_NOT_PROPAGATED = "delete_not_propagated"
# reason of DELETED if it is not a client's delete
EXPIRED = "expired"
# reason of PENDING: the delete exceeds the mapping's delete budget
HELD = "delete_budget"
# reason of PENDING: copy_after has not passed
NOT_DUE = "not_due"
# reason of PENDING: in the lane of large objects; counted when it has left the lane
LARGE = "large"
