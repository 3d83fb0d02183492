"""The proxy's cache, as every real proxy has one: a filter for its pipeline, in place of memcached.

Without it each request to an object is preceded by one to its account and one to its container, which is
half of what it costs. What is not there is not remembered, so that what somebody else makes is seen at once;
what the proxy itself changes, it forgets.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import Any

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Cache:
    """As much of `swift.common.memcached.MemcacheRing` as the proxy and its filters use."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, str]] = {}

    def get(self, key: str, **_: Any) -> Any:
        until, value = self._kept.get(key, (0.0, ""))
        return json.loads(value) if _now() < until else None

    def set(self, key: str, value: Any, time: float = 0, **_: Any) -> None:
        missing = isinstance(value, dict) and value.get("status", 200) // 100 != 2
        if time and not missing:
            self._kept[key] = (_now() + time, json.dumps(value))

    def incr(self, key: str, delta: int = 1, time: float = 0) -> int:
        found = int(self.get(key) or 0) + delta
        self.set(key, found, time)
        return found

    def delete(self, key: str, **_: Any) -> None:
        self._kept.pop(key, None)


def _now() -> float:
    return time.monotonic()


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[App], App]:
    """For paste: `paste.filter_factory = servers.proxy_cache:filter_factory`."""
    cache = Cache()

    def cached(app: App) -> App:
        def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            environ["swift.cache"] = cache
            return app(environ, start_response)

        return call

    return cached
