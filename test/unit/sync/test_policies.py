"""One name in two storage policies, as after a container was made twice: the newer one wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3_sync.model.rows import Row
from unit.sync.cluster import FakeDb, FakeReplica, Swift
from unit.sync.fake_node import NAMER, Node
from unit.sync.store import WatchedBucket

NAME = "o/ü"


class World:
    def __init__(self, directory: Path, conditional: bool) -> None:
        self.swift = Swift()
        self.bucket = WatchedBucket(NAMER, self.swift.clock.now, conditional=conditional)
        self.db = FakeDb("db")
        self.node = Node(self.swift, self.bucket, directory, [FakeReplica(self.db)])
        self.swift.put(NAME, b"older")
        self.swift.put(NAME, b"newer", policy=1)

    def arrive(self, *policies: int) -> None:
        """Rows, in this order."""
        for policy in policies:
            row: Row = self.swift.row(NAME, policy)
            self.db.add(row)


@pytest.fixture(params=[True, False], ids=["conditional", "unconditional"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World(tmp_path, request.param)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_rows_of_two_policies_before_the_first_turn_copy_the_newer(
    world: World, order: tuple[int, int]
) -> None:
    world.arrive(*order)
    world.node.settle()
    assert world.bucket.content() == {NAME: b"newer"}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_rows_of_two_policies_one_after_the_other_copy_the_newer(
    world: World, order: tuple[int, int]
) -> None:
    world.node.settle()
    for policy in order:
        world.arrive(policy)
        world.node.settle()
    assert world.bucket.content() == {NAME: b"newer"}
    assert world.node.unsettled() == {}


def test_newest_state_is_read_from_a_single_policy_if_there_is_one(world: World) -> None:
    asked: list[object] = []
    newest = world.swift.of

    def of(account: str, container: str, name: str, policies: object = None) -> object:
        asked.append(policies)
        return newest(account, container, name, policies)  # type: ignore[arg-type]

    world.swift.of = of  # type: ignore[assignment, method-assign]
    world.node.settle()
    world.swift.post(NAME, x_object_meta_a="b")
    world.arrive(0)
    world.node.settle()
    assert asked == [[0]]
    world.arrive(1)
    world.node.settle()
    assert set(map(str, asked[1:])) <= {"None"}
