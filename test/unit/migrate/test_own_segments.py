"""Segments that go with their manifest, and those that do not."""

from __future__ import annotations

from typing import Any

import pytest

from s3_sync.cluster.newest import Present
from s3_sync.model.timestamps import Timestamp
from unit.migrate.fake_local import manifest
from unit.migrate.test_deletes import AT, LATER, migrated, run
from unit.migrate.world import World

BASE = f"big/{AT}/6/3"
ONE, TWO = f"{BASE}/00000001", f"{BASE}/00000002"
SEGMENTS = "here_segments"


def put_large(world: World, *named: tuple[str, str, bytes], at: str = AT, **more: Any) -> None:
    """An SLO as a migration makes it of one object, and its segments."""
    migrated(world)
    parts = named or ((SEGMENTS, ONE, b"one"), (SEGMENTS, TWO, b"two"))
    for container, name, body in parts:
        if container not in world.local.stored or name not in world.local.stored[container].objects:
            world.local.put(container, name, LATER, body=body)
    headers = {"x-static-large-object": "True", **more}
    world.local.put("here", "big", at, owner=at, body=manifest(*parts), headers=headers)


def kept(world: World) -> list[str]:
    return world.local.stored[SEGMENTS].names if SEGMENTS in world.local.stored else []


def test_segments_go_after_their_manifest(world: World) -> None:
    put_large(world)
    assert run(world.new_deletes(), "big") == 1
    assert kept(world) == []
    paths = [path for _, path in world.local.writes()]
    assert paths == ["AUTH_here/here/big", *(f"AUTH_here/{SEGMENTS}/{name}" for name in (ONE, TWO))]
    assert world.cleanups.entries(world.mapping.journal_key, 9) == []


def test_segments_of_an_object_whose_metadata_was_updated_have_the_time_of_its_bytes(world: World) -> None:
    put_large(world)
    big = world.local.stored["here"].objects["big"]
    assert isinstance(big, Present)
    world.local.put("here", "big", AT, owner=LATER, posted=LATER, headers=dict(big.headers))
    world.local.stored["here"].bodies["big"] = manifest((SEGMENTS, ONE, b"one"), (SEGMENTS, TWO, b"two"))
    assert run(world.new_deletes(), "big") == 1
    assert kept(world) == []


@pytest.mark.parametrize(
    "other",
    [
        ("elsewhere", f"big/{AT}/6/3/00000002"),  # another container
        (SEGMENTS, f"other/{AT}/6/3/00000002"),  # another object
        (SEGMENTS, f"big/{LATER}/6/3/00000002"),  # another version
        (SEGMENTS, f"big/{AT}/7/3/00000002"),  # another size
        (SEGMENTS, f"big/{AT}/6/3/2"),
        (SEGMENTS, f"big/{AT}/6/3/00000002/x"),
        (SEGMENTS, "segment 2"),
    ],
)
def test_segment_that_may_be_somebody_elses_stays(world: World, other: tuple[str, str]) -> None:
    put_large(world, (SEGMENTS, ONE, b"one"), (*other, b"two"))
    assert run(world.new_deletes(), "big") == 1
    assert ONE not in kept(world)
    assert other[1] in world.local.stored[other[0]].names


def test_segment_with_other_bytes_than_the_manifest_names_stays(world: World) -> None:
    world.local.put(SEGMENTS, ONE, LATER, body=b"new")
    put_large(world)
    assert run(world.new_deletes(), "big") == 1
    assert kept(world) == [ONE]


def test_manifest_that_stays_keeps_its_segments(world: World) -> None:
    put_large(world)
    world.local.refused["DELETE"] = 409
    assert run(world.new_deletes(), "big") == 0
    assert kept(world) == [ONE, TWO]
    assert world.cleanups.entries(world.mapping.journal_key, 9) == []


def test_large_object_that_is_not_the_migrations_own_names_no_segments_to_delete(world: World) -> None:
    put_large(world)
    world.local.stored["here"].bodies["big"] = b"[broken"
    assert run(world.new_deletes(), "big") == 1
    assert kept(world) == [ONE, TWO]


def test_segments_that_an_end_of_the_process_has_left_are_deleted_later(world: World) -> None:
    put_large(world)

    def end(method: str, path: str) -> None:
        if method == "DELETE" and SEGMENTS in path:
            raise KeyboardInterrupt

    world.local.before = end
    with pytest.raises(KeyboardInterrupt):
        run(world.new_deletes(), "big")
    assert kept(world) == [ONE, TWO]
    world.local.before = lambda method, path: None
    run(world.new_deletes())
    assert kept(world) == []
    assert world.cleanups.entries(world.mapping.journal_key, 9) == []


def test_segments_of_a_manifest_that_an_end_of_the_process_has_left_stay(world: World) -> None:
    put_large(world)

    def end(method: str, path: str) -> None:
        if method == "DELETE":
            raise KeyboardInterrupt

    world.local.before = end
    with pytest.raises(KeyboardInterrupt):
        run(world.new_deletes(), "big")
    world.local.before = lambda method, path: None
    world.source.put("there", "big")
    run(world.new_deletes(), "big")
    assert kept(world) == [ONE, TWO]
    assert world.cleanups.entries(world.mapping.journal_key, 9) == []


def test_failed_delete_of_a_segment_is_repeated(world: World) -> None:
    put_large(world)

    def fail(method: str, path: str) -> None:
        world.local.refused = {"DELETE": 503} if method == "DELETE" and SEGMENTS in path else {}

    world.local.before = fail
    deletes = world.new_deletes()
    assert (run(deletes, "big"), deletes.failed) == (0, 1)
    assert isinstance(world.local.stored["here"].objects["big"], Present) is False
    world.local.before = lambda method, path: None
    world.local.refused = {}
    run(deletes)
    assert kept(world) == []
    assert world.failures.names(world.mapping.journal_key) == frozenset()


def test_newer_version_of_the_object_keeps_segments_of_its_own(world: World) -> None:
    put_large(world)
    new = (SEGMENTS, f"big/{LATER}/3/3/00000001", b"new")
    version = world.local.stored["here"].objects["big"]
    assert isinstance(version, Present)
    deletes = world.new_deletes()
    deletes._services.segments.note(world.mapping, "here", "big", version)
    put_large(world, new, at=LATER)
    run(deletes)
    assert kept(world) == [new[1]]
    assert Timestamp.parse(LATER) == world.local.stored["here"].objects["big"].timestamp
