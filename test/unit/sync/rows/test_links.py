"""Symlinks in a mapping to a store that has symlinks, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from s3_sync.model.objects import Link, ObjectInfo, ObjectMeta, PutOptions
from s3_sync.model.outcomes import Kind, Outcome
from s3_sync.model.segment_names import SegmentNamer
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import BytesBody
from s3_sync.sync.rows.handler import RowHandler
from s3_sync.sync.rows.remote_state import Presumption, RemoteState
from s3_sync.transfer.upload_session import TransferContext
from unit.sync.cluster import Swift, local_objects
from unit.sync.fake_node import NAMER, mapping
from unit.sync.store import WatchedBucket
from unit.sync.worlds import World as Daemon
from unit.transfer.segments import FakeLedger

ABSENT, NEW, UNKNOWN = Presumption.ABSENT, Presumption.PROBABLY_ABSENT, Presumption.UNKNOWN
TARGET = {"x_object_sysmeta_symlink_target": "c/target"}
OTHER = {"x_object_sysmeta_symlink_target": "c/other"}


class World:
    def __init__(self, **profile: Any) -> None:
        self.swift = Swift()
        self.bucket = WatchedBucket(NAMER, self.swift.clock.now, swift=SegmentNamer("c", "bucket"))
        self.handler = RowHandler(
            mapping(**profile),
            TransferContext(self.bucket, lambda size: None, ledger=FakeLedger()),
            local_objects(self.swift),
            self.swift.clock.now,
        )

    def handle(self, view: RemoteState = UNKNOWN, name: str = "link") -> Outcome:
        self.bucket.calls.clear()
        self.swift.clock.sleep(10.0)
        return self.handler.handle(self.swift.row(name), view)

    def static(self, data: bytes) -> dict[str, str]:
        return {**TARGET, "x_object_sysmeta_symlink_target_etag": md5_hex(data)}

    @property
    def stored(self) -> ObjectInfo:
        return self.bucket.inner.head_object("link")

    @property
    def calls(self) -> list[str]:
        return [method for method, _ in self.bucket.calls]


@pytest.mark.parametrize("view", [ABSENT, NEW, UNKNOWN])
def test_link_is_copied_as_a_link_without_its_targets_bytes(view: RemoteState) -> None:
    world = World()
    world.swift.put("target", b"bytes")
    world.swift.put("link", b"", x_object_meta_a="b", **TARGET)
    assert world.handle(view) == Outcome(Kind.COPIED)
    assert (world.stored.meta.link, world.stored.size) == (Link("c", "target"), 0)
    assert world.stored.meta.user == {"a": "b"}
    assert "target" not in world.bucket.content()
    assert world.handle() == Outcome(Kind.PRESENT)
    assert world.calls == ["head"]


def test_post_of_a_link_updates_its_metadata() -> None:
    world = World()
    world.swift.put("link", b"", **TARGET)
    world.handle()
    world.swift.post("link", x_object_meta_a="b", **TARGET)
    assert world.handle() == Outcome(Kind.UPDATED)
    assert (world.stored.meta.user, world.stored.meta.link) == ({"a": "b"}, Link("c", "target"))


def test_link_that_leads_elsewhere_now_replaces_the_old_one() -> None:
    world = World()
    world.swift.put("link", b"", **TARGET)
    world.handle()
    world.swift.put("link", b"", **OTHER)
    assert world.handle() == Outcome(Kind.COPIED)
    assert world.stored.meta.link == Link("c", "other")


@pytest.mark.parametrize("data", [b"", b"bytes"])
def test_link_and_object_replace_each_other(data: bytes) -> None:
    world = World()
    world.swift.put("link", data)
    world.handle()
    world.swift.put("link", b"", **TARGET)
    assert world.handle() == Outcome(Kind.COPIED)
    assert world.stored.meta.link == Link("c", "target")
    world.swift.put("link", data)
    assert world.handle() == Outcome(Kind.COPIED, size=len(data))
    assert (world.stored.meta.link, world.bucket.content()["link"]) == (None, data)


def test_delete_of_a_link_deletes_the_link_alone() -> None:
    world = World()
    world.swift.put("target", b"bytes")
    world.swift.put("link", b"", **TARGET)
    world.handle(name="target")
    world.handle()
    world.swift.delete("link")
    assert world.handle() == Outcome(Kind.DELETED)
    assert world.bucket.content() == {"target": b"bytes"}


def test_static_link_whose_target_was_written_again_is_tried_once_a_day_in_the_end(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, like_swift=True)
    daemon.swift.put("target", b"other bytes")
    daemon.swift.put("link", b"", **World().static(b"bytes"))
    daemon.node.settle()
    for _ in range(40):
        daemon.node.later(86400.0)
    tries = 0
    for _ in range(5 * 24):
        daemon.bucket.calls.clear()
        daemon.node.later(3600.0)
        tries += daemon.bucket.counts()["put"]
    assert daemon.node.unsettled() == {"link": "symlink_target_missing"}
    assert tries == 5


def test_static_link_waits_until_its_target_has_arrived(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, like_swift=True)
    world = World()
    daemon.swift.put("link", b"", **world.static(b"bytes"))
    daemon.node.settle()
    assert daemon.node.unsettled() == {"link": "symlink_target_missing"}
    assert daemon.bucket.counts()["put"] == 1  # no wrapper, and no turn, repeats it at once
    daemon.swift.put("target", b"bytes")
    daemon.node.later(60.0)
    assert daemon.node.unsettled() == {}
    link = daemon.bucket.inner.head_object("link").meta.link
    assert link == Link("c", "target", md5_hex(b"bytes"))


def test_link_is_moved_once_the_copy_is_proved_to_be_one() -> None:
    world = World(retain_local=False, propagate_delete=True)
    world.swift.put("link", b"", **TARGET)
    assert world.handle() == Outcome(Kind.COPIED)
    assert (world.swift.content(), world.stored.meta.link) == ({}, Link("c", "target"))
    assert world.handle() == Outcome(Kind.SKIPPED, "own_tombstone")


def test_link_stays_while_the_store_shows_an_empty_object_in_its_place() -> None:
    world = World(retain_local=False)
    stamp = world.swift.put("link", b"", **TARGET)

    def lose_the_link(method: str, name: str) -> None:
        if method == "put":
            meta = ObjectMeta({"content-type": "text/plain"}).marked(swift_timestamp=stamp.internal)
            world.bucket.inner.put_object(name, BytesBody(b""), PutOptions(0, meta))

    world.bucket.after = lose_the_link
    outcome = world.handle()
    assert (outcome.kind, outcome.reason) == (Kind.PENDING, "copy_unproven")
    assert list(world.swift.content()) == ["link"]
