"""A lock shared by proxy workers through memcache, without waiting."""

from __future__ import annotations

from typing import Any

import pytest
from swift.common.memcached import MemcacheConnectionError

from s3_sync.shunt.memcache_lock import MemcacheLock


class Cache:
    """What of Swift's memcache client is used."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}
        self.broken = False

    def incr(self, key: str, delta: int = 1, time: int = 0) -> int:
        if self.broken:
            raise MemcacheConnectionError("no server")
        assert time > 0
        self.values[key] = self.values.get(key, 0) + delta
        return self.values[key]

    def delete(self, key: str) -> None:
        if self.broken:
            raise MemcacheConnectionError("no server")
        del self.values[key]


@pytest.fixture
def environ() -> dict[str, Any]:
    return {"swift.cache": Cache()}


def test_lock_of_a_key_is_acquired_once_at_a_time(environ: dict[str, Any]) -> None:
    with MemcacheLock(environ, "a") as first, MemcacheLock(environ, "b") as other:
        assert first.acquired
        assert other.acquired
        for _ in range(3):
            with MemcacheLock(environ, "a") as late:
                assert not late.acquired
    with MemcacheLock(environ, "a") as again:
        assert again.acquired


def test_lock_is_released_after_an_error(environ: dict[str, Any]) -> None:
    with pytest.raises(KeyError), MemcacheLock(environ, "a"):
        raise KeyError
    with MemcacheLock(environ, "a") as again:
        assert again.acquired


@pytest.mark.parametrize("broken", [True, False])
def test_lock_without_a_working_cache_is_always_acquired(environ: dict[str, Any], broken: bool) -> None:
    environ["swift.cache"].broken = broken
    found = environ if broken else {}
    with MemcacheLock(found, "a") as first, MemcacheLock(found, "a") as second:
        assert first.acquired
        assert second.acquired


def test_cache_that_breaks_while_locked_raises_nothing(environ: dict[str, Any]) -> None:
    with MemcacheLock(environ, "a") as first:
        environ["swift.cache"].broken = True
    assert first.acquired
