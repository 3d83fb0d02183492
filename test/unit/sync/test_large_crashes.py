"""A daemon ends at some step of two large objects that are on their way, while others come and go."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3_sync.sync.rows import services as row_services
from unit.sync.crash_points import Crashing
from unit.sync.fake_node import MAX_PAUSE, LaterPool
from unit.sync.worlds import World

STEPS = [
    ("journal", "open_window"),
    ("journal", "settle"),
    ("journal.uploads", "starting"),
    ("journal.uploads", "started"),
    ("journal.uploads", "completing"),
    ("journal.uploads", "finished"),
    ("statuses", "save"),
    ("bucket", "put"),
    ("bucket", "create"),
    ("bucket", "part"),
    ("bucket", "complete"),
    ("bucket", "put_manifest"),
    ("bucket", "head"),
    ("bucket", "delete"),
]


@pytest.fixture(autouse=True)
def large_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_services, "LARGE_OBJECT_BYTES", 100)


@pytest.mark.parametrize("conditional", [True, False], ids=["conditions", "no-conditions"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("target", "method"), STEPS)
def test_crash_at_any_step_loses_nothing_and_leaves_no_open_upload(
    tmp_path: Path, target: str, method: str, when: str, conditional: bool
) -> None:
    """The next process finds in the journal what was on its way; small objects are not sent again."""
    number = 0
    crashed = True
    while crashed:
        number += 1
        world = World(tmp_path / str(number), conditional, lane=LaterPool())
        daemon = Crashing(world, target, method, when, number)
        story(world, daemon)
        crashed = daemon.crashed
        daemon.disarm()
        for _ in range(3):
            world.node.later(MAX_PAUSE)
        assert world.bucket.content() == {name: world.swift.read(name) for name in world.swift.content()}
        assert world.node.unsettled() == {}
        assert world.bucket.unfinished() == 0
        small = [times for name, times in world.bucket.sent.items() if name.startswith("o")]
        assert sum(small) - len(small) <= crashed, "not more than the one that was on its way"
        world.node.journal.close()
    assert number > 1


def story(world: World, daemon: Crashing) -> None:
    """One is overwritten, and the other deleted, while one of them is on its way."""
    world.swift.put("/c_segments/1", bytes(1000))
    world.swift.put("/c_segments/2", bytes(50))
    world.swift.put_slo("slo", ["/c_segments/1", "/c_segments/2"])
    world.swift.put("huge", bytes(500))
    world.fill(4)
    changes = iter(
        [
            lambda: world.swift.put("huge", bytes(600)),
            lambda: world.swift.delete("slo"),
            lambda: world.fill(2, start=10),
        ]
    )

    def meanwhile(what: str, name: str) -> None:
        if what == "opened" and world.node.options["lane"].busy and (change := next(changes, None)):
            change()
            world.node.crawl.step()

    world.swift.meanwhile = meanwhile
    for _ in range(4):
        world.swift.clock.sleep(20.0)
        daemon.run()
    world.swift.meanwhile = lambda what, name: None
    for change in changes:  # whatever has not come in between
        change()
