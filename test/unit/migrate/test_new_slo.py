"""How an object of a store becomes an SLO here: what is written, what is proved, and what a failure
leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from threading import Thread
from typing import Any

import pytest

from s3_sync.errors import (
    BadDigest,
    LocalChanged,
    LocalUnavailable,
    PreconditionFailed,
    RemoteUnavailable,
    UnexpectedAnswer,
)
from s3_sync.largeobject.manifest import multipart_etag
from s3_sync.migrate.large.job import LargeServices
from s3_sync.migrate.large_copying import LargeCopier
from s3_sync.model.keys import KeyNamer
from s3_sync.model.migration import OWNER, SOURCE_ETAG
from s3_sync.model.objects import GetOptions, ObjectInfo, ObjectMeta, PutOptions
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import GetResult
from s3_sync.providers.memory import MemoryBucket, MemoryProvider
from s3_sync.providers.store_limits import Limits as StoreLimits
from s3_sync.providers.wrappers.delegate import DelegatingBucket
from s3_sync.runtime.concurrency import SerialPool
from s3_sync.streams.hashing import new_digest
from s3_sync.streams.reader import BytesBody
from s3_sync.transfer.restore import Limits
from unit.migrate.local_cluster import LocalCluster, md5

VERSION = Timestamp.parse("1700000000.12345")
HEADERS = {"content-type": "text/x", OWNER: VERSION.internal}
PARTS = [b"a" * 10, b"b" * 10, b"c" * 3]


class Source(DelegatingBucket):
    """``on_get``: may replace what a GET returns. ``tells_parts``: knows part numbers. ``known``: what the
    store says about each object."""

    def __init__(self, bucket: MemoryBucket) -> None:
        super().__init__(bucket, lambda function, body=None: function())
        self.gets: list[GetOptions] = []
        self.on_get: Callable[[GetOptions, GetResult], GetResult] = lambda options, result: result
        self.known: dict[str, Any] = {}

    def head_object(self, name: str) -> ObjectInfo:
        return replace(super().head_object(name), **self.known)

    def get_object(self, name: str, options: GetOptions = GetOptions()) -> GetResult:  # noqa: B008
        self.gets.append(options)
        result = super().get_object(name, options)
        result.info = replace(result.info, **self.known)
        return self.on_get(options, result)


@pytest.fixture
def source() -> Source:
    provider = MemoryProvider(limits=StoreLimits(min_part=1))
    provider.create_bucket("b")
    return Source(provider.bucket("b", KeyNamer.plain()))


class Clock:
    seconds = 1800000000.0

    def now(self) -> float:
        self.seconds += 1
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def local(clock: Clock) -> LocalCluster:
    cluster = LocalCluster(clock.now)
    cluster.containers.add("c")
    return cluster


def upload(source: Source, *parts: bytes) -> None:
    upload = source.create_upload("o", ObjectMeta())
    upload.complete(
        [upload.upload_part(number, BytesBody(part), len(part)) for number, part in enumerate(parts, 1)]
    )


def put(source: Source, data: bytes) -> None:
    source.put_object("o", BytesBody(data), PutOptions(len(data)))


def copier(source: Source, local: LocalCluster, clock: Clock, **changes: Any) -> LargeCopier:
    limits = Limits(max_object=20, max_segments=1000, segment_size=7)
    services = LargeServices(source, local.writer, limits, SerialPool(), now=clock.now)
    return LargeCopier(replace(services, **changes))


def run(
    source: Source, local: LocalCluster, clock: Clock, version: Timestamp = VERSION, **changes: Any
) -> int:
    info = source.head_object("o")
    headers = {**HEADERS, OWNER: version.internal}
    return copier(source, local, clock, **changes).copy("c", info, version, headers)


def read(local: LocalCluster) -> bytes:
    """The bytes of the SLO, as slo would join them."""
    stored = local.objects["c/o"]
    entries = json.loads(stored.data)
    parts = [local.objects[entry["name"].lstrip("/")].data for entry in entries]
    assert [(md5(part), len(part)) for part in parts] == [(each["hash"], each["bytes"]) for each in entries]
    assert stored.headers["x-object-sysmeta-slo-etag"] == md5("".join(map(md5, parts)).encode())
    assert stored.headers["x-object-sysmeta-slo-size"] == str(sum(map(len, parts)))
    return b"".join(parts)


def test_parts_become_segments_and_the_etag_a_mark(source: Source, local: LocalCluster, clock: Clock) -> None:
    upload(source, *PARTS)
    assert run(source, local, clock) == 23
    assert read(local) == b"".join(PARTS)
    base = "o/1700000000.12345/23/10"
    assert local.names("c_segments") == [f"{base}/{number:08d}" for number in (1, 2, 3)]
    manifest = local.objects["c/o"]
    etag = multipart_etag(map(md5, PARTS))
    raw, joined = md5(manifest.data), manifest.headers["x-object-sysmeta-slo-etag"]
    assert manifest.timestamp == VERSION
    keys = (SOURCE_ETAG, OWNER, "x-static-large-object", "content-type")
    assert {key: manifest.headers[key] for key in keys} == {
        SOURCE_ETAG: etag,
        OWNER: VERSION.internal,
        "x-static-large-object": "True",
        "content-type": "text/x;swift_bytes=23",
    }
    row = manifest.headers["x-object-sysmeta-container-update-override-etag"]
    assert row == f"{raw}; s3_etag={etag}; slo_etag={joined}"
    segment = local.objects[f"c_segments/{base}/00000001"]
    assert set(segment.headers) - {"Content-Length"} == {"x-timestamp"}
    assert [options.part for options in source.gets] == [1, 2, 3]
    assert {options.if_match for options in source.gets} == {etag}
    assert local.log[-1] == "PUT c/o"


def test_parts_larger_than_an_object_are_cut_and_checked(
    source: Source, local: LocalCluster, clock: Clock
) -> None:
    upload(source, b"a" * 30, b"b" * 5)
    run(source, local, clock)
    assert read(local) == b"a" * 30 + b"b" * 5
    assert {len(local.objects[f"c_segments/{name}"].data) for name in local.names("c_segments")} == {18, 17}


def test_parts_that_do_not_make_the_etag_leave_nothing(
    source: Source, local: LocalCluster, clock: Clock
) -> None:
    upload(source, *PARTS)

    def damage(options: GetOptions, result: GetResult) -> GetResult:
        if options.part == 2:
            result.body = BytesBody(b"B" * 10)
        return result

    source.on_get = damage
    with pytest.raises(BadDigest, match="ETag of the parts"):
        run(source, local, clock)
    assert local.objects == {}


def test_object_that_was_replaced_meanwhile_leaves_nothing(
    source: Source, local: LocalCluster, clock: Clock
) -> None:
    upload(source, *PARTS)

    def replaced(options: GetOptions, result: GetResult) -> GetResult:
        if options.part == 3:
            result.info = replace(result.info, etag="another")
        return result

    source.on_get = replaced
    with pytest.raises(PreconditionFailed):
        run(source, local, clock)
    assert local.objects == {}


@pytest.mark.parametrize("error", [RemoteUnavailable("lost"), KeyboardInterrupt()])
def test_failure_of_a_part_leaves_nothing(
    source: Source, local: LocalCluster, clock: Clock, error: BaseException
) -> None:
    upload(source, *PARTS)

    def fail(options: GetOptions, result: GetResult) -> GetResult:
        if options.part == 2:
            raise error
        return result

    source.on_get = fail
    with pytest.raises(type(error)):
        run(source, local, clock)
    assert local.objects == {}


def test_manifest_that_is_refused_leaves_no_segments(
    source: Source, local: LocalCluster, clock: Clock
) -> None:
    upload(source, *PARTS)
    local.containers.clear()
    with pytest.raises(LocalChanged):
        run(source, local, clock)
    assert local.objects == {}


def test_segments_of_another_attempt_are_overwritten_and_outlive_a_failure(
    source: Source, local: LocalCluster, clock: Clock
) -> None:
    upload(source, *PARTS)
    run(source, local, clock)
    del local.objects["c/o"]  # as after a kill just before the manifest
    before = dict(local.objects)

    def refuse(method: str, path: str) -> None:
        if (method, path) == ("PUT", "c/o"):
            raise LocalUnavailable("down")

    local.before = refuse
    with pytest.raises(LocalUnavailable):
        run(source, local, clock)
    assert local.objects.keys() == before.keys()
    assert all(local.objects[path].timestamp > before[path].timestamp for path in before)


def test_segments_that_another_attempt_has_overwritten_outlive_a_failure(
    source: Source, local: LocalCluster, clock: Clock
) -> None:
    upload(source, *PARTS)

    def overtaken(method: str, path: str) -> None:
        if (method, path) == ("PUT", "c/o"):
            local.before = lambda method, path: None
            run(source, local, clock)

    local.before = overtaken
    with pytest.raises(LocalChanged):
        run(source, local, clock)
    assert read(local) == b"".join(PARTS)


def test_segment_of_another_attempt_that_was_earlier_outlives_a_failure(
    source: Source, local: LocalCluster, clock: Clock
) -> None:
    upload(source, b"one part")

    class Overtaken(BytesBody):
        def read(self, size: int = -1) -> bytes:
            source.on_get = lambda options, result: result
            run(source, local, clock, now=lambda: 1790000000.0)
            raise RemoteUnavailable("lost")

    def fail(options: GetOptions, result: GetResult) -> GetResult:
        result.body = Overtaken(b"one part")
        return result

    source.on_get = fail
    with pytest.raises(RemoteUnavailable):
        run(source, local, clock)
    assert read(local) == b"one part"


def test_parts_that_are_not_those_that_were_requested_leave_nothing(
    source: Source, local: LocalCluster, clock: Clock
) -> None:
    upload(source, *PARTS)

    def misplaced(options: GetOptions, result: GetResult) -> GetResult:
        if options.part == 3:
            result.byte_range = (0, 2)
        return result

    source.on_get = misplaced
    with pytest.raises(UnexpectedAnswer, match="begins at 0, not at 20"):
        run(source, local, clock)
    assert local.objects == {}


def test_object_that_is_as_new_here_is_not_read(source: Source, local: LocalCluster, clock: Clock) -> None:
    upload(source, *PARTS)
    run(source, local, clock)
    source.gets.clear()
    with pytest.raises(LocalChanged):
        run(source, local, clock)
    assert source.gets == []


def test_too_large_object_is_cut_into_segments(source: Source, local: LocalCluster, clock: Clock) -> None:
    put(source, b"0123456789" * 3)
    run(source, local, clock)
    assert read(local) == b"0123456789" * 3
    assert local.names("c_segments")[-1] == "o/1700000000.12345/30/7/00000005"
    assert "s3_etag" not in local.objects["c/o"].headers["x-object-sysmeta-container-update-override-etag"]


@pytest.mark.parametrize("digest", ["md5", "crc32c"])
@pytest.mark.parametrize("size", [15, 30])
def test_bytes_with_another_digest_leave_nothing(
    source: Source, local: LocalCluster, clock: Clock, digest: str, size: int
) -> None:
    put(source, b"x" * size)
    source.known = {"md5": None, digest: "0" * (32 if digest == "md5" else 8)}
    with pytest.raises(BadDigest):
        run(source, local, clock)
    assert local.objects == {}


def test_object_with_a_crc32c_only_stays_one_object(
    source: Source, local: LocalCluster, clock: Clock
) -> None:
    put(source, b"composed")
    crc = new_digest("crc32c")
    crc.update(b"composed")
    source.known = {"md5": None, "crc32c": crc.hexdigest()}
    run(source, local, clock)
    assert local.objects["c/o"].data == b"composed"
    assert local.objects["c/o"].headers[SOURCE_ETAG] == md5(b"composed")
    assert local.names("c_segments") == []


class TestUnknownParts:
    """The store does not tell the parts."""

    @pytest.fixture(autouse=True)
    def hide(self, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(MemoryBucket, "features", replace(MemoryBucket.features, reads_parts=False))

    def test_object_is_cut_as_it_was_probably_uploaded(
        self, source: Source, local: LocalCluster, clock: Clock
    ) -> None:
        parts = [b"a" * 8, b"b" * 8, b"c" * 8]
        upload(source, *parts)
        run(source, local, clock)
        assert read(local) == b"".join(parts)
        assert len(source.gets) == 2  # one of them for a part

    def test_other_parts_make_it_read_twice(self, source: Source, local: LocalCluster, clock: Clock) -> None:
        upload(source, b"a" * 3, b"b" * 10)
        run(source, local, clock)
        assert read(local) == b"a" * 3 + b"b" * 10
        assert len(source.gets) == 3

    def test_two_reads_that_differ_leave_nothing(
        self, source: Source, local: LocalCluster, clock: Clock
    ) -> None:
        upload(source, b"a" * 3, b"b" * 10)

        def damage(options: GetOptions, result: GetResult) -> GetResult:
            if len(source.gets) == 3:
                result.body = BytesBody(b"z" * 13)
            return result

        source.on_get = damage
        with pytest.raises(BadDigest, match="two reads"):
            run(source, local, clock)
        assert local.objects == {}


class SmallPool(SerialPool):
    """Two threads."""

    def map(self, function: Any, items: Any, timeout: float | None = None) -> list[Any]:
        left, results = list(enumerate(items)), {}

        def work() -> None:
            while left:
                number, item = left.pop()
                results[number] = function(item)

        threads = [Thread(target=work) for _ in range(2)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        return [results[number] for number in sorted(results)]


def test_a_thousand_parts_need_no_more_threads_than_the_pool_has(
    source: Source, local: LocalCluster, clock: Clock
) -> None:
    parts = [b"%05d" % number for number in range(1100)]
    upload(source, *parts)
    run(source, local, clock, parts=SmallPool())
    assert read(local) == b"".join(parts)
