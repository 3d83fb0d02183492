"""Objects that the store has locked: on record, left alone for a day, and no harm to others."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3_sync.errors import ObjectLocked
from unit.sync.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_locked_objects_wait_a_day_and_harm_no_others(world: World) -> None:
    world.fill(10)
    world.fail_names(ObjectLocked("protected by object lock"), *(f"o{n:05d}" for n in range(9)))
    world.node.settle()
    assert world.node.unsettled() == dict.fromkeys((f"o{n:05d}" for n in range(9)), "object_locked")
    world.bucket.counts()
    for number in range(23):
        world.swift.put(f"good{number}")
        step = world.node.step()
        assert not step.delay, "the mapping does not back off"
        assert f"good{number}" in world.bucket.content()
        world.swift.clock.sleep(3600.0)
    assert sum(world.bucket.counts().values()) == 23, "nothing locked was sent meanwhile"
    world.fail_names(ObjectLocked("protected by object lock"))
    world.node.later(2 * 3600.0)
    assert world.node.unsettled() == {}


def test_nothing_but_locked_objects_is_no_outage(world: World) -> None:
    world.fill(100)
    world.fail_names(ObjectLocked("forbidden"), *(f"o{n:05d}" for n in range(100)))
    world.node.settle()
    assert not world.node.step().delay
    assert len(world.node.unsettled()) == 100


def test_delete_of_a_locked_object_waits_a_day(world: World) -> None:
    world.fill(100)
    world.node.settle()
    world.fail_names(ObjectLocked("protected by object lock"), "o00005")
    for number in range(20):
        world.swift.delete(f"o{number:05d}")
    world.node.settle()
    assert world.node.unsettled() == {"o00005": "object_locked"}
    world.bucket.before = lambda method, name: None
    world.node.later(7200.0)
    assert "o00005" in world.bucket.content()
    world.node.later(86400.0)
    assert world.node.unsettled() == {}
    assert world.converged()


def test_lock_that_outlasts_the_tombstone_keeps_the_copy_for_good(world: World) -> None:
    """Nothing proves the delete any more; the record says so under another reason."""
    world.fill(3)
    world.node.settle()
    world.fail_names(ObjectLocked("protected by object lock"), "o00001")
    world.swift.delete("o00001")
    world.node.settle()
    assert world.node.unsettled() == {"o00001": "object_locked"}
    del world.swift.objects["o00001", 0]
    world.bucket.before = lambda method, name: None
    world.node.later(2 * 86400.0)
    assert world.node.unsettled() == {"o00001": "delete_unproven"}
    assert "o00001" in world.bucket.content()
