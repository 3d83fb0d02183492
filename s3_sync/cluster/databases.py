"""All databases on this node that hold rows of a container: its own, and those of its shards.

A sharded container has its rows in containers of a hidden account, each with a place of its own in the ring:
mostly on other nodes than the container itself. Which they are only its shard ranges tell. (Their names begin
with the container's, but so may those of other containers' shards.)
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from s3_sync.cluster.brokers import Brokers, LocalReplica
from s3_sync.cluster.client import LocalSwift, Shards
from s3_sync.cluster.database_files import Fingerprint
from s3_sync.errors import LocalError, LocalMissing, LocalUnavailable

log = logging.getLogger("s3-sync")

#: how often a container is asked for its shards, in seconds: one that has some, and one that had none
WITH_SHARDS, WITHOUT = 60.0, 300.0
#: so many containers a second are asked that had none, by one process
RATE = 10.0


@dataclass(slots=True)
class _Answer:
    """``failing``: the last question was not answered."""

    shards: Shards
    ask_at: float
    failing: bool = False


class LocalDatabases:
    """Shared by all threads of a process.

    A node with a database of the container that has no shards knows that there are none. Any other
    asks the container servers: often where there were shards, else now and then, and ``RATE`` times a second
    at most, so that many containers do not make many requests. With ``at_once`` nothing waits, and what
    cannot be known is an error.
    """

    def __init__(
        self,
        brokers: Brokers,
        client: LocalSwift,
        at_once: bool = False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._brokers = brokers
        self._client = client
        self._at_once = at_once
        self._now = now
        self._answers: dict[tuple[str, str], _Answer] = {}
        self._next = float("-inf")
        #: databases without shards, by path: what their files looked like then
        self._plain: dict[str, Fingerprint] = {}

    def replicas(self, account: str, container: str) -> list[LocalReplica]:
        """Of the container, then of its shards, then the retiring ones. Raises LocalUnavailable."""
        found = self._brokers.replicas(account, container)
        if not self._is_plain(found):
            for shard in self._shards((account, container)).places:
                found += self._brokers.replicas(*shard)
        return found + [replace(replica, retiring=True) for replica in found if _is_sharding(replica)]

    def is_here(self, account: str, container: str) -> bool:
        """Whether a database of the container itself belongs, or is, on this node. Asks nobody."""
        return bool(self._brokers.replicas(account, container))

    def is_sharded(self, account: str, container: str) -> bool:
        """Whether it has shards, as far as it was asked."""
        answer = self._answers.get((account, container))
        return answer is not None and bool(answer.shards.places)

    def is_versioned(self, account: str, container: str) -> bool:
        """Whether a sharded container keeps what is overwritten, as far as it was asked."""
        answer = self._answers.get((account, container))
        return answer is not None and answer.shards.versioned

    def _shards(self, place: tuple[str, str]) -> Shards:
        known, now = self._answers.get(place), self._now()
        if known is not None and now < known.ask_at and not self._at_once:
            return known.shards
        shards = known.shards if known else Shards()
        if not shards.places and not self._at_once:
            if now < self._next:
                return shards
            self._next = now + 1 / RATE
        self._answers[place] = self._ask(place, shards, known is not None and known.failing)
        return self._answers[place].shards

    def _is_plain(self, replicas: list[LocalReplica]) -> bool:
        """Whether a container is known to have no shards. Handoff copies may be old ones."""
        primaries = [replica for replica in replicas if replica.ordinal is not None]
        return bool(primaries) and all(self._knows_no_shards(replica) for replica in primaries)

    def _knows_no_shards(self, replica: LocalReplica) -> bool:
        """An idle database is not opened for it again and again."""
        try:
            seen = replica.fingerprint()
            if seen is None or not replica.was_never_sharded():
                return False
            if self._plain.get(replica.path) == seen:
                return True
            self._plain.pop(replica.path, None)
            with replica.open() as db:
                found = db.has_shards()
        except LocalMissing:
            return False
        except LocalError:
            if _has_gone(replica):
                raise  # Swift has put it into quarantine at this look: nobody else will say so
            return True  # whoever reads its rows will say so
        if not found:
            self._plain[replica.path] = seen
        return not found

    def _ask(self, place: tuple[str, str], known: Shards, failing: bool) -> _Answer:
        try:
            shards = self._client.shards(*place)
        except LocalUnavailable as error:
            if self._at_once:
                raise
            log.log(logging.DEBUG if failing else logging.WARNING, "%s", error)
            return _Answer(known, self._now() + WITH_SHARDS, failing=True)
        pause = WITH_SHARDS if shards.places else max(WITHOUT, len(self._answers) / RATE)
        return _Answer(shards, self._now() + pause)


def _has_gone(replica: LocalReplica) -> bool:
    try:
        return replica.fingerprint() is None
    except LocalUnavailable:
        return False


def _is_sharding(replica: LocalReplica) -> bool:
    try:
        return replica.is_sharding()
    except LocalUnavailable:
        return False  # whoever reads its rows will say so
