"""What is told about a node at work: the truth, also right after a restart."""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from s3_sync.config.settings import Profile
from s3_sync.daemon import monitor as watching
from s3_sync.daemon import recon_file as recon
from s3_sync.daemon.activity import Activity
from s3_sync.daemon.metrics import DaemonMetrics
from s3_sync.daemon.monitor import SILENCE_LIMIT, Monitor
from s3_sync.daemon.process_shard import ProcessShard
from s3_sync.daemon.recon_report import RATE_WINDOW, Rates
from s3_sync.daemon.sd_notify import ServiceManager
from s3_sync.errors import AccessDenied, RemoteUnavailable, StateError
from s3_sync.providers.wrappers.instrument import IDLE_AFTER
from s3_sync.sync.backlog import poller as pending
from s3_sync.sync.backlog.poller import COUNT_REST_FACTOR, BacklogPoller
from s3_sync.sync.container_crawl import ContainerCrawl
from s3_sync.sync.monitoring.sources import SyncSources
from unit.sync.fake_node import Node, mapping
from unit.sync.worlds import World

GONE = AccessDenied("no")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def watch(node: Node, **settings: Any) -> Monitor:
    """With the time of the node, and without a store's own account of itself."""
    node.rates = dict  # type: ignore[attr-defined]
    settings = {"mappings": (node.mapping,), **settings}
    context = replace(node.context, settings=replace(node.context.settings, **settings))
    return Monitor(context, SyncSources(context, str(node.directory / "journal")), ServiceManager({}))


def backlog(monitor: Monitor) -> BacklogPoller:
    return cast(SyncSources, monitor._sources)._backlog


def told(node: Node, watch: Monitor) -> dict[str, Any]:
    watch.update()
    content = recon.read(str(node.directory), "swift-s3-sync")[0]
    [found] = content["mappings"]
    return cast(dict[str, Any], found)


