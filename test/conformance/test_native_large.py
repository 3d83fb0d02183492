"""Stores that keep SLOs and DLOs as what they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from uuid import uuid4

import pytest

from conformance.samples import md5, read, sample
from conformance.targets import NATIVE, target_of
from s3_sync.errors import NotFound, PreconditionFailed, RemoteUnavailable, SegmentChanged
from s3_sync.largeobject.manifest import Manifest, Segment, joined_etag
from s3_sync.largeobject.naming import Named
from s3_sync.model.keys import KeyNamer
from s3_sync.model.lifetime import Lifetime
from s3_sync.model.objects import ByteRange, GetOptions, ObjectMeta, PutOptions
from s3_sync.model.segment_names import SegmentNamer
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import Bucket, Provider, WriteOptions
from s3_sync.providers.memory_swift import MemorySwift
from s3_sync.providers.wrappers.adaptive_throttle import AdaptiveThrottle, ThrottledProvider
from s3_sync.providers.wrappers.bulkhead import Bulkhead, BulkheadPolicy, BulkheadProvider
from s3_sync.providers.wrappers.instrument import InstrumentedProvider, Observer
from s3_sync.providers.wrappers.retry import RetryingProvider, RetryPolicy
from s3_sync.streams.reader import BytesBody, read_all

STORES = ("memory", "memory-wrapped", *NATIVE)
VERSION, LATER = Timestamp.parse("1400000000.12345"), Timestamp.parse("1500000000.00000")
A, B = sample(70_000), sample(300, 1)


@pytest.fixture(scope="session", params=STORES)
def provider(request: pytest.FixtureRequest) -> Iterator[Provider]:
    if request.param in NATIVE:
        server = request.getfixturevalue(request.param.removesuffix("-native"))
        found = target_of(request.param, server).provider()
    else:
        found = MemorySwift()
        if request.param == "memory-wrapped":
            throttle = AdaptiveThrottle("memory", workers=8, max_wait=0.0)
            found = ThrottledProvider(InstrumentedProvider(found, Observer("memory")), throttle)
            found = BulkheadProvider(found, Bulkhead("memory", BulkheadPolicy()))
            found = RetryingProvider(found, RetryPolicy(attempts=2, base=0.1))
    yield found
    found.close()


@pytest.fixture
def name() -> str:
    """A container's name, one for each test."""
    return f"native-{uuid4().hex[:12]}-\u00fc"


@pytest.fixture
def namer(name: str) -> SegmentNamer:
    return SegmentNamer("c", name)


@pytest.fixture
def bucket(provider: Provider, namer: SegmentNamer) -> Bucket:
    return provider.bucket(namer.bucket, KeyNamer.plain(), WriteOptions(segments=namer, writer="01234567"))


def put(bucket: Bucket, key: str, data: bytes, **marks: str) -> Segment:
    """As a segment."""
    bucket.put_object(key, BytesBody(data), PutOptions(len(data), ObjectMeta().marked(**marks), md5(data)))
    return Segment(bucket.name, key, len(data), md5(data))


def two(bucket: Bucket, container: str = "c_segments") -> list[Segment]:
    segments = bucket.large_objects.segments(container)
    return [put(segments, "s/1", A, swift_source=container), put(segments, "s/\u00fc %41", B)]


def meta(**marks: str) -> ObjectMeta:
    given = ObjectMeta({"content-type": "text/x"}, {"colour": "gr\u00fcn"})
    return given.marked(swift_timestamp=VERSION.internal, **marks)


def put_dlo(bucket: Bucket, target: str, key: str = "large", own: bytes = b"own") -> None:
    options = PutOptions(len(own), meta(x_object_manifest=target), md5(own))
    bucket.put_object(key, BytesBody(own), options)


