"""Compares both sides of one migrated container, name by name.

Two sorted listings are merged a page at a time, so memory does not grow with the number of names. Only where
they do not decide (a name on one side alone, other times or ETags, what may be a link or a large object) the
objects themselves are asked for, several at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from s3_sync.cluster.client import LocalSwift
from s3_sync.cluster.newest import Deleted, LocalState, Present
from s3_sync.config.settings import Mapping
from s3_sync.errors import NotFound, SyncError
from s3_sync.listing.entry import Entry
from s3_sync.listing.merge import ListingMerger, Pair
from s3_sync.migrate.compare.findings import (
    ADDED_HERE,
    CHANGED_HERE,
    DELETED_HERE,
    EXTRA,
    MISSING,
    UNSURE,
    Finding,
)
from s3_sync.migrate.compare.local_objects import LocalObjectReader
from s3_sync.migrate.compare.objects import differences
from s3_sync.migrate.headers import version_of
from s3_sync.model.objects import ListedObject, ObjectInfo
from s3_sync.model.timestamps import UNITS, Timestamp, iso_date_or_zero
from s3_sync.providers.base import Bucket, ListQuery
from s3_sync.runtime.concurrency import Pool

_PAGE_SIZE = 1000
#: an ETag that follows from the bytes, or from those of parts
_DIGEST = re.compile(r"[0-9a-f]{32}(-[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Sides:
    """Access to both sides. ``source`` None: it has no such bucket. ``newest(name)``: the newest local state,
    deletions included; ``recorded(name)``: when a client's delete of it was put on record, zero if none was;
    both raise LocalUnavailable. ``failure(name)``: why the migration could not copy an
    object; empty if it has not failed. ``pool``: runs the requests about single objects."""

    client: LocalSwift
    source: Bucket | None
    newest: Callable[[str], LocalState]
    recorded: Callable[[str], Timestamp]
    failure: Callable[[str], str]
    pool: Pool
    now: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Page:
    """The findings for the next ``names`` names up to ``last``."""

    last: str
    names: int
    findings: Sequence[Finding]


class ContainerComparison:
    """``every``: ask for every object, not only where the listings do not decide."""

    def __init__(self, mapping: Mapping, sides: Sides, every: bool) -> None:
        assert mapping.migration is not None
        self._mapping = mapping
        self._options = mapping.migration
        self._sides = sides
        self._every = every
        self._local = LocalObjectReader(sides.client, mapping.account, mapping.container)
        features = sides.source.features if sides.source is not None else None
        #: an empty object of the source may be a DLO or a link
        self._has_kinds = features is not None and (features.native_large_objects or features.symlinks)

    def pages(self, after: str = "") -> Iterator[Page]:
        """Compare the names greater than ``after``, in order. Raises LocalError, RemoteError if a listing
        cannot be read."""
        pairs = ListingMerger(self._locals(after), self._remotes(after)).pairs()
        while chunk := list(islice(pairs, _PAGE_SIZE)):
            suspects = [pair for pair in chunk if self._every or not self._is_equal(pair)]
            found = self._sides.pool.map(self._examine, suspects)
            findings = [finding for each in found for finding in each or ()]
            yield Page(_name(chunk[-1]), len(chunk), findings)

    def _locals(self, after: str) -> Iterator[Entry]:
        mapping, prefix = self._mapping, self._options.prefix
        for record in self._sides.client.objects(mapping.account, mapping.container, prefix, after=after):
            yield Entry(record["name"], record)

    def _remotes(self, after: str) -> Iterator[Entry]:
        start: str | None = after
        while start is not None and self._sides.source is not None:
            query = ListQuery(prefix=self._options.prefix, start_after=start)
            page = self._sides.source.list_objects(query)
            for info in page.objects:
                yield Entry(info.name, {"info": info})
            start = page.next_after

    def _is_equal(self, pair: Pair) -> bool:
        """Whether the listings alone prove that both sides are equal: of the same version, with the same
        bytes."""
        local, remote = pair
        if local is None or remote is None:
            return False
        info: ListedObject = remote.record["info"]
        size, etags = local.record["bytes"], _etags(str(local.record["hash"]))
        here, there = iso_date_or_zero(local.record["last_modified"]), info.last_modified
        if size != info.size or round(here * UNITS) != round(there * UNITS):
            return False
        if info.link is not None or (size == 0 and self._has_kinds):
            return False
        return info.etag in etags or _DIGEST.fullmatch(info.etag) is None

    def _examine(self, pair: Pair) -> list[Finding]:
        """Never raises: the pool would return None for an exception, which means no finding."""
        try:
            return list(self._recheck(pair))
        except SyncError as error:
            return [Finding(_name(pair), UNSURE, f"{error.reason}: {error}")]
        except Exception as error:  # a bug, which would otherwise go unreported
            return [Finding(_name(pair), UNSURE, f"internal_error: {error!r}")]

    def _recheck(self, pair: Pair) -> Iterator[Finding]:
        """Query the present state of both sides, as listings may be stale. Raises SyncError."""
        name = _name(pair)
        local = self._local.find(name)
        if local is not None and pair[1] is None and not local.is_owned:
            yield Finding(name, ADDED_HERE, "clients wrote it, or changed it after it was copied")
            return
        source = self._source(name)
        if source is None:
            if local is not None:
                yield Finding(
                    name, EXTRA if local.is_owned else ADDED_HERE, "it is not at the source any more"
                )
            return
        listed = pair[1].record["info"] if pair[1] is not None else _as_listed(source)
        version = version_of(listed, source)
        if local is None:
            yield from self._missing(name, source, version.seconds)
            return
        if local.timestamp > version and not local.is_owned:
            yield Finding(name, CHANGED_HERE, f"by a client, at {local.timestamp.normal}")
            return
        older = "; the source's is newer" if local.timestamp < version else ""
        for what, detail in differences(local, source, version):
            yield Finding(name, what, f"{detail}{older}{self._why(name)}")

    def _missing(self, name: str, source: ObjectInfo, written: float) -> Iterator[Finding]:
        now, older_than = self._sides.now(), self._options.older_than
        expires = source.meta.delete_at if source.expires is None else source.expires
        if expires is not None and expires <= now:
            return
        state = self._sides.newest(name)
        deleted = state.timestamp if isinstance(state, Deleted) else self._sides.recorded(name)
        if deleted.seconds >= written and not isinstance(state, Present):
            yield Finding(name, DELETED_HERE, f"by a client, at {deleted.normal}")
            return
        detail = ""
        if isinstance(state, Present):
            detail = (
                "it has expired in Swift" if state.expired else "object servers have it, the proxy does not"
            )
        elif older_than is not None and written > now - older_than:
            detail = "older_than has not passed"
        elif source.archived:
            detail = f"archived at the source ({source.storage_class})"
        yield Finding(name, MISSING, f"{detail}{self._why(name)}".lstrip("; "))

    def _source(self, name: str) -> ObjectInfo | None:
        if self._sides.source is None:
            return None
        try:
            return self._sides.source.head_object(name)
        except NotFound:
            return None

    def _why(self, name: str) -> str:
        reason = self._sides.failure(name)
        return f"; it failed: {reason}" if reason else ""


def _etags(listed: str) -> set[str]:
    """Return the ETags in a local listing's hash: ``<MD5>; s3_etag=<...>; slo_etag=<...>``."""
    etag, *others = listed.split(";")
    return {etag.strip(), *(each.partition("=")[2].strip() for each in others)} - {""}


def _as_listed(source: ObjectInfo) -> ListedObject:
    return ListedObject(source.name, source.size, source.etag, source.last_modified)


def _name(pair: Pair) -> str:
    entry = pair[0] or pair[1]
    assert entry is not None
    return entry.name
