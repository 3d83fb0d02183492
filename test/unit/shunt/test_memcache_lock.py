"""One of many, if they can hear each other."""

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


def test_the_first_one(environ: dict[str, Any]) -> None:
    with MemcacheLock(environ, "a") as first, MemcacheLock(environ, "b") as other:
        assert first.acquired
        assert other.acquired
        for _ in range(3):
            with MemcacheLock(environ, "a") as late:
                assert not late.acquired
    with MemcacheLock(environ, "a") as again:
        assert again.acquired


def test_it_ends_with_an_error(environ: dict[str, Any]) -> None:
    with pytest.raises(KeyError), MemcacheLock(environ, "a"):
        raise KeyError
    with MemcacheLock(environ, "a") as again:
        assert again.acquired


@pytest.mark.parametrize("broken", [True, False])
def test_nobody_to_ask(environ: dict[str, Any], broken: bool) -> None:
    environ["swift.cache"].broken = broken
    found = environ if broken else {}
    with MemcacheLock(found, "a") as first, MemcacheLock(found, "a") as second:
        assert first.acquired
        assert second.acquired


def test_a_cache_that_breaks_in_between(environ: dict[str, Any]) -> None:
    with MemcacheLock(environ, "a") as first:
        environ["swift.cache"].broken = True
    assert first.acquired
