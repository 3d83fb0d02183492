"""DLOs on their way to another Swift, what proves them, and what they leave behind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from s3_sync.errors import (
    CopyUnproven,
    ObjectRefused,
    RemoteUnavailable,
)
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.memory_swift import MemoryLargeObjects
from s3_sync.state.left_segments import LeftSegment
from s3_sync.streams.reader import BytesBody
from s3_sync.transfer.decide import Decision
from s3_sync.transfer.large_upload import ensure_manifest, has_manifest
from s3_sync.transfer.native_copy import note_left_segments
from unit.transfer.local_file import content
from unit.transfer.native_world import LIMITS, World, two
from unit.transfer.segments import dlo, md5, slo


class TestDynamicLargeObject:
    def test_dlo_stays_a_dlo(self) -> None:
        world = World()
        two(world)
        world.local.put("other", b"x")
        world.send(dlo("c_segments/s/", colour="red"))
        info = world.inner.head_object("o")
        assert content(world.inner) == b"A" * 20 + b"B" * 30
        assert world.names("b_segments") == ["s/1", "s/ü"]
        assert info.meta.marks["x-object-manifest"] == "c_segments/s/"
        assert (info.size, info.md5, info.meta.user) == (50, None, {"colour": "red"})
        assert world.inner.raw("o").below == ("b_segments", "s/")
        assert world.decision(dlo("c_segments/s/", colour="red")) is Decision.NOOP

    def test_changed_segments_are_noticed_at_either_side(self) -> None:
        world = World()
        two(world)
        opened = dlo("c_segments/s/")
        world.send(opened)
        world.local.put("s/1", b"new")
        assert world.decision(opened) is Decision.PUT
        world.again(opened)
        assert content(world.inner) == b"new" + b"B" * 30
        assert world.decision(opened) is Decision.NOOP
        world.store("b_segments", "s/1", b"changed there")
        assert world.decision(opened) is Decision.PUT

    def test_segment_that_only_the_store_has_is_on_record_until_it_has_gone(self) -> None:
        world = World()
        two(world)
        opened = dlo("c_segments/s/")
        world.send(opened)
        del world.local.objects["c_segments", "s/1"]
        with pytest.raises(CopyUnproven, match="1 segments too many, and 0 are missing"):
            world.again(opened)
        assert world.ledger.left == {("b_segments", "s/1"): LeftSegment("b_segments", "s/1", md5(b"A" * 20))}
        world.swift.bucket("b_segments", KeyNamer.plain()).delete_object("s/1")
        assert world.decision(opened) is Decision.NOOP
        assert content(world.inner) == b"B" * 30

    def test_segments_of_another_container_below_the_same_prefix_are_refused(self) -> None:
        world = World()
        world.send(slo(two(world, "other"), "p"))
        world.local.put("s/3", b"C")
        with pytest.raises(ObjectRefused, match="from container other") as refused:
            world.send(dlo("c_segments/s/"))
        assert refused.value.reason == "segment_collision"
        assert world.ledger.left.keys() == {("b_segments", "s/3")}
        assert world.names("b") == ["p"]

    @pytest.mark.parametrize("account", [False, True])
    def test_dlo_below_its_own_prefix_is_sent_once(self, account: bool) -> None:
        world = World(account=account)
        world.local.put("o", b"", "c")
        world.local.put("o/1", b"A", "c")
        opened = dlo("c/o")
        world.send(opened)
        assert content(world.inner) == b"A"
        assert world.decision(opened) is Decision.NOOP
        world.options = replace(world.options, is_proof=True)
        assert has_manifest(world.context, world.read(opened), world.inner.head_object("o"))

    def test_own_bytes_of_a_manifest_travel_too(self) -> None:
        world = World()
        two(world)
        opened = dlo("c_segments/s/")
        info = replace(opened.info, size=3, etag=md5(b"own"), md5=md5(b"own"))
        world.send(replace(opened, info=info, body=BytesBody(b"own")))
        assert world.inner.raw("o").data == b"own"
        assert content(world.inner) == b"A" * 20 + b"B" * 30

    def test_dlo_without_segments_stays_one(self) -> None:
        for options in ({}, {"convert_dlo": True}):
            world = World(**options)
            world.send(dlo("c_segments/none"))
            assert content(world.inner) == b""
            assert world.inner.raw("o").below == ("b_segments", "none")
            assert world.decision(dlo("c_segments/none")) is Decision.NOOP

    def test_converted_dlo_is_an_slo_that_still_counts_as_the_dlo(self) -> None:
        world = World(convert_dlo=True)
        two(world)
        world.local.put("s/2", b"")  # no segment of an SLO may be empty
        world.local.put("s/0", b"")
        opened = dlo("c_segments/s/")
        world.send(opened)
        assert content(world.inner) == b"A" * 20 + b"B" * 30
        assert [each.name for each in world.inner.raw("o").segments or ()] == ["s/1", "s/ü"]
        marks = world.inner.head_object("o").meta.marks
        assert marks["x-object-manifest"] == "c_segments/s/"
        assert "x-static-large-object" not in marks
        assert world.decision(opened) is Decision.NOOP
        large = world.read(opened)
        assert not ensure_manifest(world.context, large, world.inner.head_object("o"))
        world.local.put("s/3", b"C")
        assert world.decision(opened) is Decision.PUT

    def test_conversion_combines_what_are_too_many_segments_for_a_manifest(self) -> None:
        world = World(replace(LIMITS, max_parts=4), convert_dlo=True)
        for number in range(25):
            world.local.put(f"s/{number:02}", b"x" * 10)
        world.send(dlo("c_segments/s/"))
        assert content(world.inner) == b"x" * 250
        assert world.decision(dlo("c_segments/s/")) is Decision.NOOP


class TestKinds:
    def test_other_kind_of_the_same_bytes_costs_a_manifest_only(self) -> None:
        """Metadata alone would not make an SLO of a DLO."""
        world = World()
        entries = two(world)
        for opened in (slo(entries), dlo("c_segments/s/"), slo(entries)):
            if "o" in world.names("b"):
                assert world.decision(opened) is Decision.PUT
                world.again(opened)
            else:
                world.send(opened)
            assert world.decision(opened) is Decision.NOOP
            assert content(world.inner) == b"A" * 20 + b"B" * 30
        assert sum(world.counted) == 50


class TestProof:
    def test_segment_that_the_store_has_lost_is_noticed_and_sent_again(self) -> None:
        world = World(is_proof=True)
        opened = slo(two(world))
        world.send(opened)
        info = world.inner.head_object("o")
        assert has_manifest(world.context, world.read(opened), info)
        world.swift.bucket("b_segments", KeyNamer.plain()).delete_object("s/1")
        assert world.decision(opened) is Decision.NOOP  # the manifest is as it was
        assert not has_manifest(world.context, world.read(opened), info)
        assert ensure_manifest(world.context, world.read(opened), info)
        assert content(world.inner) == b"A" * 20 + b"B" * 30
        assert not ensure_manifest(world.context, world.read(opened), info)

    def test_same_bytes_in_other_segments_get_a_manifest_that_names_them(self) -> None:
        world = World()
        first, _ = two(world)
        world.send(slo([first]))
        moved = slo([world.local.put("t/1", b"A" * 20)])
        info = world.inner.head_object("o")
        assert world.decision(moved) is Decision.NOOP
        assert ensure_manifest(world.context, world.read(moved), info)
        assert [each.name for each in world.inner.raw("o").segments or ()] == ["t/1"]
        assert world.ledger.left.keys() == {("b_segments", "s/1")}


class TestLeftSegments:
    def test_segments_are_on_record_from_before_they_are_sent_until_a_manifest_names_them(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world = World()
        opened = slo(two(world))

        def killed(*arguments: Any) -> None:
            raise RemoteUnavailable("killed")

        with monkeypatch.context() as patch:
            patch.setattr(MemoryLargeObjects, "put_static", killed)
            with pytest.raises(RemoteUnavailable):
                world.send(opened)
        assert world.ledger.left.keys() == {("b_segments", "s/1"), ("b_segments", "s/ü")}
        world.send(opened)
        assert world.ledger.left == {}
        assert sum(world.counted) == 50

    def test_replaced_manifest_leaves_what_the_new_one_does_not_name(self) -> None:
        world = World()
        first, second = two(world)
        world.send(slo([first, second]))
        world.again(slo([second]))
        assert world.ledger.left.keys() == {("b_segments", "s/1")}
        note_left_segments(world.context, "o")
        assert world.ledger.left.keys() == {("b_segments", "s/1"), ("b_segments", "s/ü")}

    def test_failed_overwrite_leaves_the_old_object_readable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World()
        world.send(slo(two(world)))
        new = [world.local.put("t/1", b"new")]

        def killed(*arguments: Any) -> None:
            raise RemoteUnavailable("killed")

        monkeypatch.setattr(MemoryLargeObjects, "put_static", killed)
        with pytest.raises(RemoteUnavailable):
            world.again(slo(new))
        assert content(world.inner) == b"A" * 20 + b"B" * 30
