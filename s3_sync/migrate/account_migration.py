"""The job of a migration of a whole account (``/*``): which containers this node migrates.

The source's buckets are listed at an interval; each gets a job of its own. A listing that fails, or that is
empty, changes nothing.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator

from s3_sync.config.coverage import Coverage
from s3_sync.config.settings import Mapping
from s3_sync.daemon.job import StepResult
from s3_sync.daemon.job_backoff import JobBackoff
from s3_sync.errors import SyncError
from s3_sync.migrate.account_metadata import AccountMetadata
from s3_sync.migrate.division import Share
from s3_sync.migrate.gone_containers import GoneContainers, Removal
from s3_sync.migrate.services import Context
from s3_sync.runtime.log_once import LogOnce
from s3_sync.state.held_deletes import HeldDeletes

log = logging.getLogger("swift-s3-migrator")

#: the shortest interval between two listings of an account, and the pause after one as a multiple of its
#: duration; in seconds
LIST_INTERVAL, LIST_REST_FACTOR = 30.0, 20.0
#: what is gone at the source is left to each node before this one for so many seconds
GONE_TIME_FOR_OTHERS = 10 * LIST_INTERVAL
#: Swift's limit for names of containers, in bytes (``max_container_name_length``)
_MAX_NAME = 256


class AccountMigration:
    """``step`` never raises.

    ``held``: deletes that wait for an operator, by containers whose bucket is gone.
    """

    def __init__(self, context: Context, mapping: Mapping, coverage: Coverage) -> None:
        self.mapping = mapping
        self.held: dict[str, HeldDeletes] = {}
        self._context = context
        self._coverage = coverage
        self._children: dict[str, Mapping] | None = None
        self._gone: deque[str] = deque()
        #: containers that are gone at the source -> when that was first listed
        self._gone_since: dict[str, float] = {}
        self._failed: set[str] = set()
        self._list_at = float("-inf")
        self._backoff = JobBackoff("Failed to list", mapping.label)
        self._log_once = LogOnce()
        self._heartbeat = context.activity.heartbeat_for(mapping)

    @property
    def children(self) -> dict[str, Mapping] | None:
        return self._children

    @property
    def is_failing(self) -> bool:
        return self._backoff.is_failing or bool(self._failed)

    @property
    def has_leftovers(self) -> bool:
        """Whether something remains of containers that are gone at the source; all others report their
        own."""
        return bool(self._failed or self.held or self._gone)

    def summary(self, everything: bool) -> str | None:
        """None: the containers have summaries of their own."""
        return None

    def retire(self) -> None:
        """Do nothing: what is listed is discarded."""

    def children_of(self, mapping: Mapping) -> list[Mapping]:
        return [mapping.of_container(container) for container in self._children or ()]

    def update_coverage(self, coverage: Coverage) -> None:
        """Drop containers that have a migration of their own now, and list again in the next step."""
        self._coverage, self._list_at = coverage, float("-inf")
        if self._children is not None:
            kept = {name: child for name, child in self._children.items() if not self._is_named(name)}
            self._children = kept

    def step(self) -> StepResult:
        """List, or handle a container that is gone at the source, whichever is due."""
        self._heartbeat.begin()
        step = self._backoff.guard(self._checked_step)
        self._heartbeat.end(idle=not step.has_more, failing=self.is_failing)
        return step

    def _checked_step(self) -> StepResult:
        if self._context.halted(self.mapping):
            return StepResult(False)
        if self._gone:
            self._remove(self._gone.popleft())
        elif self._is_due():
            self._update_metadata()
            self._checked_list()
        self._backoff.succeeded()
        return StepResult(bool(self._gone))

    def _is_due(self) -> bool:
        now = self._context.clock.now()
        # the clock may have been set back
        return not now < self._list_at <= now + LIST_INTERVAL + LIST_REST_FACTOR * 3600

    def _update_metadata(self) -> None:
        """A source whose account does not tell its metadata does not stop the migration of its objects."""
        provider = self._context.registry.provider(self.mapping.credentials)
        if self._context.dry_run:
            return
        try:
            AccountMetadata(self._context.client, provider, self.mapping).reconcile()
        except SyncError as error:
            self._report("", "Failed to migrate the account's metadata of", error)
        else:
            self._settle("")

    def _checked_list(self) -> None:
        failures, key = self._context.failures, self.mapping.journal_key
        try:
            self._list()
        except SyncError as error:
            failures.record(key, "", error.reason, str(error), self._context.clock.now())
            raise
        failures.settle(key, [""])

    def _list(self) -> None:
        context, began = self._context, self._context.clock.now()
        provider = context.registry.provider(self.mapping.credentials)
        listed = [entry.name for entry in provider.list_buckets()]
        local = list(context.client.containers(self.mapping.account))
        if self._children is None:
            self._children = {}
        if not listed:
            level = self._log_once.level_for("empty", "empty")
            log.log(level, "%s: the source lists no bucket at all; nothing is changed", self.mapping.label)
        else:
            self._log_once.clear("empty")
            self._update_children([name for name in listed if self._is_migrated(name)])
            known = set(listed)
            gone = [name for name in local if name not in known and self._is_migrated(name)]
            self._gone = deque(self._due(gone))
            self._forget_all_but(gone)
        now = context.clock.now()
        self._list_at = max(began + LIST_INTERVAL, now + LIST_REST_FACTOR * (now - began))

    def _update_children(self, names: list[str]) -> None:
        before = self._children or {}
        if before.keys() == set(names):
            return
        self._children = {name: self.mapping.of_container(name) for name in names}
        for child in self._children.values():
            self._context.statuses.expect(child, None, None)
        came, went = self._children.keys() - before.keys(), before.keys() - self._children.keys()
        log.info(
            "%s: %d containers on this node (%d new, %d gone)",
            self.mapping.label, len(names), len(came), len(went),
        )  # fmt: skip

    def _due(self, gone: list[str]) -> Iterator[str]:
        """Yield the containers that are this node's business now. The first of those that share a container
        has them at once, the others when it has had the time."""
        now = self._context.clock.now()
        self._gone_since = {name: self._gone_since.get(name, now) for name in gone}
        for name, since in self._gone_since.items():
            share = self._share(name)
            if share is not None and now >= since + share.ordinal * GONE_TIME_FOR_OTHERS:
                yield name

    def _share(self, container: str) -> Share | None:
        return self._context.division.share(self.mapping.account, container)

    def _is_migrated(self, name: str) -> bool:
        if name.startswith("\0") or self._is_named(name) or self._share(name) is None:
            return False
        if "/" not in name and 0 < len(name.encode("utf-8", "surrogatepass")) <= _MAX_NAME:
            return True
        level = self._log_once.level_for(name, "name")
        log.log(level, "%s: %r cannot be the name of a container", self.mapping.label, name)
        return False

    def _is_named(self, container: str) -> bool:
        """Whether the container has a migration of its own."""
        return (self.mapping.account, container) in self._coverage.named_containers()

    def _remove(self, container: str) -> None:
        provider = self._context.registry.provider(self.mapping.credentials)
        try:
            removal = GoneContainers(self._context, self.mapping, provider).remove(container)
        except SyncError as error:
            self._report(container, "Failed to handle what is gone at the source:", error)
            return
        self._settle(container)
        self._note(container, removal)

    def _note(self, container: str, removal: Removal) -> None:
        if removal.failed:
            self._failed.add(container)
        if removal.held is None:
            self.held.pop(container, None)
        else:
            self.held[container] = removal.held

    def _report(self, container: str, message: str, error: SyncError) -> None:
        self._failed.add(container)
        level = self._log_once.level_for(f"failed {container}", str(error), logging.ERROR)
        log.log(level, "%s %s %s: %s", message, self.mapping.label, container, error)

    def _settle(self, container: str) -> None:
        self._failed.discard(container)
        self._log_once.clear(f"failed {container}")

    def _forget_all_but(self, gone: list[str]) -> None:
        """Forget containers that are at the source again."""
        self._failed &= {*gone, ""}
        self.held = {name: held for name, held in self.held.items() if name in gone}
