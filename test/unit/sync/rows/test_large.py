"""Rows of large objects: what is sent, what is kept, and what it costs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from s3_sync.errors import LocalUnavailable, NotFound
from s3_sync.model.objects import ObjectMeta
from s3_sync.model.outcomes import Kind, Outcome
from s3_sync.streams.reader import BytesBody
from s3_sync.sync.rows.remote_state import Presumption
from unit.sync.one_object_world import NAME, World, reasons

ABSENT, NEW, UNKNOWN = Presumption.ABSENT, Presumption.PROBABLY_ABSENT, Presumption.UNKNOWN
VIEWS = [ABSENT, NEW, UNKNOWN]


def put_slo(world: World, *entries: dict[str, Any], **headers: str) -> bytes:
    raw = json.dumps(entries).encode()
    world.swift.put(NAME, raw, x_static_large_object="True", **headers)
    world.swift.objects[NAME, 0] = replace(world.swift.objects[NAME, 0], kind="slo")
    return raw


def put_dlo(world: World, target: str) -> None:
    world.swift.put(NAME, b"", x_object_manifest=target)
    world.swift.objects[NAME, 0] = replace(world.swift.objects[NAME, 0], kind="dlo")


def two(world: World) -> list[dict[str, Any]]:
    return [world.segments.put("1", b"A" * 20), world.segments.put("2", b"B" * 30)]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("conditional", [True, False])
def test_new_slo_is_sent_in_parts_with_its_manifest(view: Presumption, conditional: bool) -> None:
    world = World(conditional)
    raw = put_slo(world, *two(world))
    assert world.handle(view=view) == Outcome(Kind.COPIED, size=50)
    sent = {"create": 1, "part": 2, "complete": 1, "put_manifest": 1}
    # nothing is sent on the off chance that nothing is there
    assert world.costs == (sent if view is ABSENT else {"head": 1, **sent})
    assert world.stored == b"A" * 20 + b"B" * 30
    assert world.bucket.inner.manifests.get(NAME) == raw
    assert sum(world.counted) == 50
    assert world.ledger.open == {}


@pytest.mark.parametrize("view", [NEW, UNKNOWN])
def test_unchanged_slo_is_present_and_a_missing_manifest_is_written_again(view: Presumption) -> None:
    world = World()
    put_slo(world, *two(world))
    world.handle()
    assert world.handle(view=view) == Outcome(Kind.PRESENT)
    assert world.costs == {"head": 1, "get_manifest": 1}
    world.bucket.inner.manifests.delete(NAME)
    assert world.handle(view=view) == Outcome(Kind.UPDATED)
    assert world.costs == {"head": 1, "get_manifest": 1, "put_manifest": 1}
    assert world.handle(view=view) == Outcome(Kind.PRESENT)


def test_posted_metadata_of_an_slo_is_sent_without_bytes() -> None:
    world = World()
    put_slo(world, *two(world))
    world.handle()
    world.swift.post(NAME, x_object_meta_a="b", x_static_large_object="True")
    assert world.handle(view=NEW) == Outcome(Kind.UPDATED)
    assert world.costs == {"head": 1, "post": 1, "get_manifest": 1}
    assert world.bucket.metadata(NAME) == {"a": "b"}
    assert world.handle() == Outcome(Kind.PRESENT)


def test_listed_copy_does_not_settle_a_large_object() -> None:
    """A DLO's row looks like that of an empty object, which may be what an earlier version stored."""
    world = World()
    world.segments.put("1", b"A")
    put_dlo(world, "c_segments/")
    world.store(b"", x_object_manifest="c_segments/")
    world.later()
    assert world.handle(view=world.view("listed")) == Outcome(Kind.COPIED, size=1)
    assert world.stored == b"A"
    assert world.handle(view=world.view("listed")) == Outcome(Kind.PRESENT)
    put_slo(world, *two(world))
    world.handle()
    world.later()
    assert world.handle(view=world.view("listed")) == Outcome(Kind.PRESENT)
    assert "part" not in world.costs


