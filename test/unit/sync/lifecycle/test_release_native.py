"""Moving large objects to another Swift, where they stay what they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from s3_sync.errors import RemoteUnavailable
from s3_sync.largeobject.manifest import Manifest
from s3_sync.model.keys import KeyNamer
from s3_sync.sync.lifecycle import release
from unit.sync.large import ONE, TWO, A, B, World

THERE = "bucket_segments"


def new_world(directory: Path, **profile: object) -> World:
    return World(directory, native=True, **profile)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return new_world(tmp_path)


def lose(world: World, name: str) -> None:
    """As the store does with a segment."""
    world.bucket.provider.bucket(THERE, KeyNamer.plain()).delete_object(name)


def read(world: World, name: str = "o") -> bytes:
    with world.bucket.inner.get_object(name) as result:
        return result.body.read()


def paths(world: World, name: str = "o") -> list[str]:
    return [each.path for each in Manifest.parse(world.bucket.inner.manifests.get(name)).segments]


def after(world: World, called: str, act: Callable[[], object]) -> None:
    """``act`` every time, after such a call."""

    def fault(method: str, name: str) -> None:
        if method == called:
            act()

    world.bucket.after = fault


def test_slo_whose_segments_the_store_would_delete_sooner_than_they_should_stays(world: World) -> None:
    world.swift.put_slo("o", world.two())

    def shorten() -> None:
        objects = world.bucket.provider.store(THERE).objects
        objects["1"] = replace(objects["1"], expires=2_000_000_000)

    after(world, "put_manifest", shorten)
    world.run()
    assert world.here == [A, B, "o"]
    assert world.node.unsettled() == {"o": "copy_unproven"}
    world.bucket.after = lambda method, name: None
    world.run()
    assert world.here == []
    assert world.bucket.provider.store(THERE).objects["1"].expires is None


def test_slo_is_released_with_its_segments_when_each_of_them_is_proved(world: World) -> None:
    world.swift.put_slo("o", world.two(), x_object_meta_a="b")
    world.run()
    assert world.here == []
    assert read(world) == ONE + TWO
    assert paths(world) == [A, B]
    assert world.bucket.metadata("o") == {"a": "b"}
    assert world.deletes == ["o", A, B]
    assert (world.waiting, world.node.unsettled(), world.node.crawl.is_failing) == (0, {}, False)
    # before the manifest goes, and once more before the segments do
    heads = [name for method, name in world.bucket.calls if method == "head"]
    assert heads.count("1") == heads.count("2") == 2


def test_dlo_is_released_with_its_segments(world: World) -> None:
    world.two("/c_segments/o/1", "/c_segments/o/2")
    world.swift.put("/c_segments/other", b"x")
    world.swift.put_dlo("o", "c_segments/o/")
    world.run()
    assert world.here == ["/c_segments/other"]
    assert read(world) == ONE + TWO
    assert paths(world) == ["/c_segments/o/1", "/c_segments/o/2"]


@pytest.mark.parametrize("kind", ["slo", "dlo"])
def test_combined_or_converted_segments_prove_all_of_the_local_ones(tmp_path: Path, kind: str) -> None:
    world = new_world(tmp_path, min_segment_size=40, convert_dlo=True)
    names = world.two()
    if kind == "slo":
        world.swift.put_slo("o", names)
    else:
        world.swift.put_dlo("o", "c_segments/1")
        world.swift.put("/c_segments/11", TWO)
        world.swift.delete(B)
    world.run()
    assert world.here == []
    assert read(world) == ONE + TWO
    (combined,) = world.bucket.provider.store(THERE).objects
    assert combined.startswith("o/")


@pytest.mark.parametrize("step", ["put_manifest", "get_manifest"])
def test_segment_that_the_store_loses_before_the_release_keeps_the_slo(world: World, step: str) -> None:
    world.swift.put_slo("o", world.two())
    after(world, step, lambda: lose(world, "1"))
    world.run()
    assert world.here == [A, B, "o"]
    assert world.node.unsettled() == {"o": "copy_unproven"}
    assert world.deletes == []
    world.bucket.after = lambda method, name: None
    world.run()
    assert world.here == []
    assert read(world) == ONE + TWO
    assert world.bucket.sent["2"] == 1


def test_segment_that_the_store_lost_earlier_is_sent_again_before_the_release(world: World) -> None:
    """A mapping that begins to move finds the copies of before, and one that is not whole any more."""
    world.node.edit()
    world.swift.put_slo("o", world.two())
    world.run()
    lose(world, "2")
    world.node.edit(retain_local=False)
    world.swift.post("o", x_static_large_object="True")
    world.run()
    assert world.here == []
    assert read(world) == ONE + TWO
    assert world.bucket.sent == {"1": 1, "2": 2}


def test_segments_stay_if_the_store_loses_its_own_after_the_release(world: World) -> None:
    world.swift.put_slo("o", world.two())

    def point(what: str, name: str) -> None:
        if (what, name) == ("deleted", "o"):
            lose(world, "1")

    world.swift.meanwhile = point
    world.run()
    assert world.here == [A]


def test_restored_slo_is_moved_again_without_upload(world: World) -> None:
    def put() -> bytes:
        world.swift.put(A, ONE)
        world.swift.put(B, TWO)
        return world.swift.put_slo("o", [A, B])

    first = put()
    world.run()
    world.swift.clock.sleep(10)
    assert put() != first
    world.run()
    assert world.costs["put"] + world.costs["put_manifest"] == 0
    assert (world.here, read(world)) == ([], ONE + TWO)


def test_dlo_that_returns_as_an_slo_becomes_one_without_its_bytes(world: World) -> None:
    names = world.two("/c_segments/s/1", "/c_segments/s/2")
    world.swift.put_dlo("o", "c_segments/s/")
    world.run()
    world.swift.clock.sleep(10)
    world.swift.put_slo("o", world.two(*names))
    world.run()
    assert (world.costs["put"], world.costs["put_manifest"]) == (0, 1)
    assert (world.here, read(world)) == ([], ONE + TWO)
    assert world.bucket.inner.head_object("o").meta.marks["x-static-large-object"] == "True"


def test_client_delete_of_the_moved_object_deletes_its_segments_there(tmp_path: Path) -> None:
    world = new_world(tmp_path, propagate_delete=True)
    world.swift.put_slo("o", world.two())
    world.run()
    world.swift.delete("o")
    world.run()
    assert world.bucket.content() == {}
    assert world.bucket.provider.store(THERE).objects == {}


def test_kill_between_segments_and_manifest_moves_nothing(world: World) -> None:
    world.swift.put_slo("o", world.two())
    world.bucket.before = lambda method, name: (
        RemoteUnavailable("killed") if method == "put_manifest" else None
    )
    world.run()
    assert world.here == [A, B, "o"]
    world.bucket.before = lambda method, name: None
    world.run()
    assert (world.here, read(world)) == ([], ONE + TWO)


def test_dlo_that_the_store_could_not_show_whole_is_not_moved(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "DLO_LIMIT", 2)
    world.two("/c_segments/s/1", "/c_segments/s/2")
    world.swift.put_dlo("o", "c_segments/s/")
    world.run()
    assert world.node.unsettled() == {"o": "too_large"}
    assert len(world.here) == 3
