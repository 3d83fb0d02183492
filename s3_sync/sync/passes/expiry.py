"""``propagate_expiration``: deletes the stored copy of a moved object once it has expired.

The journal lists copies with the time at which they expire; the pass handles those that are due.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from s3_sync.cluster.newest import Deleted, LocalState, NewestState, Present
from s3_sync.config.settings import Mapping
from s3_sync.daemon.delete_limiter import DeleteLimiter
from s3_sync.daemon.name_locks import NameLocks
from s3_sync.errors import NotFound, SyncError
from s3_sync.model.objects import ObjectInfo
from s3_sync.model.outcomes import EXCLUDED, EXPIRED, HELD, LARGE, NOT_DUE, SUPERSEDED, Kind, Outcome
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import Bucket
from s3_sync.runtime.log_once import LogOnce
from s3_sync.state.expiries import Entry, Expiry
from s3_sync.sync.passes.result import NOTHING, PassResult
from s3_sync.sync.rows.batch import OUTAGE_REASONS
from s3_sync.sync.rows.delete_handler import delete_copy
from s3_sync.sync.rows.handler import outcome_of
from s3_sync.sync.rows.services import RowServices
from s3_sync.sync.services import Context

log = logging.getLogger("s3-sync")

#: seconds that Swift's object expirer has to reap a local object before the expiry is retried
REAP_GRACE = 900.0


class ExpiryPass:
    """The expiry pass of one mapping. ``key``: the mapping's name in the journal."""

    def __init__(self, context: Context, mapping: Mapping, key: str) -> None:
        self._context = context
        self._mapping = mapping
        self._key = key
        self._expiries = context.journal.expiries
        self._all_tried = False
        self._expirer: Expirer | None = None

    @property
    def failing(self) -> int:
        return self._expiries.failing(self._key)

    def run(self, limit: int, open_services: Callable[[], RowServices]) -> PassResult:
        """Handle up to ``limit`` expiries that are due.

        Without ``propagate_expiration`` none is due. With ``once``, each expiry that failed before is retried
        one time, due or not. An expiry that was not started, as in ``BatchRunner.run``, stays unchanged.
        """
        due = self._due(limit)
        if not due:
            return NOTHING
        services = open_services()
        done = self._handle(due, services)
        now = self._context.clock.now()
        settled: list[Expiry] = []
        later: list[Entry] = []
        for entry, outcome in done:
            services.tally.add(outcome)
            if outcome.settled:
                settled.append(entry.expiry)
            elif outcome.reason in (NOT_DUE, LARGE, HELD):
                later.append(Entry(entry.expiry, next_try=now + REAP_GRACE))
            else:
                self._log_failure(entry, outcome)
                later.append(self._expiries.failed(entry, now, outcome.reason, outcome.detail))
        self._expiries.settle(self._key, settled, later)
        more = len(due) >= limit or len(done) < len(due)
        return PassResult(more, tuple(outcome for _, outcome in done))

    def _due(self, limit: int) -> list[Entry]:
        profile = self._mapping.profile
        if not self._mapping.expires_copies or self._context.stop.is_set():
            return []
        now = self._context.clock.now()
        next_try = now
        if self._context.once and not self._all_tried:
            self._all_tried, next_try, limit = True, float("inf"), 1_000_000
        return self._expiries.due(self._key, now - profile.propagate_expiration_offset, next_try, limit)

    def _handle(self, due: Sequence[Entry], services: RowServices) -> list[tuple[Entry, Outcome]]:
        enough = 2 * self._context.workers.size
        failed = 0
        expirer = self._get_expirer(services)

        def handle(entry: Entry) -> Outcome | None:
            nonlocal failed
            if self._context.halted(self._mapping) or failed >= enough:
                return None
            outcome = expirer.handle(entry.expiry)
            failed = failed + 1 if outcome.reason in OUTAGE_REASONS else 0
            return outcome

        outcomes = self._context.workers.map(handle, due)
        return [(entry, outcome) for entry, outcome in zip(due, outcomes, strict=True) if outcome]

    def _get_expirer(self, services: RowServices) -> Expirer:
        if self._expirer is None:
            self._expirer = Expirer(
                self._mapping,
                services.bucket,
                self._context.local.newest,
                services.names,
                self._context.clock.now,
                services.delete_limiter,
            )
        return self._expirer

    def _log_failure(self, entry: Entry, outcome: Outcome) -> None:
        log.log(
            logging.DEBUG if entry.attempts else logging.ERROR,
            "Failed to delete the expired copy of %s of %s: %s: %s",
            entry.expiry.name, self._mapping.label, outcome.reason, outcome.detail,
        )  # fmt: skip


