"""What Prometheus reads, made of the plain numbers of a daemon."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from s3_sync import __version__
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.daemon.activity import Activity
from s3_sync.daemon.metrics import MetricInputs
from s3_sync.errors import RemoteUnavailable
from s3_sync.model.outcomes import Kind, Outcome
from s3_sync.providers.wrappers.instrument import Observers
from s3_sync.runtime.concurrency import SerialPool
from s3_sync.runtime.stats import Stats
from s3_sync.sync.monitoring.metrics import METRICS, PREFIX, SyncState, sync_metrics
from unit.sync.fake_node import mapping

HERE = {"account": "AUTH_a", "container": "c", "destination": "aws/bucket"}


class Lane:
    store = "aws"
    threads, running = 3, 2
    workers = parts = SerialPool()
    large_busy = 1


class Stand:
    """Everything that is watched; ``read`` scrapes it: name -> labels -> number."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.activity = Activity([replace(mapping(), place="mappings[0]")], lambda: self.time)
        self.observers = Observers()
        self.rates: dict[str, float] = {}
        self.paused = False
        self.registry = CollectorRegistry()
        watched = MetricInputs(
            self.activity,
            self.observers,
            lambda: 5000.0 + self.time,
            lambda: self.rates,
            lambda _: self.paused,
        )
        self.registry.register(sync_metrics(watched, SyncState(self.activity, lambda: 4096, dict)))

    def read(self) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
        found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
        for family in text_string_to_metric_families(generate_latest(self.registry).decode()):
            for sample in family.samples:
                numbers = found.setdefault(sample.name.removeprefix(PREFIX), {})
                labels = frozenset(sample.labels.items())
                assert labels not in numbers, f"twice: {sample.name} {sample.labels}"
                numbers[labels] = sample.value
        return found

    def one(self, name: str, **labels: str) -> float:
        return self.read()[name][frozenset(labels.items())]


@pytest.fixture
def stand() -> Stand:
    return Stand()


def test_every_metric_has_help_and_type_before_any_work(stand: Stand) -> None:
    text = generate_latest(stand.registry).decode()
    for metric in METRICS:
        assert f"# HELP {metric.full_name(PREFIX)} {metric.help}\n" in text
        assert f"# TYPE {metric.full_name(PREFIX)} {metric.kind}\n" in text


def test_process_metrics_report_heartbeat_version_journal_and_problems(stand: Stand) -> None:
    stand.activity.configuration.problems = 2
    stand.time = 1010.0
    stand.activity.tick()
    stand.time = 1012.0
    assert stand.one("heartbeat_timestamp_seconds") == 6010.0
    assert stand.one("info", version=__version__) == 1
    assert stand.one("journal_bytes") == 4096
    assert stand.one("configuration_problems") == 2


def test_row_metrics_count_outcomes_reasons_and_bytes_read(stand: Stand) -> None:
    tally = stand.activity.mapping_counters(mapping(), Stats(None))
    assert stand.one("rows_total", **HERE, outcome="copied", reason="") == 0
    for outcome in [Outcome(Kind.COPIED)] * 3 + [
        Outcome(Kind.SKIPPED, "excluded"),
        Outcome(Kind.PENDING, "x"),
    ]:
        tally.add(outcome)
    tally.read(17)
    found = stand.read()
    rows = {
        (dict(labels)["outcome"], dict(labels)["reason"]): number
        for labels, number in found["rows_total"].items()
        if number
    }
    assert rows == {("copied", ""): 3, ("skipped", "excluded"): 1, ("pending", "x"): 1}
    assert found["rows_scanned_total"] == {frozenset(HERE.items()): 5}
    assert found["read_bytes_total"] == {frozenset(HERE.items()): 17}


def test_turn_metrics_follow_the_heartbeat_and_the_pause(stand: Stand) -> None:
    assert stand.one("last_progress_timestamp_seconds", **HERE) == 6000.0, (
        "its first turn is overdue, some day"
    )
    heartbeat = stand.activity.heartbeat_for(mapping())
    stand.time = 1010.0
    heartbeat.begin()
    stand.time = 1020.0
    assert stand.one("turns_running", **HERE) == 1
    assert stand.one("last_alive_timestamp_seconds", **HERE) == 6010.0
    assert stand.one("last_progress_timestamp_seconds", **HERE) == 6000.0
    heartbeat.end(idle=True, failing=True)
    assert stand.one("turns_total", **HERE) == 1
    assert stand.one("troubled", **HERE) == 1
    assert stand.one("paused", **HERE) == 0
    stand.paused = True
    assert stand.one("paused", **HERE) == 1


def test_store_metrics_report_durations_errors_silence_and_throttling(stand: Stand) -> None:
    observer = stand.observers.of("aws")
    observer._now = lambda: stand.time

    def fail() -> Any:
        stand.time += 20.0
        raise RemoteUnavailable("timed out")

    with pytest.raises(RemoteUnavailable):
        observer.request("list_objects", fail)
    found = stand.read()
    buckets = {dict(labels)["le"]: number for labels, number in found["request_seconds_bucket"].items()}
    assert (buckets["10.0"], buckets["30.0"], buckets["+Inf"]) == (0, 1, 1)
    assert stand.one("request_seconds_sum", store="aws", operation="list_objects") == 20.0
    assert stand.one("request_seconds_count", store="aws", operation="list_objects") == 1
    reason = {"operation": "list_objects", "reason": "remote_unavailable"}
    assert stand.one("request_errors_total", store="aws", **reason) == 1
    assert stand.one("store_silent_seconds", store="aws") == 20.0
    assert stand.one("store_throttled", store="aws") == 0
    assert "store_request_limit" not in found
    stand.rates["aws"] = 12.5
    assert stand.one("store_throttled", store="aws") == 1
    assert stand.one("store_request_limit", store="aws") == 12.5
    observer.request("head_object", lambda: seen.append(stand.one("requests_in_flight", store="aws")))
    assert seen == [1.0]


seen: list[float] = []


def test_lane_metrics_add_up_over_the_lanes_of_a_store(stand: Stand) -> None:
    stand.activity.lanes += [Lane(), Lane()]
    found = {name: next(iter(values.values())) for name, values in stand.read().items() if "lane" in name}
    assert found == {
        "lane_threads": 6,
        "lane_threads_running": 4,
        "lane_workers": 2,
        "lane_workers_busy": 0,
        "lane_parts": 2,
        "lane_parts_busy": 0,
        "lane_large_busy": 2,
    }


def test_destination_label_names_endpoint_bucket_and_custom_prefix() -> None:
    clone = S3Credentials(endpoint="http://clone:9000/s3")
    assert mapping().remote == "aws/bucket"
    assert replace(mapping(), custom_prefix="").remote == "aws/bucket/"
    assert replace(mapping(), custom_prefix="a/b").remote == "aws/bucket/a/b"
    assert replace(mapping(), credentials=clone).remote == "clone:9000/s3/bucket"
