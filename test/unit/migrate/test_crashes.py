"""The migrator ends at any point of its work: the next one misses nothing and repeats little."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3_sync.errors import AccessDenied
from s3_sync.migrate.division import Share
from unit.migrate.attacked import Crash
from unit.migrate.nodes import MigratorNode, QueuePool, Source, repeated
from unit.migrate.shared_cluster import FakeClock, LocalCluster

NAMES = [f"o{number:02}" for number in range(12)]
DENIED, CHANGED, POSTED, GONE = "o03", "o05", "o06", "o08"
WORKERS = 3
#: of the state files
WRITES = [("statuses", "save_pass"), ("statuses", "flush"), ("failures", "record"), ("failures", "settle")]


class World:
    """A pass over a new container, then one over changes at the source; it ends at the ``at``-th point."""

    def __init__(self, directory: Path, at: int) -> None:
        self.at = at
        self.points = 0
        self.clock = FakeClock()
        self.cluster, self.source = LocalCluster(self.clock), Source(self.clock)
        for name in NAMES:
            self.source.put(name, name.encode())
        self.node = MigratorNode(
            self.cluster, self.source, directory, Share(), chunk=4, workers=QueuePool(WORKERS)
        )
        self.source.point = self._at_source
        self.cluster.point = lambda method, name: self.point()
        self.watch()

    def _at_source(self, method: str, name: str) -> None:
        self.point()
        if (method, name) == ("GET", DENIED):
            raise AccessDenied("no")

    def watch(self) -> None:
        for owner, name in WRITES:
            holder = getattr(self.node, owner)
            setattr(holder, name, self._watched(getattr(holder, name)))

    def _watched(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            self.point()
            result = real(*arguments, **named)
            self.point()
            return result

        return watched

    def point(self) -> None:
        self.points += 1
        if self.points == self.at:
            raise Crash

    def run_pass(self) -> bool:
        """Returns whether it has come to the end at once."""
        try:
            self.node.run_pass()
        except Crash:
            self.node.workers = QueuePool(WORKERS)
            self.node.restart()
            self.watch()
            self.node.run_pass()
            return False
        return True

    def change(self) -> None:
        self.source.put(CHANGED, b"again")
        self.source.post(POSTED, {"colour": "blue"})
        self.source.delete(GONE)


@pytest.mark.parametrize("of", [1, 2])
def test_crash_at_any_point_loses_nothing_and_repeats_what_was_in_flight(tmp_path: Path, of: int) -> None:
    """``of``: the first or the second pass."""
    at, is_over = 0, False
    while not is_over:
        at += 1
        world = World(tmp_path / f"{at}", at if of == 1 else 0)
        first = world.run_pass()
        repeats = repeated(world.source)
        check(world.cluster, {name: name.encode() for name in NAMES if name != DENIED})
        assert world.node.failed() == {DENIED: "remote_denied"}
        world.change()
        world.points, world.at = 0, at if of == 2 else 0
        world.source.read.clear()
        second = world.run_pass()
        world.at = 0
        wanted = {**{name: name.encode() for name in NAMES if name not in (DENIED, GONE)}, CHANGED: b"again"}
        world.node.run_pass()
        check(world.cluster, wanted)
        assert world.cluster.objects[POSTED].user == {"colour": "blue"}
        assert set(world.source.read) <= {CHANGED, DENIED}
        assert max(repeats, repeated(world.source)) <= WORKERS + 1
        is_over = first and second
        world.node.close()
    assert at > 40, "there are fewer points than requests"


def check(cluster: LocalCluster, wanted: dict[str, bytes]) -> None:
    assert cluster.content() == wanted
