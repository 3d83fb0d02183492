"""Deletes the segments of large objects that were moved out of the cluster.

A large object moves in two steps. ``release`` proves the copy, records the segments in the journal, and
deletes the manifest. Later ``SegmentCleaner`` deletes the segments, of many objects at a time, because a scan
of the account must show first which other objects name them. A segment is deleted only if all of this holds:

1. its manifest was deleted by us, and not by a client or for another version;
2. it lies where segments of this container's manifests may lie (``largeobject.segment_places``);
3. the store has a copy right now, and with it a manifest that names the segment with its size and MD5; a
   store with large objects of its own has its copy of the segment, too;
4. no manifest and no symlink in the account names it (``cluster.references`` lists what it cannot see);
5. the version in Swift has that size and MD5 and is not newer than the copied one;
6. it has no metadata of its own, which no manifest carries, and Swift keeps no versions of it;
7. it is still that version directly before the delete, which in turn is refused after an overwrite.

All other segments stay, and a line in the log says so.

A segment in the mapped container itself is an object that clients list and read under its own name: a DLO
over a folder of logs consists of logs. It is not deleted but moved like any object of the container, with a
copy of its own, after its large object, which could not be read without it.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial

from s3_sync.cluster.newest import Deleted, Present
from s3_sync.cluster.segments import ManifestSegments
from s3_sync.cluster.services import LocalObjects
from s3_sync.config.settings import Mapping
from s3_sync.errors import LocalChanged, SegmentChanged, SyncError
from s3_sync.largeobject.manifest import Segment
from s3_sync.largeobject.naming import Place
from s3_sync.largeobject.segment_places import may_hold_segments
from s3_sync.model.outcomes import Kind, Outcome
from s3_sync.model.rows import Row
from s3_sync.model.timestamps import Timestamp, parse_iso_date
from s3_sync.providers.base import Bucket
from s3_sync.runtime.concurrency import Pool
from s3_sync.runtime.log_once import LogOnce
from s3_sync.state.segment_cleanups import SegmentCleanup, SegmentCleanups
from s3_sync.transfer.large_object import LargeObject
from s3_sync.transfer.large_upload import stored_manifest
from s3_sync.transfer.native_copy import proven_segments

log = logging.getLogger("s3-sync")

#: the most objects, and about the most segments, that one sweep handles
MAX_OBJECTS_PER_SCAN, MAX_SEGMENTS_PER_SCAN = 10_000, 100_000
#: headers that a segment may have and no manifest carries
_OWN_METADATA = ("x-object-meta-", "x-object-transient-sysmeta-crypto-meta-")

# fates of a segment; all but the first two keep it
DELETED, ABSENT = "deleted", "already gone"
NAMED, CHANGED, UNPROVEN, METADATA = (
    "named by other objects",
    "changed",
    "not in the stored manifest",
    "with metadata of its own",
)
ADDED, FAILED = "added after the copy", "failed"
ELSEWHERE = "not in a container for segments"
# fates of a segment in the mapped container
MOVED, NOT_MOVED, TO_MOVE = "moved under its own name", "not to be moved", "still to be moved"
_MOVES = {
    Kind.COPIED: MOVED,
    Kind.UPDATED: MOVED,
    Kind.PRESENT: MOVED,
    Kind.SKIPPED: NOT_MOVED,
    Kind.PENDING: TO_MOVE,
    Kind.FAILED: TO_MOVE,
}

#: handles rows of the mapped container, and records the outcomes
Move = Callable[[list[Row]], list[Outcome]]


@dataclass(frozen=True, slots=True)
class SegmentToDelete:
    """One segment. ``until``: a version written later is not the one that was copied."""

    segment: Segment
    until: Timestamp

    @property
    def place(self) -> Place:
        return self.segment.container, self.segment.name


@dataclass(frozen=True, slots=True)
class PendingCleanup:
    """A large object whose segments are to be deleted. ``target``: of a DLO, where they lie. ``etag``: what
    the mark of a copy says that was made of its manifest; empty if an earlier version has recorded it."""

    cleanup: SegmentCleanup
    target: str
    segments: tuple[SegmentToDelete, ...]
    etag: str = ""


def segments_to_delete(large: LargeObject) -> tuple[SegmentToDelete, ...]:
    """Each segment once.

    The segments of an SLO existed when it was written. Those of a DLO may be newer than it, but not newer
    than the listing that was copied.
    """
    written = large.info.data_timestamp
    found: dict[Place, SegmentToDelete] = {}
    dates = [] if large.is_static else [entry["last_modified"] for entry in json.loads(large.manifest.raw)]
    for number, segment in enumerate(large.manifest.segments):
        until = Timestamp.from_seconds(parse_iso_date(dates[number])) if dates else written
        found[segment.container, segment.name] = SegmentToDelete(segment, until)
    return tuple(found.values())


class CleanupLedger:
    """The pending cleanups of one mapping, kept in the journal. ``key``: the mapping's name there."""

    def __init__(self, cleanups: SegmentCleanups, key: str) -> None:
        self._cleanups = cleanups
        self._key = key
        #: large objects about which something was logged
        self.log_once = LogOnce()

    def note(self, large: LargeObject, gone: bool = False) -> None:
        """Record a cleanup before the manifest is deleted, and again with ``gone`` afterwards. Raises
        StateError."""
        target = None if large.is_static else large.target
        segments = [_packed(each) for each in segments_to_delete(large)]
        text = json.dumps({"target": target, "segments": segments, "etag": large.identity})
        version = large.info.data_timestamp.internal
        self._cleanups.note(self._key, SegmentCleanup(large.info.name, version, gone, text))

    def pending(self) -> list[PendingCleanup]:
        """As many as one sweep handles."""
        found: list[PendingCleanup] = []
        count = 0
        for cleanup in self._cleanups.entries(self._key, MAX_OBJECTS_PER_SCAN):
            try:
                pending = _read(cleanup)
            except (ValueError, TypeError, KeyError) as error:
                log.error("Segments of %s are kept: their journal entry is damaged: %r", cleanup.name, error)
                self.settle(cleanup)
                continue
            count += len(pending.segments)
            if found and count > MAX_SEGMENTS_PER_SCAN:
                break
            found.append(pending)
        return found

    def is_empty(self) -> bool:
        return not self._cleanups.entries(self._key, 1)

    def settle(self, cleanup: SegmentCleanup) -> None:
        self._cleanups.settle(self._key, cleanup)


