"""Retries transient errors with exponential backoff and jitter."""

from __future__ import annotations

import io
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from s3_sync.errors import RemoteError
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectMeta
from s3_sync.providers.base import MultipartUpload, Provider, WriteOptions
from s3_sync.providers.wrappers.delegate import DelegatingBucket, DelegatingProvider
from s3_sync.streams.reader import Body

_PLAIN = WriteOptions()
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """``attempts``: maximum number of calls, the first one included. Times are seconds.

    Before retry n (from 1) it waits a random time between 0 and ``base`` * 2**(n-1), at most ``max_delay``,
    and at least the store's Retry-After. If that exceeds ``max_retry_after``, the error is raised at once:
    the caller can wait longer than a worker."""

    attempts: int = 4
    base: float = 0.5
    max_delay: float = 8.0
    max_retry_after: float = 30.0
    sleep: Callable[[float], None] = time.sleep
    #: returns a number between 0 and 1
    random: Callable[[], float] = random.random

    def call(self, function: Callable[[], _Result], body: Body | None = None) -> _Result:
        """Call ``function``, which reads ``body``, and return its result or raise its last error.

        Only transient RemoteErrors are retried, not errors that the body raises, nor a write whose body
        cannot be rewound. Errors while the body of a GET is read are left to the reader.
        """
        for attempt in range(1, self.attempts):
            try:
                return function()
            except RemoteError as error:
                if not error.transient or (error.retry_after or 0.0) > self.max_retry_after:
                    raise
                if body is not None and not _rewound(body):
                    raise
                self.sleep(max(error.retry_after or 0.0, self._delay(attempt)))
        return function()

    def _delay(self, attempt: int) -> float:
        return self.random() * min(self.max_delay, self.base * 2.0 ** (attempt - 1))


class RetryingBucket(DelegatingBucket):
    """A bucket whose requests are retried, except for create_upload, which is not idempotent."""

    def create_upload(self, name: str, meta: ObjectMeta) -> MultipartUpload:
        """Not retried: a lost response leaves an upload open, which only the caller's ledger can find."""
        return self._wrapped(self._bucket.create_upload(name, meta))


class RetryingProvider(DelegatingProvider):
    """A provider whose requests, and whose buckets' requests, are retried."""

    def __init__(self, provider: Provider, policy: RetryPolicy) -> None:
        super().__init__(provider, policy.call)

    def bucket(self, name: str, namer: KeyNamer, write: WriteOptions = _PLAIN) -> RetryingBucket:
        return RetryingBucket(self._provider.bucket(name, namer, write), self._call)


def _rewound(body: Body) -> bool:
    try:
        body.rewind()
    except io.UnsupportedOperation:
        return False
    return True
