"""Keeps a remote store that is slow or dead from taking its caller along.

At most so many operations at a time, reading included, which containers share so that none of them can have
all; whoever waits too long for a place is turned away; a breaker turns everybody away while the store does
not answer. Nothing is repeated here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import TypeVar

from s3_sync.errors import RemoteError, RemoteUnavailable
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import GetOptions
from s3_sync.providers.base import Bucket, GetResult, Provider, WriteOptions
from s3_sync.providers.wrappers.circuit_breaker import Breaker, BreakerPolicy, State
from s3_sync.providers.wrappers.delegate import DelegatingBucket, DelegatingProvider
from s3_sync.providers.wrappers.places import Places
from s3_sync.streams.reader import Body

#: codes of errors about requests that were not made
BUSY = "Busy"
CIRCUIT_OPEN = "LeftAlone"
#: statuses of errors that are no answer of the store: none at all, 502 Bad Gateway and 504 Gateway Timeout
_NO_ANSWER = frozenset({0, 502, 504})
#: seconds between two reads of a body, after which a store may have given its reader up
_AWAY = 5.0
#: who holds the places of requests that are about no container
_ACCOUNT = "the account"
_Result = TypeVar("_Result")
_WHOLE = GetOptions()
_PLAIN = WriteOptions()


@dataclass(frozen=True, slots=True)
class GuardPolicy:
    """``places``: operations at a time, open reads among them. ``wait``: seconds until one who waits for a
    place gives up."""

    places: int = 64
    wait: float = 5.0
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)


class BulkheadListener:
    """What a guard tells; this one does not care."""

    def answered(self, seconds: float, error: RemoteError | None) -> None:
        """An operation ended, or an open read began, after so long."""

    def changed(self, state: State) -> None:
        """The breaker's new state."""


class Bulkhead:
    """One for each remote account. ``call`` makes a request; ``enter`` and ``leave`` bracket a read. Each is
    for a ``holder``: a container, by the place that its keys have in the store."""

    def __init__(
        self,
        name: str,
        policy: GuardPolicy,
        watcher: BulkheadListener | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._policy = policy
        self._watcher = watcher or BulkheadListener()
        self._places = Places(policy.places)
        self.breaker = Breaker(policy.breaker, self._watcher.changed, now)
        self.now = now

    def call(
        self, function: Callable[[], _Result], body: Body | None = None, holder: str = _ACCOUNT
    ) -> _Result:
        """Its result. Raises RemoteUnavailable instead of calling it when the store is to be left alone."""
        self.enter(holder)
        try:
            return self.timed(function)
        finally:
            self.leave(holder)

    def enter(self, holder: str) -> None:
        self._check()
        places = self._places
        if not places.take(holder, self._policy.wait):
            message = (
                f"{self._name} is busy: {places.total - places.free} of {places.total} requests to it"
                f" (remote_connections) are under way, {places.held(holder)} of them for {holder}"
            )
            raise RemoteUnavailable(message, code=BUSY, retry_after=self._policy.wait)

    def leave(self, holder: str) -> None:
        self._places.give_back(holder)

    def timed(self, function: Callable[[], _Result]) -> _Result:
        """Run it in the place that was entered."""
        if not self.breaker.admits():  # things may have changed while we waited
            raise self._refusal()
        started = self.now()
        try:
            result = function()
        except RemoteError as error:
            self.failed(error)
            self._watcher.answered(self.now() - started, error)
            raise
        except BaseException:
            self.breaker.failed()  # killed while it waited, perhaps: a trial may not stay open for ever
            raise
        self.breaker.succeeded()
        self._watcher.answered(self.now() - started, None)
        return result

    def failed(self, error: RemoteError) -> None:
        """A store that refuses, asks for patience or fails with one object does answer: else whoever asks for
        that object again and again would keep all others from the store. What a gateway says of a store that
        does not answer it is no answer."""
        if isinstance(error, RemoteUnavailable) and error.status in _NO_ANSWER:
            self.breaker.failed()
        else:
            self.breaker.succeeded()

    def _check(self) -> None:
        if self.breaker.state != "closed" and self.breaker.remaining > 0:
            raise self._refusal()

    def _refusal(self) -> RemoteUnavailable:
        wait = self.breaker.remaining
        message = f"{self._name} did not answer lately; next try in {wait:.0f} s"
        return RemoteUnavailable(message, code=CIRCUIT_OPEN, retry_after=wait)


class _Reading:
    """An open read that keeps its place until it is closed."""

    def __init__(self, result: GetResult, guard: Bulkhead, holder: str) -> None:
        self.info = result.info
        self.byte_range = result.byte_range
        self.body: Body = _WatchedBody(result.body, guard)
        self._result = result
        self._guard = guard
        self._holder = holder
        self._open = True

    def __enter__(self) -> _Reading:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open:
            self._open = False
            try:
                self._result.__exit__(kind, error, trace)
            finally:
                self._guard.leave(self._holder)


class _WatchedBody:
    """Who takes his time may find that the store has given him up: that says nothing about the store, else
    slow readers of one container would open the breaker for all."""

    def __init__(self, body: Body, guard: Bulkhead) -> None:
        self.length = body.length
        self._body = body
        self._guard = guard
        self._read_at = guard.now()

    def read(self, size: int = -1) -> bytes:
        was_away = self._guard.now() - self._read_at > _AWAY
        try:
            return self._body.read(size)
        except RemoteError as error:
            if not was_away:
                self._guard.failed(error)
            raise
        finally:
            self._read_at = self._guard.now()

    def rewind(self) -> None:
        self._body.rewind()

    def close(self) -> None:
        self._body.close()


class GuardedBucket(DelegatingBucket):
    """A bucket whose requests go through a guard. No two containers have keys with one prefix."""

    def __init__(self, bucket: Bucket, guard: Bulkhead) -> None:
        holder = f"{bucket.name}/{bucket.namer.prefix}"

        def call(function: Callable[[], _Result], body: Body | None = None) -> _Result:
            return guard.call(function, body, holder)

        super().__init__(bucket, call)
        self._guard = guard
        self._holder = holder

    def get_object(self, name: str, options: GetOptions = _WHOLE) -> GetResult:
        self._guard.enter(self._holder)
        try:
            result = self._guard.timed(lambda: self._bucket.get_object(name, options))
            return _Reading(result, self._guard, self._holder)
        except BaseException:
            self._guard.leave(self._holder)
            raise


class GuardedProvider(DelegatingProvider):
    """A provider whose requests, and whose buckets' requests, go through one guard."""

    def __init__(self, provider: Provider, guard: Bulkhead) -> None:
        super().__init__(provider, guard.call)
        self._guard = guard

    def bucket(self, name: str, namer: KeyNamer, write: WriteOptions = _PLAIN) -> GuardedBucket:
        return GuardedBucket(self._provider.bucket(name, namer, write), self._guard)
