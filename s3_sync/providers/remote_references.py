"""Finds the objects of another Swift's account that still name a segment there.

As in the local cluster (``cluster.references``), no index tells; a walk through all listings does. It reads
every SLO that it has not read since it was written, and the headers of every other object that is empty: a
DLO or a symlink may be. Not found: a DLO whose manifest has bytes of its own, links from other accounts, and
what is written to a part of the account that was already read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from threading import Lock

from s3_sync.config.credentials.base import Credentials
from s3_sync.errors import NotFound, RemoteUnavailable
from s3_sync.largeobject.naming import Named, Place, PlaceIndex
from s3_sync.providers.large_objects import LargeObjects, is_incomplete, name_and_version
from s3_sync.runtime.key_locks import KeyLocks
from s3_sync.runtime.turn import Turn

#: names of segments that are kept in memory for each account
MAX_KNOWN = 500_000


@dataclass(frozen=True, slots=True)
class Reference:
    """An object, or a version of it, and which of the wanted ones it names. ``is_dynamic``: it is a DLO."""

    namer: Place
    places: set[Place]
    is_dynamic: bool = False


class RemoteReferences:
    """What the objects of one account name, as far as it is known."""

    def __init__(self) -> None:
        #: container and name -> stamp in the listing, and what the object named then
        self._known: dict[Place, tuple[str, Named]] = {}
        self._size = 0

    def walk(
        self, large: LargeObjects, wanted: Collection[Place], last: Collection[str]
    ) -> Iterator[Reference]:
        """Read the account; yield, for every object read, those of ``wanted`` that it names, and something
        for every page of a listing.

        The containers ``last`` are read last, so that concurrent writes to them are most likely seen. Raises
        RemoteError if anything cannot be read, if a listing has less than the store counts, and if the
        account does not list one of ``last`` yet, for then it may lack others, too: what was yielded is then
        incomplete.
        """
        index = PlaceIndex(wanted)
        listed = large.containers()
        for container in sorted(set(last) - set(listed)):
            if not _is_empty(large, container):
                raise RemoteUnavailable(f"the account does not list container {container} yet")
        missing: list[str] = []
        for container in [*(each for each in listed if each not in last), *sorted(last)]:
            try:
                for name, named in self._in_container(large, container):
                    namer = container, name_and_version(name)[0]
                    yield Reference(namer, index.matching(named), named.below is not None)
            except NotFound:
                missing.append(container)
        if missing and (found := set(missing) & set(large.containers())):
            raise RemoteUnavailable(f"container {min(found)} is listed, but cannot be found")

    def _in_container(self, large: LargeObjects, container: str) -> Iterator[tuple[str, Named]]:
        after: str | None = ""
        listed, totals = 0, list[int]()
        while after is not None:
            page = large.list_manifests(container, after)
            for name, stamp in page.objects:
                yield name, self._named_by(large, (container, name), stamp)
            yield "", Named()
            after = page.next_after
            listed += page.listed
            if page.total is not None:
                totals.append(page.total)
        if is_incomplete(listed, min(totals, default=None)):
            counted = min(totals, default="an unknown number of")
            raise RemoteUnavailable(f"container {container} lists {listed} of {counted} objects")

    def _named_by(self, large: LargeObjects, place: Place, stamp: str) -> Named:
        known = self._known.get(place)
        if known is not None and known[0] == stamp:
            return known[1]
        named = large.named_by(*place)
        if self._size > MAX_KNOWN:
            self._known, self._size = {}, 0
        self._known[place] = stamp, named
        self._size += 1 + len(named.places)
        return named


@dataclass(frozen=True, slots=True)
class RemoteAccount:
    """``turn``: whose walk is under way. ``locks``: of the objects that are being sent, by container and
    name."""

    turn: Turn
    references: RemoteReferences = field(default_factory=RemoteReferences)
    locks: KeyLocks = field(default_factory=KeyLocks)


class RemoteAccounts:
    """The accounts of other Swifts that mappings of this process use. Thread-safe."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = Lock()
        self._accounts: dict[tuple[str, str | None], RemoteAccount] = {}

    def of(self, credentials: Credentials) -> RemoteAccount:
        with self._lock:
            return self._accounts.setdefault(credentials.throttle_key, RemoteAccount(Turn(self._now)))


def _is_empty(large: LargeObjects, container: str) -> bool:
    try:
        page = large.list_manifests(container, "")
    except NotFound:
        return True
    return not page.listed and not is_incomplete(0, page.total)
