"""What Prometheus and the recon file say of migrations: the same as ``--status``."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from s3_sync.daemon import recon_file
from s3_sync.daemon.activity import Activity
from s3_sync.daemon.process_shard import ProcessShard
from s3_sync.errors import StateError
from s3_sync.migrate.monitoring import COUNT_REST_FACTOR, METRICS, NAMES, PROGRAM, MigrateSources
from s3_sync.model.outcomes import Kind, Outcome
from s3_sync.providers.wrappers.instrument import Observers
from s3_sync.runtime.stats import Stats
from unit.migrate.operation.state import BUSY, IDLE, Node

NewNode = Callable[..., Node]
HERE = {"account": "AUTH_new", "container": "photos", "source": "old/auth/v1.0/photos"}
DATA_MODEL = Path(__file__).parents[4] / "docs" / "data-model.md"


class Watched:
    """The sources of a daemon on a node; ``read`` scrapes them: name -> labels -> number."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.activity = Activity(node.mappings, node.clock)
        self.observers = Observers()
        services = SimpleNamespace(
            settings=node.settings,
            statuses=node.statuses,
            activity=self.activity,
            observers=self.observers,
            clock=SimpleNamespace(now=node.clock),
            registry=SimpleNamespace(rates=dict),
            controls=node.controls,
            share=ProcessShard(),
        )
        self.sources = MigrateSources(cast(Any, services))
        self.registry = CollectorRegistry()
        for collector in self.sources.collectors:
            self.registry.register(collector)

    def read(self) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
        found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
        for family in text_string_to_metric_families(generate_latest(self.registry).decode()):
            for sample in family.samples:
                numbers = found.setdefault(sample.name.removeprefix(NAMES.prefix), {})
                numbers[frozenset(sample.labels.items())] = sample.value
        return found

    def one(self, name: str, **labels: str) -> float:
        return self.read()[name][frozenset((HERE | labels).items())]


@pytest.fixture
def watched(node: Node) -> Watched:
    return Watched(node)


def test_every_metric_has_help_and_type_before_any_work(watched: Watched) -> None:
    text = generate_latest(watched.registry).decode()
    for metric in METRICS:
        name = metric.full_name(NAMES.prefix)
        assert f"# HELP {name} {metric.help}\n# TYPE {name} {metric.kind}\n" in text


def test_progress_is_absent_until_it_has_been_counted(watched: Watched) -> None:
    assert "phase" not in watched.read()
    watched.sources.update()
    assert watched.one("phase", phase="not started") == 1
    assert watched.one("counted_timestamp_seconds") == 1000.0
    assert "last_pass_timestamp_seconds" not in watched.read(), "there was none"


def test_metrics_of_a_pass_are_those_of_the_status(watched: Watched) -> None:
    node = watched.node
    (mapping,) = node.mappings
    node.statuses.expect(mapping, 100, 10_000)
    node.save(mapping, BUSY, ended=False)
    for name, reason in (("a", "bad_digest"), ("b", "bad_digest"), ("c", "remote_archived")):
        node.failures.record(mapping.journal_key, name, reason, "why", 1000.0)
    watched.sources.update()
    assert [watched.one("phase", phase=each) for each in ("copying", "ready to cut over")] == [1, 0]
    numbers = {name: watched.one(name) for name in ("names_scanned", "objects_remaining", "source_objects")}
    assert numbers == {"names_scanned": 4, "objects_remaining": 96, "source_objects": 100}
    assert (watched.one("copied_objects_total"), watched.one("copied_bytes_total")) == (2, 200)
    assert watched.one("objects_failing", reason="bad_digest") == 2
    assert watched.one("objects_failing", reason="remote_archived") == 1


def test_times_of_passes_are_those_of_the_container_that_is_behind_most(new_node: NewNode) -> None:
    node = new_node({"aws_bucket": "/*"})
    watched = Watched(node)
    here = {"container": "/*", "source": "old/auth/v1.0/*"}
    one, two = (node.mappings[0].of_container(name) for name in ("one", "two"))
    node.save(one, IDLE)
    node.clock.time = 2000.0
    node.save(two, BUSY)
    watched.sources.update()
    assert watched.one("last_pass_timestamp_seconds", **here) == 1000.0
    assert "last_clean_pass_timestamp_seconds" not in watched.read(), "one of them has had none"
    assert (watched.one("containers", **here), watched.one("containers_behind", **here)) == (2, 1)
    node.clock.time = 3000.0
    node.save(two, IDLE)
    watched.sources.update()
    assert watched.one("last_pass_timestamp_seconds", **here) == 1000.0
    assert watched.one("last_clean_pass_timestamp_seconds", **here) == 1000.0


def test_objects_and_bytes_read_are_counted_since_the_start(watched: Watched) -> None:
    tally = watched.activity.mapping_counters(watched.node.mappings[0], Stats(None))
    tally.add(Outcome(Kind.COPIED), 3)
    tally.add(Outcome(Kind.FAILED, "bad_digest"))
    tally.read(17)
    assert watched.one("objects_total", outcome="copied", reason="") == 3
    assert watched.one("objects_total", outcome="failed", reason="bad_digest") == 1
    assert watched.one("read_bytes_total") == 17


def test_paused_migration_is_paused_at_the_next_scrape(watched: Watched) -> None:
    assert watched.one("paused") == 0
    watched.node.controls.pause(watched.node.mappings[0])
    assert watched.one("paused") == 1


def test_slow_count_is_repeated_only_after_a_rest(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = watched.node.clock
    original = watched.sources._files.daemon

    def slow() -> int | None:
        clock.time += 1.0
        return original()

    monkeypatch.setattr(watched.sources._files, "daemon", slow)
    watched.sources.update()
    counted, took = watched.one("counted_timestamp_seconds"), clock.time - 1000.0
    clock.time += COUNT_REST_FACTOR * took - 1.0
    watched.sources.update()
    assert watched.one("counted_timestamp_seconds") == counted
    clock.time += 2.0
    watched.sources.update()
    assert watched.one("counted_timestamp_seconds") > counted


def test_count_that_fails_keeps_the_last_numbers_and_is_logged_once(
    watched: Watched, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.sources.update()

    def unreadable() -> Any:
        raise StateError("cannot read the journal")

    monkeypatch.setattr(watched.sources._files.failures, "counts", unreadable)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            watched.node.clock.time += 60.0
            watched.sources.update()
    assert caplog.text.count("cannot be counted") == 1
    assert watched.one("counted_timestamp_seconds") == 1000.0


def test_recon_file_has_the_keys_of_the_documentation(watched: Watched, tmp_path: Path) -> None:
    watched.observers.of("old").request("head_object", lambda: None)
    watched.sources.update()
    recon_file.write(str(tmp_path), PROGRAM, 0, watched.sources.report())
    found = recon_file.read(str(tmp_path), PROGRAM)[0]
    page = DATA_MODEL.read_text(encoding="utf-8").split("### Recon files of migrations")[1]
    shown = json.loads(page.split("```json\n")[1].split("```")[0])
    assert shown["mappings"][0].keys() == found["mappings"][0].keys()
    assert shown["mappings"][0]["progress"].keys() == found["mappings"][0]["progress"].keys()
    assert shown.keys() == found.keys()