class SegmentCleaner:
    """One sweep over pending cleanups. ``failed``: some remain for the next sweep."""

    def __init__(
        self,
        mapping: Mapping,
        bucket: Bucket,
        local: LocalObjects,
        ledger: CleanupLedger,
        pool: Pool,
        move: Move,
    ) -> None:
        self._move = move
        self._mapping = mapping
        self._bucket = bucket
        self._local = local
        self._ledger = ledger
        self._pool = pool
        self.failed = False

    def run(self) -> Iterator[None]:
        """Yields between steps, so that the caller can do other work. Raises SyncError."""
        ours: list[PendingCleanup] = []
        for pending in self._ledger.pending():
            if self._was_moved_by_us(pending.cleanup):
                ours.append(pending)
            yield
        named: set[Place] = set()
        wanted = {each.place for pending in ours for each in pending.segments}
        if wanted:
            late = {container for container, _ in wanted} | {self._mapping.container}
            for found in self._local.references.walk(self._mapping.account, wanted, late):
                named |= found
                yield
        for pending in ours:
            try:
                self._finish(pending, named)
            except SyncError as error:
                self._postpone(pending.cleanup, error)
            yield

    def _was_moved_by_us(self, cleanup: SegmentCleanup) -> bool:
        """Whether the manifest was deleted by us, so that its segments are to be deleted."""
        if cleanup.gone:
            return True
        mapping, version = self._mapping, Timestamp.parse(cleanup.version)
        try:
            state = self._local.newest.of(mapping.account, mapping.container, cleanup.name)
        except SyncError as error:
            self._postpone(cleanup, error)
            return False
        if isinstance(state, Deleted) and state.timestamp == version.after():
            return True
        if not (isinstance(state, Present) and state.data_timestamp == version):
            # a client changed it, before or after our delete
            log.info(
                "%s: segments of %s are kept: the object was changed meanwhile", mapping.label, cleanup.name
            )
        self._ledger.settle(cleanup)
        return False

    def _finish(self, pending: PendingCleanup, named: set[Place]) -> None:
        cleanup = pending.cleanup
        stored = self._stored_segments(pending)
        mapping = self._mapping
        here = self._local.segments.of(mapping.account, mapping.container, mapping.profile.segment_containers)
        own = [each for each in pending.segments if each.segment.container == mapping.container]
        others = [each for each in pending.segments if each.segment.container != mapping.container]
        fates = Counter(self._pool.map(partial(self._remove, here, stored, named), others))
        fates.update(self._move_own_segments([each.place for each in own if each.place not in named]))
        fates[NAMED] += sum(each.place in named for each in own)
        if pending.target and self._may_hold(pending.target.lstrip("/").partition("/")[0]):
            fates[ADDED] = len(here.names(pending.target) - {each.place for each in pending.segments})
        summary = ", ".join(
            f"{count} {word or FAILED}" for word, count in sorted(fates.items(), key=str) if count
        )
        stay = {word for word, count in fates.items() if count} - {DELETED, ABSENT, MOVED}
        level = self._ledger.log_once.level_for(
            cleanup.name, summary, logging.WARNING if stay else logging.INFO
        )
        log.log(level, "%s: segments of the moved object %s: %s", self._mapping.label, cleanup.name, summary)
        if stay & {FAILED, None}:
            self.failed = True
        else:
            self._ledger.settle(cleanup)
            self._ledger.log_once.clear(cleanup.name)

    def _stored_segments(self, pending: PendingCleanup) -> Collection[Segment]:
        """The segments whose bytes the store has."""
        name = pending.cleanup.name
        if self._bucket.features.native_large_objects:
            segments = [each.segment for each in pending.segments]
            return proven_segments(self._bucket, name, segments, pending.etag, self._pool)
        stored = stored_manifest(self._bucket, name)
        return () if stored is None else stored.segments

    def _may_hold(self, container: str) -> bool:
        profile = self._mapping.profile
        return may_hold_segments(container, self._mapping.container, profile.segment_containers)

    def _move_own_segments(self, places: list[Place]) -> list[str]:
        """Move segments in the mapped container that nothing names any more. Returns the fate of each."""
        fates, rows = [], []
        for container, name in places:
            state = self._local.newest.of(self._mapping.account, container, name)
            if isinstance(state, Present):
                rows.append(Row.of_version(name, state.data_timestamp, state.timestamp, policy=state.policy))
            else:
                fates.append(ABSENT)
        return fates + [_MOVES[outcome.kind] for outcome in self._move(rows)]

    def _remove(
        self,
        here: ManifestSegments,
        stored: Collection[Segment],
        named: set[Place],
        to_delete: SegmentToDelete,
    ) -> str:
        """Delete one segment if all conditions hold. Returns its fate."""
        segment = to_delete.segment
        if not self._may_hold(segment.container):
            return ELSEWHERE  # recorded by an earlier version, or the configuration has changed since
        if to_delete.place in named:
            return NAMED
        if segment not in stored:
            return UNPROVEN
        try:
            state = here.newest(segment)
            if state is None:
                return ABSENT
            if state.data_timestamp.raw > to_delete.until.raw:
                return CHANGED
            if any(name.startswith(_OWN_METADATA) for name in state.headers):
                return METADATA
            self._local.removal.delete_version(self._mapping.account, segment.container, segment.name, state)
        except (SegmentChanged, LocalChanged) as error:
            log.debug("%s is kept: %s", segment.path, error)
            return CHANGED
        except SyncError as error:
            log.debug("%s: %s", segment.path, error)
            return FAILED
        return DELETED

    def _postpone(self, cleanup: SegmentCleanup, error: SyncError) -> None:
        self.failed = True
        level = self._ledger.log_once.level_for(cleanup.name, type(error).__name__)
        log.log(
            level, "%s: deletion of segments of %s is postponed: %s", self._mapping.label, cleanup.name, error
        )


def _read(cleanup: SegmentCleanup) -> PendingCleanup:
    """Raises ValueError, TypeError or KeyError for text that ``CleanupLedger.note`` did not write."""
    Timestamp.parse(cleanup.version)
    noted = json.loads(cleanup.segments)
    segments = tuple(_unpacked(entry) for entry in noted["segments"])
    return PendingCleanup(cleanup, noted["target"] or "", segments, str(noted.get("etag", "")))


def _packed(each: SegmentToDelete) -> list[str | int]:
    segment = each.segment
    return [segment.container, segment.name, segment.size, segment.md5, each.until.internal]


def _unpacked(entry: list[str | int]) -> SegmentToDelete:
    container, name, size, md5, until = entry
    return SegmentToDelete(
        Segment(str(container), str(name), int(size), str(md5)), Timestamp.parse(str(until))
    )
