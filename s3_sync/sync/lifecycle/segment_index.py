"""The segments in a container: objects of which its large objects consist, and which do not move on their
own.

A container's rows show which objects are SLOs (``swift_bytes`` after the content type, ``slo_etag`` after the
ETag), and which are empty, as DLOs usually are. Each of these is read once when a daemon starts, and again
when its row changes. Only segments in the same container are kept; where they have a container of their own,
which is the usual case, there are none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from s3_sync.cluster.brokers import ContainerDb
from s3_sync.cluster.references import References
from s3_sync.config.settings import Mapping
from s3_sync.errors import ObjectRefused
from s3_sync.largeobject.naming import Named, may_name
from s3_sync.model.rows import Row

#: rows per read
ROWS_PER_READ = 1000


class SegmentIndex:
    """The index of one mapped container."""

    def __init__(self, mapping: Mapping, references: References) -> None:
        self._account, self._container = mapping.account, mapping.container
        self._references = references
        self._read: dict[str, int] = {}
        #: manifest -> what it names; and the inverse, by name and by prefix
        self._manifests: dict[str, Named] = {}
        self._by_name: dict[str, set[str]] = defaultdict(set)
        self._by_prefix: dict[str, set[str]] = defaultdict(set)
        #: target -> symlinks that point to it
        self._links: dict[str, set[str]] = defaultdict(set)
        self._lengths: set[int] = set()

    def refresh(self, db: ContainerDb, is_over: Callable[[], bool]) -> bool:
        """Read new rows of a database until ``is_over``. Returns whether all were read.

        Raises LocalUnavailable if an object's segments cannot be determined.
        """
        while True:
            before = self._read.get(db.id, 0)
            rows, last = db.rows_since(before, ROWS_PER_READ)
            if last <= before:
                return True
            for row in rows:
                self._index(row)
                self._read[db.id] = row.rowid
                if is_over():
                    return False
            self._read[db.id] = last

    def restart(self, database: str) -> None:
        """Read a database from its first row, because its ROWIDs have changed. Known segments stay."""
        self._read.pop(database, None)

    def is_segment(self, name: str) -> bool:
        """Whether a large object of the container is known to name this object, directly or through
        symlinks."""
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

    def _index(self, row: Row) -> None:
        if row.name in self._manifests:
            self._forget(row.name)
        if row.deleted or not may_name(row.size, row.etag, row.content_type):
            return
        try:
            named = self._references.named_by(self._account, self._container, row.name, row.policy)
        except ObjectRefused:
            return  # unreadable for clients, too
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