class TestStatic:
    def test_slo_is_read_as_the_bytes_of_its_segments(self, bucket: Bucket) -> None:
        segments = two(bucket)
        given = [*segments, segments[0]]
        options = PutOptions(0, meta(x_static_large_object="True", swift_source="c_segments"), if_absent=True)
        etag = bucket.large_objects.put_static("large", given, options).etag
        assert etag == joined_etag(each.md5 for each in given)
        info = bucket.head_object("large")
        assert (info.size, info.etag, info.md5) == (len(A + B + A), etag, None)
        assert info.meta.user == {"colour": "gr\u00fcn"}
        assert info.meta.content_type == "text/x"
        assert info.meta.marks == options.meta.marks
        assert read(bucket, "large") == A + B + A
        with bucket.get_object("large", GetOptions(ByteRange(69_990, 70_310), if_match=etag)) as result:
            assert result.body.read() == (A + B + A)[69_990:70_311]
        assert bucket.large_objects.manifest("large").segments == tuple(given)

    def test_slo_is_read_as_it_is_stored(self, bucket: Bucket) -> None:
        segments = two(bucket)
        options = PutOptions(0, meta(x_static_large_object="True", swift_source="c_segments"))
        bucket.large_objects.put_static("large", segments, options)
        with bucket.get_object("large", GetOptions(stored=True)) as found:
            raw = read_all(found.body)
        assert Manifest.parse(raw).segments == tuple(segments)
        info = found.info
        assert (info.etag, info.md5, info.size) == (md5(raw), md5(raw), len(raw))
        assert (info.meta.content_type, info.meta.marks) == ("text/x", {"x-static-large-object": "True"})
        assert info.meta.user["colour"] == "gr\u00fcn"
        assert info.meta.user["swift-source"] == "c_segments"
        with pytest.raises(PreconditionFailed):
            bucket.get_object("large", GetOptions(if_match="0" * 32, stored=True))

    def test_manifest_is_a_stored_manifest_with_local_containers(self, bucket: Bucket) -> None:
        segments = [*two(bucket), *two(bucket, "c+segments")]
        options = PutOptions(0, meta(swift_source="c%2Bsegments"))
        bucket.large_objects.put_static("large", segments, options)
        stored = Manifest.parse(bucket.manifests.get("large"))
        assert {each.container for each in stored.segments} == {"c+segments"}
        assert [replace(each, container="") for each in stored.segments] == [
            replace(each, container="") for each in segments
        ]
        # of another one than the usual ones: clients there may have written that, so the segments are asked
        bucket.large_objects.put_static("large", segments[:1], PutOptions(0, meta(swift_source="c")))
        assert Manifest.parse(bucket.manifests.get("large")).segments[0].container == "c+segments"
        marks = meta(x_object_manifest="c/s/", swift_source_dlo_etag="0" * 32)
        bucket.large_objects.put_static("large", segments[:1], PutOptions(0, marks))
        assert Manifest.parse(bucket.manifests.get("large")).segments[0].container == "c+segments"
        # of several containers: what each segment itself tells, else the usual one
        put(bucket.large_objects.segments("x"), "s/1", A, swift_source="x")
        bucket.large_objects.put_static("large", segments[:2], PutOptions(0, meta()))
        stored = Manifest.parse(bucket.manifests.get("large"))
        assert [each.container for each in stored.segments] == ["x", "c_segments"]

    def test_manifest_is_kept_by_post_and_goes_with_its_object(self, bucket: Bucket) -> None:
        segments = two(bucket)
        bucket.large_objects.put_static("large", segments, PutOptions(0, meta()))
        etag = bucket.head_object("large").etag
        bucket.post_object("large", replace(meta(), user={"a": "b"}), etag)
        info = bucket.head_object("large")
        assert (info.etag, info.meta.user) == (etag, {"a": "b"})
        assert info.meta.marks["x-static-large-object"] == "True"
        assert read(bucket, "large") == A + B
        assert bucket.delete_object("large")
        with pytest.raises(NotFound):
            bucket.large_objects.manifest("large")
        assert read(bucket.large_objects.segments("c_segments"), "s/1") == A

    @pytest.mark.parametrize("count", [1, 120])
    def test_manifest_with_segments_that_are_missing_or_others_is_refused(
        self, bucket: Bucket, count: int
    ) -> None:
        first, second = two(bucket)
        for wrong in (replace(second, name="gone"), replace(second, md5=first.md5)):
            with pytest.raises(SegmentChanged):
                bucket.large_objects.put_static("large", [first] * count + [wrong], PutOptions(0, meta()))
        with pytest.raises(NotFound):
            bucket.head_object("large")

    @pytest.mark.parametrize("count", [1, 120])
    def test_conditional_manifest_replaces_nothing(self, bucket: Bucket, count: int) -> None:
        first, _ = two(bucket)
        options = PutOptions(0, meta(), if_absent=True)
        bucket.large_objects.put_static("large", [first] * count, options)
        assert bucket.head_object("large").size == count * len(A)
        with pytest.raises(PreconditionFailed):
            bucket.large_objects.put_static("large", [first], options)
        assert bucket.head_object("large").size == count * len(A)

    def test_plain_object_has_no_manifest(self, bucket: Bucket) -> None:
        put(bucket, "plain", A)
        for missing in ("plain", "absent"):
            with pytest.raises(NotFound):
                bucket.large_objects.manifest(missing)
            with pytest.raises(NotFound):
                bucket.manifests.get(missing)
        assert not bucket.manifests.has_any()
        bucket.manifests.put("plain", b"[]")
        bucket.manifests.delete("plain")
        assert read(bucket, "plain") == A

    def test_lost_segment_makes_a_read_fail(self, bucket: Bucket) -> None:
        segments = two(bucket)
        bucket.large_objects.put_static("large", segments, PutOptions(0, meta()))
        bucket.large_objects.segments("c_segments").delete_object("s/1")
        with pytest.raises(RemoteUnavailable, match="409"):
            read(bucket, "large")


