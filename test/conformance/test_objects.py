"""Bytes in, bytes out: sizes, ranges, digests, deletes."""

from __future__ import annotations

import time

import pytest

from conformance.samples import MIB, OnceBody, md5, names, put, read, read_after_failure, sample
from conformance.targets import WITH_MANIFESTS, Target
from s3_sync.errors import (
    BadDigest,
    InvalidRequest,
    NotFound,
    NotSupported,
    PreconditionFailed,
    RemoteUnavailable,
    UnexpectedAnswer,
)
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ByteRange, GetOptions, PutOptions
from s3_sync.providers.base import Bucket, ListQuery, Provider
from s3_sync.streams.reader import BytesBody, read_all

CHUNK = 64 * 1024
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, MIB, MIB + 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1]


@pytest.mark.parametrize("size", SIZES)
def test_put_of_any_size_reads_back_the_same_bytes(bucket: Bucket, target: Target, size: int) -> None:
    data = sample(size)
    result = bucket.put_object("object", BytesBody(data), PutOptions(size, md5=md5(data)))
    info = bucket.head_object("object")
    assert (info.size, info.etag, info.md5) == (size, result.etag, md5(data))
    assert target.quirks.opaque_etags or result.etag == md5(data)
    with bucket.get_object("object") as got:
        assert (got.info.size, got.info.md5, got.byte_range, got.body.length) == (size, md5(data), None, size)
        assert read_all(got.body) == data
        assert got.body.read(1) == b""


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1, 2 * MIB])
def test_put_without_a_known_md5_computes_it(bucket: Bucket, target: Target, size: int) -> None:
    data = sample(size)
    result = bucket.put_object("object", OnceBody(data), PutOptions(size))
    assert target.quirks.opaque_etags or result.etag == md5(data)
    assert bucket.head_object("object").md5 == md5(data)
    assert read(bucket, "object") == data


def test_last_modified_of_a_new_object_is_now(bucket: Bucket, target: Target) -> None:
    put(bucket, "object")
    assert abs(bucket.head_object("object").last_modified - time.time()) < 10
    (listed,) = bucket.list_objects(ListQuery()).objects
    assert abs(listed.last_modified - time.time()) < 10


@pytest.mark.parametrize("size", [10, 2 * MIB])
def test_put_with_wrong_md5_raises_bad_digest(bucket: Bucket, target: Target, size: int) -> None:
    put(bucket, "object", b"before")
    options = PutOptions(size, md5=md5(b"anything else"))
    with pytest.raises(BadDigest):
        bucket.put_object("object", OnceBody(sample(size)), options)
    # what is small is checked before it is sent; a larger one the store must check
    replaced = target.quirks.checks_nothing and size > CHUNK
    assert (read(bucket, "object") == b"before") is not replaced


@pytest.mark.parametrize("size", [1, CHUNK, 2 * MIB])
@pytest.mark.parametrize("difference", [-1, 1, 70_000])
def test_put_of_a_wrong_length_keeps_the_old_object(bucket: Bucket, size: int, difference: int) -> None:
    put(bucket, "object", b"before")
    with pytest.raises(BadDigest):
        bucket.put_object("object", OnceBody(sample(max(0, size + difference))), PutOptions(size))
    assert read_after_failure(bucket, "object") == b"before"
    put(bucket, "object", b"after")
    assert read_after_failure(bucket, "object") == b"after"


@pytest.mark.parametrize("size", [100, 3 * MIB])
def test_put_of_a_body_that_breaks_keeps_the_old_object(bucket: Bucket, size: int) -> None:
    class Breaking(OnceBody):
        def read(self, size: int = -1) -> bytes:
            if self.reads > 1:
                raise ConnectionResetError("the source is gone")
            return super().read(min(size, 50) if size > 0 else 50)

    put(bucket, "object", b"before")
    with pytest.raises((ConnectionResetError, RemoteUnavailable)):
        bucket.put_object("object", Breaking(sample(size)), PutOptions(size))
    assert read_after_failure(bucket, "object") == b"before"


def test_put_over_an_object_replaces_it(bucket: Bucket) -> None:
    put(bucket, "object", b"first")
    put(bucket, "object", b"second, and longer")
    assert read(bucket, "object") == b"second, and longer"
    assert names(bucket) == ["object"]


@pytest.mark.parametrize(
    ("byte_range", "first", "last"),
    [
        (ByteRange(0, 0), 0, 0),
        (ByteRange(0, 99), 0, 99),
        (ByteRange(10, 19), 10, 19),
        (ByteRange(99), 99, 99),
        (ByteRange(50), 50, 99),
        (ByteRange(90, 1000), 90, 99),
    ],
)
def test_get_of_a_range_reads_exactly_its_bytes(
    bucket: Bucket, byte_range: ByteRange, first: int, last: int
) -> None:
    data = sample(100)
    put(bucket, "object", data)
    with bucket.get_object("object", GetOptions(byte_range)) as result:
        assert result.byte_range == (first, last)
        assert result.info.size == 100
        assert result.body.length == last - first + 1
        assert read_all(result.body) == data[first : last + 1]


