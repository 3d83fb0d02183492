"""A lock among all proxy workers, held in Swift's memcache."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from swift.common.exceptions import Timeout
from swift.common.memcached import MemcacheConnectionError

#: seconds until the lock expires, in case its holder died
_EXPIRES_AFTER = 300
_ERRORS = (MemcacheConnectionError, OSError, ValueError, Timeout)


class MemcacheLock:
    """A context manager: ``acquired`` is True for the first worker that enters, until it leaves.

    Without memcache, or when it does not respond, every worker acquires the lock, and the work may be done
    twice.
    """

    def __init__(self, environ: Mapping[str, Any], name: str) -> None:
        self._cache = environ.get("swift.cache")
        self._key = f"s3_sync/{name}"
        self.acquired = True

    def __enter__(self) -> MemcacheLock:
        if self._cache is not None:
            try:
                self.acquired = int(self._cache.incr(self._key, time=_EXPIRES_AFTER)) <= 1
            except _ERRORS:
                self._cache = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._cache is not None and self.acquired:
            try:
                self._cache.delete(self._key)
            except _ERRORS:
                return  # it expires
