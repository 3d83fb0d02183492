"""Segments that follow their large object out of the cluster.

A large object moves in two steps. ``sync.release`` proves the copy, writes down here what the segments are,
and deletes the manifest. Later ``SegmentCleaner`` deletes the segments, many objects at a time, because one
walk through the account has to tell first who else names them. A segment is deleted only if all of this
holds:

1. its manifest was deleted by us, and not by a client or for another version;
2. it lies where segments of this container's manifests may lie (``largeobject.places``);
3. at this moment the store has a copy, and with it a manifest, that names the segment with its size and MD5;
4. no manifest and no symlink in the account names it (see ``cluster.references`` for what is seen);
5. the version in Swift has that size and MD5 and is not younger than what was copied;
6. it has no metadata of its own, which no manifest carries, and Swift does not keep versions of it;
7. it is still that version directly before the delete, which an overwrite refuses besides.

Everything else stays where it is, and a line in the log says so.

A segment in the mapped container itself is an object that clients list and read under its own name: a DLO
over a folder of logs consists of logs. It is not deleted but moved like any object of the container, with a
copy of its own. Its turn comes after that of its large object, which could not be read without it.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from s3_sync.cluster.newest import Deleted, Present
from s3_sync.cluster.references import Place
from s3_sync.cluster.segments import ManifestSegments
from s3_sync.cluster.services import LocalObjects
from s3_sync.config.settings import Mapping
from s3_sync.errors import LocalChanged, SegmentChanged, SyncError
from s3_sync.largeobject.manifest import Manifest, Segment
from s3_sync.largeobject.segment_places import may_hold_segments
from s3_sync.model.outcomes import Kind, Outcome
from s3_sync.model.rows import Row
from s3_sync.model.timestamps import Timestamp, parse_iso_date
from s3_sync.providers.base import Bucket
from s3_sync.runtime.concurrency import Pool
from s3_sync.runtime.log_once import LogOnce
from s3_sync.state.segment_cleanups import SegmentCleanup, SegmentCleanups
from s3_sync.transfer.large_upload import LargeObject, archived

log = logging.getLogger("s3-sync")

#: so many objects, and about so many segments, are dealt with by one walk through the account
OBJECTS, SEGMENTS = 10_000, 100_000
#: headers of a segment that only it has
_OWN_METADATA = ("x-object-meta-", "x-object-transient-sysmeta-crypto-meta-")

# what becomes of a segment; all but the first two keep it
DELETED, ABSENT = "deleted", "not there any more"
NAMED, CHANGED, UNPROVEN, METADATA = "named by others", "changed", "not in the store", "with own metadata"
ADDED, FAILED = "added after the copy", "failed"
ELSEWHERE = "not in a container for segments"
# what becomes of one in the mapped container
MOVED, NOT_MOVED, TO_MOVE = "moved under its own name", "not to be moved", "still to be moved"
_MOVES = {
    Kind.COPIED: MOVED,
    Kind.UPDATED: MOVED,
    Kind.PRESENT: MOVED,
    Kind.SKIPPED: NOT_MOVED,
    Kind.PENDING: TO_MOVE,
    Kind.FAILED: TO_MOVE,
}

#: handles rows of the mapped container, and journals what is left over
Move = Callable[[list[Row]], list[Outcome]]


@dataclass(frozen=True, slots=True)
class SegmentToDelete:
    """One segment. ``until``: a version that was written later is not the one that was copied."""

    segment: Segment
    until: Timestamp

    @property
    def place(self) -> Place:
        return self.segment.container, self.segment.name


@dataclass(frozen=True, slots=True)
class PendingCleanup:
    """A large object whose segments are to follow. ``target``: for a DLO, where they lie."""

    departure: SegmentCleanup
    target: str
    segments: tuple[SegmentToDelete, ...]


def leaving(large: LargeObject) -> tuple[SegmentToDelete, ...]:
    """Each segment once.

    Those of an SLO were there when it was written. Those of a DLO may be younger, but not than the listing
    that was copied.
    """
    written = large.info.data_timestamp
    assert written is not None
    found: dict[Place, SegmentToDelete] = {}
    dates = [] if large.is_static else [entry["last_modified"] for entry in json.loads(large.manifest.raw)]
    for number, segment in enumerate(large.manifest.segments):
        until = Timestamp.from_seconds(parse_iso_date(dates[number])) if dates else written
        found[segment.container, segment.name] = SegmentToDelete(segment, until)
    return tuple(found.values())


class CleanupLedger:
    """What the journal keeps of the segments of one mapping's large objects. ``key``: its name there."""

    def __init__(self, departures: SegmentCleanups, key: str) -> None:
        self._departures = departures
        self._key = key
        #: about which of them something has been said
        self.log_once = LogOnce()

    def note(self, large: LargeObject, gone: bool = False) -> None:
        """Before the manifest is deleted, and again with ``gone`` when it has been. Raises StateError."""
        assert large.info.data_timestamp is not None
        target = None if large.is_static else large.target
        text = json.dumps({"target": target, "segments": [_packed(each) for each in leaving(large)]})
        version = large.info.data_timestamp.internal
        self._departures.note(self._key, SegmentCleanup(large.info.name, version, gone, text))

    def waiting(self) -> list[PendingCleanup]:
        """As many as one sweep takes."""
        found: list[PendingCleanup] = []
        count = 0
        for departure in self._departures.entries(self._key, OBJECTS):
            try:
                waiting = _read(departure)
            except (ValueError, TypeError, KeyError) as error:
                log.error("Segments of %s stay: what was noted of them is damaged: %r", departure.name, error)
                self.settle(departure)
                continue
            count += len(waiting.segments)
            if found and count > SEGMENTS:
                break
            found.append(waiting)
        return found

    def is_empty(self) -> bool:
        return not self._departures.entries(self._key, 1)

    def settle(self, departure: SegmentCleanup) -> None:
        self._departures.settle(self._key, departure)


