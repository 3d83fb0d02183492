"""The job of a mapping of a whole account (``/*``): which containers it covers on this node.

The account is listed at its own interval; between two listings the result is kept. A container is covered on
this node as long as the node has a database of it, which may be that of a deleted container, whose last rows
are the deletes that emptied it; and as long as the journal has entries about it. A container that is no
longer covered gets no more turns: nothing is deleted, and its status file stays.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from s3_sync.config.coverage import Coverage
from s3_sync.config.settings import Mapping
from s3_sync.daemon.job import StepResult
from s3_sync.daemon.job_backoff import JobBackoff
from s3_sync.sync.lifecycle.account_segment_index import AccountSegmentIndex
from s3_sync.sync.services import Context

log = logging.getLogger("s3-sync")

#: the shortest interval between two listings of an account, and the pause after one as a multiple of its
#: duration; in seconds
LIST_INTERVAL, LIST_REST_FACTOR = 30.0, 20.0
#: names listed before other threads get a chance to run
YIELD_EVERY_NAMES = 500
#: time per step, in seconds, for scanning for large objects
SCAN_SLICE = 2.0


class AccountCrawl:
    """The crawl of one account, from the start to the end of its mapping. ``step`` never raises.

    ``covered``: container -> its mapping; None before the first listing; replaced by a new dict whenever it
    changes. ``account_index``: the index of large objects that crawls which move objects share; ``known``:
    that of the previous crawl of the same account.
    """

    def __init__(
        self, context: Context, mapping: Mapping, coverage: Coverage, known: AccountSegmentIndex | None = None
    ) -> None:
        self.mapping = mapping
        self.covered: dict[str, Mapping] | None = None
        self.account_index: AccountSegmentIndex | None = None
        if not mapping.profile.retain_local:
            names = context.local.accounts.names
            self.account_index = known or AccountSegmentIndex(names(mapping.account), context.clock)
        self._context = context
        self._coverage = coverage
        self._versioned: frozenset[str] = frozenset()
        self._list_at = float("-inf")
        self._backoff = JobBackoff("Failed to list", mapping.label)
        self._heartbeat = context.activity.heartbeat_for(mapping)

    @property
    def children(self) -> dict[str, Mapping] | None:
        return self.covered

    @property
    def is_failing(self) -> bool:
        return self._backoff.is_failing

    @property
    def has_leftovers(self) -> bool:
        """False: the containers report their own."""
        return False

    def summary(self, everything: bool) -> str | None:
        """None: the containers have summaries of their own."""
        return None

    def retire(self) -> None:
        """Do nothing: a listing in progress is short, and its result is discarded."""

    def children_of(self, mapping: Mapping) -> list[Mapping]:
        """Returns nothing if ``mapping`` begins to move objects: the account must be scanned first."""
        if not mapping.profile.retain_local and self.account_index is None:
            return []
        found = (self._coverage.for_container(mapping, container) for container in self.covered or ())
        return [each for each in found if each is not None]

    def update_coverage(self, coverage: Coverage) -> None:
        """Drop containers that other mappings now cover, and list the account again in the next step."""
        self._coverage, self._list_at = coverage, float("-inf")
        if self.covered is not None:
            self.covered = {each: share for each in self.covered if (share := self._container_mapping(each))}

    def step(self) -> StepResult:
        """Run a slice of the scan, or a listing, whichever is due."""
        self._heartbeat.begin()
        step = self._backoff.guard(self._checked_step)
        self._heartbeat.end(idle=not step.has_more, failing=self.is_failing)
        return step

    def _checked_step(self) -> StepResult:
        more = self._step()
        if not more and not (self.account_index and self.account_index.failing):
            self._backoff.succeeded()
        return StepResult(more and not self._context.stop.is_set())

    def _step(self) -> bool:
        now = self._context.clock.now
        if self.account_index is not None:
            if self.account_index.advance(SCAN_SLICE):
                return True
            if not self.account_index.known:
                return False
            if self._versioned != self.account_index.versioned:
                self._versioned, self._list_at = self.account_index.versioned, float("-inf")
        if (
            now() < self._list_at <= now() + LIST_INTERVAL + LIST_REST_FACTOR * 3600
        ):  # the clock may have been set back
            return False
        begun, coverage = now(), self._coverage
        covered = {container: mapping for container, mapping in self._list_covered()}
        if self._coverage is not coverage:  # it changed during the listing
            return True
        self._list_at = max(begun + LIST_INTERVAL, now() + LIST_REST_FACTOR * (now() - begun))
        if covered != self.covered:
            self._log_change(covered, self.covered or {})
            self.covered = covered
        return False

    def _list_covered(self) -> Iterator[tuple[str, Mapping]]:
        """The containers that are covered now. Raises LocalUnavailable, StateError."""
        account = self.mapping.account
        # a container that was deleted while no daemon ran is in no listing
        before = self._context.statuses.containers(account) if self.covered is None else self.covered
        known = set(before)
        here = self._context.brokers.is_here
        sharded = {root for root, *shard in self._context.local.accounts.sharded(account) if here(*shard)}
        for number, container in enumerate(self._context.local.accounts.containers(account), 1):
            mapping = self._container_mapping(container)
            if mapping and (
                here(account, container)
                or container in sharded
                or (container in known and self._has_journal_entries(mapping))
            ):
                yield container, mapping
            known.discard(container)
            if number % YIELD_EVERY_NAMES == 0:
                self._heartbeat.touch()
                self._context.clock.sleep(0)
        for container in sorted(known):
            mapping = self._container_mapping(container)
            if mapping and (self._has_database(container) or self._has_journal_entries(mapping)):
                yield container, mapping

    def _container_mapping(self, container: str) -> Mapping | None:
        if container in self._versioned or not self._context.share.owns(self.mapping.account, container):
            return None
        return self._coverage.for_container(self.mapping, container)

    def _has_database(self, container: str) -> bool:
        replicas = self._context.brokers.replicas(self.mapping.account, container)
        return any(replica.fingerprint() is not None for replica in replicas)

    def _has_journal_entries(self, mapping: Mapping) -> bool:
        return self._context.journal.has_entries(mapping.journal_key)

    def _log_change(self, covered: dict[str, Mapping], before: dict[str, Mapping]) -> None:
        came, went = covered.keys() - before.keys(), before.keys() - covered.keys()
        log.info(
            "%s: %d containers on this node (%d new, %d gone)",
            self.mapping.label, len(covered), len(came), len(went),
        )  # fmt: skip
