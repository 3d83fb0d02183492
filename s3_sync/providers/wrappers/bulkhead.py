"""A bulkhead: isolates callers from a slow or dead remote store.

It limits concurrent operations, open reads included, shared so that no container can occupy all places; a
request that waits too long for a place fails; a circuit breaker fails all requests while the store does not
respond. It never retries.
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
from s3_sync.providers.wrappers.circuit_breaker import BreakerPolicy, CircuitBreaker, State
from s3_sync.providers.wrappers.connection_shares import Places
from s3_sync.providers.wrappers.delegate import DelegatingBucket, DelegatingProvider
from s3_sync.streams.reader import Body

#: codes of errors of requests that were not sent
BUSY = "Busy"
CIRCUIT_OPEN = "LeftAlone"
#: statuses of errors without a response from the store: none at all, 502 Bad Gateway, 504 Gateway Timeout
_NO_RESPONSE = frozenset({0, 502, 504})
#: seconds between two reads of a body after which the store may have dropped its slow reader
_SLOW_READER = 5.0
#: holder of the places of requests that concern no container
_ACCOUNT = "the account"
_Result = TypeVar("_Result")
_WHOLE = GetOptions()
_PLAIN = WriteOptions()


@dataclass(frozen=True, slots=True)
class BulkheadPolicy:
    """``places``: maximum of concurrent operations, open reads included. ``wait``: seconds until a request
    that waits for a place fails."""

    places: int = 64
    wait: float = 5.0
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)


class BulkheadListener:
    """Callbacks of a bulkhead; the defaults do nothing."""

    def answered(self, seconds: float, error: RemoteError | None) -> None:
        """Called when an operation has ended, or a read has been opened, with the time it took."""

    def changed(self, state: State) -> None:
        """Called with the new state of the circuit breaker."""


class Bulkhead:
    """The bulkhead of one remote account. ``call`` sends a request; ``enter`` and ``leave`` bracket a read.
    Places are counted per ``holder``: a container, identified by the location of its keys in the store."""

    def __init__(
        self,
        name: str,
        policy: BulkheadPolicy,
        listener: BulkheadListener | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._policy = policy
        self._listener = listener or BulkheadListener()
        self._places = Places(policy.places)
        self.breaker = CircuitBreaker(policy.breaker, self._listener.changed, now)
        self.now = now

    def call(
        self, function: Callable[[], _Result], body: Body | None = None, holder: str = _ACCOUNT
    ) -> _Result:
        """Call ``function`` and return its result. Raises RemoteUnavailable without calling it when no place
        is free in time, or the circuit is open."""
        self.enter(holder)
        try:
            return self.timed(function)
        finally:
            self.leave(holder)

    def enter(self, holder: str) -> None:
        self._check()
        places = self._places
        if not places.acquire(holder, self._policy.wait):
            message = (
                f"{self._name} is busy: {places.total - places.free} of {places.total} requests to it"
                f" (remote_connections) are in flight, {places.held(holder)} of them for {holder}"
            )
            raise RemoteUnavailable(message, code=BUSY, retry_after=self._policy.wait)

    def leave(self, holder: str) -> None:
        self._places.release(holder)

    def timed(self, function: Callable[[], _Result]) -> _Result:
        """Call ``function`` in a place that was entered before."""
        if not self.breaker.admits():  # the circuit may have opened while we waited
            raise self._refusal()
        started = self.now()
        try:
            result = function()
        except RemoteError as error:
            self.failed(error)
            self._listener.answered(self.now() - started, error)
            raise
        except BaseException:
            self.breaker.failed()  # perhaps killed while it waited: a trial must not stay open for ever
            raise
        self.breaker.succeeded()
        self._listener.answered(self.now() - started, None)
        return result

    def failed(self, error: RemoteError) -> None:
        """Report an error to the breaker. A store that refuses, throttles or fails for one object does
        respond: otherwise repeated requests for that object would cut off all others. A gateway's error about
        a store that does not respond counts as a failure."""
        if isinstance(error, RemoteUnavailable) and error.status in _NO_RESPONSE:
            self.breaker.failed()
        else:
            self.breaker.succeeded()

    def _check(self) -> None:
        if self.breaker.state != "closed" and self.breaker.remaining > 0:
            raise self._refusal()

    def _refusal(self) -> RemoteUnavailable:
        wait = self.breaker.remaining
        message = f"{self._name} does not respond (circuit breaker open); next attempt in {wait:.0f} s"
        return RemoteUnavailable(message, code=CIRCUIT_OPEN, retry_after=wait)


class _GuardedResult:
    """An open read that holds its place until it is closed."""

    def __init__(self, result: GetResult, guard: Bulkhead, holder: str) -> None:
        self.info = result.info
        self.byte_range = result.byte_range
        self.body: Body = _GuardedBody(result.body, guard)
        self._result = result
        self._guard = guard
        self._holder = holder
        self._open = True

    def close(self) -> None:
        if self._open:
            self._open = False
            try:
                self._result.close()
            finally:
                self._guard.leave(self._holder)

    def __enter__(self) -> _GuardedResult:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _GuardedBody:
    """Reports read errors to the breaker, except those of a slow reader, whose connection the store may have
    dropped: otherwise slow readers of one container would open the circuit for all."""

    def __init__(self, body: Body, guard: Bulkhead) -> None:
        self.length = body.length
        self._body = body
        self._guard = guard
        self._read_at = guard.now()

    def read(self, size: int = -1) -> bytes:
        was_slow = self._guard.now() - self._read_at > _SLOW_READER
        try:
            return self._body.read(size)
        except RemoteError as error:
            if not was_slow:
                self._guard.failed(error)
            raise
        finally:
            self._read_at = self._guard.now()

    def rewind(self) -> None:
        self._body.rewind()

    def close(self) -> None:
        self._body.close()


class BulkheadBucket(DelegatingBucket):
    """A bucket whose requests go through a bulkhead. No two containers share a key prefix."""

    def __init__(self, bucket: Bucket, guard: Bulkhead) -> None:
        holder = f"{bucket.name}/{bucket.namer.prefix}"

        def call(function: Callable[[], _Result], body: Body | None = None) -> _Result:
            return guard.call(function, body, holder)

        super().__init__(bucket, call)
        self._guard = guard
        self._holder = holder

    def _around(self, bucket: Bucket) -> Bucket:
        return BulkheadBucket(bucket, self._guard)

    def get_object(self, name: str, options: GetOptions = _WHOLE) -> GetResult:
        self._guard.enter(self._holder)
        try:
            result = self._guard.timed(lambda: self._bucket.get_object(name, options))
            return _GuardedResult(result, self._guard, self._holder)
        except BaseException:
            self._guard.leave(self._holder)
            raise


class BulkheadProvider(DelegatingProvider):
    """A provider whose requests, and whose buckets' requests, go through one bulkhead."""

    def __init__(self, provider: Provider, guard: Bulkhead) -> None:
        super().__init__(provider, guard.call)
        self._guard = guard

    def bucket(self, name: str, namer: KeyNamer, write: WriteOptions = _PLAIN) -> BulkheadBucket:
        return BulkheadBucket(self._provider.bucket(name, namer, write), self._guard)