class SegmentCleaner:
    """One walk, for as many large objects as wait. ``failed``: some will have to wait for another one."""

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
        """Yields in between, so that other work gets its turn. Raises SyncError."""
        ours: list[PendingCleanup] = []
        for waiting in self._ledger.waiting():
            if self._is_ours(waiting.departure):
                ours.append(waiting)
            yield
        named: set[Place] = set()
        wanted = {each.place for waiting in ours for each in waiting.segments}
        if wanted:
            late = {container for container, _ in wanted} | {self._mapping.container}
            for found in self._local.references.walk(self._mapping.account, wanted, late):
                named |= found
                yield
        for waiting in ours:
            try:
                self._finish(waiting, named)
            except SyncError as error:
                self._postpone(waiting.departure, error)
            yield

    def _is_ours(self, departure: SegmentCleanup) -> bool:
        """Whether the manifest is deleted, and it was us, so that its segments are to follow."""
        if departure.gone:
            return True
        mapping, version = self._mapping, Timestamp.parse(departure.version)
        try:
            state = self._local.newest.of(mapping.account, mapping.container, departure.name)
        except SyncError as error:
            self._postpone(departure, error)
            return False
        if isinstance(state, Deleted) and state.timestamp == version.after():
            return True
        if not (isinstance(state, Present) and state.data_timestamp == version):
            # it was changed by a client, before or after it was to be deleted
            log.info("%s: segments of %s stay: it was changed meanwhile", mapping.label, departure.name)
        self._ledger.settle(departure)
        return False

    def _finish(self, waiting: PendingCleanup, named: set[Place]) -> None:
        departure = waiting.departure
        stored = archived(self._bucket, departure.name)
        mapping = self._mapping
        here = self._local.segments.of(mapping.account, mapping.container, mapping.profile.segment_containers)
        own = [each for each in waiting.segments if each.segment.container == mapping.container]
        others = [each for each in waiting.segments if each.segment.container != mapping.container]
        words = Counter(self._pool.map(partial(self._remove, here, stored, named), others))
        words.update(self._moved([each.place for each in own if each.place not in named]))
        words[NAMED] += sum(each.place in named for each in own)
        if waiting.target and self._may_hold(waiting.target.lstrip("/").partition("/")[0]):
            words[ADDED] = len(here.names(waiting.target) - {each.place for each in waiting.segments})
        told = ", ".join(
            f"{count} {word or FAILED}" for word, count in sorted(words.items(), key=str) if count
        )
        stay = {word for word, count in words.items() if count} - {DELETED, ABSENT, MOVED}
        level = self._ledger.log_once.level_for(
            departure.name, told, logging.WARNING if stay else logging.INFO
        )
        log.log(level, "%s: segments of %s, which was moved: %s", self._mapping.label, departure.name, told)
        if stay & {FAILED, None}:
            self.failed = True
        else:
            self._ledger.settle(departure)
            self._ledger.log_once.clear(departure.name)

    def _may_hold(self, container: str) -> bool:
        profile = self._mapping.profile
        return may_hold_segments(container, self._mapping.container, profile.segment_containers)

    def _moved(self, places: list[Place]) -> list[str]:
        """What becomes of segments in the mapped container that nothing names any more."""
        words, rows = [], []
        for container, name in places:
            state = self._local.newest.of(self._mapping.account, container, name)
            if isinstance(state, Present):
                rows.append(Row.of_version(name, state.data_timestamp, state.timestamp, policy=state.policy))
            else:
                words.append(ABSENT)
        return words + [_MOVES[outcome.kind] for outcome in self._move(rows)]

    def _remove(
        self, here: ManifestSegments, stored: Manifest | None, named: set[Place], leaving: SegmentToDelete
    ) -> str:
        """What became of it."""
        segment = leaving.segment
        if not self._may_hold(segment.container):
            return ELSEWHERE  # noted by an earlier version, or the configuration has changed since
        if leaving.place in named:
            return NAMED
        if stored is None or segment not in stored.segments:
            return UNPROVEN
        try:
            state = here.newest(segment)
            if state is None:
                return ABSENT
            if state.data_timestamp.raw > leaving.until.raw:
                return CHANGED
            if any(name.startswith(_OWN_METADATA) for name in state.headers):
                return METADATA
            self._local.removal.remove(self._mapping.account, segment.container, segment.name, state)
        except (SegmentChanged, LocalChanged) as error:
            log.debug("%s stays: %s", segment.path, error)
            return CHANGED
        except SyncError as error:
            log.debug("%s: %s", segment.path, error)
            return FAILED
        return DELETED

    def _postpone(self, departure: SegmentCleanup, error: SyncError) -> None:
        self.failed = True
        level = self._ledger.log_once.level_for(departure.name, type(error).__name__)
        log.log(level, "%s: segments of %s have to wait: %s", self._mapping.label, departure.name, error)


def _read(departure: SegmentCleanup) -> PendingCleanup:
    """Raises ValueError, TypeError and KeyError for what ``CleanupLedger.note`` has not written so."""
    Timestamp.parse(departure.version)
    noted = json.loads(departure.segments)
    return PendingCleanup(
        departure, noted["target"] or "", tuple(_unpacked(entry) for entry in noted["segments"])
    )


def _packed(each: SegmentToDelete) -> list[str | int]:
    segment = each.segment
    return [segment.container, segment.name, segment.size, segment.md5, each.until.internal]


def _unpacked(entry: list[str | int]) -> SegmentToDelete:
    container, name, size, md5, until = entry
    return SegmentToDelete(
        Segment(str(container), str(name), int(size), str(md5)), Timestamp.parse(str(until))
    )
