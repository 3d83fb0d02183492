"""Which of all the proxy workers does a thing that one of them should do."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from swift.common.exceptions import Timeout
from swift.common.memcached import MemcacheConnectionError

#: seconds until somebody else may begin, should the one who claimed it have died
_LONGEST = 300
_ERRORS = (MemcacheConnectionError, OSError, ValueError, Timeout)


class MemcacheLock:
    """A context manager: ``granted`` for the first who asks, until it leaves.

    Workers know of each other through Swift's memcache. Without one, or when it does not answer,
    everybody is granted everything: then the same may be done twice.
    """

    def __init__(self, environ: Mapping[str, Any], name: str) -> None:
        self._cache = environ.get("swift.cache")
        self._key = f"s3_sync/{name}"
        self.granted = True

    def __enter__(self) -> MemcacheLock:
        if self._cache is not None:
            try:
                self.granted = int(self._cache.incr(self._key, time=_LONGEST)) <= 1
            except _ERRORS:
                self._cache = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._cache is not None and self.granted:
            try:
                self._cache.delete(self._key)
            except _ERRORS:
                return  # it ends by itself
