"""What fails is not forgotten, and does not stop the rest."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from s3_sync.errors import (
    AccessDenied,
    RemoteUnavailable,
)
from unit.sync.cluster import FakeDb, FakeReplica, Swift
from unit.sync.fake_node import MAX_PAUSE, NAMER, Node
from unit.sync.store import WatchedBucket
from unit.sync.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class TestFailures:
    def test_one_failing_object_is_in_the_journal_and_the_rest_are_copied(self, world: World) -> None:
        world.fill(1000)
        world.fail_names(AccessDenied("not this one"), "o00500")
        world.node.settle()
        assert len(world.bucket.content()) == 999
        assert world.node.unsettled() == {"o00500": "remote_denied"}
        assert world.node.journal.counts(world.node.crawl.key).retrying == 1
        assert world.node.tally() == {"copied": 999, "pending": 1}
        world.node.restart()
        world.bucket.counts()
        world.node.settle()
        # the cursor has passed it: it alone is tried again, once, and the store is asked whether it is well
        assert sum(world.bucket.counts().values()) == 2
        world.node.later(5.0)
        assert world.bucket.counts() == {}

    @pytest.mark.parametrize("bad", [1, 2, 5])
    def test_failing_objects_do_not_delay_new_ones(self, world: World, bad: int) -> None:
        """For a day: every object arrives in the poll after it was written."""
        names = [f"bad{number}" for number in range(bad)]
        world.fail_names(AccessDenied("never"), *names)
        for name in ("good", *names):
            world.swift.put(name)
        world.node.settle()
        world.bucket.counts()
        for number in range(200):
            world.swift.put(f"good{number}")
            step = world.node.step()
            assert not step.delay, number
            assert f"good{number}" in world.bucket.content()
            world.swift.clock.sleep(400.0)
        attempts = sum(world.bucket.counts().values()) - 200
        assert attempts <= bad * 40  # back-off, though others succeed all the time

    def test_failing_object_is_retried_with_growing_delays(self, world: World) -> None:
        world.fail_names(RemoteUnavailable("down"), "bad")
        world.swift.put("good")
        world.swift.put("bad")
        world.node.settle()
        world.bucket.counts()
        start = world.swift.clock.now()
        tries = []
        while world.swift.clock.now() < start + 12 * 3600:
            world.node.later(5.0)
            if world.bucket.counts():
                tries.append(world.swift.clock.now() - start)
        gaps = [later - earlier for earlier, later in zip(tries, tries[1:], strict=False)]
        assert gaps == sorted(gaps)
        assert gaps[-1] <= MAX_PAUSE + 5
        assert len(tries) <= 20
        world.fail(None)
        world.node.later(MAX_PAUSE)
        assert (world.converged(), world.node.unsettled()) == (True, {})

    def test_failed_object_is_retried_after_a_restart(self, world: World) -> None:
        world.fail_names(AccessDenied("no"), "bad")
        world.swift.put("bad", b"v1")
        world.node.settle()
        world.fail(None)
        world.node.restart()
        world.node.later(31.0)
        assert world.converged()
        assert world.node.unsettled() == {}

    def test_failed_object_overwritten_meanwhile_is_copied_as_its_new_version(self, world: World) -> None:
        world.fail_names(AccessDenied("no"), "bad")
        world.swift.put("bad", b"v1")
        world.node.settle()
        world.swift.put("bad", b"v2")
        world.node.later(5.0)
        [entry] = world.node.journal.unsettled(world.node.crawl.key)
        assert entry.timestamp == world.swift.row("bad").timestamp.internal
        world.fail(None)
        world.node.later(MAX_PAUSE)
        assert (world.bucket.content(), world.node.unsettled()) == ({"bad": b"v2"}, {})

    def test_failed_object_deleted_meanwhile_deletes_the_copy(self, world: World) -> None:
        world.swift.put("bad", b"v1")
        world.node.settle()
        world.fail_names(AccessDenied("no"), "bad")
        world.swift.put("bad", b"v2")
        world.node.later(5.0)
        world.swift.delete("bad")
        world.node.later(5.0)
        world.fail(None)
        world.node.later(MAX_PAUSE)
        assert (world.bucket.content(), world.node.unsettled()) == ({}, {})

    def test_quarantined_object_is_not_retried_until_it_changes(self, world: World) -> None:
        long = "n" * 1020
        world.swift.put(long)
        world.swift.put("o")
        world.node.settle()
        assert world.node.unsettled() == {long: "name_too_long"}
        assert not world.node.crawl.is_failing
        world.bucket.counts()
        world.node.later(10 * MAX_PAUSE)
        assert world.bucket.counts() == {}
        world.swift.delete(long)
        world.node.later(5.0)
        assert world.node.unsettled() == {}

    def test_retries_that_are_no_longer_due_wait_for_copy_after(self, world: World) -> None:
        """A retry that is not due any more waits for that time instead of coming up in every turn."""
        names = world.fill(15)
        for number in (0, 11):
            world.swift.put(f"good{number}")
        world.fail_names(AccessDenied("no"), *names)
        world.node.options["items_chunk"] = 20
        world.node.restart()
        world.node.settle()
        assert len(world.node.unsettled()) == 15
        world.node.restart(items_chunk=10)
        world.fail(None)
        world.node.edit(copy_after=86400)
        assert world.node.later(100.0) < 10
        world.bucket.counts()
        assert world.node.later(5.0) == 1
        assert world.bucket.counts() == {}
        world.node.later(90000.0)
        assert (world.converged(), world.node.unsettled()) == (True, {})

    def test_unexpected_exception_is_retried_as_an_internal_error(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: Any, **__: Any) -> Any:
            raise ZeroDivisionError("a bug")

        monkeypatch.setattr(world.swift, "open", broken)
        logging.disable(logging.CRITICAL)
        world.fill(2)
        world.node.settle()
        logging.disable(logging.NOTSET)
        assert world.node.unsettled() == {"o00000": "internal_error", "o00001": "internal_error"}
        monkeypatch.undo()
        world.node.later(40.0)
        assert (world.converged(), world.node.unsettled()) == (True, {})


def test_database_removed_during_the_turn_is_no_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Swift's replicator removes what was deleted long ago, at any moment."""

    class Going(FakeReplica):
        def fingerprint(self) -> object:
            found, self.db = super().fingerprint(), None
            return found

    swift = Swift()
    swift.dbs.append(FakeDb("db"))
    bucket = WatchedBucket(NAMER, swift.clock.now)
    node = Node(swift, bucket, tmp_path, [Going(swift.dbs[0])])
    node.settle()
    assert not node.crawl.is_failing
    assert "Failed to read" not in caplog.text
