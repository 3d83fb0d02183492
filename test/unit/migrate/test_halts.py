"""A migration that is paused in the middle of a page of names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from s3_sync.migrate.division import Share
from unit.migrate.nodes import MigratorNode, QueuePool, Source
from unit.migrate.shared_cluster import FakeClock, LocalCluster

NAMES = [f"o{number:03d}" for number in range(30)]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[MigratorNode]:
    """Alone, with pages of ten names and four workers."""
    clock = FakeClock()
    source = Source(clock)
    for name in NAMES:
        source.put(name, name.encode())
    node = MigratorNode(LocalCluster(clock), source, tmp_path / "node", Share(0, 1), workers=QueuePool(4))
    yield node
    node.close()


def test_paused_migration_begins_no_object_of_its_page_and_goes_on_without_losing_one(
    node: MigratorNode,
) -> None:
    while len(node.source.read) < 12:
        node.step()
    controls = node.context.controls
    controls.pause(node.mapping)
    read = len(node.source.read)
    for _ in range(20):
        assert node.step() == (False, 0.0)
    assert len(node.source.read) == read
    controls.resume(node.mapping)
    node.run_pass()
    assert node.cluster.content() == {name: name.encode() for name in NAMES}
    assert node.statuses.of(node.mapping).copied_objects == len(NAMES)
    assert len(node.source.read) == len(NAMES)
