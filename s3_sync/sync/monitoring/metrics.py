"""The metrics of a daemon, computed from its counters at each scrape.

METRICS is the single list of them; docs/operations.md explains each, and a test compares both. Label values
are bounded by the configuration: mappings (a mapping of a whole account is one), stores, and our own
constants.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from s3_sync import __version__
from s3_sync.config.settings import Mapping
from s3_sync.daemon.activity import Activity
from s3_sync.daemon.counters import Counters
from s3_sync.model.outcomes import Kind
from s3_sync.providers.wrappers.instrument import BOUNDS, Observers
from s3_sync.sync.backlog.poller import Pending
from s3_sync.sync.monitoring.recon_report import destination

PREFIX = "swift_s3_sync_"
MAPPING = ("account", "container", "destination")
STORE = ("store",)
Sample = tuple[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """``name``: without PREFIX and, of a counter, without ``_total``."""

    kind: str
    name: str
    help: str
    labels: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        return PREFIX + self.name + ("_total" if self.kind == "counter" else "")


METRICS = (
    MetricSpec("gauge", "info", "1; the label is the version", ("version",)),
    MetricSpec("gauge", "heartbeat_timestamp_seconds", "Time of the last main-loop iteration"),
    MetricSpec(
        "gauge", "configuration_problems", "Mappings that were left out because of a configuration error"
    ),
    MetricSpec(
        "gauge", "configuration_refused", "1 while the changed configuration file is invalid and not in use"
    ),
    MetricSpec(
        "gauge", "configuration_loaded_timestamp_seconds", "Time at which the configuration was last loaded"
    ),
    MetricSpec("gauge", "journal_bytes", "Size of the journal on disk"),
    MetricSpec("counter", "rows_scanned", "Rows handled: the sum of rows_total over all outcomes", MAPPING),
    MetricSpec("counter", "rows", "Rows handled, by outcome and reason", (*MAPPING, "outcome", "reason")),
    MetricSpec("counter", "read_bytes", "Bytes read from Swift for uploads, including retries", MAPPING),
    MetricSpec("counter", "turns", "Turns completed", MAPPING),
    MetricSpec("gauge", "turns_running", "Turns in progress", MAPPING),
    MetricSpec("gauge", "paused", "1 while the mapping is paused", MAPPING),
    MetricSpec("gauge", "deletes_held", "Containers whose deletes are held by the delete budget", MAPPING),
    MetricSpec("gauge", "troubled", "Containers whose last turn failed", MAPPING),
    MetricSpec("gauge", "last_alive_timestamp_seconds", "Time of the last heartbeat of a turn", MAPPING),
    MetricSpec(
        "gauge",
        "last_progress_timestamp_seconds",
        "Time at which a row was last settled, or nothing was left to do",
        MAPPING,
    ),
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
    MetricSpec("histogram", "request_seconds", "Duration of requests to the store", (*STORE, "operation")),
    MetricSpec(
        "counter", "request_errors", "Requests to the store that failed", (*STORE, "operation", "reason")
    ),
    MetricSpec("gauge", "requests_in_flight", "Requests to the store in flight", STORE),
    MetricSpec(
        "gauge",
        "request_oldest_seconds",
        "Longest time for which a request in flight has not moved a byte",
        STORE,
    ),
    MetricSpec(
        "gauge",
        "store_silent_seconds",
        "Time for which the store has not answered any request, nor taken a byte",
        STORE,
    ),
    MetricSpec("gauge", "store_throttled", "1 while the store throttles requests", STORE),
    MetricSpec("gauge", "store_request_limit", "Requests per second allowed while throttled", STORE),
    MetricSpec("gauge", "lane_threads", "Maximum concurrent turns of mappings of this store", STORE),
    MetricSpec("gauge", "lane_threads_running", "Threads that run turns", STORE),
    MetricSpec("gauge", "lane_workers", "Maximum rows in flight", STORE),
    MetricSpec("gauge", "lane_workers_busy", "Rows in flight", STORE),
    MetricSpec("gauge", "lane_parts", "Maximum parts of large objects in flight", STORE),
    MetricSpec("gauge", "lane_parts_busy", "Parts of large objects in flight", STORE),
    MetricSpec("gauge", "lane_large_busy", "Very large objects in flight, in the large-object lane", STORE),
)


@dataclass(frozen=True, slots=True)
class MetricInputs:
    """Sources of the metrics.

    ``now``: seconds since the epoch. ``rates``: the current requests per second of each store that throttles
    us. ``journal_bytes``: size on disk. ``pending``: by the keys of the activity's counters.
    """

    activity: Activity
    observers: Observers
    now: Callable[[], float]
    rates: Callable[[], dict[str, float]]
    journal_bytes: Callable[[], int]
    pending: Callable[[], dict[str, Pending]]
    is_paused: Callable[[Mapping], bool]


def labels(mapping: Mapping) -> tuple[str, str, str]:
    return mapping.account, mapping.container, destination(mapping)


class DaemonMetrics(Collector):
    """Collects every metric of METRICS, including those without samples."""

    def __init__(self, inputs: MetricInputs) -> None:
        self._inputs = inputs

    def describe(self) -> Iterable[Metric]:
        return []  # else registration would collect once, to find duplicate names

    def collect(self) -> Iterator[Metric]:
        samples: dict[str, list[Sample]] = {}
        for name, values, number in self._samples():
            samples.setdefault(name, []).append((values, number))
        for spec in METRICS:
            if spec.kind == "histogram":
                yield self._histogram(spec)
                continue
            make = CounterMetricFamily if spec.kind == "counter" else GaugeMetricFamily
            family = make(PREFIX + spec.name, spec.help, labels=spec.labels)
            for values, number in samples.get(spec.name, ()):
                family.add_metric(list(values), number)
            yield family

    def _samples(self) -> Iterator[tuple[str, tuple[str, ...], float]]:
        inputs = self._inputs
        yield "info", (__version__,), 1
        yield "heartbeat_timestamp_seconds", (), self._epoch_time(inputs.activity.last_tick)
        configuration = inputs.activity.configuration
        yield "configuration_problems", (), configuration.problems
        yield "configuration_refused", (), configuration.refused
        yield "configuration_loaded_timestamp_seconds", (), self._epoch_time(configuration.loaded_at)
        yield "journal_bytes", (), inputs.journal_bytes()
        pending = inputs.pending()
        for key, counters in list(inputs.activity.by_mapping.items()):
            here = labels(counters.mapping)
            yield "paused", here, int(inputs.is_paused(counters.mapping))
            yield "deletes_held", here, len(counters.held)
            for name, more, number in self._mapping_samples(counters):
                yield name, (*here, *more), number
            for name, more, number in _pending_samples(pending.get(key)):
                yield name, (*here, *more), number
        yield from self._store_samples()
        yield from self._lane_samples()

    def _mapping_samples(self, counters: Counters) -> Iterator[tuple[str, tuple[str, ...], float]]:
        rows = dict(counters.rows)
        yield "rows_scanned", (), sum(rows.values())
        for kind in Kind:
            if all(counted is not kind for counted, _ in rows):
                rows[kind, ""] = 0  # so that the first row shows as an increase
        for (kind, reason), count in rows.items():
            yield "rows", (kind.value, reason), count
        yield "read_bytes", (), counters.bytes_read
        yield "turns", (), counters.turns
        yield "turns_running", (), counters.running
        yield "troubled", (), counters.failing
        if counters.heartbeats:
            yield "last_alive_timestamp_seconds", (), self._epoch_time(counters.last_seen)
            yield "last_progress_timestamp_seconds", (), self._epoch_time(counters.progress)

    def _store_samples(self) -> Iterator[tuple[str, tuple[str, ...], float]]:
        rates = self._inputs.rates()
        for observer in self._inputs.observers:
            store = (observer.store,)
            yield "requests_in_flight", store, observer.in_flight
            yield "request_oldest_seconds", store, observer.oldest
            yield "store_silent_seconds", store, observer.silent_for
            yield "store_throttled", store, int(observer.store in rates)
            if observer.store in rates:
                yield "store_request_limit", store, rates[observer.store]
            for name, operation in list(observer.operations.items()):
                for reason, count in list(operation.errors.items()):
                    yield "request_errors", (observer.store, name, reason), count

    def _lane_samples(self) -> Iterator[tuple[str, tuple[str, ...], float]]:
        """Sums over the lanes of each store."""
        sums: Counter[tuple[str, str]] = Counter()
        for lane in self._inputs.activity.lanes:
            sums["lane_threads", lane.store] += lane.threads
            sums["lane_threads_running", lane.store] += lane.running
            sums["lane_workers", lane.store] += lane.workers.size
            sums["lane_workers_busy", lane.store] += lane.workers.busy
            sums["lane_parts", lane.store] += lane.parts.size
            sums["lane_parts_busy", lane.store] += lane.parts.busy
            sums["lane_large_busy", lane.store] += lane.large_busy
        for (name, store), number in sums.items():
            yield name, (store,), number

    def _histogram(self, spec: MetricSpec) -> Metric:
        family = HistogramMetricFamily(PREFIX + spec.name, spec.help, labels=spec.labels)
        bounds = [*map(str, BOUNDS), "+Inf"]
        for observer in self._inputs.observers:
            for name, operation in list(observer.operations.items()):
                so_far, buckets = 0, []
                for bound, count in zip(bounds, operation.buckets, strict=True):
                    so_far += count
                    buckets.append((bound, float(so_far)))
                family.add_metric([observer.store, name], buckets, operation.seconds)
        return family

    def _epoch_time(self, monotonic: float) -> float:
        """A monotonic time as seconds since the epoch."""
        return self._inputs.now() - (self._inputs.activity.now() - monotonic)


def _pending_samples(pending: Pending | None) -> Iterator[tuple[str, tuple[str, ...], float]]:
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
