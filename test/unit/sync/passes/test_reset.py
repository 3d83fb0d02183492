"""Resets and pauses: what is done again, what is not, and what waits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from s3_sync.errors import AccessDenied, RemoteUnavailable
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.streams.reader import BytesBody
from unit.sync.fake_node import SLACK, VERIFIED, mapping
from unit.sync.worlds import Three, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def lose(world: World | Three, *names: str) -> None:
    """Somebody has deleted them from the bucket."""
    for name in names:
        world.bucket.inner.delete_object(name)
    world.bucket.counts()
    world.bucket.sent.clear()


def reset(world: World, prefix: str = "", since: float = 0.0) -> None:
    world.node.context.controls.reset(world.node.mapping, prefix, since)


def passes(world: World) -> int:
    return len(world.node.journal.resets.passes(world.node.crawl.key, "db"))


class TestReset:
    def test_reset_copies_only_missing_objects_and_only_once(self, world: World) -> None:
        world.fill(100)
        world.swift.clock.sleep(10.0)  # copies are younger than what they are of
        world.node.settle()
        world.swift.clock.sleep(10.0)
        before = world.node.context.statuses.load(world.node.mapping, "db")
        lose(world, "o00003", "o00050", "o00099")
        world.node.later(60.0)
        assert world.bucket.counts() == {}  # nobody knows
        reset(world)
        world.node.settle()
        assert world.converged()
        counts = world.bucket.counts()
        assert counts["put"] == 3
        assert counts.get("head", 0) == 0  # listings have answered
        assert world.node.context.statuses.load(world.node.mapping, "db") == before
        world.node.restart()
        world.node.settle()
        assert world.bucket.counts() == {}  # once

    def test_reset_after_the_clock_was_set_back_copies_missing_objects(self, world: World) -> None:
        """The mapping began at a time that is still to come."""
        world.fill(5)
        world.swift.clock.sleep(10.0 * 86400.0)
        world.node.settle()
        world.swift.clock.sleep(-9.0 * 86400.0)
        lose(world, "o00003")
        reset(world)
        world.node.settle()
        assert world.converged()

    def test_reset_after_a_fast_clock_was_put_right_is_done_after_restart(self, world: World) -> None:
        world.fill(5)
        world.swift.clock.sleep(600.0)
        world.node.settle()
        world.swift.clock.sleep(-300.0)
        lose(world, "o00003")
        reset(world)
        world.swift.clock.sleep(20.0)
        world.node.restart()
        world.node.settle()
        assert world.converged()

    def test_reset_with_prefix_copies_only_missing_names_of_the_prefix(self, world: World) -> None:
        for number in range(30):
            world.swift.put(f"a/{number:02}")
            world.swift.put(f"b/{number:02}")
        world.node.settle()
        lose(world, "a/05", "b/05")
        reset(world, "b/")
        world.node.settle()
        assert set(world.bucket.sent) == {"b/05"}
        assert not any(name.startswith("a/") for method, name in world.bucket.calls if method != "list")

    def test_reset_with_since_copies_only_missing_objects_changed_since(self, world: World) -> None:
        world.fill(5)
        world.swift.clock.sleep(100.0)
        then = world.swift.clock.now()
        world.fill(5, start=5)
        world.node.settle()
        lose(world, "o00001", "o00007")
        reset(world, since=then)
        world.node.settle()
        assert set(world.bucket.sent) == {"o00007"}

    def test_reset_overwrites_a_foreign_copy(self, world: World) -> None:
        names = world.fill(20)
        world.node.settle()
        world.swift.clock.sleep(10.0)
        world.bucket.inner.put_object(names[4], BytesBody(b"foreign"), PutOptions(7, ObjectMeta()))
        lose(world)
        reset(world)
        world.node.settle()
        assert world.converged()
        assert set(world.bucket.sent) == {names[4]}

    def test_reset_deletes_a_copy_that_came_back_after_a_delete(self, world: World) -> None:
        world.fill(12)
        world.swift.put("gone", b"1")
        world.node.settle()
        world.swift.delete("gone")
        world.node.later(5.0)
        world.swift.clock.sleep(-1000.0)  # an old copy that came back, from a version of the bucket
        world.bucket.inner.put_object("gone", BytesBody(b"1"), PutOptions(1, ObjectMeta()))
        world.swift.clock.sleep(1005.0)
        reset(world)
        world.node.settle()
        assert world.converged()

    def test_reset_keeps_copies_of_moved_objects_and_sends_nothing(self, tmp_path: Path) -> None:
        world = World(tmp_path, mapping=mapping(retain_local=False, propagate_delete=False))
        world.fill(5)
        for _ in range(5):
            world.node.later(100.0)
        assert world.swift.content() == {}
        kept = world.bucket.content()
        assert len(kept) == 5
        lose(world)
        reset(world)
        for _ in range(3):
            world.node.later(100.0)
        assert world.bucket.content() == kept
        assert not world.bucket.sent

    def test_reset_retries_failed_and_quarantined_objects(self, world: World) -> None:
        world.fill(12)
        world.swift.put("n" * 1100)
        world.fail_names(AccessDenied("no"), "o00003")
        world.node.settle()
        for _ in range(8):
            world.node.later(3600.0)
        assert len(world.node.unsettled()) == 2
        entry = world.node.journal.unsettled(world.node.crawl.key)[1]
        assert entry.next_try > world.swift.clock.now()
        world.fail(None)
        reset(world, "o")
        world.node.settle()
        assert world.node.unsettled() == {"n" * 1100: "name_too_long"}
        attempts = world.node.journal.unsettled(world.node.crawl.key)[0].attempts
        reset(world)
        world.node.settle()
        [entry] = world.node.journal.unsettled(world.node.crawl.key)
        assert (entry.state, entry.attempts) == ("quarantine", attempts + 1)

    def test_reset_interrupted_by_restarts_sends_each_object_once(self, world: World) -> None:
        """Goes on where it was: with batches of ten, each a turn."""
        names = world.fill(1000)
        world.node.settle()
        world.swift.clock.sleep(10.0)
        lose(world, *names)
        reset(world)
        killed = 0
        while not world.converged():
            world.node.step()
            world.node.restart()
            killed += 1
            assert killed < 100
        assert killed > 2
        assert max(world.bucket.sent.values()) == 1
        world.node.settle()
        assert passes(world) == 0

    def test_reset_during_an_outage_is_completed_afterwards(self, world: World) -> None:
        names = world.fill(50)
        world.node.settle()
        world.swift.clock.sleep(10.0)
        lose(world, *names)
        world.fail(RemoteUnavailable("down"))
        reset(world)
        for _ in range(20):
            world.node.step()
            world.swift.clock.sleep(30.0)
        assert not world.bucket.content()
        world.fail(None)
        for _ in range(10):
            world.node.later(3600.0)
        assert world.converged()
        assert world.node.unsettled() == {}

    def test_new_object_during_a_reset_is_copied_before_the_reset_ends(self, world: World) -> None:
        world.fill(1000)
        world.node.settle()
        world.swift.clock.sleep(10.0)
        lose(world, *[f"o{number:05d}" for number in range(1000)])
        reset(world)
        world.node.step()
        world.swift.put("new")
        world.node.step()
        assert "new" in world.bucket.content()
        assert not world.converged()

    def test_reset_copies_rows_that_are_not_due_only_when_they_are(self, tmp_path: Path) -> None:
        """Copied under another policy, then reset: rows that are not due are not forgotten."""
        world = World(tmp_path)
        world.fill(20)
        world.node.settle()
        lose(world, "o00001")
        world.node.edit(copy_after=86400)
        reset(world)
        world.node.settle()
        assert not world.bucket.sent
        world.node.later(86400.0 + 61)
        assert set(world.bucket.sent) == {"o00001"}

    def test_reset_before_the_first_turn_adds_no_pass(self, world: World) -> None:
        world.fill(20)
        reset(world)
        world.swift.clock.sleep(1.0)
        world.node.settle()
        assert passes(world) == 0
        assert world.bucket.counts()["list"] == 1  # the one at the begin

    def test_reset_while_no_daemon_runs_is_done_after_the_start(self, world: World) -> None:
        world.fill(5)
        world.node.settle()
        lose(world, "o00001")
        world.node.journal.close()
        reset(world)
        world.node.start()
        world.node.settle()
        assert world.converged()


def test_reset_on_three_nodes_sends_each_object_once(tmp_path: Path) -> None:
    """Each sends its own again, and sees after a slack that the others have done theirs."""
    three = Three(tmp_path)
    names = [f"o{number:05d}" for number in range(60)]
    for name in names:
        three.swift.put(name)
    for node in three.nodes:
        node.settle()
    for node in three.nodes:
        node.later(VERIFIED)
    lose(three, *names)
    for node in three.nodes:
        node.context.controls.reset(node.mapping)
        node.settle()
    assert three.converged()
    assert set(three.bucket.sent.values()) == {1}
    for node in three.nodes:
        node.later(SLACK)
        assert node.journal.resets.passes(node.crawl.key, node.replicas_here[0].db.id) == []  # type: ignore[union-attr]
    assert set(three.bucket.sent.values()) == {1}


def test_reset_on_one_node_sends_rows_of_the_others_after_the_slack(tmp_path: Path) -> None:
    three = Three(tmp_path)
    names = [f"o{number:05d}" for number in range(60)]
    for name in names:
        three.swift.put(name)
    for node in three.nodes:
        node.settle()
    first = three.nodes[0]
    first.later(VERIFIED)
    lose(three, *names)
    first.context.controls.reset(first.mapping)
    first.settle()
    assert 0 < len(three.bucket.sent) < 60
    first.later(SLACK)
    assert three.converged()


class TestPause:
    def test_paused_mapping_sends_no_requests_until_it_is_resumed(self, world: World) -> None:
        world.fill(5)
        controls = world.node.context.controls
        controls.pause(world.node.mapping)
        assert world.node.settle() == 1
        world.node.restart()
        world.node.later(3600.0)
        assert world.bucket.calls == []
        controls.resume(world.node.mapping)
        world.node.settle()
        assert world.converged()

    @pytest.mark.parametrize("kind", ["primary", "reset"])
    def test_pause_during_a_batch_leaves_the_rest_until_resume(self, tmp_path: Path, kind: str) -> None:
        """What is in flight ends; the rest waits, and is done once."""
        world = World(tmp_path, items_chunk=20)
        names = world.fill(50)
        controls = world.node.context.controls
        if kind == "reset":
            world.node.settle()
            world.swift.clock.sleep(10.0)
            lose(world, *names)
            reset(world)

        def pause(method: str, name: str) -> Any:
            if (method, name) == ("put", "o00030"):
                controls.pause(world.node.mapping)

        world.bucket.after = pause
        world.node.settle()
        assert len(world.bucket.content()) == 31
        world.bucket.after = lambda method, name: None
        world.node.settle()
        assert len(world.bucket.content()) == 31
        controls.resume(world.node.mapping)
        world.node.later(5.0)
        assert world.converged()
        assert set(world.bucket.sent.values()) == {1}
