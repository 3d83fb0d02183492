"""The metrics that all daemons have, computed from their counters at each scrape.

A daemon's own list of metrics is made of these and its own; docs/operations.md explains each, and a test
compares both. Label values are bounded by the configuration: mappings (a mapping of a whole account is one),
stores, and our own constants.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from s3_sync import __version__
from s3_sync.config.settings import Mapping
from s3_sync.daemon.activity import Activity
from s3_sync.daemon.counters import Counters
from s3_sync.daemon.services import Services
from s3_sync.model.outcomes import Kind
from s3_sync.providers.wrappers.instrument import BOUNDS, Observers

STORE = ("store",)
#: the name of a metric, label values, a number
Sample = tuple[str, tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """``name``: without the daemon's prefix and, of a counter, without ``_total``."""

    kind: str
    name: str
    help: str
    labels: tuple[str, ...] = ()

    def full_name(self, prefix: str) -> str:
        return prefix + self.name + ("_total" if self.kind == "counter" else "")


@dataclass(frozen=True, slots=True)
class MetricNames:
    """How a daemon names its metrics. ``remote``: the label for a mapping's remote side. ``handled``: what
    its jobs handle, in plural."""

    prefix: str
    remote: str
    handled: str

    @property
    def mapping(self) -> tuple[str, ...]:
        """The labels of a mapping's metrics."""
        return "account", "container", self.remote

    def mapping_metrics(self) -> tuple[MetricSpec, ...]:
        mapping, handled = self.mapping, self.handled
        return (
            MetricSpec(
                "counter",
                handled,
                f"{handled.capitalize()} handled, by outcome and reason",
                (*mapping, "outcome", "reason"),
            ),
            MetricSpec("counter", "read_bytes", "Bytes read to be copied, including retries", mapping),
            MetricSpec("counter", "turns", "Turns completed", mapping),
            MetricSpec("gauge", "turns_running", "Turns in progress", mapping),
            MetricSpec("gauge", "paused", "1 while the mapping is paused", mapping),
            MetricSpec("gauge", "troubled", "Containers whose last turn failed", mapping),
            MetricSpec(
                "gauge", "last_alive_timestamp_seconds", "Time of the last heartbeat of a turn", mapping
            ),
            MetricSpec(
                "gauge",
                "last_progress_timestamp_seconds",
                f"Time at which one of the {handled} was last settled, or nothing was left to do",
                mapping,
            ),
        )

    def store_metrics(self) -> tuple[MetricSpec, ...]:
        handled = self.handled
        return (
            MetricSpec(
                "histogram", "request_seconds", "Duration of requests to the store", (*STORE, "operation")
            ),
            MetricSpec(
                "counter", "request_errors", "Requests to the store that failed",
                (*STORE, "operation", "reason"),
            ),
            MetricSpec("gauge", "requests_in_flight", "Requests to the store in flight", STORE),
            MetricSpec(
                "gauge", "request_oldest_seconds",
                "Longest time for which a request in flight has not moved a byte", STORE,
            ),
            MetricSpec(
                "gauge", "store_silent_seconds",
                "Time for which the store has not answered any request, nor taken a byte", STORE,
            ),
            MetricSpec("gauge", "store_throttled", "1 while the store throttles requests", STORE),
            MetricSpec("gauge", "store_request_limit", "Requests per second allowed while throttled", STORE),
            MetricSpec(
                "gauge", "lane_threads", "Maximum concurrent turns of mappings of this store", STORE
            ),
            MetricSpec("gauge", "lane_threads_running", "Threads that run turns", STORE),
            MetricSpec("gauge", "lane_workers", f"Maximum {handled} in flight", STORE),
            MetricSpec("gauge", "lane_workers_busy", f"{handled.capitalize()} in flight", STORE),
            MetricSpec("gauge", "lane_parts", "Maximum parts of large objects in flight", STORE),
            MetricSpec("gauge", "lane_parts_busy", "Parts of large objects in flight", STORE),
            MetricSpec(
                "gauge", "lane_large_busy", "Very large objects in flight, in the large-object lane", STORE
            ),
        )  # fmt: skip


