"""Stored copies that have expired: when they are looked at, and what is left in the journal."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from s3_sync.config.settings import Mapping
from s3_sync.model.outcomes import HELD, LARGE, NOT_DUE, Outcome
from s3_sync.state.expiries import Entry, Expiry
from s3_sync.sync.rows.batch import OUTAGE, Batches
from s3_sync.sync.services import Context

log = logging.getLogger("s3-sync")

#: how long Swift's object expirer is given to reap a local object, before it is looked at again (seconds)
REAPED_WITHIN = 900.0


class Expirations:
    """What is due of one mapping, whose name in the journal is ``key``."""

    def __init__(self, context: Context, mapping: Mapping, key: str) -> None:
        self._context = context
        self._mapping = mapping
        self._key = key
        self._expiries = context.journal.expiries
        self._all_tried = False

    @property
    def failing(self) -> int:
        return self._expiries.failing(self._key)

    def run(self, limit: int, open_batches: Callable[[], Batches]) -> tuple[bool, list[Outcome]]:
        """Up to ``limit`` of those that are due; whether there are more, and what became of them.

        Without ``propagate_expiration`` nothing is. With ``once``, what failed before is tried one time,
        whether it is its time or not. What was not begun, as in ``Batches.run``, stays as it is.
        """
        due = self._due(limit)
        if not due:
            return False, []
        batches = open_batches()
        done = self._handle(due, batches)
        now = self._context.clock.now()
        settled: list[Expiry] = []
        later: list[Entry] = []
        for entry, outcome in done:
            batches.tally.add(outcome)
            if outcome.settled:
                settled.append(entry.expiry)
            elif outcome.reason in (NOT_DUE, LARGE, HELD):
                later.append(Entry(entry.expiry, next_try=now + REAPED_WITHIN))
            else:
                self._log_failure(entry, outcome)
                later.append(self._expiries.failed(entry, now, outcome.reason, outcome.detail))
        self._expiries.settle(self._key, settled, later)
        return len(due) >= limit or len(done) < len(due), [outcome for _, outcome in done]

    def _due(self, limit: int) -> list[Entry]:
        profile = self._mapping.profile
        if not profile.expires_copies or self._context.stop.is_set():
            return []
        now = self._context.clock.now()
        next_try = now
        if self._context.once and not self._all_tried:
            self._all_tried, next_try, limit = True, float("inf"), 1_000_000
        return self._expiries.due(self._key, now - profile.propagate_expiration_offset, next_try, limit)

    def _handle(self, due: Sequence[Entry], batches: Batches) -> list[tuple[Entry, Outcome]]:
        enough = 2 * self._context.workers.size
        failed = 0

        def handle(entry: Entry) -> Outcome | None:
            nonlocal failed
            if self._context.halted(self._mapping) or failed >= enough:
                return None
            outcome = batches.expirer.handle(entry.expiry)
            failed = failed + 1 if outcome.reason in OUTAGE else 0
            return outcome

        outcomes = self._context.workers.map(handle, due)
        return [(entry, outcome) for entry, outcome in zip(due, outcomes, strict=True) if outcome]

    def _log_failure(self, entry: Entry, outcome: Outcome) -> None:
        log.log(
            logging.DEBUG if entry.attempts else logging.ERROR,
            "Failed to delete %s, which has expired, of %s: %s: %s",
            entry.expiry.name, self._mapping.label, outcome.reason, outcome.detail,
        )  # fmt: skip
