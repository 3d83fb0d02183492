"""State files of an earlier version are taken over, and nothing is sent again.

``earlier_state`` holds what the version of 2026-11-30, before its modules moved into rooms, left in
``status_dir`` after the stories that these tests repeat (the journal as SQL). Never regenerate it with the
code under test."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from s3_sync.config.settings import Mapping
from s3_sync.daemon import recon_file
from s3_sync.errors import AccessDenied
from unit.sync.fake_node import Node, mapping
from unit.sync.worlds import World

STATE = Path(__file__).with_name("earlier_state")


def failures(world: World) -> None:
    world.fill(10)
    world.node.settle()
    world.swift.delete("o00003")
    world.node.settle()
    world.fill(3, start=10)
    world.fail_names(AccessDenied("no"), "o00010", "o00011")
    world.node.settle()
    world.fail(None)


def waiting(world: World) -> None:
    world.fill(10)
    world.node.settle()


def moves(world: World) -> None:
    world.fill(3)
    world.swift.put("expires", b"soon", x_delete_at=str(int(world.swift.clock.now()) + 5000))
    world.node.settle()


STORIES: dict[str, tuple[Callable[[World], None], Mapping]] = {
    "failures": (failures, mapping()),
    "waiting": (waiting, mapping(copy_after=5000)),
    "moves": (moves, mapping(retain_local=False, propagate_expiration=True)),
}


class Upgraded:
    """Swift and the bucket after a story, and a daemon over the state that the earlier version left."""

    def __init__(self, directory: Path, story: str) -> None:
        tell, about = STORIES[story]
        self.world = World(directory, mapping=about)
        tell(self.world)
        self.world.node.journal.close()
        status = directory / "earlier"
        shutil.copytree(STATE / story, status)
        script = (status / "journal.sql").read_text()
        (status / "journal.sql").unlink()
        with sqlite3.connect(status / "journal") as journal:
            journal.executescript(script)
        journal.close()
        self.status = status
        self.sent_before = dict(self.world.bucket.sent)
        self.world.bucket.counts()
        self.node = Node(self.world.swift, self.world.bucket, status, mapping=about)
        self.node.replicas_here = self.world.node.replicas_here

    def sent(self) -> dict[str, int]:
        """How often objects were sent since the upgrade."""
        now = self.world.bucket.sent
        return {
            name: now[name] - self.sent_before.get(name, 0)
            for name in now
            if now[name] != self.sent_before.get(name, 0)
        }


@pytest.fixture
def upgraded(tmp_path: Path, request: pytest.FixtureRequest) -> Upgraded:
    return Upgraded(tmp_path, request.param)


@pytest.mark.parametrize("upgraded", ["failures"], indirect=True)
def test_upgrade_keeps_cursors_failures_and_requests_of_the_operator(upgraded: Upgraded) -> None:
    node = upgraded.node
    assert node.unsettled() == {"o00010": "remote_denied", "o00011": "remote_denied"}
    controls = node.context.controls
    assert controls.is_paused(replace(mapping(), container="paused"))
    assert [reset.prefix for reset in controls.resets(mapping())] == ["o0000"]
    node.later(60.0)
    assert upgraded.sent() == {"o00010": 1, "o00011": 1}
    assert node.unsettled() == {}
    assert upgraded.world.converged()
    assert (upgraded.status / "AUTH_a" / "c").exists()
    assert not list(upgraded.status.rglob("*damaged*"))


@pytest.mark.parametrize("upgraded", ["waiting"], indirect=True)
def test_upgrade_keeps_rows_that_wait_for_copy_after(upgraded: Upgraded) -> None:
    upgraded.node.settle()
    assert upgraded.sent() == {}
    upgraded.node.later(5100.0)
    assert upgraded.sent() == {f"o{number:05}": 1 for number in range(10)}


@pytest.mark.parametrize("upgraded", ["moves"], indirect=True)
def test_upgrade_keeps_the_expiry_of_moved_copies(upgraded: Upgraded) -> None:
    upgraded.node.settle()
    assert upgraded.sent() == {}
    assert set(upgraded.world.bucket.content()) == {"o00000", "o00001", "o00002", "expires"}
    upgraded.node.later(6000.0)
    assert set(upgraded.world.bucket.content()) == {"o00000", "o00001", "o00002"}
    assert upgraded.sent() == {}


@pytest.mark.parametrize("story", STORIES)
def test_recon_file_of_the_earlier_version_is_read(story: str) -> None:
    report = recon_file.read(str(STATE / story), "swift-s3-sync")[0]
    assert report["alive"] is True
    assert report["mappings"][0]["container"] == "c"
