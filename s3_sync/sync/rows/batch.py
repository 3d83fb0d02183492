"""Batches of rows of one mapping: handled concurrently, then recorded in the journal."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from s3_sync.config.settings import Mapping
from s3_sync.model.outcomes import HELD, LARGE, NOT_DUE, PRESENT, Kind, Outcome
from s3_sync.model.rows import Row
from s3_sync.model.timestamps import Timestamp
from s3_sync.state.journal import QUARANTINE, RETRY, DueRange, Settlement, Unsettled
from s3_sync.sync.rows.bulk_deletes import BulkDeletes
from s3_sync.sync.rows.remote_state import Presumption, RemoteState, RemoteStates
from s3_sync.sync.rows.services import RowServices
from s3_sync.sync.rows.stragglers import Stragglers
from s3_sync.sync.services import Context

log = logging.getLogger("s3-sync")

#: failure reasons that may lie outside the object: if all rows fail like this, others would fail too
OUTAGE_REASONS = frozenset(
    {
        "remote_unavailable",
        "remote_answer",
        "remote_throttled",
        "remote_denied",
        "remote_credentials",
        "remote_clock",
        "quota_exceeded",
        "remote_not_found",  # of the bucket
        "remote_refused",
        "local_unavailable",
        "target_is_source",
    }
)
#: failure reasons that affect all objects, if the store gives them for other requests as well
STORE_WIDE_REASONS = frozenset({"remote_credentials", "remote_clock"})
#: failure reasons of a store, or of object servers, that do not answer, or not now
SILENT_REASONS = frozenset({"remote_unavailable", "remote_throttled", "local_unavailable"})
#: how long a row that the store took proves that it takes others
TOLERANCE_SECONDS = 600.0
#: stands for each failure that is the object's own, as a trial has proved: see ``BatchRunner.tolerate``
OWN_FAILURE = Outcome(Kind.PENDING, "own_failure")


@dataclass(slots=True)
class BatchResult:
    """The outcome of one batch.

    ``done``: (row, outcome) of each row that was handled. ``complete``: False if some rows were not started;
    ``abandoned_from`` is the lowest ROWID of these. ``tolerant``: whether failures are the objects' own.
    """

    done: list[tuple[Row, Outcome]] = field(default_factory=list)
    complete: bool = True
    abandoned_from: int | None = None
    tolerant: bool = False

    def reached(self, last: int) -> int:
        """The ROWID up to which all rows are settled, or in the journal; ``last``, if all were handled."""
        return last if self.abandoned_from is None else self.abandoned_from - 1

    @property
    def postponed(self) -> list[Row]:
        """Rows that are not due yet, and deletes that the delete budget holds."""
        return [row for row, outcome in self.done if outcome.reason in (NOT_DUE, HELD)]

    @property
    def attempted(self) -> list[Outcome]:
        """Outcomes of the rows that required work, with OWN_FAILURE for the failures of a tolerant batch."""
        return [
            OWN_FAILURE if self.tolerant and outcome.reason in OUTAGE_REASONS else outcome
            for _, outcome in self.done
            if _was_attempted(outcome)
        ]


class BatchRunner:
    """Handles batches of one mapping. ``key``: the mapping's name in the journal. ``stragglers``: the rows
    that batches have left behind."""

    def __init__(self, context: Context, mapping: Mapping, key: str, services: RowServices) -> None:
        self._context = context
        self._mapping = mapping
        self._key = key
        self._handler = services.handler
        self._delete_limiter = services.delete_limiter
        self._large_handler = services.large_handler
        self._former_segments = services.former_segments
        self._places = services.places
        self._tally = services.tally
        self._gate = context.registry.limiter(mapping)
        #: rows that may yet fail without looking like an outage, and until when
        self._tolerated, self._tolerant_until = 0, 0.0
        max_left = max(1, context.workers.size // 2)
        self.stragglers = Stragglers(
            services.names,
            context.large,
            lambda row, outcome: self.record(BatchResult([(row, outcome)])),
            max_left,
        )
        self._deletes = BulkDeletes(
            services.bucket, context.workers, context.clock.now, services.delete_limiter
        )

    def tolerate(self, rows: int) -> None:
        """The store has just taken a row: for TOLERANCE_SECONDS that many rows before it are handled even if
        all of them fail, because the failures are their own. 0: as always."""
        self._tolerated = rows
        self._tolerant_until = self._context.clock.now() + TOLERANCE_SECONDS

    def run(
        self,
        rows: Sequence[Row],
        states: RemoteStates,
        default: RemoteState = Presumption.UNKNOWN,
        tolerant: bool = False,
    ) -> BatchResult:
        """Handle the rows. Rows are not started, and missing in ``done``, once the daemon is stopping, or so
        many rows failed in succession that the rest would fail too. ``tolerant``: not for that reason, as
        long as failures are tolerated."""
        tolerant = tolerant and self._tolerated > 0 and self._context.clock.now() < self._tolerant_until
        self._places.start_batch(self._context.journal.waiting(self._key))
        enough = 2 * self._context.workers.size
        failed = 0

        def handle(row: Row, on_proved: Callable[[Row], None] | None = None) -> Outcome | None:
            nonlocal failed
            if self._context.halted(self._mapping) or self._gate.is_closed:
                return None
            if failed >= enough and not tolerant:
                return None
            outcome = self._handler.handle(row, states.get(row.name, default), on_proved)
            self._tally.handled()
            if outcome.reason == LARGE:
                self._places.take()
            elif outcome.reason in OUTAGE_REASONS:
                failed += 1
            elif _was_attempted(outcome):
                failed = 0
            return outcome

        outcomes: dict[int, Outcome | None] = self._agreeing(rows, states, default)
        outcomes.update(self._deletes.run(self._deletes.select(rows), handle))
        others = [row for row in rows if id(row) not in outcomes]
        stragglers = self.stragglers
        done = self._context.workers.map(
            lambda row: stragglers.handle(row, handle), others, stragglers.timeout
        )
        outcomes.update((id(row), outcome) for row, outcome in zip(others, done, strict=True))
        outcomes.update(stragglers.leave(others))
        result = BatchResult(tolerant=tolerant)
        for row in rows:
            outcome = outcomes[id(row)]
            if outcome is not None:
                result.done.append((row, outcome))
            else:
                result.complete = False
                result.abandoned_from = min(row.rowid, result.abandoned_from or row.rowid)
        if tolerant:
            self._tolerated -= len(result.done)
        return result

    def _agreeing(
        self, rows: Sequence[Row], states: RemoteStates, default: RemoteState
    ) -> dict[int, Outcome | None]:
        """The rows that listings show to agree, by their ``id``: most, when many are compared. A thread for
        each would cost several times as much."""
        if self._context.halted(self._mapping) or self._gate.is_closed:
            return {}
        agrees, get = self._handler.agrees, states.get
        found: dict[int, Outcome | None] = {
            id(row): PRESENT for row in rows if agrees(row, get(row.name, default))
        }
        if found:
            self._tally.handled()
        return found

    def send_large(self, row: Row) -> Outcome:
        """Handle a row whose name the large-object lane has claimed, and record the outcome. Raises
        StateError."""
        outcome = self._large_handler.handle_claimed(row)
        self._tally.handled()
        self.record(BatchResult([(row, outcome)]))
        return outcome

    def move_segments(self, rows: Sequence[Row]) -> list[Outcome]:
        """Move objects that were segments of a large object that has been moved, and record the outcomes.
        Raises StateError."""
        outcomes = list(
            self._context.workers.map(
                lambda row: self._former_segments.handle(row, Presumption.UNKNOWN), rows
            )
        )
        for _ in outcomes:
            self._tally.handled()
        self.record(BatchResult(list(zip(rows, outcomes, strict=True))))
        return outcomes

    def record(
        self, result: BatchResult, later: Sequence[DueRange] = (), looked_at: Sequence[DueRange] = ()
    ) -> None:
        """Write the outcomes to the journal. Only then may a cursor pass these rows. Raises StateError."""
        settlement = Settlement(later=list(later), looked_at=list(looked_at))
        agreeing, is_waiting = 0, self._context.journal.has
        for row, outcome in result.done:
            if outcome is PRESENT and not is_waiting(self._key, row.name):
                agreeing += 1
                continue
            if outcome.reason == LARGE:
                log.debug("%s of %s: %s", row.name, self._mapping.label, outcome.detail)
                settlement.deferred.append(_unsettled(row, outcome))
                continue
            self._tally.add(outcome)
            if outcome.settled:
                self._log_recovery(row, outcome)
                settlement.settled.append((row.name, row.timestamp.internal))
            elif outcome.reason == NOT_DUE:
                settlement.postponed.append((row.name, self._handler.next_due(row)))
            elif outcome.reason == HELD:
                settlement.postponed.append((row.name, self._delete_limiter.until))
            else:
                self._log_failure(row, outcome)
                settlement.failures.append(_unsettled(row, outcome))
        if agreeing:
            self._tally.add(PRESENT, agreeing)
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
    """Whether at least ``enough`` rows were attempted, and all failed for reasons that may lie outside the
    objects."""
    return len(outcomes) >= enough and all(outcome.reason in OUTAGE_REASONS for outcome in outcomes)


def _was_attempted(outcome: Outcome) -> bool:
    return outcome.kind is not Kind.SKIPPED and outcome.reason not in (NOT_DUE, LARGE, HELD)


def row_of(entry: Unsettled) -> Row:
    """A row for a journal entry: it has the identity of the failed or waiting row, but neither its ETag nor
    its size."""
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
