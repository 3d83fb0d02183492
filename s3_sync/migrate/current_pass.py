"""A pass over one container that is under way: what is listed, in flight, done, and left to other nodes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from itertools import chain

from s3_sync.errors import SyncError
from s3_sync.migrate.decide import Action, LocalEntry, decide
from s3_sync.migrate.division import Lookups, Share, in_order
from s3_sync.migrate.objects import ObjectMigration, Result
from s3_sync.migrate.scan import Batch, Scan
from s3_sync.model.objects import ListedObject
from s3_sync.state.migration_status import PassCounts

#: names that only the local cluster has that one pass considers; more are left to the next pass
MAX_LOCAL_ONLY = 100_000
#: seconds by which a source's clock may be ahead: younger objects wait for a later pass
MAX_CLOCK_DIFFERENCE = 300.0


@dataclass(slots=True)
class Flight:
    """A batch in flight: of its objects, ``remaining`` are not done yet. ``is_skipped``: some were not begun,
    as the migration was paused or stopped."""

    last: str | None
    remaining: int
    is_skipped: bool = False


@dataclass(slots=True)
class Pass:
    """``after``: the marker that it began after; empty for a pass over everything. ``counts``: since the last
    save. ``failed_in_row``: objects that failed in an outage since the last one that did not.

    ``rank``: of this node for the names that are its business now; ``left``: parts of the listings with names
    for which it has a higher one, as the names that they begin after and end with; ``left_at``: when the last
    of them was listed. ``failed_before``: names that failed before and have not been met."""

    scan: Scan
    objects: ObjectMigration
    lookups: Lookups
    after: str
    not_after: float
    share: Share
    failed_before: set[str]
    batches: Iterator[Batch] = iter(())
    rank: int = 0
    left: list[tuple[str, str | None]] = field(default_factory=list)
    left_at: float = 0.0
    counts: PassCounts = field(default_factory=PassCounts)
    is_new: bool = True
    listed: int = 0
    local_only: list[LocalEntry] = field(default_factory=list)
    flights: deque[Flight] = field(default_factory=deque)
    ended: bool = False
    failed_in_row: int = 0
    outage: SyncError | None = None

    def walk(self, parts: list[tuple[str, str | None]]) -> None:
        """Let ``batches`` be those of these parts of the listings."""
        self.batches = chain.from_iterable(self.scan.batches(*part) for part in parts)
        self.ended = False

    def help(self) -> None:
        """Go on with the names that nodes of a lower rank have left undone."""
        parts, self.left = self.left, []
        self.rank += 1
        self.lookups.always = True
        self.walk(parts)

    def begin(self, batch: Batch, now: float) -> Sequence[tuple[ListedObject, Action]]:
        """Return the objects of a batch that something has to be done about, in the order in which to do
        it."""
        wanted: list[tuple[ListedObject, Action]] = []
        has_left = False
        for source, local in batch.pairs:
            action = decide(source, local, self._latest(source, now))
            if action is Action.NONE and not self.rank and self._is_too_young(source, local):
                self.count(PassCounts(waiting=1))
            if source is None or action is Action.LOCAL_ONLY:
                if local is not None and not self.rank and len(self.local_only) < MAX_LOCAL_ONLY:
                    self.local_only.append(local)
            elif action is not Action.NONE:
                self.failed_before.discard(source.name)
                rank = self.share.rank_of(source.name)
                has_left = has_left or rank > self.rank
                if rank == self.rank:
                    wanted.append((source, action))
        if has_left:
            self._leave(batch, now)
        return in_order(self.rank, wanted)

    def _is_too_young(self, source: ListedObject | None, local: LocalEntry | None) -> bool:
        """Whether an object will be copied once it is older."""
        is_young = source is not None and source.last_modified > self.not_after
        return is_young and decide(source, local, None) is not Action.NONE

    def _latest(self, source: ListedObject | None, now: float) -> float | None:
        """Return the time after which an object is too young for this pass. Not one whose time is far in the
        future: that it cannot be copied has to be on record."""
        is_wrong = source is not None and source.last_modified > now + MAX_CLOCK_DIFFERENCE
        return None if is_wrong else self.not_after

    def _leave(self, batch: Batch, now: float) -> None:
        after = batch.after
        if self.left and self.left[-1][1] == after:
            after, _ = self.left.pop()
        self.left.append((after, batch.last))
        self.left_at = now

    def count(self, more: PassCounts) -> None:
        values = (getattr(self.counts, each.name) + getattr(more, each.name) for each in fields(PassCounts))
        self.counts = PassCounts(*values)

    def take_counts(self) -> PassCounts:
        """Return what was counted since the last call."""
        counts, self.counts = self.counts, PassCounts()
        return counts

    def add(self, result: Result) -> None:
        self.count(result.counts)
        if result.outage is None:
            self.failed_in_row, self.outage = 0, None
        else:
            self.failed_in_row, self.outage = self.failed_in_row + 1, result.outage
