"""Segments that large objects have left behind at another Swift: which go, and which stay."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3_sync.config.budgets import DeleteBudget
from s3_sync.errors import AccessDenied, NotFound, RemoteUnavailable
from s3_sync.largeobject.manifest import Segment
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.providers.memory_swift import MemoryLargeObjects
from s3_sync.state.left_segments import LeftSegment
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import BytesBody
from s3_sync.sync.container_crawl import ContainerCrawl
from unit.sync.large import ONE, A, B, C, World

THERE = "bucket_segments"


class NativeWorld(World):
    """A mapping to another Swift that retains local objects."""

    def __init__(self, directory: Path, **profile: Any) -> None:
        super().__init__(directory, native=True, **{"retain_local": True, **profile})

    def there(self, container: str = THERE) -> list[str]:
        """The names in a container of the store."""
        return sorted(self.bucket.provider.store(container).objects)

    def put_there(self, container: str, name: str, data: bytes = b"", **marks: str) -> None:
        """As a client of the store, or another daemon."""
        bucket = self.bucket.provider.bucket(container, KeyNamer.plain())
        meta = ObjectMeta().marked(**marks)
        bucket.put_object(name, BytesBody(data), PutOptions(len(data), meta))

    def name_there(self, container: str, name: str, *segments: str) -> None:
        """An SLO of segments that are there."""
        large = self.bucket.provider.bucket(container, KeyNamer.plain()).large_objects
        found = large.remote(THERE)
        entries = [
            Segment(THERE, each, info.size, info.etag)
            for each in segments
            for info in [found.head_object(each)]
        ]
        large.put_static(name, entries, PutOptions(0))

    def drop(self, *paths: str) -> None:
        """As a client does with the segments of what it has overwritten."""
        for path in paths:
            self.swift.delete(path)

    @property
    def on_record(self) -> int:
        return len(self.node.journal.left_segments.due(self.node.crawl.key, float("inf"), 100))


@pytest.fixture
def world(tmp_path: Path) -> NativeWorld:
    world = NativeWorld(tmp_path)
    world.swift.put_slo("o", world.two())
    world.run()
    assert world.there() == ["1", "2"]
    assert world.on_record == 0
    return world


def without_manifest(method: str, name: str) -> RemoteUnavailable | None:
    return RemoteUnavailable("killed") if method == "put_manifest" else None


def replaced(world: NativeWorld) -> None:
    """By an SLO of one new segment."""
    world.swift.put(C, b"C" * 10)
    world.swift.put_slo("o", [C])


class TestLeftSegmentsGo:
    def test_segments_of_a_replaced_slo_go_although_they_stay_in_the_cluster(
        self, world: NativeWorld
    ) -> None:
        replaced(world)
        world.run()
        assert world.there() == ["3"]
        assert world.here == [A, B, C, "o"]
        assert (world.on_record, world.node.crawl.is_failing) == (0, False)

    @pytest.mark.parametrize("kind", ["plain", "dlo", "deleted"])
    def test_segments_go_whatever_has_replaced_the_slo(self, world: NativeWorld, kind: str) -> None:
        if kind == "plain":
            world.swift.put("o", b"plain")
        elif kind == "dlo":
            world.swift.put_dlo("o", "c_segments/none")
        else:
            world.swift.delete("o")
        world.drop(A, B)
        world.run()
        assert world.there() == []
        assert world.there("bucket") == ([] if kind == "deleted" else ["o"])

    def test_segments_of_a_deleted_dlo_go(self, tmp_path: Path) -> None:
        world = NativeWorld(tmp_path)
        world.two("/c_segments/s/1", "/c_segments/s/2")
        world.swift.put_dlo("o", "c_segments/s/")
        world.run()
        assert world.there() == ["s/1", "s/2"]
        world.swift.delete("o")
        world.run()
        assert (world.there(), world.there("bucket"), world.on_record) == ([], [], 0)

    def test_segment_that_a_dlo_has_lost_goes_so_that_the_copy_is_right(self, tmp_path: Path) -> None:
        world = NativeWorld(tmp_path)
        world.two("/c_segments/s/1", "/c_segments/s/2")
        world.swift.put_dlo("o", "c_segments/s/")
        world.run()
        world.swift.delete("/c_segments/s/1")
        world.swift.post("o", x_object_manifest="c_segments/s/")
        world.run()
        assert world.there() == ["s/2"]
        assert world.node.unsettled() == {"o": "copy_unproven"}
        world.run()
        assert world.node.unsettled() == {}

    def test_combined_segments_go_with_their_version(self, tmp_path: Path) -> None:
        world = NativeWorld(tmp_path, min_segment_size=40)
        world.swift.put_slo("o", world.two())
        world.run()
        (combined,) = world.there()
        assert combined.startswith("o/")
        world.run()
        assert world.there() == [combined]
        world.swift.clock.sleep(10)
        replaced(world)
        world.run()
        assert world.there() == ["3"]

    def test_segments_of_an_upload_that_was_killed_go_when_nobody_wants_them_any_more(
        self, tmp_path: Path
    ) -> None:
        world = NativeWorld(tmp_path)
        world.swift.put_slo("o", world.two())
        world.bucket.before = lambda method, name: (
            RemoteUnavailable("killed") if method == "put_manifest" else None
        )
        world.run()
        assert world.there() == ["1", "2"]
        assert world.on_record == 2
        world.bucket.before = lambda method, name: None
        world.swift.delete("o")
        world.drop(A, B)
        world.swift.clock.sleep(3700)
        world.run()
        assert (world.there(), world.on_record) == ([], 0)

    def test_upload_that_was_killed_is_completed_with_its_segments(self, tmp_path: Path) -> None:
        world = NativeWorld(tmp_path)
        world.swift.put_slo("o", world.two())
        world.bucket.before = lambda method, name: (
            RemoteUnavailable("killed") if method == "put_manifest" else None
        )
        world.run()
        world.bucket.before = lambda method, name: None
        world.run()
        assert world.there() == ["1", "2"]
        assert world.costs["put_manifest"] == 1
        assert world.bucket.sent == {"1": 1, "2": 1}
        assert world.on_record == 0

    def test_nothing_is_done_before_an_hour_has_passed(self, world: NativeWorld) -> None:
        world.node.restart(once=False)
        replaced(world)
        world.drop(A, B)
        world.node.settle()
        assert world.there() == ["1", "2", "3"]
        world.node.later(3700)
        assert world.there() == ["3"]
        world.bucket.calls.clear()
        world.node.later(36000)
        assert world.bucket.calls == []  # no sweep without anything on record


class TestLeftSegmentsStay:
    def stays(self, world: NativeWorld, *names: str) -> None:
        world.run()
        assert world.there() == [*names, "3"]

    @pytest.mark.parametrize("container", ["c", "other"])
    @pytest.mark.parametrize("kind", ["slo", "dlo", "symlink"])
    def test_segment_that_a_local_object_names_stays(
        self, world: NativeWorld, container: str, kind: str
    ) -> None:
        name = "p" if container == "c" else f"/{container}/p"
        if kind == "slo":
            world.swift.put_slo(name, [A])
        elif kind == "dlo":
            world.swift.put_dlo(name, "c_segments/1")
        else:
            world.swift.put(name, b"", x_object_sysmeta_symlink_target="c_segments/1")
        replaced(world)
        world.drop(B)
        self.stays(world, "1")

    def test_segment_that_another_object_of_the_mapping_names_is_no_longer_on_record(
        self, world: NativeWorld
    ) -> None:
        world.swift.put_slo("p", [B])
        world.run()
        replaced(world)
        world.drop(A)
        self.stays(world, "2")
        assert world.on_record == 0
        world.swift.delete("p")
        world.drop(B)
        world.run()
        assert world.there() == ["3"]

    @pytest.mark.parametrize("kind", ["slo", "dlo"])
    def test_segment_that_somebody_elses_object_names_stays_on_record(
        self, world: NativeWorld, kind: str
    ) -> None:
        if kind == "slo":
            world.name_there("else", "p", "1")
        else:
            bucket = world.bucket.provider.bucket("else", KeyNamer.plain())
            bucket._segments = type(bucket._segments)("x", "x", "")
            meta = ObjectMeta().marked(x_object_manifest=f"{THERE}/1")
            bucket.put_object("p", BytesBody(b""), PutOptions(0, meta))
        replaced(world)
        world.drop(A, B)
        self.stays(world, "1")
        assert world.on_record == 1
        assert not world.node.crawl.is_failing
        world.bucket.provider.bucket("else", KeyNamer.plain()).delete_object("p")
        world.swift.clock.sleep(8 * 86400)
        world.run()
        assert (world.there(), world.on_record) == (["3"], 0)

    def test_dlo_of_segments_elsewhere_keeps_what_it_names_there_and_nothing_else(
        self, world: NativeWorld
    ) -> None:
        """Any user may write one: all other segments would stay for ever."""
        world.swift.put_dlo("p", "c_segments/1")
        world.run()
        world.swift.put_dlo("p", "elsewhere/1")
        replaced(world)
        world.drop(A, B)
        self.stays(world, "1")
        assert world.node.unsettled() == {"p": "segments_elsewhere"}
        assert not world.node.crawl.is_failing

    def test_segment_that_was_written_again_stays(self, world: NativeWorld) -> None:
        replaced(world)
        world.drop(A, B)
        world.put_there(THERE, "1", b"new", swift_source="c_segments")
        self.stays(world, "1")
        assert world.on_record == 0

    def test_segment_that_is_no_copy_of_ours_stays(self, world: NativeWorld) -> None:
        world.put_there(THERE, "1", ONE)
        replaced(world)
        world.drop(A, B)
        self.stays(world, "1")

    def test_segment_in_a_container_that_is_mapped_for_itself_stays(self, world: NativeWorld) -> None:
        own = replace(world.node.mapping, container="c_segments", bucket=THERE)
        replaced(world)
        world.drop(A, B)
        world.node.restart()
        settings = replace(world.node.context.settings, mappings=(world.node.mapping, own))
        context = replace(world.node.context, settings=settings)
        world.node.crawl = ContainerCrawl(context, world.node.mapping)
        world.node.settle()
        assert world.there() == ["1", "2", "3"]

    def test_container_that_may_not_be_listed_keeps_everything_and_is_told(
        self, world: NativeWorld, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.put_there("secret", "x", b"x")
        world.bucket.before = lambda method, name: (
            AccessDenied("403: secret") if (method, name) == ("list_manifests", "secret") else None
        )
        replaced(world)
        world.drop(A, B)
        caplog.set_level(logging.INFO)
        self.stays(world, "1", "2")
        assert "left behind at the store is postponed: 403: secret" in " ".join(caplog.messages)
        assert world.node.crawl.is_failing
        assert world.node.crawl.outstanding.retrying == 2
        world.bucket.before = lambda method, name: None
        world.swift.clock.sleep(3600)
        world.run()
        assert world.there() == ["3"]
        assert world.node.crawl.outstanding.retrying == 0

    def test_delete_budget_holds_them(self, tmp_path: Path) -> None:
        world = NativeWorld(
            tmp_path, delete_budget=DeleteBudget(deletes=1, interval=3600.0, then="next_interval")
        )
        world.swift.put_slo("o", world.two())
        world.run()
        replaced(world)
        world.drop(A, B)
        world.run()
        assert len(world.there()) == 2
        world.swift.clock.sleep(4000)
        world.run()
        assert world.there() == ["3"]

    def test_segment_that_an_upload_has_found_there_during_the_sweep_stays(self, world: NativeWorld) -> None:
        """The client sends the same file once more: its segments are noted, are there, and will be named."""
        world.node.restart(once=False)
        replaced(world)
        world.drop(A, B)
        world.node.settle()
        segment = LeftSegment(THERE, "1", md5_hex(ONE))

        def upload(method: str, name: str) -> None:
            if method == "named_by":
                later = world.swift.clock.now() + 3600
                world.node.journal.left_segments.note(world.node.crawl.key, [segment], later)

        world.bucket.after = upload
        world.node.later(3700)
        assert world.there() == ["1", "3"]
        assert world.on_record == 1

    def test_segment_that_is_deleted_meanwhile_is_no_failure(self, world: NativeWorld) -> None:
        replaced(world)
        world.drop(A, B)
        inner = world.bucket.provider.bucket(THERE, KeyNamer.plain())

        def after(method: str, name: str) -> None:
            if method == "named_by":
                inner.delete_object("1")

        world.bucket.after = after
        world.run()
        assert (world.there(), world.on_record) == (["3"], 0)


def test_manifests_are_read_once_as_long_as_they_do_not_change(tmp_path: Path) -> None:
    world = NativeWorld(tmp_path)
    for number in range(5):
        world.swift.put(f"/c_segments/{number}", b"x")
        world.swift.put_slo(f"o{number}", [f"/c_segments/{number}"])
    world.run()
    counts = []
    for number in range(2):
        world.swift.delete(f"o{number}")
        world.bucket.calls.clear()
        world.node.restart(once=True) if not number else None
        world.node.settle()
        counts.append(sum(method == "named_by" for method, _ in world.bucket.calls))
    assert counts == [4, 0]


@pytest.mark.parametrize("then", ["plain", "deleted"])
def test_dlo_that_the_store_hides_is_replaced_and_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    """Somebody there has deleted the container of its segments: a HEAD shows nothing, and yet it is there."""
    world = NativeWorld(tmp_path)
    world.two("/c_segments/s/1", "/c_segments/s/2")
    world.swift.put_dlo("o", "c_segments/s/")
    world.run()
    revealed: list[str] = []
    monkeypatch.setattr(MemoryLargeObjects, "reveal", lambda self, name: not revealed.append(name))
    world.bucket.before = lambda method, name: (
        NotFound("404", status=404) if (method, name) == ("head", "o") and not revealed else None
    )
    world.swift.clock.sleep(10)
    if then == "plain":
        world.swift.put("o", b"plain")
    else:
        world.swift.delete("o")
    world.run()
    assert revealed == ["o"]
    assert world.there("bucket") == (["o"] if then == "plain" else [])
    assert world.node.unsettled() == {}
