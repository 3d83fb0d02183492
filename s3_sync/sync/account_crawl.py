"""A mapping of a whole account (``/*``): which containers it comes to on this node.

The account is listed at a pace of its own; in between, nothing is asked and nothing forgotten. A container is
covered here as long as this node has a database of it, be it of a deleted container, whose last rows are the
deletes that emptied it; and as long as the journal remembers anything about it. When it is not covered any
more it simply gets no more turns: nothing is deleted, and its status file stays.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from s3_sync.config.coverage import Coverage
from s3_sync.config.settings import Mapping
from s3_sync.daemon.delay_queue import backoff_delay
from s3_sync.daemon.job import StepResult
from s3_sync.errors import SyncError
from s3_sync.runtime.log_once import LogOnce
from s3_sync.sync.lifecycle.account_segment_index import AccountSegmentIndex
from s3_sync.sync.services import Context

log = logging.getLogger("s3-sync")

#: the time from the begin of one listing to that of the next, at least, and how many times as long as a
#: listing takes it is from the end of one to the begin of the next; in seconds
LIST_EVERY, LIST_REST = 30.0, 20.0
#: so many names are looked at before others get their turn
PAGE = 500
#: how long a turn looks for large objects, in seconds
WALK_SLICE = 2.0


class AccountCrawl:
    """Lives as long as its mapping; ``step`` never raises.

    ``covered``: container -> its mapping, None before that is known; another object whenever it has changed.
    ``neighbours``: what those that move objects have to know of each other; ``known``: that of the crawl
    before this one, of the same account.
    """

    def __init__(
        self, context: Context, mapping: Mapping, coverage: Coverage, known: AccountSegmentIndex | None = None
    ) -> None:
        self.mapping = mapping
        self.covered: dict[str, Mapping] | None = None
        self.neighbours: AccountSegmentIndex | None = None
        if not mapping.profile.retain_local:
            names = context.local.accounts.names
            self.neighbours = known or AccountSegmentIndex(names(mapping.account), context.clock)
        self._context = context
        self._coverage = coverage
        self._versioned: frozenset[str] = frozenset()
        self._list_at = float("-inf")
        self._setbacks = 0
        self._heartbeat = context.activity.heartbeat_for(mapping)
        self._log_once = LogOnce()

    @property
    def children(self) -> dict[str, Mapping] | None:
        return self.covered

    @property
    def is_failing(self) -> bool:
        return bool(self._setbacks)

    @property
    def has_leftovers(self) -> bool:
        """Its containers say that."""
        return False

    def summary(self, everything: bool) -> str | None:
        """Its containers say that."""
        return None

    def retire(self) -> None:
        """A listing in progress is short, and what it finds is no longer used."""

    def children_of(self, mapping: Mapping) -> list[Mapping]:
        """Where nothing was moved before, and now is, a walk through the account has to come first."""
        if not mapping.profile.retain_local and self.neighbours is None:
            return []
        found = (self._coverage.share(mapping, container) for container in self.covered or ())
        return [each for each in found if each is not None]

    def update_coverage(self, coverage: Coverage) -> None:
        """What other mappings take out is out, and the account is listed again at the next turn."""
        self._coverage, self._list_at = coverage, float("-inf")
        if self.covered is not None:
            self.covered = {each: share for each in self.covered if (share := self._share(each))}

    def step(self) -> StepResult:
        """A slice of a walk, or a listing, whatever is due."""
        self._heartbeat.begin()
        step = self._guarded_step()
        self._heartbeat.end(idle=not step.has_more, failing=self.is_failing)
        return step

    def _guarded_step(self) -> StepResult:
        try:
            more = self._step()
        except SyncError as error:
            return self._setback(str(error))
        except Exception as error:
            self._log_once.exception(log, error, "Failed to look through %s", self.mapping.label)
            return self._setback(repr(error))
        if self._setbacks and not more and not (self.neighbours and self.neighbours.failing):
            log.info("%s: working again", self.mapping.label)
            self._setbacks = 0
        return StepResult(more and not self._context.stop.is_set())

    def _step(self) -> bool:
        now = self._context.clock.now
        if self.neighbours is not None:
            if self.neighbours.run(WALK_SLICE):
                return True
            if not self.neighbours.known:
                return False
            if self._versioned != self.neighbours.versioned:
                self._versioned, self._list_at = self.neighbours.versioned, float("-inf")
        if now() < self._list_at <= now() + LIST_EVERY + LIST_REST * 3600:  # the clock may have been set back
            return False
        begun, coverage = now(), self._coverage
        covered = {container: mapping for container, mapping in self._find()}
        if self._coverage is not coverage:  # meanwhile
            return True
        self._list_at = max(begun + LIST_EVERY, now() + LIST_REST * (now() - begun))
        if covered != self.covered:
            self._tell(covered, self.covered or {})
            self.covered = covered
        return False

    def _find(self) -> Iterator[tuple[str, Mapping]]:
        """What is covered now. Raises LocalUnavailable, StateError."""
        account = self.mapping.account
        # what has been deleted while nobody looked is in no listing any more
        before = self._context.statuses.containers(account) if self.covered is None else self.covered
        known = set(before)
        here = self._context.brokers.is_here
        sharded = {root for root, *shard in self._context.local.accounts.sharded(account) if here(*shard)}
        for number, container in enumerate(self._context.local.accounts.containers(account), 1):
            mapping = self._share(container)
            if mapping and (
                here(account, container)
                or container in sharded
                or (container in known and self._is_unsettled(mapping))
            ):
                yield container, mapping
            known.discard(container)
            if number % PAGE == 0:
                self._heartbeat.touch()
                self._context.clock.sleep(0)
        for container in sorted(known):
            mapping = self._share(container)
            if mapping and (self._has_database(container) or self._is_unsettled(mapping)):
                yield container, mapping

    def _share(self, container: str) -> Mapping | None:
        if container in self._versioned or not self._context.share.owns(self.mapping.account, container):
            return None
        return self._coverage.share(self.mapping, container)

    def _has_database(self, container: str) -> bool:
        replicas = self._context.brokers.replicas(self.mapping.account, container)
        return any(replica.fingerprint() is not None for replica in replicas)

    def _is_unsettled(self, mapping: Mapping) -> bool:
        return self._context.journal.has_entries(mapping.journal_key)

    def _tell(self, covered: dict[str, Mapping], before: dict[str, Mapping]) -> None:
        came, went = covered.keys() - before.keys(), before.keys() - covered.keys()
        log.info(
            "%s: %d containers on this node (%d new, %d gone)",
            self.mapping.label, len(covered), len(came), len(went),
        )  # fmt: skip

    def _setback(self, why: str) -> StepResult:
        level = logging.DEBUG if self._setbacks else logging.ERROR
        self._setbacks += 1
        pause = backoff_delay(self._setbacks)
        log.log(level, "Failed to list %s: %s; next try in %.0f s", self.mapping.label, why, pause)
        return StepResult(False, pause)
