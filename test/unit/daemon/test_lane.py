"""A lane reports what breaks in it: nothing ends silently."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from s3_sync.config.budgets import AccountBudget, Budget, Rates
from s3_sync.config.settings import Profile
from s3_sync.daemon.lane import CONFIGURED, Slot
from s3_sync.errors import StateError
from unit.daemon.tiny_job import Workshop, mapping, services


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(services(tmp_path, [mapping()]))


def test_lane_thread_with_a_defect_is_logged_and_no_longer_counted(
    workshop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    def defect() -> None:
        raise RuntimeError("a defect")

    lane = workshop.lane()
    lane._loop, lane.threads, lane.running = defect, 2, 2
    lane._run()
    assert lane.running == 1
    [record] = caplog.records
    assert record.getMessage() == "A thread for aws died of an unexpected error"
    assert record.exc_info


def test_lane_whose_job_cannot_be_made_counts_as_failing_until_it_can(workshop: Workshop) -> None:
    lane, activity = workshop.lane(), workshop.services.activity
    slot = Slot(mapping().journal_key, CONFIGURED, mapping())
    lane._slots[slot.key] = slot
    workshop.broken = StateError("the journal is damaged")
    result = lane._turn(slot)
    assert result is not None
    assert result.delay > 0
    assert activity.counters_for(mapping()).failing == 1
    assert lane.is_failing
    workshop.broken = None
    lane._turn(slot)
    assert activity.counters_for(mapping()).failing == 0
    assert not lane.is_failing


def test_lanes_with_rate_limits_have_the_name_of_their_store(workshop: Workshop) -> None:
    """Metrics of a store have its name, whichever of its mappings have a rate limit."""
    budgeted = replace(
        mapping(),
        profile=Profile(budget=Budget(Rates(requests_per_second=5.0))),
        account_budget=AccountBudget("lab", Budget()),
    )
    lanes = [workshop.lane(each.lane) for each in (mapping(), budgeted)]
    assert len({lane.name for lane in lanes}) == 2
    assert [lane.store for lane in lanes] == [mapping().credentials.store_id] * 2
