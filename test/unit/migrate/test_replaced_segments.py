"""Segments that go when a newer version of their object is here, and those that do not."""

from __future__ import annotations

import pytest

from s3_sync.errors import RemoteUnavailable
from s3_sync.migrate.own_segments import OwnSegments
from s3_sync.migrate.replaced_segments import ReplacedSegments
from s3_sync.runtime.concurrency import SerialPool
from unit.migrate.fake_local import manifest
from unit.migrate.test_deletes import AT, LATER
from unit.migrate.test_own_segments import ONE, SEGMENTS, TWO, kept, put_large
from unit.migrate.world import World


def replaced(world: World) -> ReplacedSegments:
    context = world.context
    own = OwnSegments(context.client, context.newest, world.removal, world.cleanups, SerialPool())
    return ReplacedSegments(own, context.newest, world.mapping)


def on_record(world: World) -> int:
    return len(world.cleanups.entries(world.mapping.journal_key, 9))


def test_segments_go_once_a_newer_version_is_here(world: World) -> None:
    put_large(world)
    with replaced(world).around("big"):
        assert (kept(world), on_record(world)) == ([ONE, TWO], 1)
        world.local.put("here", "big", LATER, owner=LATER)
    assert (kept(world), on_record(world)) == ([], 0)


def test_segments_of_an_object_that_was_not_replaced_after_all_stay(world: World) -> None:
    put_large(world)
    with replaced(world).around("big"):
        pass  # for instance because a client has updated its metadata meanwhile
    assert (kept(world), on_record(world)) == ([ONE, TWO], 0)


def test_failure_leaves_the_segments_and_the_record(world: World) -> None:
    put_large(world)
    with pytest.raises(RemoteUnavailable), replaced(world).around("big"):
        raise RemoteUnavailable("lost")
    assert (kept(world), on_record(world)) == ([ONE, TWO], 1)


def test_segments_of_a_clients_object_stay(world: World) -> None:
    put_large(world)
    named = manifest((SEGMENTS, ONE, b"one"), (SEGMENTS, TWO, b"two"))
    world.local.put("here", "big", AT, body=named, headers={"x-static-large-object": "True"})
    with replaced(world).around("big"):
        world.local.put("here", "big", LATER, owner=LATER)
    assert kept(world) == [ONE, TWO]
