"""What this daemon reports: its metrics, and the content of its recon file.

The progress of each migration is that of ``--status``, from the same code.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from prometheus_client.registry import Collector

from s3_sync.daemon.activity import Activity
from s3_sync.daemon.metrics import (
    PROCESS_METRICS,
    DaemonMetrics,
    MetricInputs,
    MetricNames,
    MetricSpec,
    Sample,
    mapping_labels,
)
from s3_sync.daemon.recon_report import ReconReport
from s3_sync.errors import StateError
from s3_sync.migrate.report import PHASES, MigrationReport, report
from s3_sync.migrate.services import MigrateServices
from s3_sync.migrate.state_files import StateFiles
from s3_sync.runtime.log_once import LogOnce

log = logging.getLogger("swift-s3-migrator")

PROGRAM = "swift-s3-migrator"
NAMES = MetricNames(prefix="swift_s3_migrator_", remote="source", handled="objects")
MAPPING = NAMES.mapping
#: the pause after a count, as a multiple of its duration: an account may have many thousands of containers
COUNT_REST_FACTOR = 20.0

METRICS = (
    *PROCESS_METRICS,
    *NAMES.mapping_metrics(),
    MetricSpec("gauge", "phase", "1 for the phase of the migration, 0 for the others", (*MAPPING, "phase")),
    MetricSpec("gauge", "containers", "Containers that this node has begun", MAPPING),
    MetricSpec("gauge", "containers_behind", "Containers whose last whole pass was not clean", MAPPING),
    MetricSpec("counter", "copied_objects", "Objects copied in all passes", MAPPING),
    MetricSpec("counter", "copied_bytes", "Bytes of the copied objects", MAPPING),
    MetricSpec(
        "gauge", "names_scanned", "Names of the source that the present passes have compared", MAPPING
    ),
    MetricSpec("gauge", "objects_remaining", "Names that the present passes have yet to compare", MAPPING),
    MetricSpec("gauge", "source_objects", "Objects that the source has, as far as is known", MAPPING),
    MetricSpec("gauge", "source_bytes", "Bytes that the source has, as far as is known", MAPPING),
    MetricSpec("gauge", "objects_waiting", "Objects whose turn had not come in the present passes", MAPPING),
    MetricSpec(
        "gauge",
        "objects_failing",
        "Objects and containers that failed and have not been migrated since, by reason",
        (*MAPPING, "reason"),
    ),
    MetricSpec("gauge", "deletes_held", "Deletes that wait for an operator", MAPPING),
    MetricSpec(
        "gauge",
        "last_pass_timestamp_seconds",
        "Time at which the last whole pass ended; of several containers, the longest ago",
        MAPPING,
    ),
    MetricSpec(
        "gauge",
        "last_clean_pass_timestamp_seconds",
        "Time at which the last clean pass ended; of several containers, the longest ago",
        MAPPING,
    ),
    MetricSpec("gauge", "counted_timestamp_seconds", "Time at which the progress was last counted", MAPPING),
    *NAMES.store_metrics(),
)


class ProgressPoller:
    """Counts the progress of all migrations while the daemon works, again after a pause.

    ``reports``: by the keys of ``Activity.by_mapping``; ``counted_at``: when, in seconds since the epoch. If
    nothing can be counted, the old numbers stay.
    """

    def __init__(self, activity: Activity, files: StateFiles, now: Callable[[], float]) -> None:
        self.reports: dict[str, MigrationReport] = {}
        self.counted_at = 0.0
        self._activity = activity
        self._files = files
        self._now = now
        self._rest_until = float("-inf")
        self._log_once = LogOnce()

    def update(self) -> None:
        begun = self._activity.now()
        if begun < self._rest_until:
            return
        mappings = {key: counters.mapping for key, counters in list(self._activity.by_mapping.items())}
        try:
            found = report(self._files, list(mappings.values()), self._now)
        except StateError as error:
            level = self._log_once.level_for("count", "count", logging.WARNING)
            log.log(level, "The progress of migrations cannot be counted: %s", error)
        else:
            self._log_once.clear("count")
            self.reports = dict(zip(mappings, found.migrations, strict=True))
            self.counted_at = found.at
        ended = self._activity.now()
        self._rest_until = ended + COUNT_REST_FACTOR * (ended - begun)

    def samples(self) -> Iterator[Sample]:
        reports = self.reports
        for key, counters in list(self._activity.by_mapping.items()):
            if key in reports:
                here = mapping_labels(counters.mapping)
                yield "counted_timestamp_seconds", here, self.counted_at
                for name, more, number in _samples(reports[key]):
                    yield name, (*here, *more), number


def _samples(found: MigrationReport) -> Iterator[Sample]:
    for phase in PHASES:
        yield "phase", (phase,), int(phase == found.phase)
    for reason, count in found.reasons.items():
        yield "objects_failing", (reason,), count
    numbers: dict[str, float | None] = {
        "containers": found.containers,
        "containers_behind": found.containers_behind,
        "copied_objects": found.copied_objects,
        "copied_bytes": found.copied_bytes,
        "names_scanned": found.scanned,
        "objects_remaining": found.remaining,
        "source_objects": found.objects,
        "source_bytes": found.bytes_total,
        "objects_waiting": found.waiting,
        "deletes_held": found.held,
        "last_pass_timestamp_seconds": found.oldest_pass,
        "last_clean_pass_timestamp_seconds": found.oldest_clean_pass,
    }
    for name, number in numbers.items():
        if number is not None:
            yield name, (), number


class MigrateSources:
    """See ``daemon.monitor.MetricSources``."""

    program = PROGRAM

    def __init__(self, services: MigrateServices) -> None:
        self._files = StateFiles(services.settings, services.statuses)
        self._progress = ProgressPoller(services.activity, self._files, services.clock.now)
        self._report = ReconReport(services, NAMES, self._own_report)
        metrics = DaemonMetrics(NAMES, METRICS, MetricInputs.of(services), self._progress.samples)
        self.collectors: tuple[Collector, ...] = (metrics,)

    def update(self) -> None:
        self._report.rates.sample()
        self._progress.update()

    def report(self) -> dict[str, Any]:
        return self._report.build()

    def close(self) -> None:
        self._files.close()

    def _own_report(self, key: str) -> dict[str, Any]:
        found = self._progress.reports.get(key)
        if found is None:
            return {"progress": None}
        return {"progress": {**asdict(found), "counted": self._progress.counted_at}}
