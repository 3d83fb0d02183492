"""What the backlog reader tells about the rows of single objects, against what the daemon does with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from s3_sync.errors import LocalUnavailable
from s3_sync.state.checkpoint import StatusFiles
from s3_sync.state.journal_view import JournalView
from s3_sync.sync.backlog.position import BEHIND, HANDLED, WAITS, RowPosition
from s3_sync.sync.backlog.reader import BacklogReader
from unit.sync.cluster import START
from unit.sync.fake_node import Node, mapping
from unit.sync.worlds import Three, World

HOUR, DAY = 3600.0, 86400.0


def reader_of(node: Node) -> BacklogReader:
    view = JournalView(str(node.directory / "journal"))
    statuses = StatusFiles(str(node.directory), view.uuid, [node.mapping], observed=True)
    slack = node.context.settings.verification_slack_seconds
    return BacklogReader(cast(Any, node), statuses, view, slack, node.clock.now)


def position(node: Node, name: str) -> RowPosition:
    [found], errors = reader_of(node).positions(node.mapping, name)
    assert not errors
    return found


def make_older(world: World, name: str, seconds: float) -> None:
    """As if another node's clock had dated the object."""
    row, version = world.db.rows[name, 0], world.swift.objects[name, 0]
    early = replace(row.timestamp, raw=row.timestamp.raw - int(seconds * 100_000))
    world.db.rows[name, 0] = replace(row, timestamp=early, data_timestamp=early)
    world.swift.objects[name, 0] = replace(version, timestamp=early, data_timestamp=early)


def test_a_row_is_behind_until_the_cursor_has_passed_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.swift.put("a")
    found = position(world.node, "a")
    assert (found.position, found.until, found.own, found.row, found.cursor) == (BEHIND, None, True, 1, 0)
    world.node.settle()
    found = position(world.node, "a")
    assert (found.position, found.until, found.cursor) == (HANDLED, None, 1)


def test_a_name_without_rows_has_no_positions(tmp_path: Path) -> None:
    assert reader_of(World(tmp_path).node).positions(mapping(), "a") == ([], [])


def test_an_unreadable_database_is_an_error_and_a_missing_one_is_not(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.swift.put("a")
    world.node.replicas_here[0].broken = LocalUnavailable("locked")
    assert reader_of(world.node).positions(world.node.mapping, "a") == ([], ["locked"])
    world.node.replicas_here[0].broken, world.node.replicas_here[0].db = None, None
    assert reader_of(world.node).positions(world.node.mapping, "a") == ([], [])


class TestCopyAfter:
    @pytest.mark.parametrize("overdue", [HOUR / 2, 2 * HOUR, 2 * DAY])
    def test_settled_row_between_waiting_ones_is_handled(self, tmp_path: Path, overdue: float) -> None:
        world = World(tmp_path, mapping=mapping(copy_after=int(DAY)))
        for name in ("young1", "old", "young2"):
            world.swift.put(name)
        make_older(world, "old", DAY + overdue)
        make_older(world, "young1", DAY - 600.0)
        make_older(world, "young2", DAY - 300.0)
        world.node.settle()
        assert set(world.bucket.content()) == {"old"}
        assert position(world.node, "old").position == HANDLED
        assert position(world.node, "young1").position == WAITS
        assert position(world.node, "young2").position == WAITS

    @pytest.mark.parametrize("copy_after", [1, 100, int(HOUR), int(DAY), int(30 * DAY)])
    def test_a_row_waits_until_the_daemon_reads_it_again(self, tmp_path: Path, copy_after: int) -> None:
        world = World(tmp_path, mapping=mapping(copy_after=copy_after))
        world.swift.put("a")
        world.node.settle()
        found = position(world.node, "a")
        assert found.position == WAITS
        assert found.until is not None
        assert 0 <= found.until - START - copy_after <= 60.0
        world.node.later(found.until - world.swift.clock.now() - 0.01)
        assert not world.bucket.content()
        world.node.later(0.02)
        assert world.converged()
        assert position(world.node, "a").position == HANDLED

    @pytest.mark.parametrize("copy_after", [2 * HOUR, DAY])
    def test_a_row_of_another_node_waits_for_the_slack_too(self, tmp_path: Path, copy_after: float) -> None:
        """``until`` is when this node reads it again, not when its own node sends it."""
        three = Three(tmp_path, mapping=mapping(copy_after=int(copy_after)))
        three.swift.put("a")
        node = next(node for node in three.nodes if not position(node, "a").own)
        node.settle()
        node.later(1.5 * HOUR)  # a verify round has passed the row, which is not due yet
        found = position(node, "a")
        assert (found.position, found.row, found.cursor) == (WAITS, 1, 1)
        assert found.until is not None
        assert 0 <= found.until - (START + copy_after + HOUR) <= 60.0
        node.later(found.until - three.swift.clock.now() - 0.01)
        assert not three.bucket.content()
        node.later(0.02)
        assert three.converged()
        assert position(node, "a").position == HANDLED

    def test_ranges_of_another_copy_after_wait_until_they_are_due(self, tmp_path: Path) -> None:
        """The daemon does not read the row before; ``status`` counts it as pending."""
        world = World(tmp_path, mapping=mapping(copy_after=int(DAY)))
        world.fill(3)
        world.node.settle()
        world.node.edit(copy_after=60)
        world.swift.clock.sleep(HOUR)
        world.node.settle()
        assert not world.bucket.content()
        found = position(world.node, "o00000")
        assert found.position == WAITS
        assert found.until == pytest.approx(START + DAY + 60.0, abs=1.0)
        assert reader_of(world.node).read(world.node.mapping).pending.objects == 3
        world.node.later(DAY)
        assert world.converged()
        assert position(world.node, "o00000").position == HANDLED