@pytest.mark.parametrize("view", [NEW, UNKNOWN])
@pytest.mark.parametrize("conditional", [True, False])
def test_plain_object_in_place_of_an_slo_leaves_no_manifest(view: Presumption, conditional: bool) -> None:
    world = World(conditional)
    put_slo(world, *two(world))
    world.handle()
    world.swift.put(NAME, b"plain")
    assert world.handle(view=view).kind is Kind.COPIED
    assert world.stored == b"plain"
    with pytest.raises(NotFound):
        world.bucket.inner.manifests.get(NAME)
    assert world.handle() == Outcome(Kind.PRESENT)


def test_manifest_is_deleted_before_a_plain_object_is_sent() -> None:
    world = World()
    put_slo(world, *two(world))
    world.handle()
    world.swift.put(NAME, b"plain")
    world.bucket.before = lambda method, name: LocalUnavailable("killed") if method == "put" else None
    assert world.handle().kind is Kind.PENDING
    with pytest.raises(NotFound):
        world.bucket.inner.manifests.get(NAME)
    # had the large object come back, its manifest would too
    world.bucket.before = lambda method, name: None
    raw = put_slo(world, *two(world))
    assert world.handle().kind is Kind.UPDATED
    assert world.bucket.inner.manifests.get(NAME) == raw


def test_new_object_costs_no_head_if_no_manifest_was_ever_stored() -> None:
    world = World(conditional=False)
    world.swift.put(NAME, b"plain")
    world.handle(view=NEW)
    assert world.costs == {"put": 1}


def test_delete_of_an_slo_deletes_its_stored_manifest_too() -> None:
    world = World()
    put_slo(world, *two(world))
    world.handle()
    world.swift.delete(NAME)
    assert world.handle(view=NEW).kind is Kind.DELETED
    assert world.bucket.provider.store("bucket").objects == {}


@pytest.mark.parametrize("view", VIEWS)
def test_nested_ranged_or_malformed_slo_fails(view: Presumption) -> None:
    world = World()
    first, second = two(world)
    for change, reason in [
        ({"sub_slo": True}, "slo_nested"),
        ({"range": "0-1"}, "slo_range"),
        ({"hash": "none"}, "slo_malformed"),
    ]:
        put_slo(world, first, {**second, **change})
        assert reasons(world.handle(view=view)) == ("failed", reason)
        assert world.stored is None


@pytest.mark.parametrize("view", VIEWS)
def test_missing_segment_leaves_the_slo_pending_without_an_open_upload(view: Presumption) -> None:
    world = World()
    put_slo(world, *two(world))
    del world.segments.objects["c_segments", "2"]
    assert reasons(world.handle(view=view)) == ("pending", "segment_changed")
    assert world.costs["create"] == 1
    assert world.bucket.unfinished() == 0
    assert world.ledger.open == {}


def test_slo_stored_by_an_earlier_version_is_present() -> None:
    """Its parts are the segments; it wrote no marks of ours, and its manifest in whatever words."""
    world = World()
    entries = two(world)
    raw = put_slo(world, *entries)
    old = ObjectMeta({"content-type": "text/plain"}, {}, {"x-static-large-object": "True"})
    upload = world.bucket.inner.create_upload(NAME, old)
    parts = [
        upload.upload_part(number, BytesBody(data), len(data))
        for number, data in enumerate((b"A" * 20, b"B" * 30), 1)
    ]
    upload.complete(parts)
    world.bucket.inner.manifests.put(NAME, raw + b"\n")
    assert world.handle() == Outcome(Kind.PRESENT)
    assert world.costs == {"head": 1, "get_manifest": 1}
    world.bucket.inner.manifests.delete(NAME)
    assert world.handle() == Outcome(Kind.UPDATED)
    assert world.bucket.inner.manifests.get(NAME) == raw
