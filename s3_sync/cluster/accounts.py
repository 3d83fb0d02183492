"""Accounts: their containers, and which objects their large objects name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from s3_sync.cluster.client import LocalSwift
from s3_sync.cluster.references import References
from s3_sync.config.coverage import SEGMENTS
from s3_sync.errors import ObjectRefused
from s3_sync.largeobject.naming import Named, Place, may_name
from s3_sync.model.timestamps import parse_iso_date

#: seconds after which a write has most likely reached the listings
LISTING_LAG = 86400.0


class Accounts:
    """Shared by all threads of a process."""

    def __init__(self, client: LocalSwift, references: References) -> None:
        self._client = client
        self._references = references

    def containers(self, account: str) -> Iterator[str]:
        """Yield an account's containers, sorted, without Swift's reserved ones; nothing if there is no such
        account. Raises LocalUnavailable."""
        return self._client.containers(account)

    def sharded(self, account: str) -> Iterator[tuple[str, str, str]]:
        """Yield possibly sharded containers: container, then account and container of each of its shards.

        A shard's name shows which container it came from, not whether it still belongs to it: see
        ``cluster.databases``. Raises LocalUnavailable.
        """
        hidden = f".shards_{account}"
        for shard in self._client.containers(hidden):
            yield shard.rsplit("-", 3)[0], hidden, shard

    def names(self, account: str, only: str = "") -> AccountNames:
        """Return the names in the account, or in the container ``only``."""
        return AccountNames(self._client, self._references, account, only)


@dataclass(frozen=True, slots=True)
class _ScannedObject:
    """A manifest or symlink that was read. ``stamp``: its entry in the listing at that time."""

    stamp: tuple[str, str]
    named: Named


class AccountNames:
    """The objects that an account's large objects consist of, according to a scan of all its listings.

    Swift keeps no such index. ``cluster.references`` describes what a scan reads and what it misses. The
    first scan reads every manifest and the headers of every empty object; later ones only those that changed.
    It keeps in memory the names of segments and the targets of symlinks, except those in containers whose
    name marks them as segment containers: objects in these are not moved anyway.

    ``only``: scans one container, and does not find what others name.
    """

    def __init__(self, client: LocalSwift, references: References, account: str, only: str = "") -> None:
        self._client = client
        self._references = references
        self._account = account
        self._only = only
        #: start of the last complete scan, in seconds since the epoch
        self.seen_until = float("-inf")
        #: containers with versions, and those that hold the versions
        self.versioned: frozenset[str] = frozenset()
        self._scanned: dict[str, dict[str, _ScannedObject]] = {}
        self._places: frozenset[Place] = frozenset()
        self._below: dict[Place, set[Place]] = {}
        self._lengths: dict[str, set[int]] = {}

    def has(self, container: str, name: str) -> bool:
        """Return whether a large object of the account names this one, directly or through symlinks."""
        if (container, name) in self._places:
            return True
        return any(
            self._below.get((container, name[:length]), set()) - {(container, name)}
            for length in self._lengths.get(container, ())
        )

    def walk(self, now: float) -> Iterator[None]:
        """Scan the account; yields so that other work gets a turn. ``now``: seconds since the epoch.

        Raises LocalUnavailable if anything cannot be read; the previous result is then kept.
        """
        scanned: dict[str, dict[str, _ScannedObject]] = {}
        versioned: set[str] = set()
        containers = [self._only] if self._only else self._client.containers(self._account, reserved=True)
        for container in containers:
            found = self._client.container(self._account, container)
            yield
            if found is None:
                continue
            if found.versioned:
                versioned |= {container, found.versions_in} - {""}
            scanned[container] = yield from self._scan_container(container, found.policy)
        self._scanned, self.versioned = scanned, frozenset(versioned)
        self._make_index()
        self.seen_until = now

    def _scan_container(
        self, container: str, policy: int
    ) -> Generator[None, None, dict[str, _ScannedObject]]:
        """Scan one container; the result has an entry per manifest and symlink."""
        previous_scan = self._scanned.get(container)
        unchanged_since = float("-inf") if previous_scan is None else self.seen_until - LISTING_LAG
        found: dict[str, _ScannedObject] = {}
        for entry in self._client.objects(self._account, container, "", reserved=True):
            yield
            if not may_name(entry["bytes"], entry["hash"], "") and "slo_etag" not in entry:
                continue
            name, stamp = entry["name"], (entry["last_modified"], entry["hash"])
            previous = previous_scan.get(name) if previous_scan else None
            if previous is not None and previous.stamp == stamp:
                found[name] = previous
            elif previous is not None or parse_iso_date(stamp[0]) >= unchanged_since:
                named = self._named_by(container, name, policy)
                if named.places or named.below:
                    found[name] = _ScannedObject(stamp, named)
        return found

    def _named_by(self, container: str, name: str, policy: int) -> Named:
        try:
            named = self._references.named_by(self._account, container, name, policy)
        except ObjectRefused:
            return Named()  # unreadable for every client
        below = named.below if named.below and not named.below[0].endswith(SEGMENTS) else None
        # object versions are links to reserved containers, whose objects are not moved either
        places = frozenset(
            place
            for place in named.places
            if not place[0].endswith(SEGMENTS) and not place[0].startswith("\0")
        )
        return Named(places, below, named.is_link)

    def _make_index(self) -> None:
        places: set[Place] = set()
        links: dict[Place, Place] = {}
        below: defaultdict[Place, set[Place]] = defaultdict(set)
        lengths: defaultdict[str, set[int]] = defaultdict(set)
        for container, scanned in self._scanned.items():
            for name, scanned_object in scanned.items():
                if scanned_object.named.is_link:
                    (links[container, name],) = scanned_object.named.places
                    continue
                places |= scanned_object.named.places
                if scanned_object.named.below:
                    below[scanned_object.named.below].add((container, name))
                    lengths[scanned_object.named.below[0]].add(len(scanned_object.named.below[1]))
        self._places, self._below, self._lengths = frozenset(places), dict(below), dict(lengths)
        # a read of a large object follows the links that it names
        followed = [link for link in links if self.has(*link)]
        while followed:
            target = links.get(followed.pop())
            if target is not None and target not in places:
                places.add(target)
                followed.append(target)
        self._places = frozenset(places)
