"""Repeats what failed in passing: a small number of times, and only where it can help."""

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
from s3_sync.providers.base import Provider, WriteOptions
from s3_sync.providers.wrappers.delegate import DelegatingBucket, DelegatingProvider
from s3_sync.streams.reader import Body

_PLAIN = WriteOptions()
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """``attempts``: calls in all, the first one included. Seconds otherwise.

    Before repetition n (from 1) it waits a random time between 0 and ``base`` * 2**(n-1), at most
    ``longest``; and at least as long as the store asked for. A store that asks for more than ``patience``
    is not asked again: that is for the caller, who has more time than a worker.
    """

    attempts: int = 4
    base: float = 0.5
    longest: float = 8.0
    patience: float = 30.0
    sleep: Callable[[float], None] = time.sleep
    #: a number between 0 and 1
    random: Callable[[], float] = random.random

    def call(self, function: Callable[[], _Result], body: Body | None = None) -> _Result:
        """The result of ``function``, which reads ``body``; or its last error.

        What a body raises on its own account is not repeated (only RemoteErrors are), nor is a write whose
        body cannot be rewound. Reading what a GET opened is up to the reader.
        """
        for attempt in range(1, self.attempts):
            try:
                return function()
            except RemoteError as error:
                if not error.transient or (error.retry_after or 0.0) > self.patience:
                    raise
                if body is not None and not _rewound(body):
                    raise
                self.sleep(max(error.retry_after or 0.0, self._delay(attempt)))
        return function()

    def _delay(self, attempt: int) -> float:
        return self.random() * min(self.longest, self.base * 2.0 ** (attempt - 1))


class RetriedBucket(DelegatingBucket):
    """A bucket whose requests are repeated, but for the one that would do twice what it does."""

    def create_upload(self, name: str, meta: ObjectMeta) -> str:
        """Once: an answer that was lost leaves an upload open, which only the caller's ledger knows of."""
        return self._bucket.create_upload(name, meta)


class RetriedProvider(DelegatingProvider):
    """A provider whose requests, and whose buckets' requests, are repeated."""

    def __init__(self, provider: Provider, policy: RetryPolicy) -> None:
        super().__init__(provider, policy.call)

    def bucket(self, name: str, namer: KeyNamer, write: WriteOptions = _PLAIN) -> RetriedBucket:
        return RetriedBucket(self._provider.bucket(name, namer, write), self._call)


def _rewound(body: Body) -> bool:
    try:
        body.rewind()
    except io.UnsupportedOperation:
        return False
    return True
