"""Containers out of which nothing is moved, and delays, as a whole daemon sees them."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from unit.sync.fake_node import mapping
from unit.sync.worlds import World

VERSIONED = [
    {"x-container-sysmeta-versions-enabled": "True"},
    {"x-container-sysmeta-versions-enabled": "False"},  # suspended: there are versions all the same
    {"x-container-sysmeta-versions-location": "versions"},
    {"x-versions-location": "versions"},
]


@pytest.mark.parametrize("headers", VERSIONED)
def test_versioned_container_moves_nothing_and_is_logged_once(
    tmp_path: Path, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    world = World(tmp_path, mapping=mapping(retain_local=False))
    world.db.headers = headers
    names = world.fill(3)
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            world.node.step()
            world.swift.put("more")
            world.swift.clock.sleep(100)
    lines = [record.message for record in caplog.records if "versioned" in record.message]
    assert len(lines) == 1
    assert "AUTH_a/c: the container is versioned" in lines[0]
    assert world.node.crawl.is_failing
    assert (len(world.swift.content()), world.bucket.content()) == (4, {})
    world.db.headers = {}
    world.node.later(400)
    assert (world.swift.content(), len(world.bucket.content())) == ({}, len(names) + 1)
    assert not world.node.crawl.is_failing


def test_mapping_that_retains_objects_copies_a_versioned_container(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.db.headers = VERSIONED[0]
    world.fill(3)
    world.node.settle()
    assert world.converged()


def test_objects_move_when_due_despite_restarts_and_a_post_starts_over(tmp_path: Path) -> None:
    world = World(tmp_path, mapping=mapping(retain_local=False, copy_after=1000))
    world.fill(5)
    world.node.settle()
    world.node.restart()
    world.node.later(900)
    world.swift.post("o00001")
    assert world.bucket.content() == {}
    world.node.later(200)
    world.node.restart()
    world.node.settle()
    assert sorted(world.swift.content()) == ["o00001"]
    assert len(world.bucket.content()) == 4
    world.node.later(1000)
    assert (world.swift.content(), len(world.bucket.content())) == ({}, 5)
    assert world.node.unsettled() == {}


def test_retain_local_set_to_false_moves_only_objects_changed_since(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.fill(2)
    world.node.settle()
    world.node.edit(retain_local=False)
    world.node.settle()
    assert len(world.swift.content()) == 2
    world.swift.post("o00001")
    world.node.settle()
    assert sorted(world.swift.content()) == ["o00000"]
    world.node.edit(retain_local=True)
    world.node.settle()
    assert sorted(world.bucket.content()) == ["o00000", "o00001"]
