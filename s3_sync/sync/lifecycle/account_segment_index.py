"""What is known of the large objects of a whole account, for mappings that move all of its containers.

A segment may lie in any container, and its manifest in any other one. So nothing is moved on the word of its
own container alone: a walk through the account has to have begun after the object was written, and not long
ago. Walks are made when somebody needs one, and far apart on accounts where they take long.
"""

from __future__ import annotations

from collections.abc import Iterator

from s3_sync.cluster.accounts import AccountNames
from s3_sync.errors import SyncError
from s3_sync.runtime.concurrency import Clock

#: for how long a walk is relied on, at least, and how many times as long as it took; in seconds
GOOD_FOR, GOOD_FOR_TIMES = 3600.0, 20.0
#: the same for the time from the end of one to the begin of the next
REST, REST_TIMES = 60.0, 10.0
#: seconds after which a row that waits for a walk is looked at again, at the earliest
ASK_AGAIN = 5.0
#: who sweeps and says nothing for so long, in seconds, has gone
SILENT = 600.0


class AccountSegmentIndex:
    """Of one account; shared by the crawls of its containers. ``run`` is one thread's."""

    def __init__(self, names: AccountNames, clock: Clock) -> None:
        self._names = names
        self._now = clock.now
        self._walk: Iterator[None] | None = None
        self._wanted = True
        self._next, self._rest = float("-inf"), 0.0
        self._begun = 0.0
        self._good_for = GOOD_FOR
        #: whether the last walk came to no end
        self.failing = False
        self._sweeper: object = None
        self._sweeper_seen = 0.0

    @property
    def known(self) -> bool:
        """Whether there has been a whole walk."""
        return self._names.seen_until > float("-inf")

    @property
    def versioned(self) -> frozenset[str]:
        """Containers that keep versions, or hold those of others."""
        return self._names.versioned

    def has(self, container: str, name: str) -> bool:
        """Whether a large object of the account is known to consist of this object, among others."""
        return self._names.has(container, name)

    def may_judge(self, written: float) -> bool:
        """Whether it is known what names an object that was last changed then. If not, that will be found
        out."""
        seen, now = self._names.seen_until, self._now()
        if written < seen <= now <= seen + self._good_for:
            return True
        self._wanted = True
        return False

    def ask_again_at(self) -> float:
        """When there may be an answer for who was refused one."""
        now = self._now()
        return max(min(self._next, now + self._rest), now + ASK_AGAIN)

    def may_sweep(self, who: object) -> bool:
        """Whether it is this one's turn to walk through the account for segments that may go; to be asked
        before every slice of that."""
        now = self._now()
        if self._sweeper not in (None, who) and 0 <= now - self._sweeper_seen <= SILENT:
            return False
        self._sweeper, self._sweeper_seen = who, now
        return True

    def swept(self, who: object) -> None:
        """It is somebody else's turn."""
        if self._sweeper is who:
            self._sweeper = None

    def run(self, seconds: float) -> bool:
        """Walk on for so long, if a walk is due; whether there is more to do right away. Raises SyncError:
        there will be another walk later."""
        if self._walk is None:
            # a clock that was set back must not make it rest for longer
            if not self._wanted or 0 < self._next - self._now() <= self._rest:
                return False
            self._begun, self._wanted = self._now(), False
            self._walk = self._names.walk(self._begun)
        until = self._now() + seconds
        try:
            for _ in self._walk:
                if not 0 <= until - self._now() <= seconds:
                    return True
        except SyncError:
            self._wanted = self.failing = True
            self._end()
            raise
        self.failing = False
        self._end()
        return False

    def _end(self) -> None:
        took = max(0.0, self._now() - self._begun)
        self._walk = None
        self._rest = max(REST, REST_TIMES * took)
        self._next = self._now() + self._rest
        self._good_for = max(GOOD_FOR, GOOD_FOR_TIMES * took)
