"""Very large objects have a lane of their own: nobody waits for them, and nothing is forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from s3_sync.errors import AccessDenied, RemoteUnavailable, StateError
from s3_sync.state.journal import RETRY, WAITING
from s3_sync.sync.container_crawl import ContainerCrawl
from s3_sync.sync.passes import large_objects
from s3_sync.sync.rows import services as row_services
from unit.sync.cluster import FakeDb, FakeReplica
from unit.sync.fake_node import MAX_PAUSE, VERIFIED, LaterPool, mapping
from unit.sync.worlds import World

SMALL, HUGE = b"small", bytes(500)


@pytest.fixture(autouse=True)
def large_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_services, "LARGE_OBJECT_BYTES", 100)


def states(world: World) -> dict[str, str]:
    return {entry.name: entry.state for entry in world.node.journal.unsettled(world.node.crawl.key)}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The lane runs when it is told to, after each turn of the mapping."""
    world = World(tmp_path, lane=LaterPool())
    yield world
    world.node.tally()
    world.node.journal.close()


def beside(world: World, method: str, act: Callable[[], object]) -> None:
    """``act`` while a large object is on its way to the store."""

    def fault(called: str, name: str) -> None:
        if called == method and world.node.options["lane"].busy:
            world.bucket.before = lambda method, name: None
            act()

    world.bucket.before = fault


