"""What a lane says when something in it is broken: nothing ends without a word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from s3_sync.config.budgets import AccountBudget, Budget, Rates
from s3_sync.config.settings import Profile
from s3_sync.daemon import lane as lanes
from s3_sync.daemon.lane import CONFIGURED, Lane, Seat
from s3_sync.errors import StateError
from unit.sync.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def lane(world: World) -> Lane:
    return Lane(world.node.context, "aws", {})


def test_a_thread_that_ends_by_a_defect_is_told_of_and_missed(
    lane: Lane, caplog: pytest.LogCaptureFixture
) -> None:
    def defect() -> None:
        raise RuntimeError("a defect")

    lane._loop, lane.threads, lane.running = defect, 2, 2
    lane._run()
    assert lane.running == 1
    [record] = caplog.records
    assert record.getMessage() == "A thread for aws has ended"
    assert record.exc_info


def test_a_mapping_that_cannot_even_begin_is_in_trouble(
    world: World, lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapping, book = world.node.mapping, world.node.context.book
    seat = Seat(mapping.journal_key, CONFIGURED, mapping)

    def broken(*arguments: object) -> None:
        raise StateError("the journal is damaged")

    with monkeypatch.context() as patch:
        patch.setattr(lanes, "MappingCrawl", broken)
        step = lane._turn(seat)
    assert step is not None
    assert step.pause > 0
    assert book.of(mapping).troubled == 1
    lane._turn(seat)
    assert book.of(mapping).troubled == 0


def test_lanes_of_budgets_count_for_their_store(world: World) -> None:
    """Metrics of a store have its name, whatever has a budget there."""
    budgeted = replace(
        world.node.mapping,
        profile=Profile(budget=Budget(Rates(requests_per_second=5.0))),
        account_budget=AccountBudget("lab", Budget()),
    )
    lanes = [Lane(world.node.context, each.lane, {}) for each in (world.node.mapping, budgeted)]
    assert len({lane.name for lane in lanes}) == 2
    assert [lane.store for lane in lanes] == [world.node.mapping.credentials.store] * 2
