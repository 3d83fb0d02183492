"""Whether a migration may be cut over, as far as this node knows: the checklist before applications rely on
the local cluster alone."""

from __future__ import annotations

from collections.abc import Iterator

from s3_sync.config.settings import Mapping
from s3_sync.errors import Archived
from s3_sync.migrate.report import ELSEWHERE, MigrationReport, report
from s3_sync.migrate.state_files import StateFiles
from s3_sync.runtime.output import moment
from s3_sync.state.compare_record import CompareRecord, read_record

#: what to do when nothing is behind
NEXT_STEPS = (
    "Run this command on every node of the cluster that runs a migrator: each knows its own part.",
    "Point the last clients to Swift, and make the source read-only: by a policy, or by its credentials.",
    "Wait until `last clean pass` in `swift-s3-migrator --status` is later than that, on every node.",
    "Compare once more: swift-s3-migrator --compare; its exit code must be 0.",
    "Remove the migration from the configuration of all nodes and proxies, and reload them.",
    "Keep the source, read-only, until you trust the copies; only then delete it.",
)


def unmet(files: StateFiles, mapping: Mapping, is_compared: bool = False) -> list[str]:
    """Return what speaks against cutting over, a line each, with what to do about it; empty if nothing does.
    ``is_compared``: on another node, both sides were found equal. Raises StateError."""
    found = report(files, [mapping])
    (migration,) = found.migrations
    if migration.phase == ELSEWHERE:
        return []
    lines = list(_behind(migration))
    if found.daemon == 0:
        lines.insert(0, "the migrator is not running on this node: start it")
    if not is_compared:
        lines += _compared(read_record(files.status_dir, mapping), migration.last_change)
    return lines


def _behind(found: MigrationReport) -> Iterator[str]:
    reasons = dict(found.reasons)
    archived = reasons.pop(Archived.reason, 0)
    if found.paused_since is not None:
        yield f"paused since {moment(found.paused_since)}: swift-s3-ctl resume"
    if found.error:
        yield f"blocked: {found.error}"
    if found.last_saved is None:
        yield "nothing has been migrated on this node yet"
    elif found.last_pass is None:
        yield "the first pass is not complete: wait"
    if reasons:
        listed = ", ".join(f"{reason} {number}" for reason, number in sorted(reasons.items()))
        yield f"{sum(reasons.values())} objects have failed ({listed}): swift-s3-ctl failed"
    if archived:
        yield f"{archived} objects are archived at the source: set archive_restore, or retrieve them there"
    if found.held:
        yield f"{found.held} deletes wait for you: swift-s3-ctl allow-deletes"
    if found.containers_behind and found.last_pass is not None:
        names = ", ".join(found.behind)
        yield f"the last pass was not clean in {found.containers_behind} containers ({names}): wait for one"


def _compared(record: CompareRecord | None, last_change: float | None) -> Iterator[str]:
    again = "swift-s3-migrator --compare"
    if record is None:
        yield f"both sides have not been compared: {again}"
    elif not record.ended:
        yield f"the comparison of {moment(record.begun)} has not ended: {again} --resume"
    elif record.errors:
        yield f"the comparison of {moment(record.ended)} could not read everything: {again}"
    elif record.differences:
        listed = ", ".join(f"{what} {number}" for what, number in sorted(record.differences.items()))
        yield f"the comparison of {moment(record.ended)} found differences ({listed}): {again}"
    elif last_change is not None and record.begun < last_change:
        yield (
            f"objects were copied or deleted at {moment(last_change)}, after the comparison of"
            f" {moment(record.begun)} had begun: {again}"
        )
