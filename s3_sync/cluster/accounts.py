"""Whole accounts: their containers, and what their large objects consist of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from s3_sync.cluster.client import LocalSwift
from s3_sync.cluster.references import Named, Place, References, may_name
from s3_sync.config.coverage import SEGMENTS
from s3_sync.errors import ObjectRefused
from s3_sync.model.timestamps import parse_iso_date

#: a listing knows of what was written no later than this many seconds afterwards, most likely
LATE = 86400.0


class Accounts:
    """Shared by all threads of a process."""

    def __init__(self, client: LocalSwift, references: References) -> None:
        self._client = client
        self._references = references

    def containers(self, account: str) -> Iterator[str]:
        """The containers of an account, but for Swift's reserved ones, sorted; nothing where there is no such
        account. Raises LocalUnavailable."""
        return self._client.containers(account)

    def sharded(self, account: str) -> Iterator[tuple[str, str, str]]:
        """What seems to be sharded in an account: container, and account and container of each of its shards.

        What a shard is called tells where it comes from, not whether it still belongs there: see
        ``cluster.databases``. Raises LocalUnavailable.
        """
        hidden = f".shards_{account}"
        for shard in self._client.containers(hidden):
            yield shard.rsplit("-", 3)[0], hidden, shard

    def names(self, account: str, only: str = "") -> AccountNames:
        """``only``: of nothing but this container."""
        return AccountNames(self._client, self._references, account, only)


@dataclass(frozen=True, slots=True)
class _Look:
    """``stamp``: what the listing showed of the manifest when it was read."""

    stamp: tuple[str, str]
    named: Named


class AccountNames:
    """Which objects of an account its large objects consist of, as a walk through all its listings shows.

    Swift keeps no such record. What a walk looks at, and what it does not see, is told by
    ``cluster.references``. The first one reads every manifest and asks for the headers of every empty object;
    later ones only of those that have changed. In memory are the names of segments and the targets of
    symlinks, but for those in containers whose names say that they hold nothing else: these are not moved
    anyhow.

    ``only``: a walk through one container, which does not tell what others name.
    """

    def __init__(self, client: LocalSwift, references: References, account: str, only: str = "") -> None:
        self._client = client
        self._references = references
        self._account = account
        self._only = only
        #: when the last walk began that came to its end, in seconds since the epoch
        self.seen_until = float("-inf")
        #: containers that keep versions, and those that they are kept in
        self.versioned: frozenset[str] = frozenset()
        self._looks: dict[str, dict[str, _Look]] = {}
        self._places: frozenset[Place] = frozenset()
        self._below: dict[Place, set[Place]] = {}
        self._lengths: dict[str, set[int]] = {}

    def has(self, container: str, name: str) -> bool:
        """Whether a large object of the account names this one, itself or by way of symlinks."""
        if (container, name) in self._places:
            return True
        return any(
            self._below.get((container, name[:length]), set()) - {(container, name)}
            for length in self._lengths.get(container, ())
        )

    def walk(self, now: float) -> Iterator[None]:
        """Yields in between, so that other work gets its turn. ``now``: seconds since the epoch.

        Raises LocalUnavailable where something cannot be known; then what was known before is kept.
        """
        looks: dict[str, dict[str, _Look]] = {}
        versioned: set[str] = set()
        everywhere = [self._only] if self._only else self._client.containers(self._account, reserved=True)
        for container in everywhere:
            found = self._client.container(self._account, container)
            yield
            if found is None:
                continue
            if found.versioned:
                versioned |= {container, found.versions_in} - {""}
            looks[container] = yield from self._look_through(container, found.policy)
        self._looks, self.versioned = looks, frozenset(versioned)
        self._make_index()
        self.seen_until = now

    def _look_through(self, container: str, policy: int) -> Generator[None, None, dict[str, _Look]]:
        """Its result: what was found of each manifest in a container."""
        before = self._looks.get(container)
        settled = float("-inf") if before is None else self.seen_until - LATE
        found: dict[str, _Look] = {}
        for entry in self._client.objects(self._account, container, "", reserved=True):
            yield
            if not may_name(entry["bytes"], entry["hash"], "") and "slo_etag" not in entry:
                continue
            name, stamp = entry["name"], (entry["last_modified"], entry["hash"])
            look = before.get(name) if before else None
            if look is not None and look.stamp == stamp:
                found[name] = look
            elif look is not None or parse_iso_date(stamp[0]) >= settled:
                named = self._named_by(container, name, policy)
                if named.places or named.below:
                    found[name] = _Look(stamp, named)
        return found

    def _named_by(self, container: str, name: str, policy: int) -> Named:
        try:
            named = self._references.named_by(self._account, container, name, policy)
        except ObjectRefused:
            return Named()  # nobody can read it
        below = named.below if named.below and not named.below[0].endswith(SEGMENTS) else None
        # versions of objects are links to reserved containers, out of which nothing is moved either
        places = frozenset(
            each for each in named.places if not each[0].endswith(SEGMENTS) and not each[0].startswith("\0")
        )
        return Named(places, below, named.is_link)

    def _make_index(self) -> None:
        places: set[Place] = set()
        links: dict[Place, Place] = {}
        below: defaultdict[Place, set[Place]] = defaultdict(set)
        lengths: defaultdict[str, set[int]] = defaultdict(set)
        for container, looks in self._looks.items():
            for name, look in looks.items():
                if look.named.is_link:
                    (links[container, name],) = look.named.places
                    continue
                places |= look.named.places
                if look.named.below:
                    below[look.named.below].add((container, name))
                    lengths[look.named.below[0]].add(len(look.named.below[1]))
        self._places, self._below, self._lengths = frozenset(places), dict(below), dict(lengths)
        # who reads a large object follows the links that it names
        followed = [link for link in links if self.has(*link)]
        while followed:
            target = links.get(followed.pop())
            if target is not None and target not in places:
                places.add(target)
                followed.append(target)
        self._places = frozenset(places)
