"""What swift-s3-ctl uses of the daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3_sync.cluster.newest import Deleted, Present
from s3_sync.model.outcomes import Kind
from s3_sync.providers.wrappers.dry_run import WOULD_DELETE, WOULD_PUT
from s3_sync.sync.inspection import DryRun, is_abandoned
from unit.sync.cluster import START, local_objects
from unit.sync.fake_node import mapping
from unit.sync.worlds import World

DAY = 86400.0


@pytest.mark.parametrize("retain_local", [True, False])
def test_dry_run_reports_the_put_and_changes_nothing(tmp_path: Path, retain_local: bool) -> None:
    world = World(tmp_path, mapping=mapping(retain_local=retain_local))
    swift, of = world.swift, world.node.mapping
    swift.put("missing")
    handle = DryRun(of, world.bucket, local_objects(swift), swift.clock.now).handle
    before = swift.everything()
    state = swift.of("AUTH_a", "c", "missing")
    assert isinstance(state, Present)
    assert handle("missing", state).reason == WOULD_PUT
    assert (swift.everything(), world.bucket.content()) == (before, {})


def test_a_dry_run_of_a_delete_leaves_the_copy(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.swift.put("a")
    world.node.settle()
    handle = DryRun(
        world.node.mapping, world.bucket, local_objects(world.swift), world.swift.clock.now
    ).handle
    state = world.swift.of("AUTH_a", "c", "a")
    assert isinstance(state, Present)
    assert handle("a", state).kind is Kind.PRESENT
    world.swift.delete("a")
    state = world.swift.of("AUTH_a", "c", "a")
    assert isinstance(state, Deleted)
    assert handle("a", state).reason == WOULD_DELETE
    assert set(world.bucket.content()) == {"a"}


def test_an_upload_is_abandoned_a_day_after_it_is_a_week_old() -> None:
    assert not is_abandoned(START, START)
    assert not is_abandoned(START, START + 8 * DAY - 1.0)
    assert is_abandoned(START, START + 8 * DAY)
    assert is_abandoned(0.0, START)  # the store does not tell when it began
