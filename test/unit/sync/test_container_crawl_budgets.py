"""A timetable that says that nothing is begun: the mapping rests, and is not in trouble."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3_sync.config.budgets import Budget, Rates
from s3_sync.providers.wrappers.rate_limits import RateLimit
from unit.sync.worlds import World

CLOSED = Budget(Rates(bytes_per_second=0))


def limit(world: World, budget: Budget) -> RateLimit:
    allowance = RateLimit(budget)
    world.node.the_gate.limits = (allowance,)
    return allowance


def test_nothing_is_begun_and_nothing_is_wrong(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    world = World(tmp_path)
    world.fill(5)
    allowance = limit(world, CLOSED)
    for _ in range(3):
        step = world.node.step()
        assert (step.has_more, step.delay) == (False, 0.0)
    assert world.bucket.counts() == {}
    assert not world.node.crawl.is_failing
    assert caplog.text.count("nothing is started until the timetable allows it") == 1
    allowance.set_budget(Budget())
    world.node.settle()
    assert world.converged()
    assert caplog.text.count("resumed by the timetable") == 1


def test_a_batch_stops_where_the_time_begins(tmp_path: Path) -> None:
    world = World(tmp_path, items_chunk=20)
    world.fill(20)
    allowance = limit(world, Budget())

    def close(method: str, name: str) -> None:
        if name == "o00010":
            allowance.set_budget(CLOSED)

    world.bucket.after = close
    world.node.settle()
    assert len(world.bucket.content()) == 11
    allowance.set_budget(Budget())
    world.node.settle()
    assert world.converged()
    assert world.node.unsettled() == {}


def test_one_run_leaves_the_rest_and_says_so(tmp_path: Path) -> None:
    world = World(tmp_path, once=True)
    world.fill(5)
    limit(world, CLOSED)
    assert not world.node.step().has_more
    assert world.node.crawl.is_failing


def test_a_batch_is_no_larger_than_its_budget(tmp_path: Path) -> None:
    world = World(tmp_path, items_chunk=1000)
    world.fill(100)
    limit(world, Budget(Rates(requests_per_second=1)))
    world.node.step()
    assert len(world.bucket.content()) == 30
