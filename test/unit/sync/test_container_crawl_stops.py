"""A daemon that is told to stop, and one that runs once."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3_sync.errors import (
    AccessDenied,
)
from unit.sync.cluster import FakeDb, FakeReplica, Swift
from unit.sync.fake_node import NAMER, Node, mapping
from unit.sync.store import WatchedBucket
from unit.sync.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class TestStopRequest:
    def test_stop_during_a_batch_leaves_the_rest_for_the_next_process(self, tmp_path: Path) -> None:
        world = World(tmp_path, items_chunk=20)
        world.fill(50)

        def stop(method: str, name: str) -> None:
            if name == "o00030":
                world.node.context.stop.set()

        world.bucket.after = stop
        while world.node.step().has_more:
            pass
        assert len(world.bucket.content()) == 31
        world.bucket.after = lambda method, name: None
        world.bucket.counts()
        world.node.restart()
        world.swift.clock.sleep(5.0)
        world.node.settle()
        assert world.converged()
        assert world.bucket.counts()["put"] == 19

    @pytest.mark.parametrize("kind", ["primary", "verify", "due", "retry"])
    def test_stop_during_any_pass_loses_nothing(self, tmp_path: Path, kind: str) -> None:
        swift = Swift()
        bucket = WatchedBucket(NAMER, swift.clock.now)
        db = FakeDb("db")
        swift.dbs.append(db)
        replica = FakeReplica(db, 0, 2) if kind == "verify" else FakeReplica(db)
        options = {"mapping": mapping(copy_after=100)} if kind == "due" else {}
        node = Node(swift, bucket, tmp_path / "status", [replica], items_chunk=20, slack=60.0, **options)
        for number in range(30):
            swift.put(f"o{number}")
        if kind == "retry":
            bucket.before = lambda method, name: AccessDenied("no") if method == "put" else None
            for _ in range(5):
                node.step()
            bucket.before = lambda method, name: None
        elif kind != "primary":
            node.settle()
        for _ in range(40):
            seen = len(bucket.content())

            def stop(method: str, name: str, seen: int = seen) -> None:
                if method == "put" and len(bucket.content()) >= seen + 3:
                    node.context.stop.set()

            bucket.after = stop
            swift.clock.sleep(130.0)
            while node.step().has_more:
                pass
            node.restart()
        assert bucket.content() == swift.content()
        assert node.unsettled() == {}

    def test_stopped_crawl_begins_nothing(self, world: World) -> None:
        world.fill(5)
        world.node.context.stop.set()
        assert not world.node.step().has_more
        assert world.bucket.content() == {}


class TestSingleRun:
    def test_single_run_retries_each_failure_once_at_any_time(self, world: World) -> None:
        world.fail_names(AccessDenied("no"), "bad")
        world.swift.put("bad")
        world.swift.put("good")
        world.node.settle()
        world.bucket.counts()
        world.node.restart(once=True)
        world.node.settle()
        assert world.bucket.counts() == {"head": 1, "list": 1}
        world.fail(None)
        world.node.restart()
        world.node.settle()
        assert (world.converged(), world.node.unsettled()) == (True, {})

    def test_single_run_ends_at_the_row_that_was_last_at_the_start(self, tmp_path: Path) -> None:
        """A client writes faster than rows are handled."""
        world = World(tmp_path, once=True, items_chunk=5)
        there = world.fill(20)
        written = iter(range(20, 10_000))
        world.bucket.before = lambda method, name: (
            world.fill(3, start=next(written) * 3) and None if method == "put" else None
        )
        world.node.settle()
        assert sorted(world.bucket.content()) == there
        assert not world.node.crawl.is_failing
        world.bucket.before = lambda method, name: None
        world.node.restart(once=False)
        world.node.settle()
        assert (world.converged(), world.node.unsettled()) == (True, {})

    def test_single_run_leaves_rows_that_become_due_meanwhile(self, tmp_path: Path) -> None:
        world = World(tmp_path, mapping=mapping(copy_after=100), items_chunk=5)
        world.fill(5)
        world.node.settle()
        world.swift.clock.sleep(50)
        world.fill(20, start=5)
        world.node.settle()
        world.swift.clock.sleep(75)
        world.node.restart(once=True)
        world.bucket.before = lambda method, name: world.swift.clock.sleep(10) if method == "put" else None
        world.node.settle()
        assert len(world.bucket.content()) == 5
        assert not world.node.crawl.is_failing

    def test_single_run_with_rows_not_due_is_no_failure(self, tmp_path: Path) -> None:
        world = World(tmp_path, mapping=mapping(copy_after=100), once=True)
        world.fill(3)
        world.node.settle()
        assert not world.node.crawl.is_failing
        assert world.node.crawl.outstanding.retrying == 0
