"""Segments where a writer of the mapped container has no rights: nothing is done for them."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

import pytest

from unit.sync.large import A, B, World
from unit.sync.move_machine import Crash


def end_after_the_manifest(world: World) -> None:
    """The daemon is killed when it has deleted the manifest of ``o``."""

    def point(what: str, name: str) -> None:
        if (what, name) == ("deleted", "o"):
            raise Crash

    world.swift.meanwhile = point
    with contextlib.suppress(Crash):
        world.node.settle()
    world.swift.meanwhile = lambda what, name: None


@pytest.mark.parametrize("kind", ["slo", "dlo"])
def test_manifest_naming_a_private_container_is_refused_unread(tmp_path: Path, kind: str) -> None:
    world = World(tmp_path)
    world.swift.put("/private/1", b"secret")
    if kind == "slo":
        world.swift.put_slo("o", ["/private/1"])
    else:
        world.swift.put_dlo("o", "private/")
    world.run()
    assert world.here == ["/private/1", "o"]
    assert world.bucket.content() == {}
    assert world.node.unsettled() == {"o": "segments_elsewhere"}
    assert "/private/1" not in world.swift.reads


def test_segments_in_a_container_no_longer_allowed_are_not_deleted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Noted by an earlier version, or before the configuration changed."""
    caplog.set_level(logging.INFO)
    world = World(tmp_path, segment_containers=("parts",))
    world.swift.put_slo("o", world.two("/parts/1", "/parts/2"))

    end_after_the_manifest(world)
    world.node.edit(retain_local=False, segment_containers=())
    world.run()
    assert world.here == ["/parts/1", "/parts/2"]
    assert "2 not in a container for segments" in caplog.text
    assert world.waiting == 0


@pytest.mark.parametrize("column", ["segments", "version"])
def test_segments_stay_if_their_journal_entry_is_damaged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, column: str
) -> None:
    world = World(tmp_path)
    world.swift.put_slo("o", world.two())
    end_after_the_manifest(world)
    assert (world.here, world.waiting) == ([A, B], 1)
    with world.node.journal._file.transaction() as db:
        db.execute(f"UPDATE departures SET {column} = '[{{'")
    world.run()
    assert (world.here, world.waiting) == ([A, B], 0)
    assert "Segments of o are kept" in caplog.text
