"""Use cases over one node whose Swift and bucket are in memory; its state files are real."""

from __future__ import annotations

import io
import json
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from s3_sync.admin import exit_codes as codes
from s3_sync.admin.commands import failed
from s3_sync.admin.commands import status as command
from s3_sync.admin.failures import FailureFilter, failures, forget, retry
from s3_sync.admin.node import NodeView, Running
from s3_sync.admin.resets import Plan, plan
from s3_sync.admin.status import MappingStatus, status
from s3_sync.config.settings import Mapping
from s3_sync.errors import AccessDenied, LocalUnavailable
from s3_sync.runtime.output import Output
from s3_sync.state.checkpoint import StatusFiles
from s3_sync.state.controls import Controls
from s3_sync.state.journal import Settlement
from s3_sync.state.journal_view import JournalView
from s3_sync.state.left_segments import LeftSegment
from s3_sync.sync.backlog.reader import BacklogReader
from unit.sync.fake_node import Node, mapping
from unit.sync.worlds import World


class Seen:
    """A ``NodeView`` of a node, as another process has it. ``said``: the daemon's own words."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.mappings = (node.mapping,)
        self.migrations: tuple[Mapping, ...] = ()
        self.migrator = None
        self.problems: tuple[object, ...] = ()
        self.now = node.clock.now
        self.controls = Controls(str(node.directory), node.clock.now, poll_interval=0.0)
        self.journal_path = str(node.directory / "journal")
        self.journal = JournalView(self.journal_path)
        self.replicas = node
        self.said: dict[str, Any] = {}
        statuses = StatusFiles(str(node.directory), self.journal.uuid, self.mappings, observed=True)
        self.backlog = BacklogReader(cast(Any, node), statuses, self.journal, 3600.0, node.clock.now)

    def containers(self, mapping: Mapping, listed: bool = False) -> Iterator[Mapping]:
        yield mapping

    def daemon(self) -> Running:
        return Running(bool(self.said), 5 if self.said else None)

    def report(self, mapping: Mapping) -> list[dict[str, Any]]:
        return [self.said, self.said] if self.said else []


def look(node: Node, **said: Any) -> MappingStatus:
    seen = Seen(node)
    seen.said = said
    [found] = status(site_of(seen), seen.mappings).mappings
    return found


def site_of(seen: Seen) -> NodeView:
    return cast(Any, seen)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class TestStatus:
    def test_state_follows_backlog_failures_reset_pause_and_replicas(self, world: World) -> None:
        node = world.node
        world.fill(3)
        found = look(node)
        assert (found.state, found.rows_behind, found.objects_pending) == ("behind", 3, 3)
        assert (found.mapping, found.mode, found.containers) == ("AUTH_a/c", "sync", 1)
        node.settle()
        assert look(node).state == "in sync"
        assert look(node, troubled=1).state == "troubled"
        world.fail_names(AccessDenied("no"), "bad")
        world.swift.put("bad")
        node.settle()
        found = look(node)
        assert (found.state, found.retrying, found.failing) == ("retrying", 1, 1)
        world.fail(None)
        node.later(60.0)
        world.swift.put("n" * 1100)
        node.settle()
        found = look(node)
        assert (found.state, found.quarantined, found.objects_pending) == ("quarantine", 1, 0)
        node.context.controls.reset(node.mapping)
        found = look(node)
        assert (found.state, found.rows_resetting) == ("resetting", 5)
        node.context.controls.pause(node.mapping)
        assert look(node).state == "paused"
        assert look(node).paused_since == world.swift.clock.now()
        node.context.controls.resume(node.mapping)
        node.settle()
        assert look(node).rows_resetting is None
        node.replicas_here[0].broken = LocalUnavailable("locked")
        world.fill(1, start=50)
        assert (look(node).state, look(node).errors) == ("unreadable", ["locked"])
        node.replicas_here = []
        assert look(node).state == "elsewhere"

    def test_objects_not_due_are_in_sync_and_counted_as_later(self, tmp_path: Path) -> None:
        world = World(tmp_path, mapping=mapping(copy_after=3600))
        world.fill(2)
        found = look(world.node)
        assert (found.state, found.objects_pending, found.objects_later) == ("in sync", 0, 2)
        assert found.bytes_later == 12

    def test_rates_of_several_processes_are_added_and_give_the_eta(self, world: World) -> None:
        world.fill(30)
        world.node.step()
        saved = look(world.node)
        assert saved.last_progress is not None
        assert (saved.objects_per_second, saved.eta) == (None, None)
        # two processes share it
        found = look(world.node, objects_per_second=2.0, bytes_per_second=50.0, last_progress=77.0)
        assert (found.objects_per_second, found.bytes_per_second) == (4.0, 100.0)
        assert (found.eta, found.last_progress) == (5.0, 77.0)
        assert look(world.node, objects_per_second=0.0, bytes_per_second="x").eta is None

    def test_is_good_needs_a_running_daemon_and_no_problems_or_failures(self, world: World) -> None:
        seen = Seen(world.node)
        world.fill(3)
        assert not status(site_of(seen), seen.mappings).is_good  # nobody works
        seen.said = {"updated": 1.0}
        assert status(site_of(seen), seen.mappings).is_good
        seen.problems = ("containers[1]: wrong",)
        found = status(site_of(seen), seen.mappings)
        assert (found.is_good, found.problems) == (False, ["containers[1]: wrong"])
        seen.problems = ()
        world.fail_names(AccessDenied("no"), "o00001")
        world.node.settle()
        assert not status(site_of(seen), seen.mappings).is_good


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("watch", [True, False])
def test_status_command_separates_remarks_from_columns(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    terminal: bool,
    watch: bool,
) -> None:
    """Where it is watched, until it is interrupted. Remarks do not get among columns."""
    world.fill(3)
    world.fail_names(AccessDenied("no"), "o00001")
    world.node.settle()
    seen, file, naps = Seen(world.node), io.StringIO(), iter(range(2))

    def nap(seconds: float) -> None:
        if next(naps, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", nap)
    output = Output()
    output.console = Console(file=file, force_terminal=terminal, width=200, color_system=None)
    code = command.run(site_of(seen), Namespace(mapping=None, watch=1.0 if watch else None), output)
    assert code == (codes.FINE if watch else codes.FOUND)
    text = file.getvalue()
    assert text.count("retrying") == (3 if watch else 1)
    assert ("the daemon is not running" in text) is terminal
    assert ("AUTH_a/c: failing: remote_denied 1" in text) is terminal
    assert ("\trows behind\t" in text) is not terminal
    aside = capsys.readouterr().err
    assert ("the daemon is not running" in aside) is not terminal
    assert ("AUTH_a/c: failing: remote_denied 1" in aside) is not terminal


class TestFailures:
    @pytest.fixture
    def seen(self, world: World) -> Seen:
        world.fill(12)
        world.swift.put("n" * 1100)
        world.fail_names(AccessDenied("no"), "o00001", "o00002")
        world.node.settle()
        world.fail(None)
        return Seen(world.node)

    @pytest.mark.parametrize(
        ("wanted", "number"),
        [
            (FailureFilter(), 3),
            (FailureFilter(names=("o00001", "nobody")), 1),
            (FailureFilter(prefix="o"), 2),
            (FailureFilter(reason="name_too_long"), 1),
            (FailureFilter(state="retry"), 2),
            (FailureFilter(state="expiry"), 0),
            (FailureFilter(prefix="o", reason="name_too_long"), 0),
        ],
    )
    def test_failures_are_selected_by_the_filter(
        self, seen: Seen, wanted: FailureFilter, number: int
    ) -> None:
        assert len(list(failures(site_of(seen), seen.mappings, wanted))) == number

    def test_retry_makes_the_selected_failures_due_at_once(self, world: World, seen: Seen) -> None:
        assert retry(site_of(seen), seen.mappings, FailureFilter(names=("o00001",))) == 1
        world.node.settle()
        assert set(world.node.unsettled()) == {"o00002", "n" * 1100}
        [before] = failures(site_of(seen), seen.mappings, FailureFilter(state="quarantine"))
        assert retry(site_of(seen), seen.mappings, FailureFilter()) == 2
        world.node.settle()
        [after] = failures(site_of(seen), seen.mappings, FailureFilter())
        assert (after.state, after.attempts) == ("quarantine", before.attempts + 1)

    def test_forgotten_failures_are_not_retried_until_the_object_changes(
        self, world: World, seen: Seen
    ) -> None:
        listed = [each.version for each in failures(site_of(seen), seen.mappings, FailureFilter(prefix="o"))]
        assert forget(site_of(seen), listed) == 2
        world.node.later(3600.0)
        assert set(world.node.unsettled()) == {"n" * 1100}
        assert "o00001" not in world.bucket.content()
        world.swift.put("o00001", b"changed")
        world.node.settle()
        assert "o00001" in world.bucket.content()

    def test_failed_command_lists_up_to_the_limit_and_says_when_there_are_more(
        self, world: World, seen: Seen, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A delete that failed, and has to wait until it is allowed, has no next try."""
        settlement = Settlement(postponed=[("o00001", float("inf"))])
        world.node.journal.settle(world.node.crawl.key, settlement, world.node.clock.now())
        options = Namespace(
            mapping=None, name=[], prefix="o", reason="", state="", limit=1, retry=False, forget=False
        )
        for limit, more in ((1, True), (2, False), (0, False)):
            options.limit = limit
            output = Output(as_json=True, file=io.StringIO())
            assert failed.run(site_of(seen), options, output) == codes.FOUND
            answer = json.loads(output.console.file.getvalue())
            assert (len(answer["failures"]), answer["more"]) == (limit or 2, more)
            assert answer["failures"][0]["next_try"] is None
        options.limit = 1
        output = Output(file=io.StringIO())
        failed.run(site_of(seen), options, output)
        [_, line] = output.console.file.getvalue().splitlines()
        assert line.split("\t")[8] == "when deletes are allowed"
        assert "--limit 0 shows all" in capsys.readouterr().err

    def test_segment_that_could_not_be_deleted_is_listed_with_its_reason(self, world: World) -> None:
        segments, now = world.node.journal.left_segments, world.node.clock.now()
        segments.note(world.node.crawl.key, [LeftSegment("b_segments", "s/1", "0" * 32)], now)
        [entry] = segments.due(world.node.crawl.key, now, 1)
        assert look(world.node).segments == 0
        failed_now = segments.postponed(entry, now, "remote_denied", "DELETE: 403")
        segments.conclude(world.node.crawl.key, [(entry, failed_now)])
        found = look(world.node)
        assert (found.state, found.failing, found.reasons) == ("retrying", 1, {"remote_denied": 1})
        seen = Seen(world.node)
        [failure] = failures(site_of(seen), seen.mappings, FailureFilter(state="segment"))
        assert (failure.name, failure.reason, failure.detail) == (
            "b_segments/s/1",
            "remote_denied",
            "DELETE: 403",
        )
        assert failure.next_try == failed_now.due > now
        assert retry(site_of(seen), seen.mappings, FailureFilter()) == 1
        assert segments.due(world.node.crawl.key, now, 1)

    def test_forget_keeps_failures_of_versions_that_were_not_listed(self, world: World, seen: Seen) -> None:
        listed = [each.version for each in failures(site_of(seen), seen.mappings, FailureFilter(prefix="o"))]
        world.fail_names(AccessDenied("no"), "o00001", "o00002", "o00003")
        for name in ("o00002", "o00003"):
            world.swift.put(name, b"newer")
        world.node.settle()
        assert forget(site_of(seen), listed) == 1
        assert set(world.node.unsettled()) == {"n" * 1100, "o00002", "o00003"}


def test_plan_of_a_reset_counts_rows_of_the_prefix_and_since_the_time(world: World) -> None:
    world.fill(3)
    world.swift.clock.sleep(100.0)
    then = world.swift.clock.now()
    world.swift.put("p", b"12345")
    world.swift.delete("o00001")
    world.fail_names(AccessDenied("no"), "p")
    world.node.settle()
    seen = Seen(world.node)
    assert plan(site_of(seen), world.node.mapping) == Plan(3, 17, 1, 0, 1, 1)
    assert plan(site_of(seen), world.node.mapping, "o") == Plan(2, 12, 1, 0, 0, 1)
    assert plan(site_of(seen), world.node.mapping, "", then) == Plan(1, 5, 1, 0, 1, 1)
    world.node.replicas_here[0].replicas = 2
    found = plan(site_of(seen), world.node.mapping)
    assert found.objects + found.deletes + found.others == 4