class TestLaneOfLargeObjects:
    def test_large_object_is_in_the_journal_before_the_cursor_passes_it(self, world: World) -> None:
        world.node.settle()
        world.swift.put("huge", HUGE)
        world.fill(3)
        world.node.crawl.step()
        assert states(world) == {"huge": WAITING}
        assert sorted(world.bucket.content()) == ["o00000", "o00001", "o00002"]
        checkpoint = world.node.context.statuses.load(world.node.mapping, "db")
        assert checkpoint is not None
        assert checkpoint.last_row == 4
        counts = world.node.crawl.outstanding
        assert (counts.waiting, counts.retrying, counts.size) == (1, 0, len(HUGE))
        world.node.run_lane()
        assert (world.converged(), states(world)) == (True, {})

    @pytest.mark.parametrize("restarted", [True, False])
    def test_clock_set_back_does_not_delay_waiting_objects_and_retries(
        self, world: World, restarted: bool
    ) -> None:
        world.swift.put("huge", HUGE)
        world.swift.put("refused", SMALL)
        world.fail_names(AccessDenied("no", status=403, code="AccessDenied"), "refused")
        world.node.crawl.step()
        assert states(world) == {"huge": WAITING, "refused": RETRY}
        world.bucket.before = lambda method, name: None
        world.swift.clock.sleep(-100 * 86400.0)
        if restarted:
            world.node.restart()
        world.node.settle()
        assert (world.converged(), states(world)) == (True, {})

    def test_large_object_is_counted_once(self, world: World) -> None:
        world.swift.put("huge", HUGE)
        world.node.settle()
        assert world.node.tally() == {"copied": 1}
        assert world.node.crawl.summary(True) == "scanned 1: copied 1"

    def test_small_objects_are_copied_during_the_upload_of_a_large_one(self, world: World) -> None:
        world.swift.put("huge", HUGE)
        seen: list[set[str]] = []

        def others() -> None:
            for turn in range(3):
                world.fill(2, start=2 * turn)
                world.node.crawl.step()
                seen.append(set(world.bucket.content()))

        beside(world, "put", others)
        world.node.step()
        assert [len(names) for names in seen] == [2, 4, 6]
        assert "huge" not in seen[-1]
        assert (world.converged(), states(world)) == (True, {})
        assert world.bucket.sent == {name: 1 for name in world.swift.content()}

    @pytest.mark.parametrize("conditional", [True, False], ids=["conditions", "no-conditions"])
    @pytest.mark.parametrize("data", [SMALL, HUGE + b"2", None], ids=["small", "huge", "deleted"])
    def test_newer_row_of_a_large_object_waits_for_its_upload(
        self, tmp_path: Path, data: bytes | None, conditional: bool
    ) -> None:
        world = World(tmp_path, conditional, lane=LaterPool())
        world.swift.put("x", HUGE)
        inside: list[Any] = []

        def others() -> None:
            world.swift.delete("x") if data is None else world.swift.put("x", data)
            world.swift.put("o", SMALL)
            before = len(world.bucket.calls)
            world.node.crawl.step()
            inside.append([name for method, name in world.bucket.calls[before:] if name == "x"])
            inside.append((states(world), world.bucket.content()))

        beside(world, "put", others)
        world.node.step()
        assert inside == [[], ({"x": WAITING}, {"o": SMALL})]
        world.swift.clock.sleep(5.0)
        world.node.settle()
        assert (world.converged(), states(world)) == (True, {})
        world.node.journal.close()

    def test_row_read_again_by_the_verify_pass_is_sent_once(self, tmp_path: Path) -> None:
        """By the verify pass of another node's rows."""
        world = World(tmp_path, lane=LaterPool(), slack=60.0)
        world.swift.dbs.append(FakeDb("db1"))
        world.node.replicas_here[:] = [FakeReplica(world.db, 0, 2), FakeReplica(world.swift.dbs[1], 1, 2)]
        world.swift.put("huge", HUGE)

        def later() -> None:
            world.swift.clock.sleep(2 * 60.0)
            world.node.crawl.step()

        beside(world, "put", later)
        world.node.settle()
        world.node.later(VERIFIED)
        assert (world.bucket.sent["huge"], states(world)) == (1, {})
        world.node.journal.close()

    def test_slo_and_dlo_and_their_new_metadata_go_through_the_lane(self, world: World) -> None:
        world.swift.put("/c_segments/1", bytes(60))
        world.swift.put("/c_segments/2", bytes(50))
        world.swift.put_slo("slo", ["/c_segments/1", "/c_segments/2"])
        world.swift.put_dlo("dlo", "c_segments/")
        world.node.crawl.step()
        assert states(world) == {"slo": WAITING, "dlo": WAITING}
        assert [entry.size for entry in world.node.journal.unsettled(world.node.crawl.key)] == [110, 110]
        world.node.settle()
        assert world.bucket.content() == {"slo": bytes(110), "dlo": bytes(110)}
        world.swift.clock.sleep(5.0)
        world.swift.post("dlo", x_object_manifest="c_segments/", x_object_meta_a="b")
        world.node.crawl.step()
        assert states(world) == {"dlo": WAITING}
        world.node.settle()
        assert world.bucket.metadata("dlo") == {"a": "b"}

    def test_large_object_that_is_present_does_not_wait_in_the_journal(self, world: World) -> None:
        world.swift.put("huge", HUGE)
        world.node.settle()
        world.node.context.statuses.reset(world.node.mapping)
        world.node.restart()
        world.bucket.calls.clear()
        world.node.crawl.step()
        assert (states(world), world.node.tally()) == ({}, {"present": 1})

    def test_large_objects_beyond_the_waiting_limit_are_copied_in_the_batch(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(row_services, "MAX_WAITING_LARGE", 3)
        for number in range(8):
            world.swift.put(f"h{number}", HUGE)
        world.node.crawl.step()
        assert (len(states(world)), len(world.bucket.content())) == (3, 5)
        world.node.settle()
        assert world.converged()

    def test_lane_takes_no_more_than_max_queued_at_a_time(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(large_objects, "MAX_QUEUED", 2)
        for number in range(7):
            world.swift.put(f"h{number}", HUGE)
        world.node.crawl.step()
        world.node.run_lane()
        assert len(world.bucket.content()) == 2
        world.node.settle()
        assert (world.converged(), states(world)) == (True, {})

    def test_new_crawl_of_an_edited_mapping_continues_waiting_objects(self, world: World) -> None:
        """The mapping was edited while large objects were on their way, or waited for a place."""
        world.swift.put("x", HUGE)
        world.swift.put("y", HUGE)
        inside: list[Any] = []

        def edited() -> None:
            world.node.crawl.retire()
            world.node.crawl = ContainerCrawl(world.node.context, world.node.mapping)
            world.swift.put("x", SMALL)
            world.swift.put("o", SMALL)
            world.node.crawl.step()
            inside.append((states(world), set(world.bucket.content())))

        beside(world, "put", edited)
        world.node.step()
        assert inside == [({"x": WAITING, "y": WAITING}, {"o"})]
        assert set(world.bucket.content()) == {"x", "o"}, "nothing is begun by the one before"
        world.node.settle()
        assert (world.converged(), states(world)) == (True, {})

    def test_large_object_of_a_move_stays_until_it_is_copied(self, tmp_path: Path) -> None:
        world = World(tmp_path, lane=LaterPool(), mapping=mapping(retain_local=False))
        world.swift.put("huge", HUGE)
        world.swift.put("o", SMALL)
        world.node.crawl.step()
        assert world.swift.content() == {"huge": HUGE}
        world.node.settle()
        assert (world.swift.content(), world.bucket.content()) == ({}, {"huge": HUGE, "o": SMALL})
        assert states(world) == {}
        world.node.journal.close()


class TestFailures:
    def test_failed_large_object_is_retried_until_it_is_copied(self, world: World) -> None:
        world.fail_names(AccessDenied("no"), "huge")
        world.swift.put("huge", HUGE)
        world.swift.put("o", SMALL)
        world.node.settle()
        assert states(world) == {"huge": RETRY}
        world.bucket.before = lambda method, name: None
        world.node.later(MAX_PAUSE)
        assert (world.converged(), states(world)) == (True, {})

    def test_outage_in_the_lane_fails_the_crawl_until_the_store_answers(self, world: World) -> None:
        world.node.settle()
        for number in range(5):
            world.swift.put(f"h{number}", HUGE)
        world.fail(RemoteUnavailable("away"))
        for _ in range(4):
            world.node.step()
        assert world.node.crawl.is_failing
        world.fail(None)
        world.node.later(60.0)  # and not an hour
        world.node.settle()
        assert (world.converged(), states(world)) == (True, {})
        assert not world.node.crawl.is_failing

    def test_failure_of_an_older_version_does_not_delay_the_newer_one(self, world: World) -> None:
        world.swift.put("x", HUGE)

        def others() -> None:
            world.swift.put("x", HUGE + b"2")
            world.node.crawl.step()
            world.fail(AccessDenied("no"), "put")

        beside(world, "put", others)
        world.node.step()
        assert states(world) == {"x": WAITING}
        world.fail(None)
        world.node.settle()
        assert (world.converged(), states(world)) == (True, {})

    def test_stored_large_object_the_journal_cannot_settle_is_not_sent_again(self, world: World) -> None:
        """It is stored, and found there by the next try."""
        world.swift.put("huge", HUGE)
        real = world.node.journal.settle
        beside(world, "put", lambda: setattr(world.node.journal, "settle", full))

        def full(*arguments: Any) -> None:
            world.node.journal.settle = real  # type: ignore[method-assign]
            raise StateError("no space left")

        world.node.step()
        assert states(world) == {"huge": WAITING}
        assert world.node.step().delay > 0
        world.node.later(60.0)
        assert (world.bucket.sent["huge"], states(world)) == (1, {})

    def test_single_run_ends_when_the_lane_is_empty(self, tmp_path: Path) -> None:
        world = World(tmp_path, once=True)
        for number in range(100):
            world.swift.put(f"h{number:03}", HUGE)
        world.fill(20)
        world.node.settle()
        assert (world.converged(), states(world)) == (True, {})
        world.fail_names(AccessDenied("no"), "h101")
        world.swift.put("h101", HUGE)
        world.node.restart()
        world.node.settle()
        assert world.node.crawl.outstanding.retrying == 1

    def test_stop_begins_no_more_large_objects_until_the_restart(self, world: World) -> None:
        for number in range(3):
            world.swift.put(f"h{number}", HUGE)
        beside(world, "put", world.node.context.stop.set)
        world.node.step()
        assert len(world.bucket.content()) == 1
        world.node.restart()
        world.node.settle()
        assert (world.converged(), states(world)) == (True, {})
        assert set(world.bucket.sent.values()) == {1}
