"""More deletes than a mapping may pass on: they wait, everything else goes on, and nothing is forgotten."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3_sync.config.budgets import DeleteBudget
from s3_sync.errors import RemoteUnavailable
from s3_sync.sync.container_crawl import ContainerCrawl
from unit.sync.fake_node import SLACK, Node, mapping
from unit.sync.worlds import Three, World

A_DAY = 86400.0


def with_budget(**budget: Any) -> Any:
    return mapping(delete_budget=DeleteBudget(**budget))


def new_world(tmp_path: Path, bulk: bool = True, **budget: Any) -> World:
    """20 objects on both sides; the mapping may delete so many of them."""
    world = World(tmp_path, mapping=with_budget(**budget))
    if not bulk:
        world.bucket.features = replace(world.bucket.features, bulk_delete=0)
    world.fill(20)
    world.node.settle()
    assert len(world.bucket.content()) == 20
    return world


def delete_all(world: World, count: int = 20, start: int = 0) -> None:
    for number in range(start, start + count):
        world.swift.delete(f"o{number:05d}")


def allow(world: World) -> None:
    world.swift.clock.sleep(1.0)
    world.node.context.controls.allow_deletes(world.node.mapping)


def held(node: Node) -> int:
    return len(node.context.activity.counters_for(node.mapping).held)


@pytest.mark.parametrize("bulk", [True, False])
def test_deletes_beyond_the_limit_are_held_and_other_work_goes_on(
    tmp_path: Path, bulk: bool, caplog: pytest.LogCaptureFixture
) -> None:
    world = new_world(tmp_path, bulk, deletes=5)
    delete_all(world)
    world.node.settle()
    assert len(world.bucket.content()) == 15
    assert held(world.node) == 1
    errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert "5 objects deleted" in errors[0]
    assert "until an operator allows them" in errors[0]
    # other work goes on, and nothing is in trouble
    world.swift.put("new")
    world.node.settle()
    assert "new" in world.bucket.content()
    assert not world.node.crawl.is_failing
    assert world.node.unsettled() == {}
    # what is held costs the store nothing
    world.bucket.counts()
    assert world.node.later(100 * A_DAY) < 10
    assert set(world.bucket.counts()) <= {"list_uploads"}
    assert len(world.bucket.content()) == 16


@pytest.mark.parametrize("bulk", [True, False])
def test_held_deletes_are_sent_once_the_operator_allows_them(tmp_path: Path, bulk: bool) -> None:
    world = new_world(tmp_path, bulk, deletes=5)
    delete_all(world, 12)
    world.node.settle()
    assert len(world.bucket.content()) == 15
    allow(world)
    world.node.later(1.0)
    assert world.converged()
    assert held(world.node) == 0
    # what is deleted from now on counts again
    delete_all(world, 8, start=12)
    world.node.later(1.0)
    assert len(world.bucket.content()) == 3
    assert held(world.node) == 1


def test_held_deletes_are_sent_with_the_next_intervals(tmp_path: Path) -> None:
    world = new_world(tmp_path, deletes=5, interval=3600.0, then="next_interval")
    delete_all(world)
    world.node.settle()
    left = []
    for _ in range(4):
        left.append(len(world.bucket.content()))
        world.node.later(3601.0)
    assert left == [15, 10, 5, 0]
    assert held(world.node) == 0


def test_clock_set_back_begins_a_new_interval(tmp_path: Path) -> None:
    """The interval began at a time that is still to come: nobody waits for it."""
    world = new_world(tmp_path, deletes=5, interval=3600.0, then="next_interval")
    delete_all(world)
    world.node.settle()
    world.node.later(-100 * A_DAY)
    assert len(world.bucket.content()) == 10


def test_deletes_within_the_limit_of_each_interval_are_never_held(tmp_path: Path) -> None:
    world = new_world(tmp_path, deletes=5, interval=3600.0)
    for start in range(0, 20, 5):
        delete_all(world, 5, start)
        world.node.later(3601.0)
        assert held(world.node) == 0
    assert world.converged()


@pytest.mark.parametrize(("percent", "expected"), [(25.0, 5), (24.0, 4), (0.1, 1)])
def test_percent_limits_deletes_to_that_share_of_the_objects(
    tmp_path: Path, percent: float, expected: int
) -> None:
    """The share is of the objects before the first delete; one delete is allowed in any case."""
    for at_once in (True, False):
        world = new_world(tmp_path / str(at_once), percent=percent)
        for number in range(20):
            delete_all(world, 1, number)
            if not at_once:
                world.node.settle()
        world.node.settle()
        assert 20 - len(world.bucket.content()) == expected
        assert held(world.node) == 1


def test_stricter_of_number_and_percent_applies(tmp_path: Path) -> None:
    world = new_world(tmp_path, deletes=3, percent=99.0)
    delete_all(world, 10)
    world.node.settle()
    assert len(world.bucket.content()) == 17


def test_restart_keeps_the_count_and_the_held_deletes(tmp_path: Path) -> None:
    world = new_world(tmp_path, deletes=5)
    delete_all(world, 3)
    world.node.settle()
    world.node.restart()
    delete_all(world, 17, start=3)
    world.node.settle()
    assert len(world.bucket.content()) == 15
    world.node.restart()
    world.node.settle()
    assert len(world.bucket.content()) == 15
    assert held(world.node) == 1
    allow(world)
    world.node.restart()
    world.node.later(1.0)
    assert world.converged()


@pytest.mark.parametrize("budget", [None, DeleteBudget(deletes=50)])
def test_removed_or_higher_limit_sends_the_held_deletes(tmp_path: Path, budget: DeleteBudget | None) -> None:
    world = new_world(tmp_path, deletes=5)
    delete_all(world)
    world.node.settle()
    world.node.edit(delete_budget=budget)
    world.node.later(1.0)
    assert world.converged()
    assert held(world.node) == 0


def test_failed_deletes_do_not_count(tmp_path: Path) -> None:
    world = new_world(tmp_path, deletes=5)
    delete_all(world, 5)
    world.fail(RemoteUnavailable("away"), "delete")
    for _ in range(5):
        world.swift.clock.sleep(60.0)
        world.node.step()
    world.fail(None)
    world.node.later(4000.0)
    world.node.later(4000.0)
    assert world.converged()
    assert held(world.node) == 0


def test_held_delete_of_an_object_written_again_is_not_sent(tmp_path: Path) -> None:
    world = new_world(tmp_path, deletes=5)
    delete_all(world)
    world.node.settle()
    [name] = [name for name in sorted(world.bucket.content())][:1]
    world.swift.put(name, b"again")
    world.node.settle()
    allow(world)
    world.node.later(1.0)
    assert world.converged()
    assert world.bucket.content() == {name: b"again"}


def test_single_run_with_held_deletes_ends_as_failing(tmp_path: Path) -> None:
    world = new_world(tmp_path, deletes=5)
    delete_all(world)
    world.node.restart(once=True)
    world.node.settle()
    assert world.node.crawl.is_failing
    assert len(world.bucket.content()) == 15


def test_three_nodes_together_delete_no_more_than_the_limit(tmp_path: Path) -> None:
    """Three nodes delete what is allowed together, and none of them what is another's part."""
    world = Three(tmp_path, mapping=with_budget(deletes=6))
    for number in range(60):
        world.swift.put(f"o{number:05d}")
    for node in world.nodes:
        node.settle()
    for number in range(60):
        world.swift.delete(f"o{number:05d}")
    for _ in range(5):
        for node in world.nodes:
            node.later(SLACK)
    assert len(world.bucket.content()) == 54
    for node in world.nodes:
        node.context.controls.allow_deletes(node.mapping)
    for _ in range(3):
        for node in world.nodes:
            node.later(SLACK)
    assert world.converged()


