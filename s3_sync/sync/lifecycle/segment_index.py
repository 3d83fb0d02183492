"""Which objects of a container the large objects in it consist of: these do not move on their own.

A container's rows show which objects are SLOs (``swift_bytes`` behind the content type, ``slo_etag`` behind
the ETag), and which are empty, as DLOs mostly are. Each is looked at once when a daemon starts, and again
when its row changes. Only names in the same container are remembered: where segments have a container of
their own, as clients usually give them, that is nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

from s3_sync.cluster.references import Named, References, may_name
from s3_sync.config.settings import Mapping
from s3_sync.errors import ObjectRefused
from s3_sync.model.rows import Row

#: rows that are read at a time
PAGE = 1000


class Database(Protocol):
    """One replica's (``cluster.brokers.ContainerDb``)."""

    @property
    def id(self) -> str: ...

    def rows_since(self, rowid: int, limit: int) -> tuple[list[Row], int]: ...


class SegmentIndex:
    """Of one mapped container."""

    def __init__(self, mapping: Mapping, references: References) -> None:
        self._account, self._container = mapping.account, mapping.container
        self._references = references
        self._read: dict[str, int] = {}
        #: manifest -> what it names; and the inverse, by name and by prefix
        self._manifests: dict[str, Named] = {}
        self._by_name: dict[str, set[str]] = defaultdict(set)
        self._by_prefix: dict[str, set[str]] = defaultdict(set)
        #: target -> the symlinks that lead to it
        self._links: dict[str, set[str]] = defaultdict(set)
        self._lengths: set[int] = set()

    def catch_up(self, db: Database, is_over: Callable[[], bool]) -> bool:
        """Read what is new in a database, until ``is_over``; whether that was all.

        Raises LocalUnavailable when it cannot be known what something names.
        """
        while True:
            before = self._read.get(db.id, 0)
            rows, last = db.rows_since(before, PAGE)
            if last <= before:
                return True
            for row in rows:
                self._learn(row)
                self._read[db.id] = row.rowid
                if is_over():
                    return False
            self._read[db.id] = last

    def start_over(self, database: str) -> None:
        """With a database whose rows have other numbers now. What is known of others stays."""
        self._read.pop(database, None)

    def has(self, name: str) -> bool:
        """Whether a large object of the container is known to name this one, itself or by way of symlinks."""
        names, links = {name}, {name}
        while links:
            if any(self._is_named(each) for each in links):
                return True
            links = {link for each in links for link in self._links.get(each, ())} - names
            names |= links
        return False

    def _is_named(self, name: str) -> bool:
        if self._by_name.get(name, set()) - {name}:
            return True
        return any(self._by_prefix.get(name[:length], set()) - {name} for length in self._lengths)

    def _learn(self, row: Row) -> None:
        if row.name in self._manifests:
            self._forget(row.name)
        if row.deleted or not may_name(row.size, row.etag, row.content_type):
            return
        try:
            named = self._references.named_by(self._account, self._container, row.name, row.policy)
        except ObjectRefused:
            return  # nobody can read it
        here = frozenset(place for place in named.places if place[0] == self._container)
        below = named.below if named.below and named.below[0] == self._container else None
        if not (here or below):
            return
        self._manifests[row.name] = Named(here, below, named.is_link)
        for _, name in here:
            (self._links if named.is_link else self._by_name)[name].add(row.name)
        if below:
            self._by_prefix[below[1]].add(row.name)
            self._lengths.add(len(below[1]))

    def _forget(self, manifest: str) -> None:
        named = self._manifests.pop(manifest)
        keys = [(self._links if named.is_link else self._by_name, name) for _, name in named.places]
        if named.below:
            keys.append((self._by_prefix, named.below[1]))
        for index, key in keys:
            index[key].discard(manifest)
            if not index[key]:
                del index[key]
