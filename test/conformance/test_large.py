"""What large objects need: stored manifests, parts copied inside the store, uploads that are listed."""

from __future__ import annotations

import time

import pytest

from conformance.samples import MIB, md5, names, put, read, sample
from conformance.targets import IN_PARTS, WITH_MANIFESTS, Target
from s3_sync.errors import NotFound, NotSupported, PreconditionFailed, RemoteError
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ByteRange, ObjectMeta
from s3_sync.providers.base import Bucket, Part, Provider
from s3_sync.streams.reader import BytesBody

PART = 5 * MIB
in_parts = pytest.mark.parametrize("target", IN_PARTS, indirect=True)


@pytest.mark.parametrize("target", WITH_MANIFESTS, indirect=True)
class TestStoredManifest:
    @pytest.mark.parametrize("name", ["large", "\u00fc/\u2603 %41+ &", "a" * 900])
    def test_get_manifest_returns_the_bytes_of_put_manifest(self, bucket: Bucket, name: str) -> None:
        for manifest in (b"[]", b'[{"name": "/c/\\u00fc"}] ', sample(200_000)):
            bucket.manifests.put(name, manifest)
            assert bucket.manifests.get(name) == manifest
        assert names(bucket) == []

    def test_get_manifest_without_one_raises_not_found(self, bucket: Bucket) -> None:
        put(bucket, "large")
        with pytest.raises(NotFound):
            bucket.manifests.get("large")
        bucket.manifests.delete("large")
        assert read(bucket, "large") == b"x"

    def test_put_manifest_stores_json_under_the_manifest_key(self, bucket: Bucket, keys: Bucket) -> None:
        bucket.manifests.put("large", b"[]")
        info = keys.head_object(bucket.namer.manifest_key("large"))
        assert info.meta == ObjectMeta({"content-type": "application/json"})
        assert info.size == 2

    def test_delete_manifest_keeps_the_object(self, bucket: Bucket) -> None:
        put(bucket, "large")
        bucket.manifests.put("large", b"[]")
        bucket.manifests.put("other", b"[1]")
        bucket.manifests.delete("large")
        with pytest.raises(NotFound):
            bucket.manifests.get("large")
        assert read(bucket, "large") == b"x"
        assert bucket.manifests.get("other") == b"[1]"

    def test_has_manifests_until_the_object_is_deleted(self, bucket: Bucket) -> None:
        put(bucket, "large")
        assert not bucket.manifests.has_any()
        bucket.manifests.put("large", b"[]")
        assert bucket.manifests.has_any()
        bucket.delete_object("large")
        assert not bucket.manifests.has_any()

    def test_manifest_in_a_missing_bucket_raises_not_found(
        self, provider: Provider, namer: KeyNamer, container_name: str
    ) -> None:
        bucket = provider.bucket(container_name, namer)
        with pytest.raises(NotFound):
            bucket.manifests.put("large", b"[]")
        with pytest.raises(NotFound):
            bucket.manifests.get("large")


def upload(bucket: Bucket, pieces: list[bytes]) -> None:
    """An object of these parts, without metadata."""
    handle = bucket.create_upload("object", ObjectMeta())
    parts: list[Part] = []
    for number, piece in enumerate(pieces, 1):
        parts.append(handle.upload_part(number, BytesBody(piece), len(piece)))
    handle.complete(parts)


