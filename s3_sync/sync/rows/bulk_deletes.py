"""Deletes of a batch: each is proved individually, and many are sent in one request."""

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

#: fewer deletes are sent one by one
MIN_BULK_DELETES = 10
_HELD = Outcome(Kind.PENDING, HELD, "the delete budget is used up")
#: an older proof, in seconds, is made again
PROOF_TTL = 10.0

#: handles a row; passes a proved delete to the second argument, if any, instead of sending it
Handle = Callable[[Row, Callable[[Row], None] | None], Outcome | None]


class BulkDeletes:
    """Proves as many deletes as fit one request, sends it, and continues with the next ones.

    A proof stays valid for a moment: a client that writes the name again creates a row of its own, which
    comes after this batch, and other nodes' daemons leave that row alone for the verification slack.
    """

    def __init__(
        self, bucket: Bucket, workers: Pool, now: Callable[[], float], limiter: DeleteLimiter | None = None
    ) -> None:
        self._bucket = bucket
        self._workers = workers
        self._now = now
        self._limiter = limiter

    def select(self, rows: Sequence[Row]) -> list[Row]:
        """The rows to pass to ``run``: none if the store has no bulk delete, or there are too few."""
        deletes = [row for row in rows if row.deleted] if self._bucket.features.bulk_delete else []
        return deletes if len(deletes) >= MIN_BULK_DELETES else []

    def run(self, rows: Sequence[Row], handle: Handle) -> dict[int, Outcome | None]:
        """Returns the outcome of each row by its ``id``; None if it was not started."""
        size = self._bucket.features.bulk_delete or len(rows)  # support may have been disproved since
        outcomes: dict[int, Outcome | None] = {}
        if not rows:
            return outcomes  # the store may not support the request
        for start in range(0, len(rows), size):
            outcomes.update(self._run(rows[start : start + size], handle))
        return outcomes

    def _run(self, rows: Sequence[Row], handle: Handle) -> dict[int, Outcome | None]:
        began = self._now()
        proved: list[Row] = []
        done = self._workers.map(lambda row: handle(row, proved.append), rows)
        outcomes = {id(row): outcome for row, outcome in zip(rows, done, strict=True)}
        if 0 <= self._now() - began <= PROOF_TTL:
            allowed = [row for row in proved if self._acquire(row)]
            outcomes.update((id(row), _HELD) for row in proved)
            outcomes.update((id(row), Outcome(Kind.DELETED)) for row in allowed)
            try:
                failed = self._send({row.name for row in allowed})
            except NotSupported:
                for row in allowed:
                    self._refund(row)
                outcomes.update(self._one_by_one(allowed, handle))
                return outcomes
            outcomes.update((id(row), failed[row.name]) for row in allowed if row.name in failed)
            for row in allowed:
                if row.name in failed:
                    self._refund(row)
        else:
            outcomes.update(self._one_by_one(proved, handle))
        return outcomes

    def _one_by_one(self, rows: Sequence[Row], handle: Handle) -> dict[int, Outcome | None]:
        """Prove each delete again directly before its request."""
        done = self._workers.map(lambda row: handle(row, None), rows)
        return {id(row): outcome for row, outcome in zip(rows, done, strict=True)}

    def _refund(self, row: Row) -> None:
        if self._limiter is not None:
            self._limiter.refund(row.data_timestamp.seconds)

    def _acquire(self, row: Row) -> bool:
        return self._limiter is None or self._limiter.acquire(row.data_timestamp.seconds)

    def _send(self, names: set[str]) -> dict[str, Outcome]:
        """Returns the outcomes of the names that were not deleted. Raises NotSupported."""
        if not names:
            return {}
        try:
            failed = self._bucket.delete_objects(sorted(names))
        except NotSupported:
            raise
        except RemoteError as error:
            return dict.fromkeys(names, outcome_of(error))
        return {name: outcome_of(error) for name, error in failed.items()}
