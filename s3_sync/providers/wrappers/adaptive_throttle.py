"""An adaptive request rate: reduced when the store throttles us, and raised again after that.

Stores limit the rate of requests per account, not per connection, so a throttled request slows down all
requests to the same account. But some limit each object, too (Google: one write a second), with the same
status. So if only one name is throttled, only requests for that name slow down.
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
from s3_sync.providers.wrappers.delegate import CallWrapper, DelegatingBucket, DelegatingProvider
from s3_sync.streams.reader import Body

log = logging.getLogger("s3-sync")

_Result = TypeVar("_Result")
_PLAIN = WriteOptions()

#: seconds after the last throttled request until the rate is unlimited again
RECOVERY = 20.0
#: seconds over which stores measure: a new rate shows no effect before
PERIOD = 1.0
#: minimum requests per second
MIN_RATE = 2.0
#: seconds that a request waits at most because of the rate
MAX_RATE_WAIT = 10.0
#: upper limit of a Retry-After in seconds: one request after that does no harm
MAX_RETRY_AFTER = 3600.0
#: if several objects are throttled within this many seconds, the account is
OBJECT_WINDOW = 5.0
#: seconds that requests for a throttled object are delayed: initially, and at most
OBJECT_DELAY, MAX_OBJECT_DELAY = 1.0, 8.0
#: minimum peak rate, as a multiple of the lowest rate, even if few requests were sent so far
PEAK_FACTOR = 10.0


@dataclass(frozen=True, slots=True)
class _ThrottledObject:
    """When a request for an object was throttled, and when the next one may start."""

    throttled_at: float
    not_before: float
    delay: float

    def is_over(self, now: float) -> bool:
        return now > max(self.throttled_at, self.not_before) + OBJECT_WINDOW


class AdaptiveThrottle:
    """The rate at which requests to one account start. Thread-safe.

    Until a request is throttled (429, 503, or a code such as SlowDown) there is no limit, and requests are
    only counted. With ``lowest`` = max(MIN_RATE, workers / MAX_RATE_WAIT), so that one request per worker can
    start within MAX_RATE_WAIT, and ``peak`` = the requests started in the second before the first throttled
    one, or lowest * PEAK_FACTOR if that is more:

        first throttled request     rate = max(lowest, requests started in the second before / 2)
        each one after that         rate = max(lowest, rate / 2), at most once per PERIOD
        t seconds later             rate + (peak - rate) * t / RECOVERY
        t >= RECOVERY               no limit

    If the throttled request concerns one object, only that object is slowed down, unless a request for
    anything else was throttled in the OBJECT_WINDOW seconds before. Requests for that object are delayed by
    OBJECT_DELAY, doubled each further time up to MAX_OBJECT_DELAY, or by the store's Retry-After.
    OBJECT_WINDOW seconds after that, the object is forgotten.

    A throttled request that started less than a PERIOD after the last change is ignored: the store still saw
    the old rate. No request starts before the end of a Retry-After; one that would have to wait longer than
    ``max_wait`` raises Throttled instead of being sent.

    Guarantee: after a throttled request the rate is at most half of the one that caused it, but not below
    ``lowest``; RECOVERY seconds after the last one, or after the end of its Retry-After, it is unlimited.
    """

    def __init__(
        self,
        name: str,
        *,
        workers: int,
        max_wait: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._name = name
        self._lowest = max(MIN_RATE, workers / MAX_RATE_WAIT)
        self._max_wait = max_wait
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        #: the current second, requests started in it, and in the one before
        self._second = 0
        self._begun = 0
        self._before = 0
        #: when the rate was last cut; None: no limit
        self._cut_at: float | None = None
        self._rate = 0.0
        self._peak = 0.0
        #: when the next request may start: by the rate, and by the store's Retry-After
        self._next = 0.0
        self._not_before = 0.0
        #: recently throttled objects
        self._objects: dict[str, _ThrottledObject] = {}

    def call(self, function: Callable[[], _Result], body: Body | None = None, about: str = "") -> _Result:
        """Call ``function``, which sends one request, when it may start, and return its result.

        ``about``: the object that the request concerns; empty: none."""
        if self._objects:
            self._wait_for_object(about)
        begun = self._wait_for_turn()
        try:
            return function()
        except RemoteError as error:
            if isinstance(error, Throttled) or error.status in (429, 503):
                retry_after = error.retry_after or 0.0
                if not self._slow_down_object(about, retry_after):
                    self._slow_down(begun, retry_after)
            raise

    def _wait_for_object(self, about: str) -> None:
        """Wait while this object is throttled. Raises Throttled."""
        with self._lock:
            now = self._clock()
            throttled = self._objects.get(about)
            if throttled is None or throttled.is_over(now):
                self._objects = {name: each for name, each in self._objects.items() if not each.is_over(now)}
                return
        wait = throttled.not_before - now
        if wait > self._max_wait:
            message = f"{self._name} throttles requests for {about} for another {wait:.0f} s"
            raise Throttled(message, retry_after=wait)
        if wait > 0:
            self._sleep(wait)

    def _slow_down_object(self, about: str, retry_after: float) -> bool:
        """Delay requests for this object, if it alone is throttled. Returns whether it is."""
        with self._lock:
            now = self._clock()
            others = {name: each for name, each in self._objects.items() if not each.is_over(now)}
            before = others.pop(about, None)
            delay = OBJECT_DELAY if before is None else min(MAX_OBJECT_DELAY, 2 * before.delay)
            alone = about != "" and not others
            until = now + min(max(delay, retry_after), MAX_RETRY_AFTER) if alone else 0.0
            self._objects = {**others, about: _ThrottledObject(now, until, delay)}
            if alone and before is None:
                log.info("%s throttles requests for %s: only that object is delayed", self._name, about)
            return alone

    def limit(self) -> float | None:
        """Requests per second that may start now; None: unlimited."""
        cut_at = self._cut_at
        if cut_at is None:
            return None
        passed = max(0.0, self._clock() - max(cut_at, self._not_before))
        if passed >= RECOVERY:
            return None
        return self._rate + (self._peak - self._rate) * passed / RECOVERY

    def _wait_for_turn(self) -> float:
        """Wait until the request may start, and return that time. Raises Throttled."""
        now = self._clock()
        if self._cut_at is not None:
            while (wait := self._reserve_turn(now)) > 0:
                self._sleep(wait)
                now = self._clock()
                if now >= self._not_before:  # no longer Retry-After has arrived meanwhile
                    break
        self._count(now)
        return now

    def _reserve_turn(self, now: float) -> float:
        """Reserve the next turn. Returns the seconds until it. Raises Throttled."""
        with self._lock:
            if (rate := self.limit()) is None:
                if self._cut_at is not None:
                    self._cut_at = None
                    log.info("%s: requests are no longer throttled", self._name)
                return 0.0
            if (wait := self._not_before - now) > self._max_wait:
                message = f"{self._name} throttles all requests for another {wait:.0f} s"
                raise Throttled(message, retry_after=wait)
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
                self._peak = max(limit, PEAK_FACTOR * self._lowest)
                log.warning("%s throttles requests: slowing down from %.0f per second", self._name, limit)
            self._rate = max(self._lowest, limit / 2)
            self._cut_at = now

    def _count(self, now: float) -> None:
        second = int(now)
        if second != self._second:
            self._before = self._begun if second == self._second + 1 else 0
            self._second, self._begun = second, 0
        self._begun += 1


class ThrottledBucket(DelegatingBucket):
    """A bucket whose requests go through an adaptive throttle."""

    def __init__(self, bucket: Bucket, throttle: AdaptiveThrottle) -> None:
        super().__init__(bucket, throttle.call)
        self._throttle = throttle

    def _around(self, bucket: Bucket) -> Bucket:
        return ThrottledBucket(bucket, self._throttle)

    def _about(self, name: str) -> CallWrapper:
        return partial(self._throttle.call, about=f"{self.name}/{self.namer.key(name)}")


class ThrottledProvider(DelegatingProvider):
    """A provider whose requests, and whose buckets' requests, share one adaptive throttle."""

    def __init__(self, provider: Provider, throttle: AdaptiveThrottle) -> None:
        super().__init__(provider, throttle.call)
        self._throttle = throttle

    def bucket(self, name: str, namer: KeyNamer, write: WriteOptions = _PLAIN) -> ThrottledBucket:
        return ThrottledBucket(self._provider.bucket(name, namer, write), self._throttle)
