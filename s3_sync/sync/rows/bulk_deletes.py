"""Deletes of a batch: each one proved by itself, all of them sent with few requests."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from s3_sync.daemon.delete_limiter import DeleteLimiter
from s3_sync.errors import NotSupported, RemoteError
from s3_sync.model.outcomes import HELD, Kind, Outcome
from s3_sync.model.rows import Row
from s3_sync.providers.base import Bucket
from s3_sync.runtime.concurrency import Pool
from s3_sync.sync.rows.handler import outcome_of

log = logging.getLogger("s3-sync")

#: fewer deletes than this are sent one by one
FEW = 10
_HELD = Outcome(Kind.PENDING, HELD, "the delete budget is used up")
#: a proof older than this, in seconds, is made again
GOOD_FOR = 10.0

#: handles a row; a delete that is proved is told to the second argument instead of being sent
Handle = Callable[[Row, Callable[[Row], None] | None], Outcome | None]


class BulkDeletes:
    """Proves as many deletes as fit one request, sends it, and goes on with the next ones.

    What was proved a moment ago still holds: a client that writes the name again gets a row of its own, which
    comes after this batch, and other nodes' daemons leave that row alone for the verification slack.
    """

    def __init__(
        self, bucket: Bucket, workers: Pool, now: Callable[[], float], guard: DeleteLimiter | None = None
    ) -> None:
        self._bucket = bucket
        self._workers = workers
        self._now = now
        self._guard = guard

    def chosen(self, rows: Sequence[Row]) -> list[Row]:
        """The rows to be given to ``run``: none where the store deletes one by one, or there are few."""
        deletes = [row for row in rows if row.deleted] if self._bucket.features.bulk_delete else []
        return deletes if len(deletes) >= FEW else []

    def run(self, rows: Sequence[Row], handle: Handle) -> dict[int, Outcome | None]:
        """What became of each row, by its ``id``; None: not begun."""
        size = self._bucket.features.bulk_delete or len(rows)  # it may have turned out to be none
        outcomes: dict[int, Outcome | None] = {}
        if not rows:
            return outcomes  # the store may not know such a request
        for start in range(0, len(rows), size):
            outcomes.update(self._run(rows[start : start + size], handle))
        return outcomes

    def _run(self, rows: Sequence[Row], handle: Handle) -> dict[int, Outcome | None]:
        began = self._now()
        proven: list[Row] = []
        done = self._workers.map(lambda row: handle(row, proven.append), rows)
        outcomes = {id(row): outcome for row, outcome in zip(rows, done, strict=True)}
        if 0 <= self._now() - began <= GOOD_FOR:
            allowed = [row for row in proven if self._may_go(row)]
            outcomes.update((id(row), _HELD) for row in proven)
            outcomes.update((id(row), Outcome(Kind.DELETED)) for row in allowed)
            try:
                failed = self._send({row.name for row in allowed})
            except NotSupported:
                for row in allowed:
                    self._give_back(row)
                outcomes.update(self._one_by_one(allowed, handle))
                return outcomes
            outcomes.update((id(row), failed[row.name]) for row in allowed if row.name in failed)
            for row in allowed:
                if row.name in failed:
                    self._give_back(row)
        else:
            outcomes.update(self._one_by_one(proven, handle))
        return outcomes

    def _one_by_one(self, rows: Sequence[Row], handle: Handle) -> dict[int, Outcome | None]:
        """Proved once more, right before each request."""
        done = self._workers.map(lambda row: handle(row, None), rows)
        return {id(row): outcome for row, outcome in zip(rows, done, strict=True)}

    def _give_back(self, row: Row) -> None:
        if self._guard is not None:
            self._guard.refund(row.data_timestamp.seconds)

    def _may_go(self, row: Row) -> bool:
        return self._guard is None or self._guard.acquire(row.data_timestamp.seconds)

    def _send(self, names: set[str]) -> dict[str, Outcome]:
        """What became of those that were not deleted. Raises NotSupported."""
        if not names:
            return {}
        try:
            failed = self._bucket.delete_objects(sorted(names))
        except NotSupported:
            raise
        except RemoteError as error:
            return dict.fromkeys(names, outcome_of(error))
        return {name: outcome_of(error) for name, error in failed.items()}
