"""The rule that makes copies expire: when it is looked after, and what becomes of copies under it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from s3_sync.errors import AccessDenied
from s3_sync.sync.lifecycle.bucket_expiry_rule import CHECK_INTERVAL, RECHECK_DELAY, RETRY_DELAY
from unit.sync.worlds import World

DAY = 86400


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.node.edit(remote_delete_after=30 * DAY)
    return world


def lifetimes(world: World) -> set[int]:
    return set(world.bucket.provider.store("bucket").lifetimes.values())


def looks(world: World, seconds: float) -> int:
    """How often the rule is looked at in that time, a turn every ten minutes at most."""
    world.bucket.counts()
    until = world.swift.clock.now() + seconds
    while world.swift.clock.now() < until:
        world.node.step()
        world.swift.clock.sleep(min(600.0, seconds))
    return world.bucket.counts()["set_expiry_rule"]


def test_rule_is_checked_at_start_soon_after_a_change_and_once_a_day(world: World) -> None:
    world.fill(3)
    world.node.settle()
    assert lifetimes(world) == {30}
    world.swift.clock.sleep(RECHECK_DELAY)
    assert looks(world, 600.0) == 1, "whether another node has written at the same moment"
    assert looks(world, CHECK_INTERVAL * 5) == 5
    world.node.restart()
    assert looks(world, 3600.0) == 1
    assert world.converged()


def test_removed_rule_is_set_again(world: World) -> None:
    world.node.settle()
    world.bucket.provider.store("bucket").lifetimes.clear()
    looks(world, 2 * CHECK_INTERVAL)
    assert lifetimes(world) == {30}


def test_changed_option_updates_the_rule_and_removed_option_deletes_it(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.fill(3)
    world.node.settle()
    world.node.edit(remote_delete_after=7 * DAY)
    world.node.settle()
    assert lifetimes(world) == {7}
    with caplog.at_level(logging.INFO):
        world.node.edit(remote_delete_after=0)
        world.node.settle()
    assert lifetimes(world) == {0}
    assert "no longer expire" in caplog.text
    world.node.restart()
    assert looks(world, CHECK_INTERVAL) == 0, "and nobody asks about it any more"
    assert world.bucket.counts()["delete"] == 0


def test_mapping_without_the_option_never_checks_the_rule(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.fill(3)
    assert looks(world, 2 * CHECK_INTERVAL) == 0


def test_denied_rule_is_logged_once_retried_hourly_and_copying_continues(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Said once; objects are copied all the same; tried again every hour, and told when it works."""
    world.bucket.before = lambda method, name: (
        AccessDenied("not you") if method == "set_expiry_rule" else None
    )
    world.fill(5)
    with caplog.at_level(logging.INFO):
        assert looks(world, 3 * RETRY_DELAY) == 3
        assert world.converged()
        assert world.node.crawl.is_failing
        assert caplog.text.count("not you") == 1
        world.bucket.before = lambda method, name: None
        looks(world, RETRY_DELAY + 600.0)
    assert lifetimes(world) == {30}
    assert not world.node.crawl.is_failing
    assert caplog.text.count("expire 30 days after") == 1


def test_same_bytes_again_renew_the_age_of_the_copy_without_upload(world: World) -> None:
    """Their copy would expire too early otherwise: nothing is sent, but it becomes a new object there."""
    for name in ("again", "left alone"):
        world.swift.put(name, b"bytes")
    world.node.settle()
    world.swift.clock.sleep(29.0 * DAY)
    world.swift.put("again", b"bytes")
    world.bucket.counts()
    world.node.settle()
    counts = world.bucket.counts()
    assert counts["post"] == 1
    assert world.bucket.sent == {"again": 1, "left alone": 1}
    assert world.bucket.inner.head_object("again").last_modified > world.swift.clock.now() - DAY
    # looked at again, it is left alone
    world.node.restart()
    world.node.later(400.0)
    assert world.bucket.counts()["post"] == 0


def test_same_bytes_again_without_the_option_send_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.swift.put("again", b"bytes")
    world.node.settle()
    world.swift.put("again", b"bytes")
    world.node.settle()
    assert world.bucket.counts()["post"] == 0
