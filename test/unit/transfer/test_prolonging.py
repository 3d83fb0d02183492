"""POST of a large object at another Swift: its segments expire no earlier than it does then."""

from __future__ import annotations

import time

import pytest

from s3_sync.errors import RemoteUnavailable
from s3_sync.largeobject.manifest import Segment
from s3_sync.model.keys import KeyNamer
from s3_sync.model.lifetime import Lifetime
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.model.segment_names import SegmentNamer
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import WriteOptions
from s3_sync.providers.memory_swift import MemorySwift
from s3_sync.runtime.concurrency import SerialPool
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import BytesBody
from s3_sync.transfer.prolonging import prolong_segments

DAY = 86400
WRITTEN = 1_800_000_000
NAMES = ("s/1", "s/2", "s/own")


class World:
    """An SLO and a DLO, whose segment ``s/own`` has an X-Delete-At of its own."""

    def __init__(self, lifetime: Lifetime) -> None:
        self.lifetime = lifetime
        self.namer = SegmentNamer("c", "b")
        self.swift = MemorySwift()
        self.large = self.bucket.large_objects
        for name in NAMES:
            own = {"x-delete-at": str(WRITTEN + 40 * DAY)} if name == "s/own" else {}
            meta = self.meta(WRITTEN, swift_source="c_segments", **own)
            meta = ObjectMeta({}, {"colour": "red"}, dict(meta.marks))
            container = self.large.segments("c_segments")
            container.put_object(name, BytesBody(name.encode()), PutOptions(len(name), meta))
        segments = [Segment("b_segments", each, len(each), md5_hex(each.encode())) for each in NAMES]
        self.large.put_static("slo", segments, PutOptions(0, self.meta(WRITTEN)))
        dlo = self.meta(WRITTEN, x_object_manifest="c_segments/s/")
        self.bucket.put_object("dlo", BytesBody(b""), PutOptions(0, dlo))

    def meta(self, at: int, **marks: str) -> ObjectMeta:
        return ObjectMeta().marked(swift_timestamp=Timestamp.from_seconds(at).internal, **marks)

    @property
    def bucket(self):  # type: ignore[no-untyped-def]
        write = WriteOptions(segments=self.namer, lifetime=self.lifetime)
        return self.swift.bucket("b", KeyNamer.plain(), write)

    def dates(self) -> list[int | None]:
        container = self.swift.bucket("b_segments", KeyNamer.plain())
        return [container.head_object(name).expires for name in NAMES]

    def prolong(self, name: str, meta: ObjectMeta, seconds: float = 60.0) -> None:
        until = time.monotonic() + seconds
        bucket = self.bucket
        prolong_segments(bucket, bucket.head_object(name), meta, self.lifetime, SerialPool(), until)


@pytest.fixture
def world() -> World:
    return World(Lifetime(30 * DAY, 50, DAY))


@pytest.mark.parametrize("name", ["slo", "dlo"])
def test_segments_outlive_the_new_date_unless_they_have_their_own(world: World, name: str) -> None:
    own = WRITTEN + 40 * DAY + 50
    assert world.dates() == [WRITTEN + 31 * DAY] * 2 + [own]
    then = WRITTEN + 300 * DAY
    world.prolong(name, world.meta(WRITTEN + 5, x_delete_at=str(then)))
    assert world.dates() == [then + 50 + DAY] * 2 + [own]
    info = world.swift.bucket("b_segments", KeyNamer.plain()).head_object("s/1")
    assert (info.meta.user, info.meta.is_segment) == ({"colour": "red"}, True)


def test_object_that_lives_for_ever_has_segments_that_do(world: World) -> None:
    world.lifetime = Lifetime()  # remote_delete_after was removed
    world.prolong("slo", world.meta(WRITTEN + 5))
    assert world.dates() == [None] * 3


def test_date_that_segments_reach_anyway_changes_nothing(world: World) -> None:
    before = world.dates()
    for then in (WRITTEN + 10 * DAY, WRITTEN + 31 * DAY - 50):
        world.prolong("slo", world.meta(WRITTEN + 5, x_delete_at=str(then)))
    assert world.dates() == before


def test_missing_segment_does_not_keep_the_others_from_living_longer(world: World) -> None:
    world.swift.bucket("b_segments", KeyNamer.plain()).delete_object("s/own")
    then = WRITTEN + 300 * DAY
    world.prolong("slo", world.meta(WRITTEN + 5, x_delete_at=str(then)))
    names = world.swift.bucket("b_segments", KeyNamer.plain())
    assert [names.head_object(name).expires for name in NAMES[:2]] == [then + 50 + DAY] * 2


def test_too_many_segments_for_the_time_are_an_error(world: World) -> None:
    before = world.dates()
    with pytest.raises(RemoteUnavailable, match="its 3 segments could not be prolonged"):
        world.prolong("slo", world.meta(WRITTEN + 5, x_delete_at=str(WRITTEN + 300 * DAY)), seconds=0.0)
    assert world.dates() == before
