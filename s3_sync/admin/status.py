"""The progress of each mapping on this node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isnan, nan
from typing import Any

from s3_sync.admin.node import NodeView, Running
from s3_sync.config.mapping_names import number_of
from s3_sync.config.settings import Mapping
from s3_sync.errors import LocalError
from s3_sync.migrate.report import Report, report
from s3_sync.streams.small_files import number as finite
from s3_sync.sync.inspection import MappingBacklog

# states of a mapping; the first one that applies is shown
UNREADABLE, PAUSED, ELSEWHERE, RESETTING = "unreadable", "paused", "elsewhere", "resetting"
HOLDING = "deletes held"
TROUBLED, BEHIND, RETRYING = "troubled", "behind", "retrying"
QUARANTINE, IN_SYNC = "quarantine", "in sync"


@dataclass(slots=True)
class MappingStatus:
    """Status of one mapping. Times in seconds since the epoch, ``eta`` in seconds; None if there is none, or
    if it is unknown.

    ``containers``: more than one for an account-wide mapping. ``databases``: on this node. ``rows_behind``:
    own rows that are due and not handled. ``rows_unverified``: the same for other nodes' rows in the verify
    pass. ``objects_pending``: objects behind, failed and to be retried, or (``objects_large`` of them)
    waiting in the lane of large objects. ``objects_later``: objects that wait for their ``copy_after``.
    ``metadata``: containers whose own metadata could not be sent. ``segments``: segments left behind at
    another Swift that could not be deleted.
    ``rows_resetting``: upper limit of the rows that a reset still has to compare. The rates and
    ``last_progress`` come from the daemon's report; without one, ``last_progress`` is when a cursor was last
    saved."""

    number: int | None
    mapping: str
    destination: str
    fingerprint: str
    mode: str
    state: str = IN_SYNC
    paused_since: float | None = None
    deletes_held: int = 0
    containers: int = 0
    databases: int = 0
    rows_behind: int = 0
    rows_unverified: int = 0
    rows_resetting: int | None = None
    objects_pending: int = 0
    bytes_pending: int = 0
    oldest: float | None = None
    objects_large: int = 0
    objects_later: int = 0
    bytes_later: int = 0
    retrying: int = 0
    quarantined: int = 0
    expiring: int = 0
    metadata: int = 0
    segments: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    segments_elsewhere: dict[str, int] = field(default_factory=dict)
    objects_per_second: float | None = None
    bytes_per_second: float | None = None
    eta: float | None = None
    last_progress: float | None = None
    errors: list[str] = field(default_factory=list)

    @property
    def failing(self) -> int:
        return self.retrying + self.quarantined + self.expiring + self.metadata + self.segments


@dataclass(frozen=True, slots=True)
class Status:
    """Status of a node. ``at``: when it was taken. ``problems``: those of the mappings left out.
    ``migrator``: None if none of its migrations were asked for."""

    at: float
    daemon: Running
    mappings: list[MappingStatus]
    problems: list[str]
    migrator: Report | None = None

    @property
    def is_good(self) -> bool:
        """Whether the daemons are running, nothing fails, and everything could be read."""
        healthy = all(not each.failing and not each.errors for each in self.mappings)
        running = self.daemon.running is not False or self.is_about_migrations_alone
        return healthy and not self.problems and running and (self.migrator is None or self.migrator.is_good)

    @property
    def is_about_migrations_alone(self) -> bool:
        return self.migrator is not None and not self.mappings


def status(node: NodeView, chosen: Sequence[Mapping]) -> Status:
    """Return the status of these mappings and migrations. Raises StateError."""
    running = node.daemon()
    found = [_status(node, mapping) for mapping in chosen if mapping.migration is None]
    migrations = [mapping for mapping in chosen if mapping.migration is not None]
    migrator = report(node.migrator, migrations, node.now) if node.migrator and migrations else None
    return Status(node.now(), running, found, [str(problem) for problem in node.problems], migrator)


def _status(node: NodeView, mapping: Mapping) -> MappingStatus:
    found = MappingStatus(
        number_of(mapping),
        mapping.label,
        mapping.remote,
        mapping.fingerprint,
        mapping.profile.mode,
        paused_since=node.controls.paused_since(mapping),
    )
    for each in node.containers(mapping, listed=True):
        found.containers += 1
        found.deletes_held += node.journal.deletes(each.journal_key).held
        try:
            backlog = node.backlog.read(each)
            _add(found, backlog)
            _add_resets(found, node, backlog)
        except LocalError as error:
            found.errors.append(str(error))
    reports = node.report(mapping)
    _add_report(found, reports)
    found.state = _state(found, any(_numbers(reports, "troubled")))
    return found


def _add(found: MappingStatus, backlog: MappingBacklog) -> None:
    counts, pending, troubles = backlog.counts, backlog.pending, backlog.troubles
    found.databases += len(backlog.databases)
    found.rows_behind += counts.overdue.rows
    found.rows_unverified += counts.unverified.rows
    found.objects_pending += pending.objects
    found.bytes_pending += pending.bytes
    found.oldest = min(filter(None, (found.oldest, pending.oldest)), default=None)
    found.objects_large += troubles.waiting
    found.objects_later += counts.not_due.objects
    found.bytes_later += counts.not_due.bytes
    found.retrying += troubles.retrying
    found.quarantined += troubles.quarantined
    found.expiring += troubles.expiring
    found.metadata += troubles.metadata
    found.segments += troubles.segments
    for reason, number in troubles.reasons.items():
        found.reasons[reason] = found.reasons.get(reason, 0) + number
    for detail, number in troubles.elsewhere.items():
        found.segments_elsewhere[detail] = found.segments_elsewhere.get(detail, 0) + number
    found.errors += backlog.errors
    found.last_progress = max(filter(None, (found.last_progress, backlog.saved)), default=None)


def _add_resets(found: MappingStatus, node: NodeView, backlog: MappingBacklog) -> None:
    """Add the rows of resets in progress and of those that the daemon has not started yet."""
    newest = max((each.id for each in node.controls.resets(backlog.mapping)), default="")
    for database in backlog.databases:
        left = sum(each.last_row - each.next_row + 1 for each in database.resets)
        if newest > database.reset_taken and database.begun:
            left += database.last_row
        if left:
            found.rows_resetting = (found.rows_resetting or 0) + left


def _add_report(found: MappingStatus, reports: list[dict[str, Any]]) -> None:
    """Add the rates of all processes, which may share an account-wide mapping."""
    rates = [_numbers(reports, key) for key in ("objects_per_second", "bytes_per_second")]
    if all(rates):
        found.objects_per_second, found.bytes_per_second = map(sum, rates)
    if found.objects_per_second and found.objects_pending:
        found.eta = found.objects_pending / found.objects_per_second
    found.last_progress = min(_numbers(reports, "last_progress"), default=found.last_progress)


def _numbers(reports: list[dict[str, Any]], key: str) -> list[float]:
    return [value for each in reports if not isnan(value := finite(each.get(key), nan))]


def _state(found: MappingStatus, troubled: bool) -> str:
    if found.errors:
        return UNREADABLE
    if found.paused_since is not None:
        return PAUSED
    if not found.databases:
        return ELSEWHERE
    if found.deletes_held:
        return HOLDING
    if troubled:
        return TROUBLED
    if found.rows_resetting:
        return RESETTING
    if found.rows_behind or found.objects_large:
        return BEHIND
    if found.retrying or found.expiring or found.metadata or found.segments:
        return RETRYING
    return QUARANTINE if found.quarantined else IN_SYNC
