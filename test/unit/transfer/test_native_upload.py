"""Large objects on their way to another Swift, where they stay what they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from s3_sync.errors import (
    BadDigest,
    LocalBehind,
    ObjectRefused,
    SegmentChanged,
)
from s3_sync.largeobject.manifest import Manifest
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import PutOptions
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.memory_swift import MemoryContainer
from s3_sync.transfer.decide import Decision
from s3_sync.transfer.large_upload import ensure_manifest, has_manifest
from s3_sync.transfer.native_plan import NativeOptions
from unit.transfer.local_file import content
from unit.transfer.native_world import LIMITS, World, two
from unit.transfer.segments import T1, T2, md5, slo


class TestStaticLargeObject:
    def test_slo_is_stored_as_an_slo_of_its_segments(self) -> None:
        world = World()
        large = world.send(slo(two(world), colour="red"))
        info = world.inner.head_object("o")
        assert content(world.inner) == b"A" * 20 + b"B" * 30
        assert (info.size, info.etag, info.md5) == (50, large.manifest.joined_etag, None)
        assert info.meta.user == {"colour": "red"}
        assert info.meta.marks == {
            "swift-timestamp": T2.internal,
            "swift-source": "c_segments",
            "x-static-large-object": "True",
        }
        segment = world.swift.bucket("b_segments", KeyNamer.plain()).head_object("s/1")
        assert segment.meta.marks == {"swift-timestamp": T1.internal, "swift-source": "c_segments"}
        assert sum(world.counted) == 50
        assert world.decision(slo(two(world), colour="red")) is Decision.NOOP

    def test_new_slo_costs_a_request_for_each_segment_and_one_for_the_manifest(self) -> None:
        world = World()
        world.send(slo(two(world)))
        assert world.puts() == {"put_object": 2, "put_manifest": 1}

    def test_segment_that_is_repeated_or_shared_is_sent_once(self) -> None:
        world = World()
        first, second = two(world)
        world.send(slo([first, second, first]))
        assert world.puts()["put_object"] == 2
        world.send(slo([second, first], "p"))
        assert world.puts() == {"put_object": 2, "head_object": 2, "put_manifest": 1}  # both were refused
        assert world.local.opened.count(("s/1", None)) == 2
        assert sum(world.counted) == 50
        assert content(world.inner, "p") == b"B" * 30 + b"A" * 20
        world.again(slo([first], "p"))
        assert world.puts()["put_object"] == 0

    def test_changed_segment_alone_is_sent_again(self) -> None:
        world = World()
        world.send(slo(two(world)))
        first, _ = two(world)
        other = world.local.put("s/ü", b"C" * 9)
        world.puts()
        assert world.decision(slo([first, other])) is Decision.PUT
        world.again(slo([first, other]))
        assert world.puts() == {"head_object": 2, "get_manifest": 1, "put_object": 1, "put_manifest": 1}
        assert content(world.inner) == b"A" * 20 + b"C" * 9

    def test_two_thousand_segments_are_sent_by_few_workers(self) -> None:
        world = World()
        entries = [world.local.put(f"{number:04}", b"%d" % number) for number in range(2000)]
        world.send(slo(entries))
        assert world.puts() == {"put_object": 2000, "put_manifest": 1}
        assert content(world.inner) == b"".join(b"%d" % number for number in range(2000))

    def test_account_wide_mapping_keeps_the_containers_of_segments(self) -> None:
        world = World(account=True)
        first, second = world.local.put("1", b"A", "x"), world.local.put("1", b"B", "y")
        world.send(slo([first, second]))
        assert (world.at("b-x", "1"), world.at("b-y", "1")) == (b"A", b"B")
        assert content(world.inner) == b"AB"
        assert b'"/x/1"' in world.inner.manifests.get("o")

    def test_equal_segments_of_several_containers_are_one_and_others_collide(self) -> None:
        world = World()
        world.send(slo([world.local.put("1", b"A", "x"), world.local.put("1", b"A", "y")]))
        assert content(world.inner) == b"AA"
        with pytest.raises(ObjectRefused, match="b_segments/1 at the store") as refused:
            world.send(slo([world.local.put("1", b"A", "x"), world.local.put("1", b"B", "y")], "p"))
        assert refused.value.reason == "segment_collision"
        with pytest.raises(ObjectRefused) as refused:
            world.send(slo([world.local.put("1", b"B", "y")], "p"))
        assert refused.value.reason == "segment_collision"
        assert world.at("b_segments", "1") == b"A"

    def test_newer_segment_at_the_store_is_not_overwritten(self) -> None:
        world = World()
        newer = Timestamp(T1.raw + 1).internal
        world.store("b_segments", "s/1", b"newer", swift_source="c_segments", swift_timestamp=newer)
        with pytest.raises(LocalBehind):
            world.send(slo(two(world)))
        assert world.at("b_segments", "s/1") == b"newer"

    def test_segment_of_an_earlier_program_is_kept_if_equal_and_replaced_if_not(self) -> None:
        world = World()
        world.store("b_segments", "s/1", b"A" * 20)
        world.store("b_segments", "s/ü", b"old")
        world.send(slo(two(world)))
        assert content(world.inner) == b"A" * 20 + b"B" * 30
        assert sum(world.counted) == 30

    def test_segment_that_differs_from_the_manifest_leaves_no_manifest(self) -> None:
        world = World()
        entries = two(world)
        world.local.objects["c_segments", "s/1"] = b"other"
        with pytest.raises(SegmentChanged):
            world.send(slo(entries))
        assert "s/1" not in world.names("b_segments")
        assert world.puts()["put_manifest"] == 0

    def test_too_many_segments_for_the_store_are_combined(self) -> None:
        world = World(replace(LIMITS, max_parts=3))
        entries = [world.local.put(f"{number}", b"%d" % number * 10) for number in range(10)]
        large = world.send(slo(entries))
        assert large.plan is not None
        assert len(large.plan.segments) <= 3
        assert content(world.inner) == b"".join(b"%d" % number * 10 for number in range(10))
        assert world.decision(slo(entries)) is Decision.NOOP
        assert has_manifest(world.context, large, world.inner.head_object("o"))

    @pytest.mark.parametrize("limits", [{"max_parts": 2, "max_part": 15}, {"max_name": 3}])
    def test_what_the_store_cannot_hold_is_refused_before_a_byte_is_sent(
        self, limits: dict[str, int]
    ) -> None:
        world = World(replace(LIMITS, **limits))
        entries = [world.local.put(f"name{number}", b"%d" % number * 10) for number in range(9)]
        with pytest.raises(ObjectRefused):
            world.send(slo(entries))
        assert world.puts() == {}


class TestMinSegmentSize:
    def entries(self, world: World) -> list[dict[str, Any]]:
        sizes = [100, 3, 0, 0, 4, 50, 120, 5]
        return [world.local.put(f"{n}", bytes([65 + n]) * size) for n, size in enumerate(sizes)]

    def test_small_segments_are_combined_under_the_name_and_version_of_the_object(self) -> None:
        world = World(min_segment_size=50)
        large = world.send(slo(self.entries(world)))
        whole = b"".join(bytes([65 + n]) * size for n, size in enumerate([100, 3, 0, 0, 4, 50, 120, 5]))
        assert content(world.inner) == whole
        assert world.names("b_segments") == sorted(["0", f"o/{T1.normal}/000002", "6", "7"])
        combined = world.swift.bucket("b_segments", KeyNamer.plain()).head_object(f"o/{T1.normal}/000002")
        assert combined.meta.marks["combined-etag"] == md5(
            "".join(map(md5, (b"BBB", b"EEEE", b"F" * 50))).encode()
        )
        assert world.inner.head_object("o").meta.marks["swift-slo-etag"] == large.manifest.etag

    @pytest.mark.parametrize("account", [False, True])
    def test_segments_of_two_containers_are_not_combined_as_not_the_same_users_may_read_them(
        self, account: bool
    ) -> None:
        world = World(min_segment_size=50, account=account)
        put = world.local.put
        secret = [put(f"s{n}", bytes([97 + n]) * 9, "parts") for n in range(2)]
        world.send(slo([put("1", b"A" * 9), put("2", b"B" * 9), *secret, put("3", b"C" * 9)]))
        assert content(world.inner) == b"A" * 9 + b"B" * 9 + b"a" * 9 + b"b" * 9 + b"C" * 9
        places = ("b-c_segments", "b-parts") if account else ("b_segments", "b_segments")
        assert world.at(places[0], f"o/{T1.normal}/000001") == b"A" * 9 + b"B" * 9
        assert world.at(places[1], f"o/{T1.normal}/000002") == b"a" * 9 + b"b" * 9
        stored = Manifest.parse(world.inner.manifests.get("o"))
        assert [each.container for each in stored.segments] == ["c_segments", "parts", "c_segments"]

    def test_combined_segments_are_not_sent_again(self) -> None:
        world = World(min_segment_size=50)
        world.send(slo(self.entries(world)))
        opened = slo(self.entries(world))
        assert world.decision(opened) is Decision.NOOP
        assert not ensure_manifest(world.context, world.read(opened), world.inner.head_object("o"))
        world.puts()
        world.again(opened)
        assert world.puts()["put_object"] == 0
        # a change of the option alone sends nothing either
        world.options = NativeOptions()
        assert world.decision(opened) is Decision.NOOP
        assert not ensure_manifest(world.context, world.read(opened), world.inner.head_object("o"))

    def test_combined_bytes_that_arrive_changed_are_removed_and_nothing_names_them(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = World(min_segment_size=50)
        real = MemoryContainer.put_object

        def garbled(self: MemoryContainer, name: str, body: Any, options: PutOptions) -> Any:
            result = real(self, name, body, options)
            return replace(result, etag="0" * 32) if "combined-etag" in options.meta.marks else result

        monkeypatch.setattr(MemoryContainer, "put_object", garbled)
        with pytest.raises(BadDigest):
            world.send(slo(self.entries(world)))
        assert f"o/{T1.normal}/000002" not in world.names("b_segments")
        assert world.puts()["put_manifest"] == 0

    def test_source_that_changed_is_noticed_while_it_is_read(self) -> None:
        world = World(min_segment_size=50)
        entries = self.entries(world)
        world.local.objects["c_segments", "4"] = b"XXXX"
        with pytest.raises(SegmentChanged):
            world.send(slo(entries))
        assert world.puts()["put_manifest"] == 0
