"""What became of a row: the one list of outcomes for code, metrics, statsd and reports."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """Counters add up: scanned is the sum of all of these."""

    COPIED = "copied"  # the bytes were sent
    UPDATED = "updated"  # only metadata was sent
    PRESENT = "present"  # the remote already agreed
    DELETED = "deleted"  # a client's delete was carried out at the remote, or an object expired there
    SKIPPED = "skipped"  # nothing to do, for the reason given
    PENDING = "pending"  # not due yet, or failed in a way that is retried
    FAILED = "failed"  # cannot succeed until something changes: quarantined


@dataclass(frozen=True, slots=True)
class Outcome:
    """``reason``: a short word (always set for SKIPPED, PENDING and FAILED). ``size``: bytes sent, or to be
    sent where the reason is LARGE."""

    kind: Kind
    reason: str = ""
    detail: str = ""
    size: int = 0

    @property
    def settled(self) -> bool:
        """Nothing is left to do for this row."""
        return self.kind not in (Kind.PENDING, Kind.FAILED)


# reasons of SKIPPED
EXCLUDED = "excluded"
CONDITION = "condition"
VANISHED = "vanished"
SUPERSEDED = "superseded"
SEGMENT = "segment"
OWN_TOMBSTONE = "own_tombstone"
DELETE_NOT_PROPAGATED = "delete_not_propagated"
# reason of DELETED when it is not a client's delete
EXPIRED = "expired"
# reason of PENDING of a delete that is more than the mapping's budget allows
HELD = "delete_budget"
# reason of PENDING before copy_after has passed
NOT_DUE = "not_due"
# reason of PENDING in the lane of large objects; counted when it has left the lane
LARGE = "large"