@pytest.mark.parametrize(("size", "first"), [(100, 100), (100, 5000), (0, 0)])
def test_get_of_a_range_outside_the_object_fails_with_416(
    bucket: Bucket, target: Target, size: int, first: int
) -> None:
    put(bucket, "object", sample(size))
    kind = UnexpectedAnswer if target.quirks.breaks_ranges and first <= size else InvalidRequest
    with pytest.raises(kind) as refusal, bucket.get_object("object", GetOptions(ByteRange(first))):
        pass
    if kind is UnexpectedAnswer:
        return
    assert refusal.value.status == 416


@pytest.mark.parametrize("byte_range", [None, ByteRange(5, 70_000)])
def test_rewound_read_starts_again(bucket: Bucket, byte_range: ByteRange | None) -> None:
    data = sample(100_000)
    put(bucket, "object", data)
    wanted = data if byte_range is None else data[5:70_001]
    with bucket.get_object("object", GetOptions(byte_range)) as result:
        assert result.body.read(10) == wanted[:10]
        result.body.rewind()
        assert read_all(result.body) == wanted
        result.body.rewind()
        assert read_all(result.body) == wanted


def test_rewind_of_an_overwritten_object_raises_precondition_failed(bucket: Bucket) -> None:
    put(bucket, "object", sample(100_000))
    with bucket.get_object("object") as result:
        result.body.read(10)
        put(bucket, "object", sample(100_000, seed=1))
        with pytest.raises(PreconditionFailed):
            result.body.rewind()


def test_missing_object_raises_not_found_except_for_delete(bucket: Bucket) -> None:
    with pytest.raises(NotFound):
        bucket.head_object("nothing")
    with pytest.raises(NotFound), bucket.get_object("nothing"):
        pass
    bucket.delete_object("nothing")  # False or True, but no error


def test_delete_removes_only_the_given_object(bucket: Bucket) -> None:
    put(bucket, "object")
    put(bucket, "object2")
    assert bucket.delete_object("object")
    assert names(bucket) == ["object2"]


@pytest.mark.parametrize("target", WITH_MANIFESTS, indirect=True)
def test_delete_removes_the_stored_manifest_too(bucket: Bucket, keys: Bucket) -> None:
    manifest = bucket.namer.manifest_key("large")
    put(bucket, "large")
    put(keys, manifest, b"[]")
    put(keys, bucket.namer.manifest_key("other"), b"[]")
    assert bucket.delete_object("large")
    with pytest.raises(NotFound):
        keys.head_object(manifest)
    assert keys.head_object(bucket.namer.manifest_key("other")).size == 2


@pytest.mark.parametrize("target", WITH_MANIFESTS, indirect=True)
def test_delete_of_missing_object_removes_its_manifest(bucket: Bucket, keys: Bucket) -> None:
    manifest = bucket.namer.manifest_key("large")
    put(keys, manifest, b"[]")
    bucket.delete_object("large")
    with pytest.raises(NotFound):
        keys.head_object(manifest)


def test_delete_objects_removes_the_given_objects_and_manifests(bucket: Bucket, keys: Bucket) -> None:
    if not bucket.features.bulk_delete:
        with pytest.raises(NotSupported):
            bucket.delete_objects(["object"])
        return
    for name in ("one", "two & <three>", "ü", "kept"):
        put(bucket, name)
    put(keys, bucket.namer.manifest_key("one"), b"[]")
    assert bucket.delete_objects(["one", "two & <three>", "ü", "nothing"]) == {}
    assert names(bucket) == ["kept"]
    with pytest.raises(NotFound):
        keys.head_object(bucket.namer.manifest_key("one"))


def test_missing_bucket_raises_not_found_in_every_method(
    provider: Provider, namer: KeyNamer, container_name: str, target: Target
) -> None:
    bucket = provider.bucket(container_name, namer)
    if target.quirks.creates_buckets:
        assert bucket.list_objects(ListQuery()).objects == ()
        assert not bucket.delete_object("object")
        with pytest.raises(NotFound):
            bucket.head_object("object")
        put(bucket, "object", sample(2 * MIB))
        assert names(bucket) == ["object"]
        return
    for size in (3, 2 * MIB):
        with pytest.raises(NotFound):
            put(bucket, "object", sample(size))
    with pytest.raises(NotFound):
        bucket.head_object("object")
    with pytest.raises(NotFound), bucket.get_object("object"):
        pass
    with pytest.raises(NotFound):
        bucket.list_objects(ListQuery())
    if target.quirks.hides_missing_buckets:
        assert not bucket.delete_object("object")
        return
    with pytest.raises(NotFound):
        bucket.delete_object("object")
