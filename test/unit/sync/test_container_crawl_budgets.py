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


def test_closed_timetable_sends_no_requests_and_is_no_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
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


def test_timetable_that_closes_during_a_batch_leaves_the_rest_of_it(tmp_path: Path) -> None:
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


def test_single_run_in_a_closed_timetable_ends_as_failing(tmp_path: Path) -> None:
    world = World(tmp_path, once=True)
    world.fill(5)
    limit(world, CLOSED)
    assert not world.node.step().has_more
    assert world.node.crawl.is_failing


def test_request_rate_limits_the_size_of_a_batch(tmp_path: Path) -> None:
    world = World(tmp_path, items_chunk=1000)
    world.fill(100)
    limit(world, Budget(Rates(requests_per_second=1)))
    world.node.step()
    assert len(world.bucket.content()) == 30