class TestPending:
    @pytest.fixture(autouse=True)
    def restless(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pending, "COUNT_REST_FACTOR", 0.0)

    def test_pending_objects_decrease_with_every_batch(self, world: World) -> None:
        world.fill(35)
        here = watch(world.node)
        left = [told(world.node, here)["pending"]["objects"]]
        while world.node.step().has_more:
            left.append(told(world.node, here)["pending"]["objects"])
        assert left == [35, 25, 15, 5, 0]
        assert told(world.node, here)["rows"]["scanned"] == world.db.max_rowid() == 35

    def test_pending_objects_are_known_right_after_a_restart(self, world: World) -> None:
        world.fill(10)
        world.node.settle()
        world.fill(7, start=10)
        world.node.restart()
        found = told(world.node, watch(world.node))
        assert found["pending"]["objects"] == 7
        assert found["pending"]["bytes"] == 42
        assert found["rows"]["scanned"] == 0

    def test_pending_objects_are_known_before_the_first_turn(self, world: World) -> None:
        """All threads of the store may be taken by others."""
        world.fill(7)
        world.node.context = replace(world.node.context, activity=Activity([world.node.mapping]))
        found = told(world.node, watch(world.node))
        assert found["pending"]["objects"] == 7
        assert found["last_progress"] <= found["last_alive"]

    def test_changed_copy_after_turns_pending_objects_into_not_due_ones(self, world: World) -> None:
        """Though nothing changes in the database."""
        here = watch(world.node)
        world.fill(5)
        assert told(world.node, here)["pending"]["objects"] == 5
        changed = replace(world.node.mapping, profile=Profile(copy_after=1000))
        world.node.context.activity.set_mappings([changed])
        ContainerCrawl(world.node.context, changed)
        found = told(world.node, here)["pending"]
        assert (found["objects"], found["not_due"]) == (0, 5)

    def test_slow_count_is_repeated_only_after_a_rest_and_has_its_time(self, world: World) -> None:
        """A long one is not repeated at once."""
        world.fill(5)
        here = watch(world.node)
        backlog(here)._yield = lambda: world.swift.clock.sleep(2.0)
        begun = world.swift.clock.now()
        for waited in (0.0, 30.0):
            world.swift.clock.sleep(waited)
            assert told(world.node, here)["pending"]["counted"] == begun
        world.swift.clock.sleep(60.0)
        assert told(world.node, here)["pending"]["counted"] > begun + 60.0

    def test_failing_object_is_pending_once_however_often_it_is_tried(self, world: World) -> None:
        world.fill(5)
        world.fail_names(GONE, "o00001", "o00002")
        here = watch(world.node)
        for _ in range(4):
            world.node.later(4000.0)
        found = told(world.node, here)
        assert found["rows"]["pending"] > 6, "attempts are counted"
        assert found["pending"]["retrying"] == 2, "objects are not"
        assert found["pending"]["reasons"] == {"remote_denied": 2}
        assert found["rows"]["scanned"] == sum(found["rows"].values()) / 2

    def test_count_that_fails_keeps_the_last_numbers_and_is_logged_once(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.fill(5)
        here = watch(world.node)
        before = told(world.node, here)["pending"]

        def refuse(account: str, container: str) -> Any:
            raise StateError("no")

        found, world.node.replicas = world.node.replicas, refuse  # type: ignore[method-assign]
        for _ in range(3):
            world.swift.clock.sleep(60.0)
            assert told(world.node, here)["pending"] == before
        assert caplog.text.count("cannot be counted") == 1
        world.node.replicas = found  # type: ignore[method-assign]
        world.swift.clock.sleep(1.0)
        assert told(world.node, here)["pending"]["counted"] > before["counted"]


class Slow:
    """Counts that take so long; others work meanwhile."""

    def __init__(self, yield_to_hub: Any) -> None:
        self.asked = 0
        self.time = 0.0
        self.yield_to_hub = yield_to_hub

    def read(self, mapping: Any) -> Any:
        self.asked += 1
        self.time += 2.0
        self.yield_to_hub()
        raise StateError("that is enough")


def test_counting_rests_longer_after_a_slow_count_despite_other_work() -> None:
    slow: list[Slow] = []

    def build(yield_to_hub: Any) -> Any:
        slow.append(Slow(yield_to_hub))
        return slow[0]

    def work() -> None:
        slow[0].time += 1000.0

    activity = Activity([mapping()], lambda: slow[0].time if slow else 0.0)
    activity.heartbeat_for(mapping())
    outlook = BacklogPoller(activity, build, lambda: 0.0, work)
    outlook.update()
    slow[0].time += 2.0 * COUNT_REST_FACTOR - 1.0
    outlook.update()
    assert slow[0].asked == 1
    slow[0].time += 2.0
    outlook.update()
    assert slow[0].asked == 2


def test_mapping_removed_during_the_count_does_not_disturb_the_others(world: World) -> None:
    world.fill(5)
    here = watch(world.node)
    activity = world.node.context.activity
    activity.set_mappings([world.node.mapping, replace(mapping(), container="d")])
    backlog(here)._yield = lambda: activity.set_mappings([world.node.mapping])
    assert told(world.node, here)["pending"]["objects"] == 5


def test_rates_cover_the_last_minute_only(world: World) -> None:
    time = [0.0]
    activity = Activity([mapping()], lambda: time[0])
    counters, rates = activity.counters_for(mapping()), Rates(activity)
    key = mapping().journal_key
    assert rates.of(key) == (0.0, 0.0)
    for second in range(0, 121, 5):
        time[0] = float(second)
        rates.sample()
        counters.bytes_read += 100 if second < 120 - RATE_WINDOW else 500
    assert rates.of(key) == (0.0, 100.0)
    activity.set_mappings([])
    rates.sample()
    assert rates.of(key) == (0.0, 0.0)


class TestReconFile:
    def test_recon_file_is_written_to_the_configured_directory(self, world: World, tmp_path: Path) -> None:
        (tmp_path / "cache").mkdir()
        watch(world.node, recon_cache_path=str(tmp_path / "cache")).update()
        assert recon.read(str(tmp_path / "cache"), "swift-s3-sync")[0]["pid"] > 0
        assert recon.read(str(world.node.directory), "swift-s3-sync") == {}

    def test_recon_file_that_cannot_be_written_is_logged_once(
        self, world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        here = watch(world.node, recon_cache_path=str(tmp_path / "cache"))
        here.update()
        here.update()
        assert caplog.text.count("Cannot write the recon file") == 1
        (tmp_path / "cache").mkdir()
        here.update()
        assert recon.read(str(tmp_path / "cache"), "swift-s3-sync")[0]["alive"] is True

    def test_recon_file_has_the_keys_of_the_documentation(self, world: World) -> None:
        world.node.context.observers.of("aws").request("head_object", lambda: None)
        world.fill(1)
        watch(world.node).update()
        page = (Path(__file__).parents[4] / "docs" / "data-model.md").read_text()
        shown = json.loads(page.split("## Recon files")[1].split("```json\n")[1].split("```")[0])
        found = recon.read(str(world.node.directory), "swift-s3-sync")[0]
        assert keys(found) == keys(shown)


def keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: keys(each) for key, each in value.items() if key != "reasons"}
    return [keys(each) for each in value] if isinstance(value, list) else None


def test_silent_store_is_logged_once_until_it_answers_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    observer = world.node.context.observers.of("aws")
    time = [0.0]
    observer._now = lambda: time[0]
    here = watch(world.node)

    def fail() -> None:
        time[0] += SILENCE_LIMIT / 2
        raise RemoteUnavailable("timed out")

    def busy() -> None:
        time[0] += 0.1
        here.update()

    for count in (0, 1, 1, 1):
        with pytest.raises(RemoteUnavailable):
            observer.request("head_object", fail)
        here.update()
        assert caplog.text.count("aws has not answered for") == count
    observer.request("head_object", lambda: None)
    for _ in range(2):
        observer.request("head_object", busy)  # there is always a request that waits
        assert caplog.text.count("aws answers again") == 1
    for _ in range(2):
        with pytest.raises(RemoteUnavailable):
            observer.request("head_object", fail)
    here.update()
    time[0] += IDLE_AFTER + 1.0
    for _ in range(2):
        here.update()
        assert caplog.text.count("aws gets no requests any more") == 1
    assert caplog.text.count("aws answers again") == 1


def test_monitoring_update_that_keeps_failing_is_logged_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    here = watch(world.node)
    here._sources.report = None  # type: ignore[assignment,method-assign]
    rounds = iter([False, False, False, True])
    here._closing.is_set = lambda: next(rounds)  # type: ignore[method-assign]
    here._closing.wait = lambda timeout=None: True  # type: ignore[method-assign]
    here._run()
    assert caplog.text.count("Monitoring update failed") == 1


def test_repeated_failures_are_logged_once_per_change_of_state(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """However often something is tried again."""
    caplog.set_level(logging.INFO, "s3-sync")
    world.fill(8)
    defect = RuntimeError("a defect")
    world.bucket.before = lambda method, name: defect if name == "o00003" and method != "list" else None
    for _ in range(5):
        world.node.later(4000.0)
    failures = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [bool(record.exc_info) for record in failures] == [True, False], (
        "a traceback, and what became of it"
    )
    caplog.clear()
    world.fail(RemoteUnavailable("no"))
    world.fill(8, start=8)
    for _ in range(5):
        world.node.step()
        world.swift.clock.sleep(400.0)
    outage = [record for record in caplog.records if "Failed to process" in record.getMessage()]
    assert len(outage) == 1
    world.fail(None)
    for _ in range(5):
        world.node.later(4000.0)
    assert sum("working again" in record.getMessage() for record in caplog.records) == 1
    assert sum("Recovered o00003" in record.getMessage() for record in caplog.records) == 1
    assert world.converged()


class TestMetricsPort:
    def test_metrics_port_in_use_is_logged_and_the_daemon_goes_on(
        self, world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watching, "MetricsPort", taken)
        here = watch(world.node, metrics_port=9645)
        here._listen()
        assert "cannot listen on 127.0.0.1 port 9645: taken" in caplog.text
        here.close()

    def test_metrics_port_of_a_process_shard_is_offset_by_its_index(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[int] = []
        monkeypatch.setattr(watching, "MetricsPort", lambda ip, port, registry: asked.append(port))
        watch(world.node)  # makes the context fit
        settings = replace(world.node.context.settings, metrics_port=9645)
        context = replace(world.node.context, settings=settings, share=ProcessShard(3, 4))
        sources = SyncSources(context, str(world.node.directory / "journal"))
        Monitor(context, sources, ServiceManager({}))._listen()
        assert asked == [9648]


def taken(*arguments: Any) -> Any:
    raise OSError(98, "taken")


def test_pending_metrics_appear_only_after_the_first_count(world: World) -> None:
    here = watch(world.node)
    [metrics] = [each for each in here._registry._collector_to_names if isinstance(each, DaemonMetrics)]

    def names() -> Counter[str]:
        return Counter(sample.name for family in metrics.collect() for sample in family.samples)

    assert not [name for name in names() if "pending" in name or "counted" in name]
    here.update()
    assert names()["swift_s3_sync_objects_pending"] == 1
    assert names()["swift_s3_sync_oldest_pending_timestamp_seconds"] == 0, "nothing is pending"