class TestDynamic:
    def test_dlo_is_read_as_it_is_stored(self, bucket: Bucket) -> None:
        two(bucket)
        put_dlo(bucket, "c_segments/s/")
        with bucket.get_object("large", GetOptions(stored=True)) as found:
            assert read_all(found.body) == b"own"
        assert (found.info.etag, found.info.size) == (md5(b"own"), 3)
        there = bucket.large_objects.segments("c_segments").name
        assert found.info.meta.marks == {"x-object-manifest": f"{there}/s/"}

    def test_dlo_is_read_as_what_lies_below_its_prefix(self, bucket: Bucket) -> None:
        first, second = two(bucket)
        put(bucket.large_objects.segments("c_segments"), "other", b"x")
        put_dlo(bucket, "c_segments/s/")
        info = bucket.head_object("large")
        etag = joined_etag([first.md5, second.md5])
        assert (info.size, info.etag, info.md5) == (len(A + B), etag, None)
        assert info.meta.marks == {
            "swift-timestamp": VERSION.internal,
            "x-object-manifest": "c_segments/s/",
            "swift-source-dlo-etag": etag,
        }
        assert read(bucket, "large") == A + B
        assert bucket.large_objects.manifest("large").segments == (first, second)
        stored = Manifest.parse(bucket.manifests.get("large"))
        assert [each.path for each in stored.segments] == ["/c_segments/s/1", "/c_segments/s/\u00fc %41"]
        put(bucket.large_objects.segments("c_segments"), "s/0", b"new")
        assert read(bucket, "large") == b"new" + A + B
        assert bucket.head_object("large").meta.marks["swift-source-dlo-etag"] != etag

    def test_post_keeps_a_dlo(self, bucket: Bucket) -> None:
        two(bucket)
        put_dlo(bucket, "c_segments/s/")
        given = replace(meta(x_object_manifest="c_segments/s/"), user={"a": "b"})
        bucket.post_object("large", given)
        assert bucket.head_object("large").meta.user == {"a": "b"}
        assert read(bucket, "large") == A + B

    def test_dlo_that_is_kept_as_an_slo_counts_as_a_dlo(self, bucket: Bucket) -> None:
        segments = two(bucket)
        given = meta(x_object_manifest="c_segments/s/", swift_source_dlo_etag="0" * 32)
        bucket.large_objects.put_static("large", segments, PutOptions(0, given))
        assert bucket.head_object("large").meta.marks == given.marks
        bucket.post_object("large", replace(given, user={"a": "b"}))
        assert bucket.head_object("large").meta.marks == given.marks
        put(bucket.large_objects.segments("c_segments"), "s/0", b"new")
        assert read(bucket, "large") == A + B

    def test_dlo_without_segments_is_empty(self, bucket: Bucket) -> None:
        put_dlo(bucket, "nowhere/s/")
        assert read(bucket, "large") == b""
        assert bucket.large_objects.manifest("large").segments == ()


class TestWhoNames:
    def test_everything_that_names_an_object_is_found(self, bucket: Bucket, namer: SegmentNamer) -> None:
        segments = two(bucket)
        large = bucket.large_objects
        large.put_static("slo", segments, PutOptions(0, meta()))
        put_dlo(bucket, "c_segments/s/", "dlo", b"")
        put(bucket, "plain", A)
        put(bucket, "empty", b"")
        assert {namer.bucket, namer.remote("c_segments")} <= set(large.containers())
        page = large.list_manifests(namer.bucket, "")
        found = {key: large.named_by(namer.bucket, key) for key, _ in page.objects}
        places = frozenset((each.container, each.name) for each in segments)
        assert found.pop("slo") == Named(places)
        assert found.pop("dlo") == Named(below=(namer.remote("c_segments"), "s/"))
        assert found == {"empty": Named()}
        assert large.named_by(namer.bucket, "absent") == Named()

    def test_stamp_differs_after_each_write(self, bucket: Bucket, namer: SegmentNamer) -> None:
        segments = two(bucket)
        stamps = set()
        for number in (1, 2):
            bucket.large_objects.put_static("slo", segments[:number], PutOptions(0, meta()))
            stamps |= dict(bucket.large_objects.list_manifests(namer.bucket, "").objects).items()
        assert len(stamps) == 2
        assert bucket.large_objects.list_manifests(namer.bucket, "slo").objects == ()


