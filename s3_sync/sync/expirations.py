"""Stored copies that have expired: when they are looked at, and what is left in the journal."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from s3_sync.config.schema import Mapping
from s3_sync.model.outcomes import NOT_DUE, Outcome
from s3_sync.state.expiries import Expiry
from s3_sync.sync.batch import Batches
from s3_sync.sync.context import Context

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

    def due(self, limit: int) -> list[Expiry]:
        """With ``once`` what failed before is tried one time, whether it is its time or not."""
        profile = self._mapping.profile
        if not profile.expires_copies or self._context.stop.is_set():
            return []
        now = self._context.clock.now()
        next_try = now
        if self._context.once and not self._all_tried:
            self._all_tried, next_try, limit = True, float("inf"), 1_000_000
        return self._expiries.due(self._key, now - profile.propagate_expiration_offset, next_try, limit)

    def run(self, due: Sequence[Expiry], batches: Batches) -> list[Outcome]:
        """Those that are not begun because the daemon is stopping stay as they are."""

        def handle(expiry: Expiry) -> Outcome | None:
            return None if self._context.stop.is_set() else batches.expirer.handle(expiry)

        outcomes = self._context.workers.map(handle, due)
        done = [(expiry, outcome) for expiry, outcome in zip(due, outcomes, strict=True) if outcome]
        self._expiries.settle(self._key, [expiry for expiry, outcome in done if outcome.settled])
        now = self._context.clock.now()
        for expiry, outcome in done:
            batches.tally.add(outcome)
            if outcome.reason == NOT_DUE:
                self._expiries.postpone(self._key, expiry, now + REAPED_WITHIN)
            elif not outcome.settled:
                self._log_failure(expiry, outcome)
                self._expiries.fail(self._key, expiry, now, outcome.reason, outcome.detail)
        return [outcome for _, outcome in done]

    def _log_failure(self, expiry: Expiry, outcome: Outcome) -> None:
        log.error(
            "Failed to delete %s, which has expired, of %s: %s: %s",
            expiry.name, self._mapping.label, outcome.reason, outcome.detail,
        )  # fmt: skip
