"""Moving large objects: first the manifest, then the segments, and what keeps either where it is."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.model.timestamps import Timestamp
from s3_sync.streams.reader import BytesBody
from unit.sync.cluster import Version
from unit.sync.large import ONE, TWO, A, B, C, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """What the log has about segments."""
    caplog.set_level(logging.INFO)
    return lambda: " ".join(line for line in caplog.messages if "segments of" in line)


class TestLargeMove:
    def test_slo_is_released_before_its_segments_each_after_a_proof(self, world: World) -> None:
        raw = world.swift.put_slo("o", world.two(), x_object_meta_a="b")
        world.run()
        assert world.here == []
        assert world.bucket.content()["o"] == ONE + TWO
        assert world.bucket.inner.manifests.get("o") == raw
        assert world.bucket.metadata("o") == {"a": "b"}
        assert world.deletes == ["o", A, B]
        # proved after it was sent, and once more before the segments go
        kinds = [
            method for method, _ in world.bucket.calls if method in ("put_manifest", "head", "get_manifest")
        ]
        assert kinds[-5:] == ["put_manifest", "head", "get_manifest", "head", "get_manifest"]
        assert (world.waiting, world.node.unsettled(), world.node.crawl.is_failing) == (0, {}, False)

    def test_dlo_is_moved_with_the_segments_of_its_prefix_only(self, world: World) -> None:
        world.two("/c_segments/o/1", "/c_segments/o/2")
        world.swift.put("/c_segments/other", b"x")
        world.swift.put_dlo("o", "c_segments/o/")
        world.run()
        assert world.here == ["/c_segments/other"]
        assert world.bucket.content()["o"] == ONE + TWO

    def test_retain_local_segments_keeps_the_segments(self, tmp_path: Path) -> None:
        world = World(tmp_path, retain_local_segments=True)
        world.swift.put_slo("o", world.two())
        world.run()
        assert world.here == [A, B]
        assert (world.deletes, world.waiting) == (["o"], 0)

    def test_segment_named_twice_is_deleted_once(self, world: World) -> None:
        world.swift.put(A, ONE)
        world.swift.put_slo("o", [A, A])
        world.run()
        assert (world.here, world.deletes) == ([], ["o", A])
        assert world.bucket.content()["o"] == ONE + ONE

    @pytest.mark.parametrize("propagate", [True, False])
    def test_tombstone_of_moved_slo_is_ignored_and_client_delete_propagated(
        self, tmp_path: Path, propagate: bool
    ) -> None:
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
    def test_restored_slo_is_moved_again_without_upload(self, world: World, sizes: tuple[int, int]) -> None:
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
        assert set(world.costs) == {"head", "get_manifest", "post"}
        assert (world.here, world.bucket.inner.manifests.get("o")) == ([], first)

    def test_moved_dlo_that_returns_as_an_slo_is_moved_without_upload(self, world: World) -> None:
        world.swift.put(A, b"a" * 3)
        world.swift.put(B, b"b" * 4)
        world.swift.put_dlo("o", "c_segments/")
        world.run()
        world.swift.put(A, b"a" * 3)
        world.swift.put(B, b"b" * 4)
        raw = world.swift.put_slo("o", [A, B])
        world.run()
        assert world.costs["put"] + world.costs["part"] == 0
        assert (world.here, world.bucket.inner.manifests.get("o")) == ([], raw)

    def test_slo_copied_before_the_mapping_moved_is_released_without_upload(self, world: World) -> None:
        """A mapping that begins to move finds the copies of before."""
        world.node.edit()
        world.swift.put_slo("o", world.two())
        world.run()
        world.node.edit(retain_local=False)
        world.swift.post("o", x_static_large_object="True", x_object_meta_a="b")
        world.run()
        assert world.costs["part"] == 0
        assert (world.here, world.bucket.metadata("o")) == ([], {"a": "b"})


class TestManifestReleaseRefused:
    def unmoved(self, world: World, reason: str) -> None:
        before = world.here
        world.run()
        assert world.here == before
        assert world.deletes == []
        assert world.node.unsettled() == {"o": reason}
        assert world.waiting == 0

    def test_missing_stored_manifest_leaves_the_slo_pending(self, world: World) -> None:
        world.swift.put_slo("o", world.two())
        world.after("put_manifest", lambda: world.bucket.inner.manifests.delete("o"))
        self.unmoved(world, "copy_unproven")

    def test_different_stored_manifest_leaves_the_slo_pending(self, world: World) -> None:
        raw = world.swift.put_slo("o", world.two())
        other = json.dumps(json.loads(raw)[:1]).encode()
        world.after("put_manifest", lambda: world.bucket.inner.manifests.put("o", other))
        self.unmoved(world, "copy_unproven")

    def test_missing_copy_leaves_the_slo_pending(self, world: World) -> None:
        world.swift.put_slo("o", world.two())
        world.after("put_manifest", lambda: world.bucket.inner.delete_object("o"))
        self.unmoved(world, "copy_unproven")

    @pytest.mark.parametrize("change", [{"range": "0-1"}, {"sub_slo": True}])
    def test_slo_with_ranges_or_nested_slos_stays(self, world: World, change: dict[str, Any]) -> None:
        raw = json.loads(world.swift.put_slo("o", world.two()))
        raw[1].update(change)
        world.swift.put("o", json.dumps(raw).encode(), x_static_large_object="True")
        self.unmoved(world, "slo_range" if "range" in change else "slo_nested")

    def test_dlo_with_bytes_of_its_own_stays(self, world: World) -> None:
        world.two()
        world.swift.put("o", b"own", x_object_manifest="c_segments/")
        self.unmoved(world, "dlo_body")

    def test_dlo_without_segments_stays(self, world: World) -> None:
        world.swift.put_dlo("o", "c_segments/")
        self.unmoved(world, "segment_changed")
        assert world.bucket.content() == {}

    def test_slo_with_a_dlo_header_stays(self, world: World) -> None:
        world.swift.put_slo("o", world.two(), x_object_manifest="c_segments/")
        self.unmoved(world, "metadata_not_copied")

    def test_dlo_that_gains_a_segment_during_the_copy_is_copied_again(self, world: World) -> None:
        world.two()
        world.swift.put_dlo("o", "c_segments/")
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
    def test_client_change_before_the_release_keeps_manifest_and_segments(
        self, world: World, change: str
    ) -> None:
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


class TestSegmentDeleteRefused:
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

    @pytest.mark.parametrize("container", ["c", "other", "c_segments", "\0versions\0c"])
    @pytest.mark.parametrize("kind", ["slo", "dlo", "symlink"])
    def test_segment_named_by_another_object_stays(
        self, world: World, container: str, kind: str, said: Callable[[], str]
    ) -> None:
        name = "p" if container == "c" else f"/{container}/p"

        def refer() -> None:
            if kind == "slo":
                world.swift.put_slo(name, [B, B])
            elif kind == "dlo":
                world.swift.put_dlo(name, "c_segments%2F2")
            else:
                world.swift.put(name, b"", x_object_sysmeta_symlink_target="c_segments/2")

        world.swift.put_slo("o", world.two())
        refer()
        if container == "c":  # it would be moved as well
            world.node.edit(retain_local=False, exclude=re.compile("p"))
        world.run()
        assert world.here == sorted([B, name])
        assert "1 deleted, 1 named by other objects" in said()

    def test_segments_named_by_a_manifest_written_after_the_release_stay(self, world: World) -> None:
        self.left(world, lambda: world.swift.put_slo("/other/p", [A, B]))
        assert world.here == [A, B, "/other/p"]
        assert world.swift.read("/other/p") == ONE + TWO

    @pytest.mark.parametrize("data", [ONE, b"else"])
    def test_segment_overwritten_after_the_release_stays(
        self, world: World, data: bytes, said: Callable[[], str]
    ) -> None:
        """Even equal bytes may be part of an upload that goes on just now."""
        self.left(world, lambda: world.swift.put(A, data))
        assert world.here == [A]
        assert "1 changed" in said()

    def test_segment_younger_than_its_manifest_stays(self, world: World) -> None:
        names = world.two()
        world.swift.put_slo("o", names)
        world.swift.put(A, ONE)
        world.run()
        assert world.here == [A]

    def test_segment_overwritten_right_before_its_delete_stays(self, world: World) -> None:
        def point(what: str, name: str) -> None:
            if (what, name) == ("deletes", A):
                world.swift.put(A, ONE)

        world.swift.put_slo("o", world.two())
        world.swift.meanwhile = point
        world.run()
        assert world.here == [A]

    def test_segment_with_user_metadata_stays(self, world: World, said: Callable[[], str]) -> None:
        names = world.two()
        world.swift.post(A, x_object_meta_colour="red")
        world.swift.put_slo("o", names)
        world.run()
        assert world.here == [A]
        assert "1 with metadata of its own" in said()

    def test_segments_in_a_versioned_container_stay(self, world: World) -> None:
        world.swift.versioned.add("c_segments")
        world.swift.put_slo("o", world.two())
        world.run()
        assert world.here == [A, B]

    @pytest.mark.parametrize("loss", ["object", "manifest"])
    def test_segments_stay_if_copy_or_stored_manifest_is_gone(
        self, world: World, loss: str, said: Callable[[], str]
    ) -> None:
        def lose() -> None:
            if loss == "object":
                world.bucket.inner.delete_object("o")
            else:
                world.bucket.inner.manifests.delete("o")

        self.left(world, lose)
        assert world.here == [A, B]
        assert "2 not in the store" in said()

    def test_segments_stay_if_the_stored_manifest_was_replaced(self, world: World) -> None:
        """Somebody has overwritten it with something smaller."""

        def replace() -> None:
            raw = json.loads(world.bucket.inner.manifests.get("o"))
            world.bucket.inner.manifests.put("o", json.dumps(raw[:1]).encode())

        self.left(world, replace)
        assert world.here == [A, B]

    def test_segments_stay_if_the_copy_is_of_a_newer_version(
        self, world: World, said: Callable[[], str]
    ) -> None:
        """Another daemon has stored a newer version, with a manifest of its own."""

        def replace() -> None:
            data = b"C" * 10
            world.swift.put(C, data)
            raw = world.swift.put_slo("/other/o", [C])
            meta = ObjectMeta().marked(swift_slo_etag=hashlib.md5(raw).hexdigest())
            world.bucket.inner.put_object("o", BytesBody(data), PutOptions(len(data), meta))
            world.bucket.inner.manifests.put("o", raw)

        self.left(world, replace)
        assert world.here == [A, B, C, "/other/o"]
        assert "2 not in the store" in said()

    def test_segment_with_other_bytes_and_an_old_timestamp_stays(self, world: World) -> None:
        """As a proxy with a slow clock writes them."""

        def overwrite() -> None:
            old = world.swift.objects[A, 0]
            stamp = Timestamp(old.data_timestamp.raw + 1)
            world.swift.objects[A, 0] = Version(b"else", stamp, stamp, old.headers)

        world.two()
        world.swift.clock.sleep(10)
        world.two = lambda: [A, B]  # type: ignore[method-assign]
        self.left(world, overwrite)
        assert world.here == [A]

    def test_segments_are_deleted_although_a_client_deleted_the_moved_name(self, tmp_path: Path) -> None:
        world = World(tmp_path, propagate_delete=False)
        self.left(world, lambda: world.swift.delete("o"))
        assert world.here == []
        assert world.bucket.content() == {"o": ONE + TWO}

    def test_segment_added_to_a_dlo_after_its_release_stays(
        self, world: World, said: Callable[[], str]
    ) -> None:
        world.two()
        world.swift.put_dlo("o", "c_segments/")
        self.after_manifest(world, lambda: world.swift.put(C, b"late"))
        world.run()
        assert world.here == [C]
        assert "1 added after the copy" in said()

    def test_object_outside_the_exact_prefix_of_a_dlo_stays(self, world: World) -> None:
        world.two("/c_segments/foo/1", "/c_segments/foobar")
        world.swift.put_dlo("o", "c_segments/foo/")
        world.run()
        assert world.here == ["/c_segments/foobar"]