class Expirer:
    """Deletes expired copies. ``names``: the locks under which the mapping's rows are handled."""

    def __init__(
        self,
        mapping: Mapping,
        bucket: Bucket,
        newest: NewestState,
        names: NameLocks,
        now: Callable[[], float],
        limiter: DeleteLimiter,
    ) -> None:
        self._mapping = mapping
        self._bucket = bucket
        self._newest = newest
        self._names = names
        self._now = now
        self._log_once = LogOnce()
        self._limiter = limiter

    def handle(self, expiry: Expiry) -> Outcome:
        """Delete the copy if it is the recorded one, and no newer state is known. Never raises."""
        try:
            with self._names.hold(expiry.name):
                return self._expire(expiry)
        except SyncError as error:
            return outcome_of(error)
        except Exception as error:
            self._log_once.exception(
                log, error, "Failed to expire %s of %s", expiry.name, self._mapping.label
            )
            return Outcome(Kind.PENDING, "internal_error", repr(error))

    def _expire(self, expiry: Expiry) -> Outcome:
        exclude = self._mapping.profile.exclude
        if exclude is not None and exclude.match(expiry.name):
            return Outcome(Kind.SKIPPED, EXCLUDED)
        try:
            remote = self._bucket.head_object(expiry.name)
        except NotFound:
            return Outcome(Kind.PRESENT)
        if not _is_copy(remote, expiry):
            return Outcome(Kind.SKIPPED, SUPERSEDED)
        if not self._is_due(expiry):
            return Outcome(Kind.PENDING, NOT_DUE)
        state = self._newest.of(self._mapping.account, self._mapping.container, expiry.name)
        if isinstance(state, Present) and state.expired:
            return Outcome(Kind.PENDING, NOT_DUE)  # restored; decided once it is reaped
        if not _is_gone(state, expiry):
            return Outcome(Kind.SKIPPED, SUPERSEDED)
        delete_copy(self._bucket, expiry.name, self._limiter, expiry.delete_at)
        return Outcome(Kind.DELETED, EXPIRED)

    def _is_due(self, expiry: Expiry) -> bool:
        """Whether the expiry is due by the store's clock as well, just read from its response: ours may be
        fast."""
        now = self._now() + min(0.0, self._bucket.clock_offset)
        return now >= expiry.delete_at + self._mapping.profile.propagate_expiration_offset


def _is_copy(remote: ObjectInfo, expiry: Expiry) -> bool:
    """Whether the stored copy is the one that the entry describes."""
    return (
        remote.meta.marks.get("swift-timestamp") == expiry.copy and remote.meta.delete_at == expiry.delete_at
    )


def _is_gone(state: LocalState, expiry: Expiry) -> bool:
    """Whether the object was only moved since, or restored and then reaped: Swift's expirer deletes with
    X-Delete-At as the timestamp."""
    if isinstance(state, Present):
        return False
    if not isinstance(state, Deleted):
        return True  # the tombstone was reclaimed
    moved = Timestamp.parse(expiry.version).after()
    return state.timestamp <= moved or state.timestamp == Timestamp.from_seconds(expiry.delete_at)
