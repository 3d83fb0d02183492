"""As fast as the store lets us: slower for everybody when it asks one of us for patience, and back again.

Stores limit the rate of requests of an account, not of a connection. So what one request is told counts
for all that use the same account. But some limit that of each object, too (Google: one write a second), and
say the same. So a complaint about one name alone slows down requests of that name.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from s3_sync.errors import RemoteError, Throttled
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.base import Bucket, Provider, WriteOptions
from s3_sync.providers.wrappers.delegate import Caller, DelegatingBucket, DelegatingProvider
from s3_sync.streams.reader import Body

log = logging.getLogger("s3-sync")

_Result = TypeVar("_Result")
_PLAIN = WriteOptions()

#: seconds without a complaint after which there is no limit any more
RECOVERY = 20.0
#: what stores count over, in seconds: the effect of a new rate does not show before
PERIOD = 1.0
#: so many requests a second are made in any case
SLOWEST = 2.0
#: nobody waits longer than this for a turn because of the rate, in seconds
LONGEST_WAIT = 10.0
#: a Retry-After counts for so many seconds at most: beyond that, asking once is no harm
MAX_RETRY_AFTER = 3600.0
#: complaints about several objects within so many seconds are about the account
APART = 5.0
#: how long requests of a name wait that alone was complained about, in seconds: first, and at most
OWN_PAUSE, LONGEST_OWN_PAUSE = 1.0, 8.0
#: how much faster than the slowest rate is taken for normal, even where little was asked for so far
USUAL = 10.0


@dataclass(frozen=True, slots=True)
class _Own:
    """What is known of one object: when it was complained about, and when its next request may begin."""

    told: float
    not_before: float
    pause: float

    def is_over(self, now: float) -> bool:
        return now > max(self.told, self.not_before) + APART


class AdaptiveThrottle:
    """The rate at which requests to one account begin. Safe to share between threads.

    Without a complaint there is no limit, and nothing is done but counting. A complaint is 429, 503 or a
    code such as SlowDown. With ``slowest`` = max(SLOWEST, workers / LONGEST_WAIT), so that as many requests
    as there are workers get their turns in LONGEST_WAIT, and ``peak`` = the requests begun in the second
    before the first complaint, or slowest * USUAL if that is more:

        first complaint         rate = max(slowest, requests begun in the second before / 2)
        each one after that     rate = max(slowest, rate / 2), once in a PERIOD at most
        t seconds later         rate + (peak - rate) * t / RECOVERY
        t >= RECOVERY           no limit

    A complaint about a request that is about one object counts for that object only, unless there was one
    about anything else in the APART seconds before. Requests of that name begin OWN_PAUSE later, twice as
    much after each further complaint, LONGEST_OWN_PAUSE at most; or when the store says. APART seconds after
    that, all this is forgotten.

    A request that began less than a PERIOD after the last change does not count: the store had still seen
    the old rate. Where the store said how long to wait (Retry-After), nobody begins anything before; who
    would have to wait for longer than ``patience`` is told so with Throttled, and the store is not asked.

    Whatever the store does: after a complaint the rate is at most half of what brought it, as far as
    ``slowest`` allows, and RECOVERY seconds after the last one, or after the end of its Retry-After, there
    is no limit.
    """

    def __init__(
        self,
        name: str,
        *,
        workers: int,
        patience: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._name = name
        self._slowest = max(SLOWEST, workers / LONGEST_WAIT)
        self._patience = patience
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        #: the second that is counted, requests begun in it, and in the one before
        self._second = 0
        self._begun = 0
        self._before = 0
        #: when the rate was last cut; None = no limit
        self._cut_at: float | None = None
        self._rate = 0.0
        self._peak = 0.0
        #: when the next request may begin, by the rate; and when any may, by the store's own word
        self._next = 0.0
        self._not_before = 0.0
        #: what was complained about lately
        self._own: dict[str, _Own] = {}

    def call(self, function: Callable[[], _Result], body: Body | None = None, about: str = "") -> _Result:
        """The result of ``function``, which makes one request, when it is its turn.

        ``about``: the object that the request is about; empty: none."""
        if self._own:
            self._own_turn(about)
        begun = self._turn()
        try:
            return function()
        except RemoteError as error:
            if isinstance(error, Throttled) or error.status in (429, 503):
                retry_after = error.retry_after or 0.0
                if not self._is_own(about, retry_after):
                    self._slow_down(begun, retry_after)
            raise

    def _own_turn(self, about: str) -> None:
        """Wait for what one object alone has to wait for. Raises Throttled."""
        with self._lock:
            now = self._clock()
            own = self._own.get(about)
            if own is None or own.is_over(now):
                self._own = {name: own for name, own in self._own.items() if not own.is_over(now)}
                return
        wait = own.not_before - now
        if wait > self._patience:
            message = f"{self._name} asked for patience with {about}, {wait:.0f} s more"
            raise Throttled(message, retry_after=wait)
        if wait > 0:
            self._sleep(wait)

    def _is_own(self, about: str, retry_after: float) -> bool:
        """Whether a complaint is about this one object alone; it has to wait then."""
        with self._lock:
            now = self._clock()
            others = {name: own for name, own in self._own.items() if not own.is_over(now)}
            before = others.pop(about, None)
            pause = OWN_PAUSE if before is None else min(LONGEST_OWN_PAUSE, 2 * before.pause)
            alone = about != "" and not others
            until = now + min(max(pause, retry_after), MAX_RETRY_AFTER) if alone else 0.0
            self._own = {**others, about: _Own(now, until, pause)}
            if alone and before is None:
                log.info("%s takes fewer requests for %s: that object waits", self._name, about)
            return alone

    def limit(self) -> float | None:
        """Requests a second that may begin now; None = any number."""
        cut_at = self._cut_at
        if cut_at is None:
            return None
        passed = max(0.0, self._clock() - max(cut_at, self._not_before))
        if passed >= RECOVERY:
            return None
        return self._rate + (self._peak - self._rate) * passed / RECOVERY

    def _turn(self) -> float:
        """Wait for it; returns when it came. Raises Throttled."""
        now = self._clock()
        if self._cut_at is not None:
            while (wait := self._wait(now)) > 0:
                self._sleep(wait)
                now = self._clock()
                if now >= self._not_before:  # nobody has been told to wait longer meanwhile
                    break
        self._count(now)
        return now

    def _wait(self, now: float) -> float:
        """Take the next turn; returns how far away it is."""
        with self._lock:
            if (rate := self.limit()) is None:
                if self._cut_at is not None:
                    self._cut_at = None
                    log.info("%s: as fast as before again", self._name)
                return 0.0
            if (told := self._not_before - now) > self._patience:
                raise Throttled(f"{self._name} asked for patience, {told:.0f} s more", retry_after=told)
            turn = max(now, self._next, self._not_before)
            self._next = turn + 1.0 / rate
            return turn - now

    def _slow_down(self, begun: float, retry_after: float) -> None:
        with self._lock:
            now = self._clock()
            limit = self.limit()
            self._not_before = max(self._not_before, now + min(retry_after, MAX_RETRY_AFTER))
            if limit is not None and self._cut_at is not None and begun <= self._cut_at + PERIOD:
                return
            if limit is None:
                limit = float(max(self._begun, self._before))
                self._peak = max(limit, USUAL * self._slowest)
                log.warning("%s asks for patience; %.0f requests a second so far", self._name, limit)
            self._rate = max(self._slowest, limit / 2)
            self._cut_at = now

    def _count(self, now: float) -> None:
        second = int(now)
        if second != self._second:
            self._before = self._begun if second == self._second + 1 else 0
            self._second, self._begun = second, 0
        self._begun += 1


class PacedBucket(DelegatingBucket):
    """A bucket whose requests begin at a pace."""

    def __init__(self, bucket: Bucket, pace: AdaptiveThrottle) -> None:
        super().__init__(bucket, pace.call)
        self._pace = pace

    def _about(self, name: str) -> Caller:
        return partial(self._pace.call, about=f"{self.name}/{self.namer.key(name)}")


class PacedProvider(DelegatingProvider):
    """A provider whose requests, and whose buckets' requests, begin at one pace."""

    def __init__(self, provider: Provider, pace: AdaptiveThrottle) -> None:
        super().__init__(provider, pace.call)
        self._pace = pace

    def bucket(self, name: str, namer: KeyNamer, write: WriteOptions = _PLAIN) -> PacedBucket:
        return PacedBucket(self._provider.bucket(name, namer, write), self._pace)
