"""Moves of large objects that are disturbed: servers that do not answer, walks that take long, crashes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from s3_sync.errors import LocalUnavailable, NotFound, RemoteUnavailable, SyncError
from s3_sync.sync.lifecycle import segment_sweep
from unit.sync.large import ONE, TWO, A, B, World
from unit.sync.move_machine import Crash


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class TestUnansweredRequests:
    @pytest.mark.parametrize("error", [RemoteUnavailable("x"), NotFound("x")])
    def test_cleanup_without_the_store_waits_and_without_the_copy_ends(
        self, world: World, error: SyncError
    ) -> None:
        world.swift.put_slo("o", world.two())
        gone: list[str] = []
        world.swift.meanwhile = lambda what, name: gone.append(name) if what == "deleted" else None
        world.bucket.before = lambda method, name: error if gone and method == "head" else None
        world.run()
        if isinstance(error, NotFound):
            assert (world.here, world.waiting) == ([A, B], 0)
            return
        assert (world.here, world.waiting, world.node.crawl.is_failing) == ([A, B], 1, True)
        world.bucket.before = lambda method, name: None
        world.run()
        assert (world.here, world.waiting, world.node.crawl.is_failing) == ([], 0, False)

    @pytest.mark.parametrize("lost", [A, "/other/p"])
    def test_cleanup_with_unreadable_local_objects_waits_for_them(self, world: World, lost: str) -> None:
        """Not even for an object that may name the segments: then nobody knows."""
        world.swift.put_slo("o", world.two())
        world.swift.put("/other/p", b"")
        gone: list[str] = []

        def point(what: str, name: str) -> None:
            if (what, name) == ("deleted", "o"):
                gone.append(name)
                world.swift.lost.add(lost)

        world.swift.meanwhile = point
        world.run()
        assert A in world.here
        assert (world.waiting, world.node.crawl.is_failing) == (1, True)
        world.swift.lost.clear()
        world.run()
        assert world.here == ["/other/p"]

    def test_manifest_rewritten_during_the_sweep_keeps_its_segments(self, world: World) -> None:
        """It is looked at again, and found to name them or not."""
        world.swift.put_slo("o", world.two())
        world.swift.put_slo("/other/p", [B])
        times: list[str] = []

        def point(what: str, name: str) -> None:
            if (what, name) == ("looked", "/other/p") and not times:
                times.append(name)
                world.swift.put_slo("/other/p", [A])

        world.swift.meanwhile = point
        world.run()
        assert world.here == [A, "/other/p"]

    def test_manifest_released_by_another_daemon_first_is_still_cleaned_up(self, world: World) -> None:
        """Both have noted the segments, and both may delete them."""
        world.swift.put_slo("o", world.two())
        before = world.swift.objects["o", 0]

        def point(what: str, name: str) -> None:
            if (what, name) == ("deletes", "o"):
                world.swift.meanwhile = lambda what, name: None
                world.swift.request(
                    "DELETE",
                    "AUTH_a/c/o",
                    {
                        "X-Timestamp": before.data_timestamp.after().internal,
                        "X-Backend-Storage-Policy-Index": "0",
                    },
                )

        world.swift.meanwhile = point
        world.run()
        assert (world.here, world.waiting) == ([], 0)


class TestSlicedSweep:
    def test_long_sweep_lets_rows_be_handled_and_then_rests(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = World(tmp_path)
        world.node.restart(once=False)
        for number in range(9):
            world.swift.put(f"/other/{number}", b"")
        world.swift.put_slo("o", world.two())

        def point(what: str, name: str) -> None:
            if what == "looked" and name.startswith("/other/"):
                world.swift.clock.sleep(segment_sweep.SWEEP_SLICE)

        world.swift.meanwhile = point
        steps = 0
        while "o" in world.here or A in world.here:
            assert world.node.step().has_more or A not in world.here
            steps += 1
            if steps == 2:
                world.swift.put("p", b"p")
            assert steps < 4 or "p" not in world.here
        assert steps > 4
        # a long walk is not repeated soon
        world.swift.put_slo("o", world.two())
        began = world.swift.clock.now()
        while A in world.here:
            world.node.step()
            world.swift.clock.sleep(1)
        assert (
            world.swift.clock.now() - began > 5 * segment_sweep.SWEEP_SLICE * segment_sweep.SWEEP_REST_FACTOR
        )

    def test_more_segments_than_one_scan_takes_are_all_deleted(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("s3_sync.sync.lifecycle.segment_cleanup.MAX_SEGMENTS_PER_SCAN", 3)
        for number in range(4):
            world.swift.put_slo(f"o{number}", world.two(f"/c_segments/{number}/1", f"/c_segments/{number}/2"))
        world.run()
        assert (world.here, world.waiting) == ([], 0)

    def test_waiting_cleanup_is_dropped_once_the_mapping_retains_objects(self, world: World) -> None:
        world.swift.put_slo("o", world.two())
        world.bucket.before = lambda method, name: (
            RemoteUnavailable("x") if "o" not in world.here and method == "head" else None
        )
        world.run()
        world.bucket.before = lambda method, name: None
        world.node.edit()
        world.run()
        assert world.here == [A, B]


def test_crash_at_any_point_of_a_large_move_is_completed_after_restart(tmp_path: Path) -> None:
    """Whatever was begun is ended by the next process, and nothing is lost on the way."""
    for number in range(1, 1000):
        world = World(tmp_path / str(number))
        raw = world.swift.put_slo("o", world.two())
        world.swift.put_slo("/other/p", [B])
        count = 0

        def point(what: str, name: str, stop: int = number) -> None:
            nonlocal count
            count += 1
            if count == stop:
                raise Crash

        world.bucket.before = world.bucket.after = world.swift.meanwhile = point
        crashed = False
        try:
            world.node.settle()
        except Crash:
            crashed = True
        world.bucket.before = world.bucket.after = lambda method, name: None
        world.swift.meanwhile = lambda what, name: None
        assert world.swift.read("o") == ONE + TWO or (
            world.bucket.content()["o"] == ONE + TWO and world.bucket.inner.manifests.get("o") == raw
        )
        world.run()
        world.run()
        assert (world.here, world.waiting) == ([B, "/other/p"], 0), number
        assert world.swift.read("/other/p") == TWO + b""
        assert world.bucket.content() == {"o": ONE + TWO}
        world.node.journal.close()
        if not crashed:
            assert number > 30
            return


def test_manifest_that_stays_unreadable_keeps_all_segments(world: World) -> None:
    """A manifest that nobody can read may name anything."""
    world.swift.put_slo("o", world.two())
    world.swift.put("/other/p", b"x", x_static_large_object="True")
    opened = world.swift.open

    def refuse(account: str, container: str, name: str, *rest: Any, **more: Any) -> Any:
        if name == "p":
            raise LocalUnavailable("x")
        return opened(account, container, name, *rest, **more)

    world.swift.open = refuse  # type: ignore[method-assign]
    world.run()
    assert world.here == sorted(["/other/p", A, B])
    assert (world.waiting, world.node.crawl.is_failing) == (1, True)
