"""In which order large objects of another Swift are copied, and what is not copied."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from s3_sync.errors import LocalUnavailable, ObjectRefused, PreconditionFailed, SegmentChanged
from s3_sync.largeobject.manifest import Segment
from s3_sync.migrate.headers import object_headers
from s3_sync.migrate.large.job import LargeServices
from s3_sync.migrate.large_copying import LargeCopier
from s3_sync.model.keys import KeyNamer
from s3_sync.model.migration import OWNER
from s3_sync.model.objects import GetOptions, Link, ListedObject, ObjectMeta, PutOptions
from s3_sync.model.segment_names import SegmentNamer
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import WriteOptions
from s3_sync.providers.memory_swift import MemoryContainer, MemorySwift
from s3_sync.runtime.concurrency import SerialPool
from s3_sync.streams.reader import BytesBody
from s3_sync.transfer.restore import Limits
from unit.migrate.local_cluster import LocalCluster, md5

VERSION = Timestamp.parse("1800000000.00000")
SOURCE = SegmentNamer("c", "c", None)


class World:
    """Container ``c`` of a Swift in memory, and of the local one."""

    def __init__(self, renamed: str = "c") -> None:
        self.there = MemorySwift(clock=lambda: 1700000000.0)
        self.local = LocalCluster(lambda: 1900000000.0)
        self.container = renamed
        self.local.containers.add(renamed)
        self.source = self.bucket("c")
        self.copier = self.new_pass()

    def bucket(self, container: str) -> MemoryContainer:
        # containers of large objects are named as they are there
        namer = SegmentNamer("", container, "")
        return self.there.bucket(container, KeyNamer.plain(), WriteOptions(segments=namer))

    def new_pass(self, **options: Any) -> LargeCopier:
        limits = Limits(max_object=100, max_segments=1000, segment_size=50)
        services = LargeServices(self.source, self.local.writer, limits, SerialPool(), **options)
        self.copier = LargeCopier(services)
        return self.copier

    def put(self, container: str, name: str, data: bytes, meta: ObjectMeta | None = None) -> Segment:
        bucket = self.bucket(container)
        bucket.put_object(name, BytesBody(data), PutOptions(len(data), meta or ObjectMeta()))
        return Segment(container, name, len(data), md5(data))

    def put_slo(self, name: str, *segments: Segment) -> None:
        self.source.large_objects.put_static(name, segments, PutOptions(0))

    def put_dlo(self, name: str, target: str, data: bytes = b"") -> None:
        self.put("c", name, data, ObjectMeta().marked(x_object_manifest=target))

    def copy(self, name: str) -> int:
        with self.source.get_object(name, GetOptions(stored=True)) as found:
            info = found.info
        return self.copier.copy(self.container, info, VERSION, object_headers(info, VERSION))

    @property
    def written(self) -> list[str]:
        return [entry.removeprefix("PUT ") for entry in self.local.log if entry.startswith("PUT ")]


@pytest.fixture
def world() -> World:
    return World()


def test_manifest_of_an_slo_comes_last_and_unchanged(world: World) -> None:
    one, two = world.put("c_segments", "1", b"one"), world.put("c_segments", "2", b"two")
    world.put_slo("slo", one, two, one)
    world.copy("slo")
    assert world.written == ["c_segments", "c_segments/1", "c_segments/2", "c/slo"]
    with world.source.get_object("slo", GetOptions(stored=True)) as found:
        assert world.local.objects["c/slo"].data == found.body.read()
    assert world.local.objects["c/slo"].timestamp == VERSION
    segment = world.local.objects["c_segments/1"]
    assert segment.headers[OWNER] == segment.timestamp.internal == "1700000000.00000"


def test_failure_of_a_segment_writes_no_manifest_and_keeps_the_others(world: World) -> None:
    world.put_slo("slo", world.put("c_segments", "1", b"one"), world.put("c_segments", "2", b"two"))

    def refuse(method: str, path: str) -> None:
        if (method, path) == ("PUT", "c_segments/2"):
            raise LocalUnavailable("down")

    world.local.before = refuse
    with pytest.raises(LocalUnavailable):
        world.copy("slo")
    assert list(world.local.objects) == ["c_segments/1"]
    world.local.before = lambda method, path: None
    world.local.log.clear()
    world.copy("slo")
    assert world.written == ["c_segments/2", "c/slo"]


@pytest.mark.parametrize("change", ["bytes", "gone", "large"])
def test_segment_that_is_not_as_the_manifest_says_is_not_copied(world: World, change: str) -> None:
    world.put_slo("slo", world.put("c_segments", "1", b"one"))
    segments = world.bucket("c_segments")
    if change == "gone":
        segments.delete_object("1")
    elif change == "bytes":
        world.put("c_segments", "1", b"two")
    else:  # a DLO, of the same own bytes
        world.put("c_segments", "1", b"one", ObjectMeta().marked(x_object_manifest="c/x"))
    with pytest.raises(SegmentChanged):
        world.copy("slo")
    assert world.local.objects == {}


def test_newer_other_segment_here_is_kept(world: World) -> None:
    world.put_slo("slo", world.put("c_segments", "1", b"one"))
    world.local.containers.add("c_segments")
    world.local.writer.put_object("c_segments", "1", BytesBody(b"a client's"), {})
    with pytest.raises(ObjectRefused) as refused:
        world.copy("slo")
    assert refused.value.reason == "segment_conflict"
    assert world.local.objects["c_segments/1"].data == b"a client's"


@pytest.mark.parametrize(("allowed", "copied"), [((), False), (("parts",), True), (("*",), True)])
def test_segments_elsewhere_must_be_allowed(world: World, allowed: tuple[str, ...], copied: bool) -> None:
    world.put_slo("slo", world.put("parts", "1", b"one"))
    world.put_dlo("dlo", "parts/1")
    world.new_pass(allowed=allowed)
    for name in ("slo", "dlo"):
        if copied:
            world.copy(name)
        else:
            with pytest.raises(ObjectRefused) as refused:
                world.copy(name)
            assert refused.value.reason == "segments_elsewhere"
    assert ("parts/1" in world.local.objects) == copied


def test_object_that_is_another_version_now_is_not_copied(world: World) -> None:
    world.put_slo("slo", world.put("c_segments", "1", b"one"))
    with world.source.get_object("slo", GetOptions(stored=True)) as found:
        info = found.info
    info = replace(info, x_timestamp=VERSION)
    with pytest.raises(PreconditionFailed):
        world.copier.copy("c", info, VERSION, {})


def test_dlo_comes_after_its_segments_which_one_pass_looks_at_once(world: World) -> None:
    world.put("c_segments", "s/1", b"one")
    world.put("c_segments", "other", b"other")
    world.put_dlo("dlo", "c_segments/s/", b"own")
    world.put_dlo("twin", "c_segments/s/")
    assert world.copy("dlo") == 6
    assert world.written == ["c_segments", "c_segments/s/1", "c/dlo"]
    assert world.local.objects["c/dlo"].headers["x-object-manifest"] == "c_segments/s/"
    world.local.log.clear()
    world.copy("twin")
    assert world.local.log == ["PUT c/twin"]
    world.put("c_segments", "s/2", b"two")
    world.new_pass()
    world.local.log.clear()
    world.copier.copy("c", world.source.head_object("dlo"), VERSION.next_time(), {})
    assert world.written == ["c_segments", "c_segments/s/2", "c/dlo"]


def test_failed_segment_of_a_dlo_is_looked_at_again_for_the_next_one(world: World) -> None:
    world.put("c_segments", "s/1", b"one")
    world.put_dlo("dlo", "c_segments/s/")
    world.put_dlo("twin", "c_segments/s/")

    def refuse(method: str, path: str) -> None:
        if (method, path) == ("PUT", "c_segments/s/1"):
            world.local.before = lambda method, path: None
            raise ObjectRefused("local_refused", "full")

    world.local.before = refuse
    with pytest.raises(ObjectRefused):
        world.copy("dlo")
    assert world.local.objects == {}
    world.copy("twin")
    assert sorted(world.local.objects) == ["c/twin", "c_segments/s/1"]


def test_dlos_that_name_each_other_end(world: World) -> None:
    world.put("c", "x/1", b"one")
    world.put_dlo("x/a", "c/y/")
    world.put_dlo("y/b", "c/x/")
    world.copy("x/a")
    assert sorted(world.local.objects) == ["c/x/1", "c/x/a", "c/y/b"]


def test_chain_of_dlos_is_followed_as_far_as_slos_are(world: World) -> None:
    for number in range(12):
        world.put_dlo(f"{number:02}", f"c/{number + 1:02}")
    with pytest.raises(ObjectRefused) as refused:
        world.copy("00")
    assert refused.value.reason == "dlo_nested"
    assert world.local.objects == {}


def test_link_to_another_account_is_refused(world: World) -> None:
    world.put("c", "link", b"", ObjectMeta(link=Link("", "")))
    with pytest.raises(ObjectRefused) as refused:
        world.copy("link")
    assert refused.value.reason == "symlink_elsewhere"


def test_containers_named_after_the_bucket_are_renamed_with_it() -> None:
    world = World("new")
    world.put_slo("slo", world.put("c_segments", "1", b"one"), world.put("c", "2", b"two"))
    world.put_dlo("dlo", "c+segments/x")
    bound = md5(b"two")
    world.put("c", "link", b"", ObjectMeta(link=Link("c", "2", bound)))
    for name in ("slo", "dlo", "link"):
        world.copy(name)
    assert sorted(world.local.objects) == ["new/2", "new/dlo", "new/link", "new/slo", "new_segments/1"]
    assert b'"/new/2"' in world.local.objects["new/slo"].data
    assert world.local.objects["new/dlo"].headers["x-object-manifest"] == "new%2Bsegments/x"
    link = world.local.objects["new/link"].headers
    assert (link["x-symlink-target"], link["x-symlink-target-etag"]) == ("new/2", bound)


class TestSame:
    """Equal times, and other ETags in the listings."""

    def check(self, world: World, name: str, etag: str = "another") -> bool:
        try:
            world.copier.check_same("c", ListedObject(name, 1, etag))
        except ObjectRefused as error:
            return error.reason != "mismatching_etag"
        return True

    def test_large_objects_are_the_same_if_their_manifests_say_the_same(self, world: World) -> None:
        one = world.put("c_segments", "1", b"one")
        world.put_slo("slo", one)
        world.put_dlo("dlo", "c_segments/1")
        for name in ("slo", "dlo"):
            world.copy(name)
            assert self.check(world, name)
        manifest = b'[{"hash": "%s", "bytes": 3, "name": "/c_segments/1"}]' % one.md5.encode()
        headers = {**world.local.objects["c/slo"].headers, "x-timestamp": VERSION.next_time().internal}
        world.local.writer.put_object("c", "slo", BytesBody(manifest), {**headers, "etag": md5(manifest)})
        assert self.check(world, "slo")  # whatever the order of keys
        world.put_slo("slo", one, one)
        world.put_dlo("dlo", "c_segments/2")
        assert not self.check(world, "slo")
        assert not self.check(world, "dlo")

    @pytest.mark.parametrize("name", ["slo", "dlo", "link", "plain"])
    def test_objects_of_different_kinds_differ(self, world: World, name: str) -> None:
        world.put("c", "plain", b"plain")
        world.put_slo("slo", world.put("c_segments", "1", b"one"))
        world.put_dlo("dlo", "c_segments/1")
        world.put("c", "link", b"", ObjectMeta(link=Link("c", "plain")))
        data, headers = b"" if name == "link" else b"other", {"x-timestamp": VERSION.internal}
        world.local.writer.put_object("c", name, BytesBody(data), headers)
        assert not self.check(world, name)

    def test_mark_of_the_sources_etag_tells_that_the_copy_is_the_same(self, world: World) -> None:
        headers = {
            "x-object-transient-sysmeta-multi-cloud-internal-migrator-remote-etag": "abc-2",
            "x-timestamp": VERSION.internal,
        }
        world.local.writer.put_object("c", "o", BytesBody(b"x"), headers)
        world.put("c", "o", b"y")
        assert self.check(world, "o", "ABC-2")
        assert not self.check(world, "o", "abc-3")

    def test_object_that_one_side_has_no_more_is_not_reported(self, world: World) -> None:
        assert self.check(world, "nowhere")
        world.local.writer.put_object("c", "o", BytesBody(b"x"), {"x-timestamp": VERSION.internal})
        assert self.check(world, "o")


def test_plain_object_that_is_too_large_here_becomes_an_slo(world: World) -> None:
    world.put("c", "big", b"x" * 120)
    world.copy("big")
    assert world.local.objects["c/big"].headers["x-static-large-object"] == "True"
    base = f"big/{VERSION.normal}/120/50"
    assert world.local.names("c_segments") == [f"{base}/{number:08d}" for number in (1, 2, 3)]
