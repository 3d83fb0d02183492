"""The metrics of this daemon: those that all daemons have, and what is in its journal and its backlog."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

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
from s3_sync.sync.backlog.poller import Pending

NAMES = MetricNames(prefix="swift_s3_sync_", remote="destination", handled="rows")
PREFIX, MAPPING = NAMES.prefix, NAMES.mapping

METRICS = (
    *PROCESS_METRICS,
    MetricSpec("gauge", "journal_bytes", "Size of the journal on disk"),
    MetricSpec("counter", "rows_scanned", "Rows handled: the sum of rows_total over all outcomes", MAPPING),
    *NAMES.mapping_metrics(),
    MetricSpec("gauge", "deletes_held", "Containers whose deletes are held by the delete budget", MAPPING),
    MetricSpec("gauge", "rows_behind", "Own rows that are due and not handled yet", MAPPING),
    MetricSpec("gauge", "objects_pending", "Objects that are due and not in sync yet", MAPPING),
    MetricSpec("gauge", "bytes_pending", "Bytes of the pending objects", MAPPING),
    MetricSpec(
        "gauge",
        "oldest_pending_timestamp_seconds",
        "Time at which the oldest pending object became due",
        MAPPING,
    ),
    MetricSpec("gauge", "objects_not_due", "Objects that wait for their copy_after", MAPPING),
    MetricSpec("gauge", "rows_unverified", "Rows of other nodes that are due for verification", MAPPING),
    MetricSpec("gauge", "objects_retrying", "Objects that failed and are retried", MAPPING),
    MetricSpec(
        "gauge",
        "objects_quarantined",
        "Objects in quarantine: not retried until they change or are reset",
        MAPPING,
    ),
    MetricSpec(
        "gauge",
        "objects_failing",
        "Retrying and quarantined objects, by reason of the last failure",
        (*MAPPING, "reason"),
    ),
    MetricSpec("gauge", "databases", "Container databases on this node", MAPPING),
    MetricSpec(
        "gauge", "databases_unreadable", "Container databases on this node that cannot be read", MAPPING
    ),
    MetricSpec("gauge", "counted_timestamp_seconds", "Time at which the backlog was last counted", MAPPING),
    *NAMES.store_metrics(),
)


@dataclass(frozen=True, slots=True)
class SyncState:
    """``journal_bytes``: size on disk. ``pending``: by the keys of the activity's counters."""

    activity: Activity
    journal_bytes: Callable[[], int]
    pending: Callable[[], dict[str, Pending]]

    def samples(self) -> Iterator[Sample]:
        yield "journal_bytes", (), self.journal_bytes()
        pending = self.pending()
        for key, counters in list(self.activity.by_mapping.items()):
            here = mapping_labels(counters.mapping)
            yield "deletes_held", here, len(counters.held)
            for name, more, number in _pending_samples(pending.get(key)):
                yield name, (*here, *more), number


def sync_metrics(inputs: MetricInputs, state: SyncState) -> DaemonMetrics:
    return DaemonMetrics(NAMES, METRICS, inputs, state.samples)


def _pending_samples(pending: Pending | None) -> Iterator[Sample]:
    """Nothing before the first count: a zero would be wrong."""
    if pending is None:
        return
    yield "rows_behind", (), pending.rows_behind
    yield "objects_pending", (), pending.objects
    yield "bytes_pending", (), pending.bytes
    if pending.oldest is not None:
        yield "oldest_pending_timestamp_seconds", (), pending.oldest
    yield "objects_not_due", (), pending.not_due
    yield "rows_unverified", (), pending.unverified
    yield "objects_retrying", (), pending.retrying
    yield "objects_quarantined", (), pending.quarantined
    for reason, count in pending.reasons.items():
        yield "objects_failing", (reason,), count
    yield "databases", (), pending.databases
    yield "databases_unreadable", (), pending.unreadable
    yield "counted_timestamp_seconds", (), pending.counted_at