def test_segments_outlive_the_manifest_that_needs_them(provider: Provider, name: str) -> None:
    """By a day, and from the later of both dates on, or from the manifest's own."""
    lifetime = Lifetime(seconds=10**9, offset=5, addition=86400)
    write = WriteOptions(segments=SegmentNamer("c", name), writer="01234567", lifetime=lifetime)
    large = provider.bucket(name, KeyNamer.plain(), write).large_objects
    version = VERSION.internal
    late, early = (ObjectMeta().marked(swift_timestamp=each.internal) for each in (LATER, Timestamp(1)))
    dates = [(None, VERSION.ceil_seconds() + 10**9), (late, LATER.ceil_seconds() + 10**9)]
    dates += [(early, VERSION.ceil_seconds() + 10**9), (late.marked(x_delete_at="5000000000"), 5_000_000_005)]
    for needed, expected in dates:
        segments = large.segments("c_segments", needed)
        put(segments, "s", A, swift_timestamp=version)
        assert segments.head_object("s").expires == expected + 86400
    large.segments("c_segments").post_object("s", ObjectMeta().marked(swift_timestamp=LATER.internal))
    assert large.remote(f"{name}_segments").head_object("s").expires == LATER.ceil_seconds() + 10**9 + 86400
    # its own row knows nothing of that
    own = provider.bucket(f"{name}_segments", KeyNamer.plain(), write)
    put(large.segments("c_segments", late), "s", A, swift_timestamp=version, swift_source="c_segments")
    own.post_object("s", ObjectMeta({}, {"a": "b"}).marked(swift_timestamp=version))
    found = own.head_object("s")
    assert found.expires == LATER.ceil_seconds() + 10**9 + 86400
    assert (found.meta.user, found.meta.marks["swift-source"]) == ({"a": "b"}, "c_segments")
    segment = Segment(f"{name}_segments", "s", len(A), md5(A))
    large.put_static("large", [segment], PutOptions(0, meta()))
    bucket = provider.bucket(name, KeyNamer.plain(), write)
    assert bucket.head_object("large").expires == VERSION.ceil_seconds() + 10**9


@pytest.mark.parametrize("provider", ["swift-native"], indirect=True)
def test_older_versions_name_their_segments(provider: Provider, name: str) -> None:
    large = provider.bucket(name, KeyNamer.plain()).large_objects
    segments = large.remote(f"{name}_segments")
    provider.create_bucket(name)
    large.remote(name).post_container({"X-Versions-Enabled": "true"})
    named = set()
    for each in ("1", "2"):
        put(segments, each, A)
        named.add((segments.name, each))
        large.put_static("o", [Segment(segments.name, each, len(A), md5(A))], PutOptions(0, meta()))
    listed, after = [], ""
    while (page := large.list_manifests(name, after)).next_after:
        listed += [each for each, _ in page.objects]
        after = page.next_after
    assert len(set(listed)) == 2
    assert {place for each in listed for place in large.named_by(name, each).places} == named


@pytest.mark.parametrize("provider", ["memory", "swift-native"], indirect=True)
def test_dlo_whose_segments_have_no_container_any_more_can_be_revealed(provider: Provider, name: str) -> None:
    """Swift answers 404 for it."""
    bucket = provider.bucket(name, KeyNamer.plain(), WriteOptions(segments=SegmentNamer("c", name)))
    bucket.put_object("dlo", BytesBody(b""), PutOptions(0, meta().marked(x_object_manifest="c_segments/s/")))
    bucket.put_object("plain", BytesBody(b"x"), PutOptions(1))
    with suppress(NotFound):
        provider.delete_bucket(f"{name}_segments")
    bucket.large_objects.reveal("dlo")
    assert bucket.head_object("dlo").meta.marks["x-object-manifest"] == "c_segments/s/"
    assert not bucket.large_objects.reveal("plain")
    assert not bucket.large_objects.reveal("absent")