PROCESS_METRICS = (
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
)


@dataclass(frozen=True, slots=True)
class MetricInputs:
    """Sources of the metrics.

    ``now``: seconds since the epoch. ``rates``: the current requests per second of each store that throttles
    us.
    """

    activity: Activity
    observers: Observers
    now: Callable[[], float]
    rates: Callable[[], dict[str, float]]
    is_paused: Callable[[Mapping], bool]

    @classmethod
    def of(cls, services: Services) -> MetricInputs:
        return cls(
            services.activity,
            services.observers,
            services.clock.now,
            services.registry.rates,
            services.controls.is_paused,
        )


def mapping_labels(mapping: Mapping) -> tuple[str, str, str]:
    return mapping.account, mapping.container, mapping.remote


class DaemonMetrics(Collector):
    """Collects every metric of ``specs``, including those without samples, and no other. ``own``: the samples
    of those that other daemons do not have."""

    def __init__(
        self,
        names: MetricNames,
        specs: Sequence[MetricSpec],
        inputs: MetricInputs,
        own: Callable[[], Iterable[Sample]],
    ) -> None:
        self._names = names
        self._specs = specs
        self._inputs = inputs
        self._own = own

    def describe(self) -> Iterable[Metric]:
        return []  # else registration would collect once, to find duplicate names

    def collect(self) -> Iterator[Metric]:
        samples: dict[str, list[tuple[tuple[str, ...], float]]] = {}
        for found in (self._samples(), self._own()):
            for name, values, number in found:
                samples.setdefault(name, []).append((values, number))
        for spec in self._specs:
            if spec.kind == "histogram":
                yield self._histogram(spec)
                continue
            make = CounterMetricFamily if spec.kind == "counter" else GaugeMetricFamily
            family = make(self._names.prefix + spec.name, spec.help, labels=spec.labels)
            for values, number in samples.get(spec.name, ()):
                family.add_metric(list(values), number)
            yield family

    def _samples(self) -> Iterator[Sample]:
        inputs = self._inputs
        yield "info", (__version__,), 1
        yield "heartbeat_timestamp_seconds", (), self._epoch_time(inputs.activity.last_tick)
        configuration = inputs.activity.configuration
        yield "configuration_problems", (), configuration.problems
        yield "configuration_refused", (), configuration.refused
        yield "configuration_loaded_timestamp_seconds", (), self._epoch_time(configuration.loaded_at)
        for counters in list(inputs.activity.by_mapping.values()):
            here = mapping_labels(counters.mapping)
            yield "paused", here, int(inputs.is_paused(counters.mapping))
            for name, more, number in self._mapping_samples(counters):
                yield name, (*here, *more), number
        yield from self._store_samples()
        yield from self._lane_samples()

    def _mapping_samples(self, counters: Counters) -> Iterator[Sample]:
        rows = dict(counters.rows)
        yield f"{self._names.handled}_scanned", (), sum(rows.values())
        for kind in Kind:
            if all(counted is not kind for counted, _ in rows):
                rows[kind, ""] = 0  # so that the first one shows as an increase
        for (kind, reason), count in rows.items():
            yield self._names.handled, (kind.value, reason), count
        yield "read_bytes", (), counters.bytes_read
        yield "turns", (), counters.turns
        yield "turns_running", (), counters.running
        yield "troubled", (), counters.failing
        if counters.heartbeats:
            yield "last_alive_timestamp_seconds", (), self._epoch_time(counters.last_seen)
            yield "last_progress_timestamp_seconds", (), self._epoch_time(counters.progress)

    def _store_samples(self) -> Iterator[Sample]:
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

    def _lane_samples(self) -> Iterator[Sample]:
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
        family = HistogramMetricFamily(spec.full_name(self._names.prefix), spec.help, labels=spec.labels)
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
