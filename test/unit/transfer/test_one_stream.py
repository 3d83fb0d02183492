"""Large objects at stores that take each of them as one PUT."""

from __future__ import annotations

from dataclasses import replace

import pytest

from s3_sync.errors import BadDigest, ObjectRefused, SegmentChanged
from s3_sync.largeobject.rebuild import rebuild
from s3_sync.model.objects import PutOptions, PutResult
from s3_sync.streams.reader import Body
from s3_sync.transfer.decide import Decision
from unit.transfer.local_file import content
from unit.transfer.segments import dlo, md5, slo
from unit.transfer.test_large_upload import LIMITS, World


class OneStream(World):
    """``puts``: the sizes of the objects that were sent as one PUT."""

    def __init__(self) -> None:
        super().__init__()
        self.bucket.features = replace(self.bucket.features, one_stream=True)
        self.puts: list[int] = []
        self._put = self.bucket.put_object
        self.bucket.put_object = self._counted  # type: ignore[method-assign]

    def _counted(self, name: str, body: Body, options: PutOptions) -> PutResult:
        self.puts.append(options.size)
        return self._put(name, body, options)


@pytest.fixture
def world() -> OneStream:
    return OneStream()


@pytest.mark.parametrize("sizes", [[10, 40, 11, 3], [1], [0], [0, 5, 0, 6, 0], [9] * 30, [100, 1]])
@pytest.mark.parametrize("kind", ["slo", "dlo"])
def test_large_object_is_one_put_and_its_manifest_brings_it_back(
    world: OneStream, sizes: list[int], kind: str
) -> None:
    entries = world.entries(*sizes)
    opened = slo(entries) if kind == "slo" else dlo("c_segments/s")
    large = world.send(opened)
    assert world.puts == [sum(sizes)]
    stored = world.bucket.head_object("o")
    assert (content(world.bucket), stored.md5) == (world.whole, md5(world.whole))
    assert world.bucket.manifests.get("o") == large.manifest.raw
    names = [each.segment.path for each in rebuild(stored, large.manifest).segments]
    assert names == [entry["name"] for entry in entries]
    opened.body.rewind()
    assert world.decide(opened) is Decision.NOOP
    assert world.clean()


def test_object_above_the_limit_of_one_put_goes_in_parts(world: OneStream) -> None:
    world.bucket.limits = replace(LIMITS, max_put=49)
    world.send(slo(world.entries(20, 30)))
    assert content(world.bucket) == world.whole
    assert world.bucket.head_object("o").md5 is None
    assert world.clean()


def test_object_above_it_is_refused_where_there_are_no_parts(world: OneStream) -> None:
    world.bucket.limits = replace(LIMITS, max_put=49)
    world.bucket.features = replace(world.bucket.features, multipart=False)
    with pytest.raises(ObjectRefused, match="the store's limit is 49"):
        world.send(slo(world.entries(20, 30)))
    assert world.read == 0


def test_segment_that_changed_leaves_neither_object_nor_manifest(world: OneStream) -> None:
    opened = slo(world.entries(20, 30))
    world.segments.put("s001", b"!" * 30)
    with pytest.raises((SegmentChanged, BadDigest)):
        world.send(opened)
    assert not world.bucket.manifests.has_any()
    assert world.clean()
