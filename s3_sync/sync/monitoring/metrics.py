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
class Described:
    """``name``: without PREFIX and, of a counter, without ``_total``."""

    kind: str
    name: str
    help: str
    labels: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        return PREFIX + self.name + ("_total" if self.kind == "counter" else "")


METRICS = (
    Described("gauge", "info", "1; the label is the version", ("version",)),
    Described("gauge", "heartbeat_timestamp_seconds", "Time of the last main-loop iteration"),
    Described(
        "gauge", "configuration_problems", "Mappings that were left out because of a configuration error"
    ),
    Described(
        "gauge", "configuration_refused", "1 while the changed configuration file is invalid and not in use"
    ),
    Described(
        "gauge", "configuration_loaded_timestamp_seconds", "Time at which the configuration was last loaded"
    ),
    Described("gauge", "journal_bytes", "Size of the journal on disk"),
    Described("counter", "rows_scanned", "Rows handled: the sum of rows_total over all outcomes", MAPPING),
    Described("counter", "rows", "Rows handled, by outcome and reason", (*MAPPING, "outcome", "reason")),
    Described("counter", "read_bytes", "Bytes read from Swift for uploads, including retries", MAPPING),
    Described("counter", "turns", "Turns started", MAPPING),
    Described("gauge", "turns_running", "Turns in progress", MAPPING),
    Described("gauge", "paused", "1 while the mapping is paused", MAPPING),
    Described("gauge", "deletes_held", "Containers whose deletes are held by the delete budget", MAPPING),
    Described("gauge", "troubled", "Containers whose last turn failed", MAPPING),
    Described("gauge", "last_alive_timestamp_seconds", "Time of the last heartbeat of a turn", MAPPING),
    Described(
        "gauge",
        "last_progress_timestamp_seconds",
        "Time at which a row was last settled, or nothing was left to do",
        MAPPING,
    ),
    Described("gauge", "rows_behind", "Own rows that are due and not handled yet", MAPPING),
    Described("gauge", "objects_pending", "Objects that are due and not in sync yet", MAPPING),
    Described("gauge", "bytes_pending", "Bytes of the pending objects", MAPPING),
    Described(
        "gauge",
        "oldest_pending_timestamp_seconds",
        "Time at which the oldest pending object became due",
        MAPPING,
    ),
    Described("gauge", "objects_not_due", "Objects that wait for their copy_after", MAPPING),
    Described("gauge", "rows_unverified", "Rows of other nodes that are due for verification", MAPPING),
    Described("gauge", "objects_retrying", "Objects that failed and are retried", MAPPING),
    Described(
        "gauge",
        "objects_quarantined",
        "Objects in quarantine: not retried until they change or are reset",
        MAPPING,
    ),
    Described(
        "gauge",
        "objects_failing",
        "Retrying and quarantined objects, by reason of the last failure",
        (*MAPPING, "reason"),
    ),
    Described("gauge", "databases", "Container databases on this node", MAPPING),
    Described(
        "gauge", "databases_unreadable", "Container databases on this node that cannot be read", MAPPING
    ),
    Described("gauge", "counted_timestamp_seconds", "Time at which the backlog was last counted", MAPPING),
    Described("histogram", "request_seconds", "Duration of requests to the store", (*STORE, "operation")),
    Described(
        "counter", "request_errors", "Requests to the store that failed", (*STORE, "operation", "reason")
    ),
    Described("gauge", "requests_in_flight", "Requests to the store in flight", STORE),
    Described(
        "gauge",
        "request_oldest_seconds",
        "Longest time for which a request in flight has not moved a byte",
        STORE,
    ),
    Described(
        "gauge",
        "store_silent_seconds",
        "Time for which the store has not answered any request, nor taken a byte",
        STORE,
    ),
    Described("gauge", "store_throttled", "1 while the store throttles requests", STORE),
    Described("gauge", "store_request_limit", "Requests per second allowed while throttled", STORE),
    Described("gauge", "lane_threads", "Maximum concurrent turns of mappings of this store", STORE),
    Described("gauge", "lane_threads_running", "Threads that run turns", STORE),
    Described("gauge", "lane_workers", "Maximum rows in flight", STORE),
    Described("gauge", "lane_workers_busy", "Rows in flight", STORE),
    Described("gauge", "lane_parts", "Maximum parts of large objects in flight", STORE),
    Described("gauge", "lane_parts_busy", "Parts of large objects in flight", STORE),
    Described("gauge", "lane_large_busy", "Very large objects in flight, in the large-object lane", STORE),
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
        for described in METRICS:
            if described.kind == "histogram":
                yield self._histogram(described)
                continue
            make = CounterMetricFamily if described.kind == "counter" else GaugeMetricFamily
            family = make(PREFIX + described.name, described.help, labels=described.labels)
            for values, number in samples.get(described.name, ()):
                family.add_metric(list(values), number)
            yield family

    def _samples(self) -> Iterator[tuple[str, tuple[str, ...], float]]:
        inputs = self._inputs
        yield "info", (__version__,), 1
        yield "heartbeat_timestamp_seconds", (), self._when(inputs.activity.last_tick)
        configuration = inputs.activity.configuration
        yield "configuration_problems", (), configuration.problems
        yield "configuration_refused", (), configuration.refused
        yield "configuration_loaded_timestamp_seconds", (), self._when(configuration.loaded_at)
        yield "journal_bytes", (), inputs.journal_bytes()
        pending = inputs.pending()
        for key, counters in list(inputs.activity.by_mapping.items()):
            here = labels(counters.mapping)
            yield "paused", here, int(inputs.is_paused(counters.mapping))
            yield "deletes_held", here, len(counters.held)
            for name, more, number in self._of_mapping(counters):
                yield name, (*here, *more), number
            for name, more, number in _of_pending(pending.get(key)):
                yield name, (*here, *more), number
        yield from self._of_stores()
        yield from self._of_lanes()

    def _of_mapping(self, counters: Counters) -> Iterator[tuple[str, tuple[str, ...], float]]:
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
            yield "last_alive_timestamp_seconds", (), self._when(counters.last_seen)
            yield "last_progress_timestamp_seconds", (), self._when(counters.progress)

    def _of_stores(self) -> Iterator[tuple[str, tuple[str, ...], float]]:
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

    def _of_lanes(self) -> Iterator[tuple[str, tuple[str, ...], float]]:
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

    def _histogram(self, described: Described) -> Metric:
        family = HistogramMetricFamily(PREFIX + described.name, described.help, labels=described.labels)
        bounds = [*map(str, BOUNDS), "+Inf"]
        for observer in self._inputs.observers:
            for name, operation in list(observer.operations.items()):
                so_far, buckets = 0, []
                for bound, count in zip(bounds, operation.buckets, strict=True):
                    so_far += count
                    buckets.append((bound, float(so_far)))
                family.add_metric([observer.store, name], buckets, operation.seconds)
        return family

    def _when(self, monotonic: float) -> float:
        """A monotonic time as seconds since the epoch."""
        return self._inputs.now() - (self._inputs.activity.now() - monotonic)


def _of_pending(found: Pending | None) -> Iterator[tuple[str, tuple[str, ...], float]]:
    """Nothing before the first count: a zero would be wrong."""
    if found is None:
        return
    yield "rows_behind", (), found.rows_behind
    yield "objects_pending", (), found.objects
    yield "bytes_pending", (), found.bytes
    if found.oldest is not None:
        yield "oldest_pending_timestamp_seconds", (), found.oldest
    yield "objects_not_due", (), found.not_due
    yield "rows_unverified", (), found.unverified
    yield "objects_retrying", (), found.retrying
    yield "objects_quarantined", (), found.quarantined
    for reason, count in found.reasons.items():
        yield "objects_failing", (reason,), count
    yield "databases", (), found.databases
    yield "databases_unreadable", (), found.unreadable
    yield "counted_timestamp_seconds", (), found.counted_at
