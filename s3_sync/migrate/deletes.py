"""Deletes local objects that were deleted at the source.

An object is deleted only if a migration has written it and no client has touched it since (``ownership``), if
the source says that it has no such object (``source_proof``), and while the pass has deleted no more than it
may. Everything else stays: a local object too many does less harm than one too few.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from s3_sync.cluster.client import LocalSwift
from s3_sync.cluster.guarded_delete import GuardedDelete
from s3_sync.cluster.newest import NewestState, Present
from s3_sync.config.settings import Mapping
from s3_sync.errors import LocalChanged, LocalError, LocalUnavailable, SyncError
from s3_sync.migrate.own_segments import OwnSegments
from s3_sync.migrate.ownership import ClientObjects, owned_version
from s3_sync.migrate.services import Context
from s3_sync.migrate.source_proof import SourceProof, Verdict
from s3_sync.runtime.concurrency import Clock, Pool
from s3_sync.state.controls import CLOCK_TOLERANCE, Controls
from s3_sync.state.held_deletes import DELETE_BUDGET, SOURCE_EMPTY, HeldDeletes, HeldDeletesLedger

log = logging.getLogger("swift-s3-migrator")

#: names between two looks at whether to stop
CHUNK = 100


class Listed(Protocol):
    """An entry of a local listing. ``last_modified``: in seconds since the epoch."""

    @property
    def name(self) -> str: ...

    @property
    def last_modified(self) -> float: ...


def _nothing(names: Sequence[str]) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteServices:
    """``pool``: handles objects. ``halted``: whether nothing more may begin. ``failed``: called with each
    object that could not be deleted; ``settled``: with those that were. ``dry_run``: delete nothing, but
    count what would be deleted."""

    client: LocalSwift
    newest: NewestState
    removal: GuardedDelete
    segments: OwnSegments
    controls: Controls
    ledger: HeldDeletesLedger
    clients: ClientObjects
    pool: Pool
    clock: Clock
    halted: Callable[[], bool]
    failed: Callable[[str, SyncError], None]
    settled: Callable[[Sequence[str]], None] = _nothing
    dry_run: bool = False

    @classmethod
    def of(cls, context: Context, mapping: Mapping) -> DeleteServices:
        """Those of one mapping; failures are recorded."""
        key, failures = mapping.journal_key, context.failures
        return cls(
            client=context.client,
            newest=context.newest,
            removal=context.removal,
            segments=OwnSegments(
                context.client, context.newest, context.removal, context.cleanups, context.parts
            ),
            controls=context.controls,
            ledger=context.held,
            clients=context.clients,
            pool=context.workers,
            clock=context.clock,
            halted=lambda: context.halted(mapping),
            failed=lambda name, error: _record(context, key, name, error),
            settled=lambda names: failures.settle(key, names),
            dry_run=context.dry_run,
        )


def _record(context: Context, key: str, name: str, error: SyncError) -> None:
    context.failures.record(key, name, error.reason, str(error), context.clock.now())


class Deletes:
    """The deletes of one container's migration. One thread at a time uses it.

    A pass begins with ``begin_pass``, and ends with ``end_pass``, which says what was held back. The number
    is recorded; once an operator has allowed the deletes since, the next pass may delete that many more.

    ``nodes``: those that share the container; each may delete its part of what one pass may. ``deleted``,
    ``held`` and ``failed``: objects of this pass.
    """

    def __init__(self, services: DeleteServices, mapping: Mapping, source: SourceProof) -> None:
        self._services = services
        self._mapping = mapping
        self._source = source
        self._recorded: HeldDeletes | None = None
        self._is_allowed = False
        self._is_empty = False
        self._limit: int | None = None
        self.nodes = 1
        self.deleted = self.held = self.failed = 0

    def begin_pass(self) -> None:
        """Complete what an earlier process has left undone. Raises StateError."""
        self._resume()
        self._recorded = self._services.ledger.get(self._mapping.journal_key)
        self._is_allowed = self._is_permitted()
        if self._is_allowed and self._recorded is not None:
            log.info(
                "%s: %d more deletes are allowed in this pass", self._mapping.label, self._recorded.count
            )
        self._is_empty = False
        self._limit = None
        self.deleted = self.held = self.failed = 0

    def end_pass(self) -> HeldDeletes | None:
        """Record, and return, what was held back in this pass, and why; None: nothing. Raises StateError."""
        key, ledger, before = self._mapping.journal_key, self._services.ledger, self._recorded
        if not self.held:
            if before is not None and not self._services.dry_run:
                ledger.remove(key)
                log.info("%s: no deletes wait any more", self._mapping.label)
            return None
        held = HeldDeletes(self._reason, self.held, self._services.clock.now())
        if before is not None and not self._is_allowed and before.reason == held.reason:
            if self._is_permitted():
                return before  # an operator has allowed these while the pass was under way
            if before.count >= held.count:
                held = HeldDeletes(held.reason, held.count, before.since)
        if held != before and not self._services.dry_run:
            ledger.put(key, held)
        return held

    def reconcile(self, container: str, local_only: Sequence[Listed]) -> int:
        """Delete those local objects, which the source has not listed, that were deleted there. Returns how
        many were deleted.

        Raises the errors of ``SourceProof.verdict``, LocalUnavailable and StateError. Errors of single
        objects are recorded and counted.
        """
        before, rest = self.deleted, iter(local_only)
        while not self._services.halted() and (chunk := list(islice(rest, CHUNK))):
            self._handle(container, chunk)
        return self.deleted - before

    def _resume(self) -> None:
        services = self._services
        if not services.dry_run:
            try:
                done = services.segments.resume(self._mapping, self._mapping.container)
                services.settled(done)
            except LocalError as error:
                log.warning("%s: segments of deleted objects remain for now: %s", self._mapping.label, error)

    @property
    def _reason(self) -> str:
        return SOURCE_EMPTY if self._is_empty else DELETE_BUDGET

    def _handle(self, container: str, chunk: Sequence[Listed]) -> None:
        map_over = self._services.pool.map
        owned = [each for each in map_over(lambda each: self._owned(container, each), chunk) if each]
        if not owned:
            return
        if self._room(container) == 0:
            self._hold(len(owned))
            return
        gone = [each for each in map_over(self._gone, owned) if each]
        if not gone or (verdict := self._source.verdict()) is Verdict.UNPROVED:
            return
        self._is_empty = self._is_empty or verdict is Verdict.EMPTY
        room = self._room(container)
        admitted = gone if room is None else gone[:room]
        self._hold(len(gone) - len(admitted))
        done = map_over(lambda each: self._delete(container, *each), admitted)
        self.deleted += sum(each is True for each in done)

    def _owned(self, container: str, entry: Listed) -> tuple[str, Present] | None:
        account, clients = self._mapping.account, self._services.clients
        path = f"{account}/{container}/{entry.name}"
        if clients.has(path, entry.last_modified):
            return None
        try:
            state = self._services.newest.of(account, container, entry.name)
        except SyncError as error:
            self._fail(entry.name, error)
            return None
        version = owned_version(state, self._mapping.source_digest)
        if version is not None:
            return entry.name, version
        if isinstance(state, Present):
            clients.add(path, entry.last_modified)
        return None

    def _gone(self, found: tuple[str, Present]) -> tuple[str, Present] | None:
        try:
            return found if self._source.lacks(found[0]) else None
        except SyncError as error:
            self._fail(found[0], error)
            return None

    def _delete(self, container: str, name: str, version: Present) -> bool:
        services, account = self._services, self._mapping.account
        if services.dry_run:
            log.info("%s/%s/%s: would be deleted", account, container, name)
            return True
        try:
            cleanup = services.segments.note(self._mapping, container, name, version)
            try:
                services.removal.delete_version(account, container, name, version)
            except LocalChanged as error:
                log.debug("%s/%s/%s stays: %s", account, container, name, error)
                services.segments.forget(self._mapping, cleanup)
                return False
            log.debug("%s/%s/%s: deleted as at the source", account, container, name)
            services.segments.remove(self._mapping, container, cleanup)
        except SyncError as error:
            self._fail(name, error)
            return False
        services.settled([name])
        return True

    def _fail(self, name: str, error: SyncError) -> None:
        self.failed += 1
        self._services.failed(name, error)

    def _hold(self, count: int) -> None:
        if count and not self.held:
            level = logging.DEBUG if self._recorded is not None else logging.ERROR
            why = "the source lists nothing" if self._is_empty else "this pass has deleted as many as it may"
            log.log(level, "%s: deletes wait until an operator allows them: %s", self._mapping.label, why)
        self.held += count

    def _room(self, container: str) -> int | None:
        """How many objects this pass may still delete; None: any number."""
        allowed = self._recorded.count if self._is_allowed and self._recorded is not None else 0
        if not self._is_empty:
            limit = self._budget(container)
            if limit is None:
                return None
            allowed += limit
        return max(0, allowed - self.deleted)

    def _budget(self, container: str) -> int | None:
        options = self._mapping.migration
        assert options is not None
        if self._limit is None:
            limits: list[float] = [] if options.max_deletes is None else [options.max_deletes]
            if options.max_deletes_percent is not None:
                limits.append(max(1, self._objects(container) * options.max_deletes_percent // 100))
            if not limits:
                return None
            self._limit = math.ceil(min(limits) / self.nodes)
        return self._limit

    def _objects(self, container: str) -> int:
        """How many objects the local container has."""
        path = f"{self._mapping.account}/{container}"
        answer = self._services.client.request("HEAD", path, {})
        answer.close()
        count = dict(answer.headers).get("x-container-object-count", "")
        if answer.status // 100 != 2 or not count.isdigit():
            raise LocalUnavailable(f"HEAD {path}: status {answer.status}")
        return int(count)

    def _is_permitted(self) -> bool:
        """Whether an operator has allowed what was recorded. A permission of the future is none: whoever gave
        it had a clock that was ahead."""
        recorded = self._recorded
        if recorded is None:
            return False
        allowed = self._services.controls.deletes_allowed(self._mapping)
        return recorded.since <= allowed <= self._services.clock.now() + CLOCK_TOLERANCE
