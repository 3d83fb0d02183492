"""Deletes segments that large objects at another Swift have left behind there.

Before a large object there is replaced or deleted, and before one is sent, its segments are written into the
journal: what a crash, an overwrite or a delete leaves behind is on record. A sweep handles what has been
there for an hour. A segment is deleted only if all of this holds:

1. it is what was noted: the same bytes, and copied as a segment by this program (mark ``swift-source``);
2. no object of its account names it (``providers.remote_references`` lists what it cannot see), unless that
   is the copy of a local DLO that does not consist of it any more;
3. the local cluster does not need it: the segment that it is a copy of has been deleted there, or no local
   manifest or symlink names it; for a combined segment, the object's version is gone;
4. no mapping copies objects to its container for their own sake: then their own rows decide;
5. no upload has noted it again since the sweep began: that one has found it there, and is about to name it;
6. the delete budget, if any, allows it.

All others stay. What is named in the mapping's own container is no longer on record: it will be noted again
when the object there is replaced or deleted. Anything else is tried again later.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from urllib.parse import unquote

from s3_sync.cluster.newest import Present
from s3_sync.cluster.services import LocalObjects
from s3_sync.config.settings import Mapping
from s3_sync.daemon.delete_limiter import DeleteLimiter
from s3_sync.errors import NotFound, ObjectRefused, RemoteError, SyncError
from s3_sync.largeobject.naming import Place
from s3_sync.model.objects import ObjectInfo
from s3_sync.model.segment_names import source_of
from s3_sync.providers.base import Bucket
from s3_sync.providers.remote_references import Reference, RemoteReferences
from s3_sync.runtime.concurrency import Pool
from s3_sync.runtime.key_locks import KeyLocks
from s3_sync.state.left_segments import Entry, LeftSegment, LeftSegments

log = logging.getLogger("s3-sync")

#: the most segments that one sweep handles, and how many are looked at between two other tasks
MAX_SEGMENTS, CHUNK = 10_000, 100
#: seconds until a segment that is still needed is looked at again, doubled each time, and the longest pause
IN_USE_PAUSE, MAX_IN_USE_PAUSE = 3600.0, 7 * 86400.0
#: name of a combined segment: object, version, number
_COMBINED = re.compile(r"(?P<name>.+)/(?P<version>[0-9]{10}\.[0-9]{5})/[0-9]{6}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class LeftLedger:
    """The segments on record of one mapping. ``key``: the mapping's name in the journal. ``once``: those that
    are new are handled at once."""

    segments: LeftSegments
    key: str
    once: bool = False

    @property
    def failing(self) -> int:
        """Number of segments whose last attempt failed."""
        return self.segments.failing(self.key)

    def due(self, now: float, limit: int = MAX_SEGMENTS) -> list[Entry]:
        return self.segments.due(self.key, now, limit, self.once)

    def is_unchanged(self, entry: Entry) -> bool:
        return self.segments.is_unchanged(self.key, entry)


@dataclass(slots=True)
class _Found:
    """What a sweep has found out. ``results``: entries, and what becomes of each; None: nothing is left to
    do. ``waiting``: what may be deleted, by its place. ``originals``: the local objects that they are copies
    of; ``needed``: those of which that is still there."""

    results: list[tuple[Entry, Entry | None]] = field(default_factory=list)
    waiting: dict[Place, Entry] = field(default_factory=dict)
    originals: dict[Place, Place] = field(default_factory=dict)
    needed: set[Place] = field(default_factory=set)
    deleted: list[LeftSegment] = field(default_factory=list)
    failed: bool = False


@dataclass(frozen=True, slots=True)
class RemoteSide:
    """``bucket``: of the mapping. ``references``: of its account. ``mirrored``: containers to which mappings
    copy objects for their own sake. ``locks``: of what is being sent, by container and name."""

    bucket: Bucket
    references: RemoteReferences
    locks: KeyLocks
    mirrored: Collection[str] = ()
    limiter: DeleteLimiter | None = None


class LeftSegmentCleaner:
    """One sweep over segments that are due. ``failed``: some could not be handled."""

    def __init__(
        self,
        mapping: Mapping,
        remote: RemoteSide,
        local: LocalObjects,
        ledger: LeftLedger,
        pool: Pool,
        now: float,
    ) -> None:
        self._mapping = mapping
        self._remote = remote
        self._large = remote.bucket.large_objects
        self._local = local
        self._ledger = ledger
        self._pool = pool
        self._now = now
        self.failed = False

    def run(self) -> Iterator[None]:
        """Yields between steps, so that the caller can do other work. Raises SyncError; what was not handled
        then stays on record, with the reason."""
        found = _Found()
        try:
            for chunk in _chunks(self._ledger.due(self._now)):
                self._pool.map(lambda each: self._look(each, found), chunk)
                yield
            yield from self._drop_named(found)
            for chunk in _chunks(list(found.waiting.values())):
                self._pool.map(lambda each: self._delete(each, found), chunk)
                yield
        except SyncError as error:
            found.results += [(each, self._failed(each, error)) for each in found.waiting.values()]
            raise
        finally:
            self.failed = found.failed
            self._ledger.segments.conclude(self._ledger.key, found.results)
            if found.deleted:
                count, label = len(found.deleted), self._mapping.label
                log.info("%s: deleted %d segments at the store that nothing names any more", label, count)

    def _look(self, entry: Entry, found: _Found) -> None:
        """Decide about one segment as far as it alone and its original tell."""
        segment = entry.segment
        try:
            info = self._head(segment)
            if info is None or not self._is_ours(segment, info):
                found.results.append((entry, None))
            elif "combined-etag" not in info.meta.marks:
                original = source_of(info.meta), segment.name
                state = self._local.newest.of(self._mapping.account, *original)
                found.originals[segment.place] = original
                if isinstance(state, Present):
                    found.needed.add(segment.place)
                found.waiting[segment.place] = entry
            elif self._has_version(segment.name):
                found.results.append((entry, self._in_use(entry)))
            else:
                found.waiting[segment.place] = entry
        except SyncError as error:
            found.results.append((entry, self._failed(entry, error)))
            found.failed = True

    def _is_ours(self, segment: LeftSegment, info: ObjectInfo) -> bool:
        """Whether a segment at the store is what was noted, and this mapping's to delete."""
        marks = info.meta.marks
        combined = marks.get("combined-etag")
        if segment.etag not in (info.md5, combined) or "swift-source" not in marks:
            return False
        if segment.container in self._remote.mirrored:
            return False
        return combined is not None or not self._mapping.is_account

    def _has_version(self, combined: str) -> bool:
        """Whether the object of which this is a combined segment is in the cluster, in the same version."""
        match = _COMBINED.fullmatch(combined)
        if match is None:
            return True  # a name that nobody here gives
        state = self._local.newest.of(self._mapping.account, self._mapping.container, match["name"])
        return isinstance(state, Present) and state.data_timestamp.normal == match["version"]

    def _named_here(self, found: _Found) -> Generator[None, None, set[Place]]:
        """Returns those of the needed ones whose originals a local manifest or symlink names: these may be on
        their way to the store just now."""
        wanted = {found.originals[place] for place in found.needed}
        named: set[Place] = set()
        if wanted:
            late = {container for container, _ in wanted} | {self._mapping.container}
            for each in self._local.references.walk(self._mapping.account, wanted, late):
                named |= each
                yield
        return {place for place in found.needed if found.originals[place] in named}

    def _named_there(self, found: _Found) -> Generator[None, None, dict[Place, set[str]]]:
        """Returns the containers of the objects at the store that name each segment."""
        named: dict[Place, set[str]] = defaultdict(set)
        late = {container for container, _ in found.waiting} | {self._remote.bucket.name}
        for reference in self._remote.references.walk(self._large, set(found.waiting), late):
            for place in reference.places:
                if not self._is_outdated(reference, found.originals.get(place)):
                    named[place].add(reference.namer[0])
            yield
        return named

    def _drop_named(self, found: _Found) -> Iterator[None]:
        """Drop what anything names. Nothing more is to be done about what an object of the mapping names."""
        if not found.waiting:
            return
        here = yield from self._named_here(found)
        there = yield from self._named_there(found)
        for place in here | there.keys():
            entry = found.waiting.pop(place)
            if self._remote.bucket.name in there.get(place, ()):
                found.results.append((entry, None))
            else:
                found.results.append((entry, self._in_use(entry)))

    def _is_outdated(self, reference: Reference, original: Place | None) -> bool:
        """Whether the object there is the copy of a local DLO that does not consist of the original any more,
        so that the segment has to go for the copy to be right."""
        container, name = reference.namer
        if not reference.is_dynamic or container != self._remote.bucket.name or original is None:
            return False
        mapping = self._mapping
        state = self._local.newest.of(mapping.account, mapping.container, name)
        if not isinstance(state, Present) or not (target := state.headers.get("x-object-manifest")):
            return False
        here = self._local.segments.of(mapping.account, mapping.container, mapping.profile.segment_containers)
        try:
            return original not in here.names(unquote(target))
        except ObjectRefused:
            return False  # it has got segments elsewhere: nobody else's may wait for that to change

    def _delete(self, entry: Entry, found: _Found) -> None:
        # an upload notes its segments first, and then looks, under the same lock, which of them are there
        with self._remote.locks.hold(entry.segment.place):
            if self._ledger.is_unchanged(entry):
                self._delete_alone(entry, found)

    def _delete_alone(self, entry: Entry, found: _Found) -> None:
        segment, limiter = entry.segment, self._remote.limiter
        try:
            info = self._head(segment)
            if info is not None and self._is_ours(segment, info):
                if limiter is not None and not limiter.acquire(self._now):
                    found.results.append((entry, self._in_use(entry)))
                    return
                try:
                    self._large.remote(segment.container).delete_object(segment.name)
                except RemoteError:
                    if limiter is not None:
                        limiter.refund(self._now)
                    raise
                found.deleted.append(segment)
                log.debug("deleted segment %s/%s at the store", segment.container, segment.name)
            found.results.append((entry, None))
        except SyncError as error:
            found.results.append((entry, self._failed(entry, error)))
            found.failed = True

    def _head(self, segment: LeftSegment) -> ObjectInfo | None:
        try:
            return self._large.remote(segment.container).head_object(segment.name)
        except NotFound:
            return None

    def _in_use(self, entry: Entry) -> Entry:
        pause = min(MAX_IN_USE_PAUSE, IN_USE_PAUSE * 2.0 ** min(entry.attempts, 30))
        return Entry(entry.segment, self._now + pause, entry.attempts + 1)

    def _failed(self, entry: Entry, error: SyncError) -> Entry:
        return self._ledger.segments.postponed(entry, self._now, error.reason, str(error))


def _chunks(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    left = iter(entries)
    while chunk := list(islice(left, CHUNK)):
        yield chunk
