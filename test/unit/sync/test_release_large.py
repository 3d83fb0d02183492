"""Moving large objects: first the manifest, then the segments, and what keeps either where it is."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3_sync.errors import LocalUnavailable, NotFound, RemoteUnavailable, SyncError
from s3_sync.sync import crawler
from s3_sync.sync.departures import DepartureLedger
from unit.sync.cluster import Swift
from unit.sync.moving import Crash
from unit.sync.node import NAMER, Node, mapping
from unit.sync.store import WatchedBucket

A, B, C = "/segs/1", "/segs/2", "/segs/3"
ONE, TWO = b"A" * 20, b"B" * 30


class World:
    """A mapping that moves; segments are in a container of their own."""

    def __init__(self, directory: Path, conditional: bool = True, **profile: Any) -> None:
        self.swift = Swift()
        self.bucket = WatchedBucket(NAMER, self.swift.clock.now, conditional=conditional)
        self.node = Node(
            self.swift, self.bucket, directory, mapping=mapping(retain_local=False, **profile), once=True
        )
        self.events: list[tuple[str, str]] = []
        self.swift.meanwhile = lambda what, name: self.events.append((what, name))

    def two(self, first: str = A, second: str = B) -> list[str]:
        self.swift.put(first, ONE)
        self.swift.put(second, TWO)
        return [first, second]

    def run(self) -> None:
        """As a new process with ``--once`` does."""
        self.node.restart()
        self.bucket.calls.clear()
        self.events.clear()
        self.node.settle()

    def after(self, method: str, act: Callable[[], object]) -> None:
        """``act`` every time, after such a call to the store."""

        def fault(called: str, name: str) -> None:
            if called == method:
                act()

        self.bucket.after = fault

    @property
    def costs(self) -> Counter[str]:
        return Counter(method for method, _ in self.bucket.calls if method != "list")

    @property
    def here(self) -> list[str]:
        return sorted(self.swift.everything())

    @property
    def deletes(self) -> list[str]:
        return [name for what, name in self.events if what == "deletes"]

    @property
    def waiting(self) -> int:
        return len(DepartureLedger(self.node.journal.departures, self.node.crawl.key).waiting())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """What the log has about segments."""
    caplog.set_level(logging.INFO)
    return lambda: " ".join(line for line in caplog.messages if "segments of" in line)


class TestMoved:
    def test_an_slo(self, world: World) -> None:
        raw = world.swift.put_slo("o", world.two(), x_object_meta_a="b")
        world.run()
        assert world.here == []
        assert world.bucket.content()["o"] == ONE + TWO
        assert world.bucket.inner.get_manifest("o") == raw
        assert world.bucket.metadata("o") == {"a": "b"}
        assert world.deletes == ["o", A, B]
        # proved after it was sent, and once more before the segments go
        kinds = [
            method for method, _ in world.bucket.calls if method in ("put_manifest", "head", "get_manifest")
        ]
        assert kinds[-5:] == ["put_manifest", "head", "get_manifest", "head", "get_manifest"]
        assert (world.waiting, world.node.unsettled(), world.node.crawl.troubled) == (0, {}, False)

    def test_a_dlo(self, world: World) -> None:
        world.two("/segs/o/1", "/segs/o/2")
        world.swift.put("/segs/other", b"x")
        world.swift.put_dlo("o", "segs/o/")
        world.run()
        assert world.here == ["/segs/other"]
        assert world.bucket.content()["o"] == ONE + TWO

    def test_segments_may_be_retained(self, tmp_path: Path) -> None:
        world = World(tmp_path, retain_local_segments=True)
        world.swift.put_slo("o", world.two())
        world.run()
        assert world.here == [A, B]
        assert (world.deletes, world.waiting) == (["o"], 0)

    def test_one_segment_used_twice(self, world: World) -> None:
        world.swift.put(A, ONE)
        world.swift.put_slo("o", [A, A])
        world.run()
        assert (world.here, world.deletes) == ([], ["o", A])
        assert world.bucket.content()["o"] == ONE + ONE

    @pytest.mark.parametrize("propagate", [True, False])
    def test_tombstones(self, tmp_path: Path, propagate: bool) -> None:
        world = World(tmp_path, propagate_delete=propagate)
        world.swift.put_slo("o", world.two())
        world.run()
        world.run()
        assert "o" in world.bucket.content()
        world.swift.delete("o")
        world.run()
        objects = world.bucket.provider.store("bucket").objects
        assert len(objects) == (0 if propagate else 2)
        assert world.costs["delete"] == propagate

    @pytest.mark.parametrize("sizes", [(20, 30), (3, 4)])
    def test_restored_and_moved_again_without_an_upload(self, world: World, sizes: tuple[int, int]) -> None:
        """The manifest is another one after a restore: it says when its segments were written."""

        def put() -> bytes:
            world.swift.put(A, b"a" * sizes[0])
            world.swift.put(B, b"b" * sizes[1])
            return world.swift.put_slo("o", [A, B])

        first = put()
        world.run()
        world.swift.clock.sleep(10)
        assert put() != first
        world.run()
        assert set(world.costs) == {"head", "get_manifest"}
        assert (world.here, world.bucket.inner.get_manifest("o")) == ([], first)

    def test_a_dlo_comes_back_as_an_slo(self, world: World) -> None:
        world.swift.put(A, b"a" * 3)
        world.swift.put(B, b"b" * 4)
        world.swift.put_dlo("o", "segs/")
        world.run()
        world.swift.put(A, b"a" * 3)
        world.swift.put(B, b"b" * 4)
        raw = world.swift.put_slo("o", [A, B])
        world.run()
        assert world.costs["put"] + world.costs["part"] == 0
        assert (world.here, world.bucket.inner.get_manifest("o")) == ([], raw)

    def test_what_was_stored_before(self, world: World) -> None:
        """A mapping that begins to move finds the copies of before."""
        world.node.edit()
        world.swift.put_slo("o", world.two())
        world.run()
        world.node.edit(retain_local=False)
        world.swift.post("o", x_static_large_object="True", x_object_meta_a="b")
        world.run()
        assert world.costs["part"] == 0
        assert (world.here, world.bucket.metadata("o")) == ([], {"a": "b"})


class TestManifestStays:
    def unmoved(self, world: World, reason: str) -> None:
        before = world.here
        world.run()
        assert world.here == before
        assert world.deletes == []
        assert world.node.unsettled() == {"o": reason}
        assert world.waiting == 0

    def test_without_the_stored_manifest(self, world: World) -> None:
        world.swift.put_slo("o", world.two())
        world.after("put_manifest", lambda: world.bucket.inner.delete_manifest("o"))
        self.unmoved(world, "copy_unproven")

    def test_with_another_stored_manifest(self, world: World) -> None:
        raw = world.swift.put_slo("o", world.two())
        other = json.dumps(json.loads(raw)[:1]).encode()
        world.after("put_manifest", lambda: world.bucket.inner.put_manifest("o", other))
        self.unmoved(world, "copy_unproven")

    def test_with_another_copy(self, world: World) -> None:
        world.swift.put_slo("o", world.two())
        world.after("put_manifest", lambda: world.bucket.inner.delete_object("o"))
        self.unmoved(world, "copy_unproven")

    @pytest.mark.parametrize("change", [{"range": "0-1"}, {"sub_slo": True}])
    def test_what_cannot_be_copied(self, world: World, change: dict[str, Any]) -> None:
        raw = json.loads(world.swift.put_slo("o", world.two()))
        raw[1].update(change)
        world.swift.put("o", json.dumps(raw).encode(), x_static_large_object="True")
        self.unmoved(world, "slo_range" if "range" in change else "slo_nested")

    def test_a_dlo_with_bytes_of_its_own(self, world: World) -> None:
        world.two()
        world.swift.put("o", b"own", x_object_manifest="segs/")
        self.unmoved(world, "dlo_body")

    def test_a_dlo_whose_segments_are_still_to_come(self, world: World) -> None:
        world.swift.put_dlo("o", "segs/")
        self.unmoved(world, "segment_changed")
        assert world.bucket.content() == {}

    def test_an_slo_that_is_said_to_be_a_dlo_too(self, world: World) -> None:
        world.swift.put_slo("o", world.two(), x_object_manifest="segs/")
        self.unmoved(world, "metadata_not_copied")

    def test_a_dlo_with_a_new_segment(self, world: World) -> None:
        world.two()
        world.swift.put_dlo("o", "segs/")
        world.after("put_manifest", lambda: world.swift.put(C, b"C" * 10) if C not in world.here else None)
        world.node.restart(once=False)
        world.node.step()
        assert world.here == [A, B, C, "o"]
        assert world.node.unsettled() == {"o": "segment_changed"}
        world.node.restart(once=True)
        world.node.settle()
        assert world.here == []
        assert world.bucket.content()["o"] == ONE + TWO + b"C" * 10

    @pytest.mark.parametrize("change", ["put", "post", "delete"])
    def test_a_client_was_faster(self, world: World, change: str) -> None:
        """Nothing else is touched then."""
        world.swift.put_slo("o", world.two())

        def act(method: str, name: str) -> None:
            if method == "put_manifest":
                world.bucket.after = lambda method, name: None
                if change == "put":
                    world.swift.put("o", b"new")
                elif change == "post":
                    world.swift.post("o", x_static_large_object="True", x_object_meta_a="b")
                else:
                    world.swift.delete("o")

        world.bucket.after = act
        world.node.options["once"] = False
        world.node.restart()
        world.node.step()
        assert set(world.here) >= {A, B}
        assert world.deletes == []
        world.node.options["once"] = True
        world.run()
        # the segments of what was overwritten or deleted by a client are his
        assert world.here == ([] if change == "post" else [A, B])
        assert world.waiting == 0


class TestSegmentsStay:
    """The manifest has left; what of its segments is not to be touched."""

    def left(self, world: World, act: Callable[[], object]) -> None:
        """``act`` comes between the delete of the manifest and everything that follows it."""
        world.swift.put_slo("o", world.two())
        self.after_manifest(world, act)
        world.run()
        assert "o" not in world.here
        assert world.waiting == 0

    def after_manifest(self, world: World, act: Callable[[], object]) -> None:
        def point(what: str, name: str) -> None:
            world.events.append((what, name))
            if (what, name) == ("deleted", "o"):
                act()

        world.swift.meanwhile = point

    @pytest.mark.parametrize("container", ["c", "other", "segs", "\0versions\0c"])
    @pytest.mark.parametrize("kind", ["slo", "dlo", "symlink"])
    def test_named_by_another(self, world: World, container: str, kind: str, said: Callable[[], str]) -> None:
        name = "p" if container == "c" else f"/{container}/p"

        def refer() -> None:
            if kind == "slo":
                world.swift.put_slo(name, [B, B])
            elif kind == "dlo":
                world.swift.put_dlo(name, "segs%2F2")
            else:
                world.swift.put(name, b"", x_object_sysmeta_symlink_target="segs/2")

        world.swift.put_slo("o", world.two())
        refer()
        if container == "c":  # it would be moved as well
            world.node.edit(retain_local=False, exclude=re.compile("p"))
        world.run()
        assert world.here == sorted([B, name])
        assert "1 deleted, 1 named by others" in said()

    def test_named_by_one_that_came_after_the_manifest_went(self, world: World) -> None:
        self.left(world, lambda: world.swift.put_slo("/other/p", [A, B]))
        assert world.here == ["/other/p", A, B]
        assert world.swift.read("/other/p") == ONE + TWO

    @pytest.mark.parametrize("data", [ONE, b"else"])
    def test_overwritten(self, world: World, data: bytes, said: Callable[[], str]) -> None:
        """The same bytes may be part of an upload that goes on just now."""
        self.left(world, lambda: world.swift.put(A, data))
        assert world.here == [A]
        assert "1 changed" in said()

    def test_a_segment_that_is_younger_than_its_manifest(self, world: World) -> None:
        names = world.two()
        world.swift.put_slo("o", names)
        world.swift.put(A, ONE)
        world.run()
        assert world.here == [A]

    def test_overwritten_at_the_last_moment(self, world: World) -> None:
        def point(what: str, name: str) -> None:
            if (what, name) == ("deletes", A):
                world.swift.put(A, ONE)

        world.swift.put_slo("o", world.two())
        world.swift.meanwhile = point
        world.run()
        assert world.here == [A]

    def test_metadata_of_its_own(self, world: World, said: Callable[[], str]) -> None:
        names = world.two()
        world.swift.post(A, x_object_meta_colour="red")
        world.swift.put_slo("o", names)
        world.run()
        assert world.here == [A]
        assert "1 with own metadata" in said()

    def test_where_versions_are_kept(self, world: World) -> None:
        world.swift.versioned.add("segs")
        world.swift.put_slo("o", world.two())
        world.run()
        assert world.here == [A, B]

    @pytest.mark.parametrize("loss", ["object", "manifest"])
    def test_the_copy_is_gone(self, world: World, loss: str, said: Callable[[], str]) -> None:
        def lose() -> None:
            if loss == "object":
                world.bucket.inner.delete_object("o")
            else:
                world.bucket.inner.delete_manifest("o")

        self.left(world, lose)
        assert world.here == [A, B]
        assert "2 not in the store" in said()

    def test_the_copy_is_another(self, world: World) -> None:
        """Somebody has overwritten it with something smaller."""

        def replace() -> None:
            raw = json.loads(world.bucket.inner.get_manifest("o"))
            world.bucket.inner.put_manifest("o", json.dumps(raw[:1]).encode())

        self.left(world, replace)
        assert world.here == [A, B]

    def test_what_was_added_to_a_dlo(self, world: World, said: Callable[[], str]) -> None:
        world.two()
        world.swift.put_dlo("o", "segs/")
        self.after_manifest(world, lambda: world.swift.put(C, b"late"))
        world.run()
        assert world.here == [C]
        assert "1 added after the copy" in said()

    def test_an_exact_prefix(self, world: World) -> None:
        world.two("/segs/foo/1", "/segs/foobar")
        world.swift.put_dlo("o", "segs/foo/")
        world.run()
        assert world.here == ["/segs/foobar"]


class TestTroubles:
    @pytest.mark.parametrize("error", [RemoteUnavailable("x"), NotFound("x")])
    def test_the_store_does_not_answer(self, world: World, error: SyncError) -> None:
        world.swift.put_slo("o", world.two())
        gone: list[str] = []
        world.swift.meanwhile = lambda what, name: gone.append(name) if what == "deleted" else None
        world.bucket.before = lambda method, name: error if gone and method == "head" else None
        world.run()
        if isinstance(error, NotFound):
            assert (world.here, world.waiting) == ([A, B], 0)
            return
        assert (world.here, world.waiting, world.node.crawl.troubled) == ([A, B], 1, True)
        world.bucket.before = lambda method, name: None
        world.run()
        assert (world.here, world.waiting, world.node.crawl.troubled) == ([], 0, False)

    @pytest.mark.parametrize("lost", [A, "/other/p"])
    def test_swift_does_not_answer(self, world: World, lost: str) -> None:
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
        assert (world.waiting, world.node.crawl.troubled) == (1, True)
        world.swift.lost.clear()
        world.run()
        assert world.here == ["/other/p"]

    def test_a_manifest_that_is_written_just_now(self, world: World) -> None:
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
        assert world.here == ["/other/p", A]

    def test_another_daemon_has_deleted_the_manifest(self, world: World) -> None:
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


class TestInSlices:
    def test_rows_get_their_turn(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World(tmp_path)
        world.node.restart(once=False)
        for number in range(9):
            world.swift.put(f"/other/{number}", b"")
        world.swift.put_slo("o", world.two())

        def point(what: str, name: str) -> None:
            if what == "looked" and name.startswith("/other/"):
                world.swift.clock.sleep(crawler.SWEEP_SLICE)

        world.swift.meanwhile = point
        steps = 0
        while "o" in world.here or A in world.here:
            assert world.node.step().more or A not in world.here
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
        assert world.swift.clock.now() - began > 5 * crawler.SWEEP_SLICE * crawler.SWEEP_REST

    def test_as_many_as_there_are(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("s3_sync.sync.departures.SEGMENTS", 3)
        for number in range(4):
            world.swift.put_slo(f"o{number}", world.two(f"/segs/{number}/1", f"/segs/{number}/2"))
        world.run()
        assert (world.here, world.waiting) == ([], 0)

    def test_nothing_is_deleted_once_objects_are_retained(self, world: World) -> None:
        world.swift.put_slo("o", world.two())
        world.bucket.before = lambda method, name: (
            RemoteUnavailable("x") if "o" not in world.here and method == "head" else None
        )
        world.run()
        world.bucket.before = lambda method, name: None
        world.node.edit()
        world.run()
        assert world.here == [A, B]


def test_a_crash_at_every_point(tmp_path: Path) -> None:
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
            world.bucket.content()["o"] == ONE + TWO and world.bucket.inner.get_manifest("o") == raw
        )
        world.run()
        world.run()
        assert (world.here, world.waiting) == (["/other/p", B], 0), number
        assert world.swift.read("/other/p") == TWO + b""
        assert world.bucket.content() == {"o": ONE + TWO}
        world.node.journal.close()
        if not crashed:
            assert number > 30
            return


def test_unreadable_for_good(world: World) -> None:
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
    assert (world.waiting, world.node.crawl.troubled) == (1, True)
