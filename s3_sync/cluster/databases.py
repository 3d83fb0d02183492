"""All databases on this node with rows of a container: its own, and those of its shards.

A sharded container has its rows in containers of a hidden account, each with its own place in the ring:
mostly on other nodes than the container itself. Only its shard ranges identify them. (Their names begin with
the container's, but so may those of other containers' shards.)
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from s3_sync.cluster.brokers import Brokers, LocalReplica
from s3_sync.cluster.client import Shards
from s3_sync.cluster.database_files import Fingerprint
from s3_sync.errors import LocalError, LocalMissing, LocalUnavailable

log = logging.getLogger("s3-sync")

#: seconds between requests for a container's shards: if it has shards, and if it had none
SHARDED_INTERVAL, UNSHARDED_INTERVAL = 60.0, 300.0
#: limit of such requests per second and process, for containers that had no shards
MAX_REQUESTS_PER_SECOND = 10.0


class ShardSource(Protocol):
    """The part of ``LocalSwift`` that lists the shards of a container. Raises LocalUnavailable."""

    def shards(self, account: str, container: str) -> Shards: ...


@dataclass(slots=True)
class _CachedShards:
    """A cached answer. ``failing``: the last request failed."""

    shards: Shards
    expires_at: float
    failing: bool = False


class LocalDatabases:
    """Shared by all threads of a process.

    A node with an unsharded database of the container knows that there are no shards. Other nodes ask the
    container servers: often if there were shards, else now and then and rate-limited, so that many containers
    do not cause many requests. With ``at_once`` cached answers are not used, and a
    failed request raises.
    """

    def __init__(
        self,
        brokers: Brokers,
        client: ShardSource,
        at_once: bool = False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._brokers = brokers
        self._client = client
        self._at_once = at_once
        self._now = now
        self._cache: dict[tuple[str, str], _CachedShards] = {}
        self._next_request = float("-inf")
        #: fingerprints of databases without shards, by path
        self._unsharded: dict[str, Fingerprint] = {}

    def replicas(self, account: str, container: str) -> list[LocalReplica]:
        """Return the container's replicas, then its shards', then the retiring ones. Raises
        LocalUnavailable."""
        found = self._brokers.replicas(account, container)
        if not self._is_unsharded(found):
            for shard in self._shards((account, container)).places:
                found += self._brokers.replicas(*shard)
        return found + [replace(replica, retiring=True) for replica in found if _is_sharding(replica)]

    def is_here(self, account: str, container: str) -> bool:
        """Return whether a database of the container itself belongs to, or is on, this node. Sends no
        request."""
        return bool(self._brokers.replicas(account, container))

    def is_sharded(self, account: str, container: str) -> bool:
        """Return whether the container has shards, according to the cached answer."""
        cached = self._cache.get((account, container))
        return cached is not None and bool(cached.shards.places)

    def is_versioned(self, account: str, container: str) -> bool:
        """Return whether a sharded container has versions, according to the cached answer."""
        cached = self._cache.get((account, container))
        return cached is not None and cached.shards.versioned

    def _shards(self, place: tuple[str, str]) -> Shards:
        cached, now = self._cache.get(place), self._now()
        if cached is not None and now < cached.expires_at and not self._at_once:
            return cached.shards
        shards = cached.shards if cached else Shards()
        if not shards.places and not self._at_once:
            if now < self._next_request:
                return shards
            self._next_request = now + 1 / MAX_REQUESTS_PER_SECOND
        self._cache[place] = self._request(place, shards, cached is not None and cached.failing)
        return self._cache[place].shards

    def _is_unsharded(self, replicas: list[LocalReplica]) -> bool:
        """Return whether the container is known to have no shards. Handoffs may be outdated."""
        primaries = [replica for replica in replicas if replica.ordinal is not None]
        return bool(primaries) and all(self._has_no_shards(replica) for replica in primaries)

    def _has_no_shards(self, replica: LocalReplica) -> bool:
        """Return whether this replica shows that there are no shards. An idle database is opened only
        once."""
        try:
            current = replica.fingerprint()
            if current is None or not replica.was_never_sharded():
                return False
            if self._unsharded.get(replica.path) == current:
                return True
            self._unsharded.pop(replica.path, None)
            with replica.open() as db:
                found = db.has_shards()
        except LocalMissing:
            return False
        except LocalError:
            if _has_gone(replica):
                raise  # this open made Swift quarantine it: no later read reports that
            return True  # reading its rows reports the error
        if not found:
            self._unsharded[replica.path] = current
        return not found

    def _request(self, place: tuple[str, str], cached: Shards, failing: bool) -> _CachedShards:
        try:
            shards = self._client.shards(*place)
        except LocalUnavailable as error:
            if self._at_once:
                raise
            log.log(logging.DEBUG if failing else logging.WARNING, "%s", error)
            return _CachedShards(cached, self._now() + SHARDED_INTERVAL, failing=True)
        interval = (
            SHARDED_INTERVAL
            if shards.places
            else max(UNSHARDED_INTERVAL, len(self._cache) / MAX_REQUESTS_PER_SECOND)
        )
        return _CachedShards(shards, self._now() + interval)


def _has_gone(replica: LocalReplica) -> bool:
    try:
        return replica.fingerprint() is None
    except LocalUnavailable:
        return False


def _is_sharding(replica: LocalReplica) -> bool:
    try:
        return replica.is_sharding()
    except LocalUnavailable:
        return False  # reading its rows reports the error
