"""A batch of rows of one mapping: handled side by side, then written down."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from collections.abc import Mapping as Views
from dataclasses import dataclass, field

from s3_sync.config.settings import Mapping
from s3_sync.daemon.delete_limiter import DeleteLimiter
from s3_sync.daemon.name_locks import NameLocks
from s3_sync.model.outcomes import HELD, LARGE, NOT_DUE, Kind, Outcome
from s3_sync.model.rows import Row
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import MIB, Bucket
from s3_sync.state.journal import QUARANTINE, RETRY, DueRange, Settlement, Unsettled
from s3_sync.sync.lifecycle.release import LifecycleState
from s3_sync.sync.rows.bulk_deletes import BulkDeletes
from s3_sync.sync.rows.handler import RowHandler
from s3_sync.sync.rows.remote_lookup import Listings
from s3_sync.sync.rows.remote_state import ListedState, Presumption, RemoteState
from s3_sync.sync.rows.stragglers import Stragglers
from s3_sync.sync.rows.upload_ledger import UploadLedger
from s3_sync.sync.services import Context
from s3_sync.transfer.upload_session import Sending

log = logging.getLogger("s3-sync")

#: reasons that may have nothing to do with the object: if all fail like this, others would fail as well
OUTAGE_REASONS = frozenset(
    {
        "remote_unavailable",
        "remote_answer",
        "remote_throttled",
        "remote_denied",
        "remote_credentials",
        "remote_clock",
        "remote_not_found",  # the bucket
        "remote_refused",
        "local_unavailable",
    }
)


#: reasons that concern everybody, where the store gives them for more than an object
STORE_WIDE_REASONS = frozenset({"remote_credentials", "remote_clock"})


#: objects of more bytes have a lane of their own
LARGE_OBJECT_BYTES = 128 * MIB
#: so many of a mapping may wait for it: beyond that they are sent like others
MAX_WAITING_LARGE = 1000


@dataclass(slots=True)
class BatchResult:
    """``done``: (row, outcome) of what was handled. ``complete``: False when some rows were not begun;
    ``abandoned_from`` is the first of them."""

    done: list[tuple[Row, Outcome]] = field(default_factory=list)
    complete: bool = True
    abandoned_from: int | None = None

    @property
    def not_due(self) -> list[Row]:
        """Those whose deletes are held among them."""
        return [row for row, outcome in self.done if outcome.reason in (NOT_DUE, HELD)]

    @property
    def tried(self) -> list[Outcome]:
        """What became of the rows for which there was something to do."""
        return [outcome for _, outcome in self.done if _was_tried(outcome)]


class BatchRunner:
    """Handles batches of one mapping. ``key`` is the mapping's name in the journal."""

    def __init__(
        self,
        context: Context,
        mapping: Mapping,
        bucket: Bucket,
        key: str,
        ledger: UploadLedger,
        moving: LifecycleState,
    ) -> None:
        self._context = context
        self._mapping = mapping
        self.bucket = bucket
        self._key = key
        self.tally = context.activity.mapping_counters(mapping, context.stats)
        self._ledger = ledger
        about = f"{mapping.label}, {mapping.credentials.store}/{mapping.bucket}"
        self.listings = Listings(bucket, about, context.clock.now)
        self._gate = context.registry.limiter(mapping)
        self.named = moving.named
        sending = Sending(bucket, self.tally.read, context.parts, self._ledger, self._fits)
        self._in_lane = Sending(bucket, self.tally.read, context.large.parts, self._ledger)
        self._room = 0
        names = NameLocks(context.large.claims(key))
        self.handler = RowHandler(mapping, sending, context.local, context.clock.now, moving, names)
        self.guard = DeleteLimiter(
            mapping,
            context.journal,
            context.controls,
            context.activity.counters_for(mapping),
            context.clock.now,
        )
        self.handler.deletes.guard = self.guard
        most = max(1, context.workers.size // 2)
        self.slow = Stragglers(
            names, context.large, lambda row, outcome: self.settle(BatchResult([(row, outcome)])), most
        )
        self._deletes = BulkDeletes(bucket, context.workers, context.clock.now, self.guard)

    def look_up_shared(self, rows: Sequence[Row]) -> dict[str, RemoteState]:
        """A view for each of the rows, which others may be sending just now: what is not listed is asked for
        once more when its turn comes, unless the store can refuse to overwrite."""
        views = self.listings.survey([row.name for row in rows])
        if not self.bucket.features.put_if_absent:
            for row in rows:
                if not row.deleted and views[row.name] == ListedState(None):
                    views[row.name] = Presumption.UNKNOWN
        return views

    def look_for_manifests(self) -> None:
        """Remember if somebody may have stored manifests of large objects before us."""
        if self.listings.may_hold_manifests():
            self._ledger.manifest_written()

    def run(
        self, rows: Sequence[Row], views: Views[str, RemoteState], default: RemoteState = Presumption.UNKNOWN
    ) -> BatchResult:
        """Rows that were not begun are left out of ``done``: when the daemon is stopping, and when so many
        have failed one after the other that the rest would fail as well."""
        self._room = MAX_WAITING_LARGE - self._context.journal.waiting(self._key)
        enough = 2 * self._context.workers.size
        failed = 0

        def handle(row: Row, proven: Callable[[Row], None] | None = None) -> Outcome | None:
            nonlocal failed
            if self._context.halted(self._mapping) or failed >= enough or self._gate.is_closed:
                return None
            outcome = self.handler.handle(row, views.get(row.name, default), proven)
            self.tally.handled()
            if outcome.reason == LARGE:
                self._room -= 1
            elif outcome.reason in OUTAGE_REASONS:
                failed += 1
            elif _was_tried(outcome):
                failed = 0
            return outcome

        outcomes = self._deletes.run(self._deletes.chosen(rows), handle)
        others = [row for row in rows if id(row) not in outcomes]
        done = self._context.workers.map(
            lambda row: self.slow.handle(row, handle), others, self.slow.patience
        )
        outcomes.update((id(row), outcome) for row, outcome in zip(others, done, strict=True))
        outcomes.update(self.slow.leave(others))
        result = BatchResult()
        for row in rows:
            outcome = outcomes[id(row)]
            if outcome is not None:
                result.done.append((row, outcome))
            else:
                result.complete = False
                result.abandoned_from = min(row.rowid, result.abandoned_from or row.rowid)
        return result

    def send_large(self, row: Row) -> Outcome:
        """Handle a row whose name the lane has claimed, and write it down. Raises StateError."""
        outcome = self.handler.handle_claimed(row, self._in_lane)
        self.tally.handled()
        self.settle(BatchResult([(row, outcome)]))
        return outcome

    def move_segments(self, rows: Sequence[Row]) -> list[Outcome]:
        """Move objects that were segments of a large object until that was moved, and journal what is left
        over. Raises StateError."""
        outcomes = list(self._context.workers.map(self.handler.handle_unnamed, rows))
        for _ in outcomes:
            self.tally.handled()
        self.settle(BatchResult(list(zip(rows, outcomes, strict=True))))
        return outcomes

    def _fits(self, size: int) -> bool:
        """Whether an object keeps a batch waiting for a moment only; or has to, for what waits is bounded."""
        return size <= LARGE_OBJECT_BYTES or self._room <= 0

    def settle(
        self, result: BatchResult, later: Sequence[DueRange] = (), looked_at: Sequence[DueRange] = ()
    ) -> None:
        """Journal what is left over. Only after this may a cursor pass these rows. Raises StateError."""
        settlement = Settlement(later=list(later), looked_at=list(looked_at))
        for row, outcome in result.done:
            if outcome.reason == LARGE:
                log.debug("%s of %s: %s", row.name, self._mapping.label, outcome.detail)
                settlement.deferred.append(_unsettled(row, outcome))
                continue
            self.tally.add(outcome)
            if outcome.settled:
                self._log_recovery(row, outcome)
                settlement.settled.append((row.name, row.timestamp.internal))
            elif outcome.reason == NOT_DUE:
                settlement.postponed.append((row.name, self.handler.due(row)))
            elif outcome.reason == HELD:
                settlement.postponed.append((row.name, self.guard.until))
            else:
                self._log_failure(row, outcome)
                settlement.failures.append(_unsettled(row, outcome))
        self._context.journal.settle(self._key, settlement, self._context.clock.now())

    def _log_failure(self, row: Row, outcome: Outcome) -> None:
        known = self._context.journal.has(self._key, row.name)
        log.log(
            logging.DEBUG if known else logging.ERROR,
            "Failed to handle row %d (%s) of %s: %s: %s",
            row.rowid, row.name, self._mapping.label, outcome.reason, outcome.detail,
        )  # fmt: skip

    def _log_recovery(self, row: Row, outcome: Outcome) -> None:
        if self._context.journal.has(self._key, row.name):
            log.info("Recovered %s of %s: %s", row.name, self._mapping.label, outcome.kind.value)


def is_outage(outcomes: Sequence[Outcome], enough: int) -> bool:
    """Whether at least ``enough`` rows were tried, and all failed for reasons that may not be their own."""
    return len(outcomes) >= enough and all(outcome.reason in OUTAGE_REASONS for outcome in outcomes)


def _was_tried(outcome: Outcome) -> bool:
    return outcome.kind is not Kind.SKIPPED and outcome.reason not in (NOT_DUE, LARGE, HELD)


def row_of(entry: Unsettled) -> Row:
    """A later try carries the identity of what failed or waits; its etag and size are asked for again."""
    data, last = Timestamp.parse(entry.data_timestamp), Timestamp.parse(entry.timestamp)
    return Row.of_version(entry.name, data, last, policy=entry.policy, deleted=entry.deleted, size=entry.size)


def _unsettled(row: Row, outcome: Outcome) -> Unsettled:
    return Unsettled(
        name=row.name,
        state=QUARANTINE if outcome.kind is Kind.FAILED else RETRY,
        policy=row.policy,
        deleted=row.deleted,
        data_timestamp=row.data_timestamp.internal,
        timestamp=row.timestamp.internal,
        size=outcome.size or row.size,
        reason=outcome.reason,
        detail=outcome.detail,
    )
