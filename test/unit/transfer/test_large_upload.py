"""One large object to one bucket: all its bytes with its manifest, or nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from s3_sync.errors import (
    BadDigest,
    LocalUnavailable,
    NotFound,
    ObjectRefused,
    PreconditionFailed,
    RemoteUnavailable,
    SegmentChanged,
    SyncError,
)
from s3_sync.model.objects import LocalInfo, ObjectMeta, PutOptions, PutResult
from s3_sync.providers.memory import MemoryBucket, MemoryUpload
from s3_sync.providers.store_limits import Limits
from s3_sync.streams.reader import BytesBody
from s3_sync.transfer.decide import Decision, decide, same_meta
from s3_sync.transfer.large_object import LargeObject, large_kind, read_large_object
from s3_sync.transfer.large_upload import ensure_manifest, upload_large
from s3_sync.transfer.metadata import update_metadata
from s3_sync.transfer.upload_session import Precondition, TransferContext
from unit.transfer.local_file import content, memory, unfinished
from unit.transfer.segments import T1, T2, FakeLedger, FakeSegments, Opened, Threads, dlo, later, slo

LIMITS = Limits(max_put=1000, max_copy=1000, min_part=10, max_part=40, max_parts=20)


class World:
    """A bucket and segments. ``count`` holds what was read."""

    def __init__(self, limits: Limits = LIMITS, threads: int = 0) -> None:
        self.segments = FakeSegments()
        self.bucket: MemoryBucket = memory(limits)
        self.ledger = FakeLedger()
        self.read = 0
        pool = {"parts": Threads(threads)} if threads else {}
        self.sending = TransferContext(self.bucket, self._count, ledger=self.ledger, **pool)

    def _count(self, size: int) -> None:
        self.read += size

    def entries(self, *sizes: int) -> list[dict[str, Any]]:
        """Segments of these sizes."""
        return [
            self.segments.put(f"s{number:03}", bytes([65 + number % 26]) * size)
            for number, size in enumerate(sizes)
        ]

    @property
    def whole(self) -> bytes:
        return b"".join(data for _, data in sorted(self.segments.objects.items()))

    def examine(self, opened: Opened) -> LargeObject:
        return read_large_object(opened, self.segments)

    def send(self, opened: Opened, overwrite: Precondition | None = None) -> LargeObject:
        large = self.examine(opened)
        upload_large(self.sending, large, overwrite or Precondition())
        return large

    def decide(self, opened: Opened) -> Decision:
        large = self.examine(opened)
        return decide(large.info, self.bucket.head_object("o"), large.matches_stored)

    def clean(self) -> bool:
        return not unfinished(self.bucket) and not self.ledger.open and not self.segments.open_now


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    assert world.clean()


def marks(bucket: MemoryBucket) -> dict[str, str]:
    meta = bucket.head_object("o").meta
    return dict(meta.marks)


class TestUploadLarge:
    def test_slo_is_uploaded_with_one_part_per_segment(self, world: World) -> None:
        opened = slo(world.entries(10, 40, 11, 3), colour="bl\u00fc")
        large = world.send(opened)
        assert content(world.bucket) == world.whole
        info = world.bucket.head_object("o")
        assert info.etag == large.manifest.multipart_etag
        assert world.bucket.manifests.get("o") == large.manifest.raw
        assert world.read == 64
        assert info.meta.user == {"colour": "bl\u00fc"}
        assert marks(world.bucket) == {
            "x-static-large-object": "True",
            "swift-slo-etag": large.manifest.etag,
            "swift-timestamp": "1000000002.00000",
        }

    @pytest.mark.parametrize(
        "sizes", [[1], [1, 2, 3], [0, 5, 0, 6, 0], [9] * 30, [100], [3, 100, 0, 0, 50, 1], [39, 41], [0]]
    )
    @pytest.mark.parametrize("threads", [0, 4])
    def test_segments_of_any_size_are_uploaded_completely(self, sizes: list[int], threads: int) -> None:
        world = World(threads=threads)
        opened = slo(world.entries(*sizes))
        world.send(opened)
        assert content(world.bucket) == world.whole
        opened.body.rewind()
        assert world.decide(opened) is Decision.NOOP
        assert world.clean()

    def test_changed_limits_upload_nothing_again(self, world: World) -> None:
        opened = slo(world.entries(10, 20, 30))
        world.send(opened)
        for limits in (replace(LIMITS, min_part=25), replace(LIMITS, max_part=25), LIMITS):
            world.bucket.limits = limits
            opened.body.rewind()
            assert world.decide(opened) is Decision.NOOP

    def test_dlo_is_uploaded_and_again_after_a_segment_changed(self, world: World) -> None:
        world.entries(20, 30, 5)
        world.segments.put("other", b"not a segment")
        large = world.send(dlo("c_segments/s0"))
        assert content(world.bucket) == b"A" * 20 + b"B" * 30 + b"C" * 5
        assert marks(world.bucket)["swift-source-dlo-etag"] == large.manifest.joined_etag
        assert marks(world.bucket)["x-object-manifest"] == "c_segments/s0"
        assert world.bucket.manifests.get("o") == large.manifest.raw
        assert world.decide(dlo("c_segments/s0")) is Decision.NOOP
        world.segments.put("s001", b"b" * 30)
        assert world.decide(dlo("c_segments/s0")) is Decision.PUT

    @pytest.mark.parametrize(
        ("name", "max_copy", "arrives"),
        [("foo=5fbar", 1000, True), ("foo=5fbar", 15, False), ("a-b", 1000, True)],
    )
    def test_metadata_names_that_the_store_changes_are_sent_once_more(
        self, world: World, monkeypatch: pytest.MonkeyPatch, name: str, max_copy: int, arrives: bool
    ) -> None:
        world.bucket.limits = replace(LIMITS, max_copy=max_copy)
        complete, posted = MemoryUpload.complete, MemoryBucket.post_object
        posts: list[str] = []

        def hyphens(upload: MemoryUpload, *arguments: Any) -> PutResult:
            """As Swift's S3 API."""
            result = complete(upload, *arguments)
            meta = world.bucket.head_object("o").meta
            user = {name.replace("=5f", "-"): value for name, value in meta.user.items()}
            monkeypatch.setattr(world.bucket, "limits", LIMITS)
            posted(world.bucket, "o", replace(meta, user=user))
            monkeypatch.setattr(world.bucket, "limits", replace(LIMITS, max_copy=max_copy))
            return result

        def post(bucket: MemoryBucket, name: str, *arguments: Any) -> None:
            posts.append(name)
            posted(bucket, name, *arguments)

        monkeypatch.setattr(MemoryUpload, "complete", hyphens)
        monkeypatch.setattr(MemoryBucket, "post_object", post)
        opened = slo(world.entries(10, 40, 3), **{name: "v"})
        world.send(opened)
        assert content(world.bucket) == world.whole
        info = world.bucket.head_object("o")
        assert (dict(info.meta.user) == {name: "v"}) == arrives
        assert posts == ["o"] * (name == "foo=5fbar")
        opened.body.rewind()
        assert world.decide(opened) is (Decision.NOOP if arrives else Decision.POST)

    def test_metadata_of_a_newer_version_is_not_replaced_after_the_upload(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        complete = MemoryUpload.complete
        newer = ObjectMeta(user={"a": "1"}).marked(swift_timestamp="9999999999.00000")

        def overtaken(upload: MemoryUpload, *arguments: Any) -> PutResult:
            result = complete(upload, *arguments)
            world.bucket.put_object("o", BytesBody(b"newer"), PutOptions(5, newer))
            return result

        monkeypatch.setattr(MemoryUpload, "complete", overtaken)
        world.send(slo(world.entries(10, 40, 3), **{"foo=5fbar": "v"}))
        assert same_meta(world.bucket.head_object("o").meta, newer)

    def test_parts_are_uploaded_concurrently(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World(threads=3)
        together = threading.Barrier(3, timeout=10)
        real = MemoryUpload.upload_part

        def upload_part(*arguments: Any, **named: Any) -> Any:
            together.wait()
            return real(*arguments, **named)

        monkeypatch.setattr(MemoryUpload, "upload_part", upload_part)
        world.send(slo(world.entries(10, 20, 30)))
        assert content(world.bucket) == world.whole
        assert world.clean()


class TestFailures:
    @pytest.mark.parametrize("error", [LocalUnavailable("away"), RemoteUnavailable("away"), BadDigest("no")])
    @pytest.mark.parametrize("threads", [0, 3])
    def test_part_that_fails_once_is_tried_again(self, error: SyncError, threads: int) -> None:
        world = World(threads=threads)
        opened = slo(world.entries(10, 20, 30))
        world.segments.faults = [None, error]
        world.send(opened)
        assert content(world.bucket) == world.whole
        assert len(world.segments.opened) == 4
        assert world.clean()

    @pytest.mark.parametrize("threads", [0, 3])
    def test_part_that_keeps_failing_aborts_the_upload(self, threads: int) -> None:
        world = World(threads=threads)
        opened = slo(world.entries(10, 20, 30))
        world.segments.faults = [LocalUnavailable("away")] * 6
        with pytest.raises(LocalUnavailable):
            world.send(opened)
        with pytest.raises(NotFound):
            world.bucket.head_object("o")
        with pytest.raises(NotFound):
            world.bucket.manifests.get("o")
        assert world.clean()

    def test_changed_segment_ends_the_upload_without_a_retry(self, world: World) -> None:
        opened = slo(world.entries(10, 20, 30))
        world.segments.put("s000", b"other bytes")
        with pytest.raises(SegmentChanged):
            world.send(opened)
        assert [name for name, _ in world.segments.opened] == ["s000"]

    def test_bytes_that_differ_from_the_segment_raise_bad_digest(self, world: World) -> None:
        """The object server's word for the ETag is not enough, also where several segments are a part."""
        opened = slo(world.entries(4, 5, 6, 7))
        real = world.segments.open

        def broken(segment: Any, byte_range: Any = None) -> Opened:
            found = real(segment, byte_range)
            found.body.close()
            return replace(found, body=BytesBody(b"?" * segment.size))

        world.segments.open = broken  # type: ignore[method-assign]
        with pytest.raises(BadDigest):
            world.send(opened)

    def test_upload_whose_abort_fails_stays_in_the_ledger(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World()
        opened = slo(world.entries(10, 20))
        world.segments.faults = [SegmentChanged("gone")]

        def abort(upload: MemoryUpload) -> None:
            raise RemoteUnavailable("away")

        monkeypatch.setattr(MemoryUpload, "abort", abort)
        with pytest.raises(SegmentChanged):
            world.send(opened)
        assert list(world.ledger.open.values()) == ["o"]

    def test_upload_if_absent_over_an_object_raises_precondition_failed(self, world: World) -> None:
        world.bucket.put_object("o", BytesBody(b"x"), PutOptions(1))
        with pytest.raises(PreconditionFailed):
            world.send(slo(world.entries(10, 20)), Precondition(if_absent=True))
        assert content(world.bucket) == b"x"
        with pytest.raises(NotFound):
            world.bucket.manifests.get("o")

    def test_exception_from_outside_aborts_the_upload(self) -> None:
        class Ended(BaseException):
            pass

        class Ending(Threads):
            def map(self, function: Any, items: Any) -> list[Any]:
                function(items[0])
                raise Ended

        world = World()
        world.sending = replace(world.sending, parts=Ending(1))
        opened = slo(world.entries(10, 20))
        with pytest.raises(Ended):
            world.send(opened)
        assert world.clean()

    @pytest.mark.parametrize(("sizes", "reason"), [([40] * 21, "too_large")])
    def test_object_too_large_is_refused_before_any_read(
        self, world: World, sizes: list[int], reason: str
    ) -> None:
        world.bucket.limits = replace(LIMITS, max_put=100)
        with pytest.raises(ObjectRefused) as refusal:
            world.send(slo(world.entries(*sizes)))
        assert refusal.value.reason == reason
        assert world.read == 0


class TestManifest:
    def test_ensure_manifest_writes_a_missing_or_different_manifest(self, world: World) -> None:
        opened = slo(world.entries(10, 20))
        large = world.send(opened)
        remote = world.bucket.head_object("o")
        assert not ensure_manifest(world.sending, large, remote)
        for stored in (None, b"[]", b"damaged"):
            world.bucket.manifests.delete("o")
            if stored is not None:
                world.bucket.manifests.put("o", stored)
            assert ensure_manifest(world.sending, large, remote)
            assert world.bucket.manifests.get("o") == large.manifest.raw
        assert world.ledger.manifests

    def test_ensure_manifest_keeps_an_equivalent_one_of_an_earlier_version(self, world: World) -> None:
        opened = slo(world.entries(10, 20))
        large = world.send(opened)
        untied = replace(world.bucket.head_object("o"), meta=ObjectMeta())
        spaced = large.manifest.raw.replace(b",", b" ,")
        world.bucket.manifests.put("o", spaced)
        assert not ensure_manifest(world.sending, large, untied)
        assert world.bucket.manifests.get("o") == spaced
        assert ensure_manifest(world.sending, large)

    def test_decide_with_the_same_bytes_in_other_segments_is_post(self, world: World) -> None:
        entries = world.entries(10, 20)
        world.send(slo(entries))
        renamed = slo([world.segments.put("other", b"A" * 10), entries[1]])
        assert world.decide(renamed) is Decision.POST


class TestUpdateMetadata:
    @pytest.mark.parametrize("sizes", [[10, 20, 3], [3, 3, 30, 4]])
    def test_metadata_within_max_copy_is_updated_by_one_copy(self, world: World, sizes: list[int]) -> None:
        opened = slo(world.entries(*sizes))
        world.send(opened)
        self.post(world, opened)

    @pytest.mark.parametrize("sizes", [[10, 20, 3], [3, 3, 30, 4]])
    def test_metadata_beyond_max_copy_is_updated_by_copying_parts(
        self, world: World, sizes: list[int]
    ) -> None:
        world.bucket.limits = replace(LIMITS, max_copy=15)
        opened = slo(world.entries(*sizes))
        world.send(opened)
        before = world.bucket.head_object("o")
        self.post(world, opened)
        assert world.bucket.head_object("o").etag == before.etag

    def post(self, world: World, opened: Opened) -> None:
        after = later(opened, colour="red")
        assert world.decide(after) is Decision.POST
        after.body.rewind()
        large = world.examine(after)
        read = world.read
        assert update_metadata(world.sending, large.info, world.bucket.head_object("o"), large)
        assert world.read == read
        assert content(world.bucket) == world.whole
        meta = world.bucket.head_object("o").meta
        assert meta.user == {"colour": "red"}
        after.body.rewind()
        assert world.decide(after) is Decision.NOOP

    def test_copy_of_parts_that_fails_is_aborted(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        world.bucket.limits = replace(LIMITS, max_copy=15)
        opened = slo(world.entries(10, 20, 30))
        world.send(opened)
        after = later(opened, colour="red")
        large = world.examine(after)
        remote = world.bucket.head_object("o")
        world.bucket.put_object("o", BytesBody(b"x"), PutOptions(1))
        with pytest.raises(PreconditionFailed):
            update_metadata(world.sending, large.info, remote, large)


class TestKinds:
    def test_large_kind_of_a_link_is_that_of_its_target(self) -> None:
        assert large_kind(replace(slo([]), kind="symlink")) == "slo"
        assert large_kind(replace(dlo("c/p"), kind="symlink")) == "dlo"
        info = LocalInfo("o", 1, meta=ObjectMeta(), data_timestamp=T1, timestamp=T2)
        assert large_kind(Opened(info, BytesBody(b"x"), {}, "symlink")) is None
        assert large_kind(Opened(info, BytesBody(b"x"), {"x-static-large-object": "False"})) is None

    def test_decide_for_a_plain_object_over_a_large_one_is_post(self, world: World) -> None:
        """The bytes are equal, and still the marks have to go."""
        world.send(slo(world.entries(3, 4)))
        remote = world.bucket.head_object("o")
        meta = ObjectMeta({"content-type": "text/x"})
        plain = LocalInfo("o", 7, md5=remote.etag, meta=meta, data_timestamp=T1, timestamp=T2)
        assert remote.md5 == remote.etag
        assert decide(plain, remote) is Decision.POST