def test_permission_of_a_clock_that_was_ahead_is_none_when_it_is_right_again(tmp_path: Path) -> None:
    world = new_world(tmp_path, deletes=5)
    controls, mapping = world.node.context.controls, world.node.mapping
    right = controls._now
    controls._now = lambda: right() + 10 * 365 * 86400
    controls.allow_deletes(mapping)
    controls._now = right
    world.node.settle()
    delete_all(world)
    world.node.settle()
    assert (len(world.bucket.content()), held(world.node)) == (15, 1)
    allow(world)
    assert controls.deletes_allowed(mapping) <= world.swift.clock.now()
    world.node.later(1.0)
    assert (len(world.bucket.content()), held(world.node)) == (0, 0)


def test_crashes_never_exceed_the_limit(tmp_path: Path) -> None:
    """The count is written down before anything is deleted."""
    world = World(tmp_path, mapping=with_budget(deletes=100), items_chunk=300)
    world.fill(250)
    world.node.settle()
    for number in range(250):
        world.swift.delete(f"o{number:05d}")

    class Kill(BaseException):
        pass

    for _ in range(30):
        calls = 0

        def after(method: str, name: str) -> None:
            nonlocal calls
            calls += method == "delete"
            if calls == 1:
                raise Kill

        world.bucket.after = after
        with contextlib.suppress(Kill):
            world.node.later(1.0)
        world.node.restart()
    assert len(world.bucket.content()) >= 150


def test_first_turn_after_a_restart_reports_the_held_deletes(tmp_path: Path) -> None:
    world = new_world(tmp_path, deletes=5)
    delete_all(world)
    world.node.settle()
    world.node.restart()
    assert held(world.node) == 0
    world.node.step()
    assert held(world.node) == 1
    assert isinstance(world.node.crawl, ContainerCrawl)
