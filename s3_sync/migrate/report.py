"""``swift-s3-migrator --status``: how far each migration is on this node, from the state files alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from s3_sync.config.mapping_names import number_of
from s3_sync.config.settings import Mapping, Settings
from s3_sync.migrate.state_files import StateFiles
from s3_sync.runtime.output import NOTHING, Output, duration, moment, size
from s3_sync.state.held_deletes import HeldDeletes
from s3_sync.state.migration_failures import MigrationFailure
from s3_sync.state.migration_status import ContainerStatus

# phases of a migration; the first one that applies is shown
PAUSED, BLOCKED, ELSEWHERE, NOT_STARTED = "paused", "blocked", "elsewhere", "not started"
COPYING, FOLLOWING, READY = "copying", "following", "ready to cut over"
PHASES = (PAUSED, BLOCKED, ELSEWHERE, NOT_STARTED, COPYING, FOLLOWING, READY)
#: containers that are listed by name
MAX_CONTAINERS = 10
FINE, FOUND = 0, 3
COLUMNS = (
    "no", "migration", "source", "phase", "copied", "bytes", "pass", "failed", "waiting", "remaining", "rate",
    "eta", "last clean pass",
)  # fmt: skip
NUMBERS = ("no", "copied", "bytes", "pass", "failed", "waiting", "remaining", "rate", "eta")


@dataclass(slots=True)
class MigrationReport:
    """The progress of one migration on this node. Times in seconds since the epoch, ``eta`` in seconds; None
    if there is none, or if it is unknown.

    ``containers``: more than one for an account-wide migration; ``behind``: those whose last whole pass was
    not clean, at most MAX_CONTAINERS of them, and ``containers_behind`` their number. ``scanned``: names of
    the source that the present passes have compared, ``remaining``: that they have not; ``objects`` and
    ``bytes_total``: what the source has, as far as is known. ``copied_objects`` and ``copied_bytes``: of all
    passes; ``pass_copied`` and ``pass_bytes``: of the present ones. ``failed``: objects that failed and have
    not been copied since, by reason in ``reasons``. ``waiting``: objects whose turn had not come: too young,
    archived, or just failed. ``held``: deletes that wait for an operator. ``last_pass``: when the last
    container's last whole pass ended; ``oldest_pass`` and ``oldest_clean_pass``: of the container whose last
    one, or last clean one, is the longest ago; None while one has had none. ``clean_since``: since when there
    has been nothing to do, as the last whole passes of all containers say. ``error``: what stands in the way
    of a whole container, or of all.
    """

    number: int | None
    migration: str
    source: str
    fingerprint: str
    phase: str = NOT_STARTED
    paused_since: float | None = None
    containers: int = 0
    containers_behind: int = 0
    behind: list[str] = field(default_factory=list)
    scanned: int = 0
    objects: int | None = 0
    bytes_total: int | None = 0
    remaining: int | None = 0
    copied_objects: int = 0
    copied_bytes: int = 0
    pass_copied: int = 0
    pass_bytes: int = 0
    failed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    waiting: int = 0
    held: int = 0
    objects_per_second: float | None = None
    bytes_per_second: float | None = None
    eta: float | None = None
    begun: float | None = None
    last_saved: float | None = None
    last_pass: float | None = None
    oldest_pass: float | None = None
    oldest_clean_pass: float | None = None
    clean_since: float | None = None
    last_change: float | None = None
    error: str = ""

    @property
    def is_ready(self) -> bool:
        return self.phase == READY


@dataclass(frozen=True, slots=True)
class Report:
    """``daemon``: the process of the migrator; 0: none is running, None: unknown."""

    at: float
    daemon: int | None
    migrations: list[MigrationReport]

    @property
    def is_good(self) -> bool:
        return self.daemon != 0 and not any(each.failed or each.error for each in self.migrations)


def status(settings: Settings, as_json: bool) -> int:
    """Print the progress of all migrations. Returns 0, or 3 if something has failed or the daemon is not
    running. Raises StateError."""
    with StateFiles(settings) as files:
        found = report(files)
    output = Output(as_json)
    output.answer(found)
    show(found, output)
    output.flush()
    return FINE if found.is_good else FOUND


def report(
    files: StateFiles, chosen: Sequence[Mapping] | None = None, now: Callable[[], float] = time.time
) -> Report:
    """Report on these migrations, by default on all. Raises StateError."""
    failing, whole, held = files.failures.counts(), files.failures.whole(), files.held()
    migrations = files.migrations if chosen is None else chosen
    found = [_report(files, mapping, failing, whole, held) for mapping in migrations]
    return Report(now(), files.daemon(), found)


def _report(
    files: StateFiles,
    mapping: Mapping,
    failing: dict[str, dict[str, int]],
    whole: dict[str, MigrationFailure],
    held: dict[str, HeldDeletes],
) -> MigrationReport:
    found = MigrationReport(number_of(mapping), mapping.label, mapping.remote, mapping.fingerprint)
    found.paused_since = files.controls.paused_since(mapping)
    statuses: list[ContainerStatus] = []
    containers = files.containers(mapping)
    for each in containers:
        time.sleep(0)  # there may be thousands: in the daemon, its other threads run meanwhile
        state = files.statuses.of(each)
        statuses.append(state)
        _add(found, state)
        if not state.is_clean:
            found.containers_behind += 1
            found.behind += [each.container] if len(found.behind) < MAX_CONTAINERS else []
    for each in {each.journal_key: each for each in (mapping, *containers)}.values():
        key = each.journal_key
        for reason, number in failing.get(key, {}).items():
            found.reasons[reason] = found.reasons.get(reason, 0) + number
        if key in whole and not found.error:
            found.error = f"{each.label}: {whole[key].reason}: {whole[key].message}"
        found.held += held[key].count if key in held else 0
    found.failed = sum(found.reasons.values())
    found.oldest_pass = _oldest([state.last_pass for state in statuses])
    found.oldest_clean_pass = _oldest([state.last_clean_pass for state in statuses])
    _add_rates(found, statuses, running=files.daemon() != 0)
    found.phase = _phase(found, statuses)
    if found.phase == NOT_STARTED and not files.has_part(mapping):
        found.phase = ELSEWHERE
    return found


def _add(found: MigrationReport, state: ContainerStatus) -> None:
    found.containers += 1
    found.copied_objects += state.copied_objects
    found.copied_bytes += state.copied_bytes
    found.scanned += state.counts.scanned
    found.pass_copied += state.counts.moved
    found.pass_bytes += state.counts.bytes
    found.waiting += state.counts.waiting
    found.objects = _sum(found.objects, state.total_objects)
    found.bytes_total = _sum(found.bytes_total, state.total_bytes)
    total = state.total_objects
    left = None if total is None else max(0, total - state.counts.scanned)
    found.remaining = _sum(found.remaining, 0 if state.is_between_passes else left)
    found.last_saved = _latest(found.last_saved, state.finished)
    found.last_pass = _latest(found.last_pass, state.last_pass)
    found.last_change = _latest(found.last_change, state.last_change)


def _add_rates(found: MigrationReport, statuses: Sequence[ContainerStatus], running: bool) -> None:
    """Add the rates since the present passes began, times in which the daemon was stopped included."""
    begun = [state.started for state in statuses if state.started and not state.is_between_passes]
    if not begun or not running or found.last_saved is None:
        return
    found.begun = min(begun)
    elapsed = found.last_saved - found.begun
    if elapsed <= 0:
        return
    passing = [state.counts for state in statuses if not state.is_between_passes]
    found.objects_per_second = sum(each.moved for each in passing) / elapsed
    found.bytes_per_second = sum(each.bytes for each in passing) / elapsed
    scanned = sum(each.scanned for each in passing)
    if scanned and found.remaining:
        found.eta = found.remaining * elapsed / scanned


def _phase(found: MigrationReport, statuses: Sequence[ContainerStatus]) -> str:
    ready = bool(statuses) and not found.containers_behind and not found.failed and not found.held
    if ready:
        found.clean_since = max(state.last_clean_pass for state in statuses)
    if found.paused_since is not None:
        return PAUSED
    if found.error:
        return BLOCKED
    if not any(state.finished for state in statuses):
        return NOT_STARTED
    if ready:
        return READY
    return FOLLOWING if all(state.last_pass for state in statuses) else COPYING


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _latest(one: float | None, other: float) -> float | None:
    return max(one or 0.0, other) or None


def _oldest(times: Sequence[float]) -> float | None:
    """Return None where one of the times is that of nothing."""
    return min(times, default=0.0) or None


def show(found: Report, output: Output) -> None:
    """Print the table and remarks, not the JSON."""
    if output.console.is_terminal:
        output.line(f"{moment(found.at)}  {headline(found.daemon)}")
        output.line()
    elif found.daemon == 0:
        output.note(headline(found.daemon))
    output.table(COLUMNS, [row(each) for each in found.migrations], NUMBERS)
    for remark in remarks(found):
        output.note(remark)


def headline(daemon: int | None) -> str:
    if daemon is None:
        return "unknown whether the migrator is running"
    return f"the migrator is running (pid {daemon})" if daemon else "the migrator is not running"


def row(each: MigrationReport) -> list[str]:
    rate = NOTHING
    if each.objects_per_second is not None and each.bytes_per_second is not None:
        rate = f"{each.objects_per_second:.1f}/s {size(each.bytes_per_second)}/s"
    return [
        NOTHING if each.number is None else str(each.number),
        each.migration,
        each.source,
        each.phase,
        str(each.copied_objects),
        size(each.copied_bytes),
        f"{each.scanned}/{'?' if each.objects is None else each.objects}",
        str(each.failed),
        str(each.waiting),
        "?" if each.remaining is None else str(each.remaining),
        rate,
        duration(each.eta),
        moment(each.clean_since),
    ]


def remarks(found: Report) -> list[str]:
    return [f"{each.migration}: {remark}" for each in found.migrations for remark in _remarks(each)]


def _remarks(each: MigrationReport) -> list[str]:
    lines = [f"blocked: {each.error}"] if each.error else []
    if each.reasons:
        reasons = ", ".join(f"{reason} {number}" for reason, number in sorted(each.reasons.items()))
        lines.append(f"failed: {reasons}")
    if each.held:
        lines.append(f"{each.held} deletes wait: swift-s3-ctl allow-deletes")
    if each.containers > 1 and each.behind:
        more = each.containers_behind - len(each.behind)
        names = ", ".join(each.behind) + (f" and {more} more" if more else "")
        lines.append(f"containers that are behind: {names}")
    return lines