@in_parts
class TestCopyPart:
    def test_copied_parts_make_the_same_object_with_new_metadata(
        self, bucket: Bucket, target: Target
    ) -> None:
        pieces = [sample(PART), sample(PART + 1, 1), sample(3, 2)]
        upload(bucket, pieces)
        before = bucket.head_object("object")
        handle = bucket.create_upload("object", ObjectMeta({"content-type": "text/new"}, {"a": "b"}))
        if target.quirks.copies_no_parts:
            with pytest.raises(NotSupported):
                handle.copy_part(1, ByteRange(0, PART - 1), before.etag)
            handle.abort()
            return
        parts: list[Part] = []
        first = 0
        for number, piece in enumerate(pieces, 1):
            byte_range = ByteRange(first, first + len(piece) - 1)
            parts.append(handle.copy_part(number, byte_range, before.etag))
            first += len(piece)
        assert [(part.number, part.etag, part.size) for part in parts] == [
            (number, md5(piece), len(piece)) for number, piece in enumerate(pieces, 1)
        ]
        handle.complete(parts)
        after = bucket.head_object("object")
        assert after.meta == ObjectMeta({"content-type": "text/new"}, {"a": "b"})
        assert (after.size, after.etag) == (before.size, before.etag)
        assert read(bucket, "object") == b"".join(pieces)

    def test_copy_part_of_another_version_raises_precondition_failed(
        self, bucket: Bucket, target: Target
    ) -> None:
        put(bucket, "object", sample(PART))
        handle = bucket.create_upload("object", ObjectMeta())
        byte_range = ByteRange(0, PART - 1)
        if "copy_part" in target.quirks.ignores_if_match:
            assert handle.copy_part(1, byte_range, md5(b"other")).etag == md5(sample(PART))
        else:
            with pytest.raises((PreconditionFailed, NotSupported)):
                handle.copy_part(1, byte_range, md5(b"other"))
        handle.abort()

    @pytest.mark.parametrize(("name", "other"), [("a%20b", "a b"), ("a?versionId=3", "a"), ("%", "a")])
    def test_copy_part_of_a_name_that_looks_encoded_copies_no_other_object(
        self, bucket: Bucket, target: Target, name: str, other: str
    ) -> None:
        put(bucket, other, b"other")
        put(bucket, name, b"right")
        handle = bucket.create_upload(name, ObjectMeta())
        if target.quirks.copies_no_encoded_parts:
            with pytest.raises(NotSupported):
                handle.copy_part(1, ByteRange(0, 4))
        else:
            assert handle.copy_part(1, ByteRange(0, 4)).etag == md5(b"right")
        handle.abort()

    def test_copy_part_of_missing_object_raises_remote_error(self, bucket: Bucket) -> None:
        handle = bucket.create_upload("object", ObjectMeta())
        with pytest.raises(RemoteError):
            handle.copy_part(1, ByteRange(0, 9))
        handle.abort()


@in_parts
class TestListUploads:
    def test_list_uploads_returns_own_uploads_until_they_are_aborted(
        self, bucket: Bucket, provider: Provider, namer: KeyNamer, target: Target
    ) -> None:
        if not target.quirks.lists_uploads:
            handle = bucket.create_upload("a", ObjectMeta())
            handle.upload_part(1, BytesBody(b"part"), 4)
            assert list(bucket.list_uploads()) == list(bucket.list_uploads("a")) == []
            bucket.upload_by_id("a", handle.upload_id).abort()
            return
        other = provider.bucket(bucket.name, KeyNamer.literal(f"other-{namer.prefix}"))
        theirs = other.create_upload("a", ObjectMeta())
        names = ("a", "a", "b/\u00fc &")
        begun = {bucket.create_upload(name, ObjectMeta()).upload_id: name for name in names}
        listed = list(bucket.list_uploads())
        assert {upload.upload_id: upload.name for upload in listed} == begun
        now = all(abs(upload.begun - time.time()) < 60 for upload in listed)
        assert now is not target.quirks.constant_begin
        for name in ("a", "b", "b/\u00fc &"):
            found = {upload.upload_id: upload.name for upload in bucket.list_uploads(name)}
            assert found == {upload_id: each for upload_id, each in begun.items() if each == name}
        for upload in listed:
            bucket.upload_by_id(upload.name, upload.upload_id).abort()
        assert list(bucket.list_uploads()) == []
        assert [upload.upload_id for upload in other.list_uploads()] == [theirs.upload_id]
        theirs.abort()
