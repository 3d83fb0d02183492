"""The large objects of a whole account, for mappings that move all of its containers.

A segment may lie in a different container than its manifest. So an object may be moved only after a scan of
the account that began after the object was written, and not long ago. Scans run on demand, and at long
intervals on accounts where they take long.
"""

from __future__ import annotations

from collections.abc import Iterator

from s3_sync.cluster.accounts import AccountNames
from s3_sync.errors import SyncError
from s3_sync.runtime.concurrency import Clock
from s3_sync.runtime.turn import Turn

#: how long a scan stays valid: at least, and as a multiple of its duration; in seconds
SCAN_TTL, SCAN_TTL_FACTOR = 3600.0, 20.0
#: the pause after a scan: at least, and as a multiple of its duration; in seconds
SCAN_REST, SCAN_REST_FACTOR = 60.0, 10.0
#: shortest delay, in seconds, before a row that waits for a scan is tried again
RETRY_DELAY = 5.0


class AccountSegmentIndex:
    """The index of one account, shared by the crawls of its containers. Only one thread calls ``advance``."""

    def __init__(self, names: AccountNames, clock: Clock) -> None:
        self._names = names
        self._now = clock.now
        self._scan: Iterator[None] | None = None
        self._requested = True
        self._next, self._rest = float("-inf"), 0.0
        self._started = 0.0
        self._ttl = SCAN_TTL
        #: whether the last scan failed
        self.failing = False
        #: whose sweep scans the account for segments to delete
        self.sweep_turn = Turn(clock.now)

    @property
    def known(self) -> bool:
        """Whether a scan has been completed."""
        return self._names.seen_until > float("-inf")

    @property
    def versioned(self) -> frozenset[str]:
        """Containers with versioning, and those that hold versions of others."""
        return self._names.versioned

    def is_segment(self, container: str, name: str) -> bool:
        """Whether a large object of the account is known to include this object."""
        return self._names.has(container, name)

    def is_current_for(self, written: float) -> bool:
        """Whether the last scan covers an object last changed at ``written``. If not, a scan is requested."""
        seen, now = self._names.seen_until, self._now()
        if written < seen <= now <= seen + self._ttl:
            return True
        self._requested = True
        return False

    def retry_at(self) -> float:
        """When to call ``is_current_for`` again after it returned False."""
        now = self._now()
        return max(min(self._next, now + self._rest), now + RETRY_DELAY)

    def advance(self, seconds: float) -> bool:
        """Continue a scan that is due for this many seconds. Returns whether there is more to do right away.
        Raises SyncError; the scan is repeated later."""
        if self._scan is None:
            # a clock that was set back must not prolong the pause
            if not self._requested or 0 < self._next - self._now() <= self._rest:
                return False
            self._started, self._requested = self._now(), False
            self._scan = self._names.walk(self._started)
        until = self._now() + seconds
        try:
            for _ in self._scan:
                if not 0 <= until - self._now() <= seconds:
                    return True
        except SyncError:
            self._requested = self.failing = True
            self._end()
            raise
        self.failing = False
        self._end()
        return False

    def _end(self) -> None:
        took = max(0.0, self._now() - self._started)
        self._scan = None
        self._rest = max(SCAN_REST, SCAN_REST_FACTOR * took)
        self._next = self._now() + self._rest
        self._ttl = max(SCAN_TTL, SCAN_TTL_FACTOR * took)
