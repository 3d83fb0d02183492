"""Writes: blocks proved by CRC64, of one writer only, and what Azure refuses."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace

import pytest
from azure.storage.extensions.checksums import crc64
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_sync.errors import (
    AccessDenied,
    Archived,
    BadDigest,
    InvalidRequest,
    NotFound,
    ObjectLocked,
    PreconditionFailed,
    RemoteUnavailable,
    Throttled,
    UnexpectedAnswer,
)
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.providers.azure import blocks
from s3_sync.providers.azure.blocks import block_id, crc64_of
from s3_sync.providers.azure.bucket import AzureBucket
from s3_sync.providers.base import Part, Retrieval
from s3_sync.providers.wrappers.delegate import DelegatingProvider
from s3_sync.providers.wrappers.retry import RetryPolicy
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import BytesBody, read_all
from servers.fake_azure import FakeAzure
from servers.fake_azure_store import Refused
from unit.providers.azure.conftest import NewBucket, put

LARGE = bytes(range(256)) * 5000


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(blocks, "BLOCK", 500_000)
    return 500_000


def read(bucket: AzureBucket, name: str) -> bytes:
    with bucket.get_object(name) as result:
        return read_all(result.body)


@given(st.binary(max_size=5000))
@settings(deadline=None)
def test_crc64_is_that_of_azure(data: bytes) -> None:
    assert base64.b64decode(crc64_of(data)) == crc64.compute(data, 0).to_bytes(8, "little")


def test_crc64_of_the_usual_digits() -> None:
    assert crc64_of(b"123456789") == "iJh5CoYUi64="


def test_ids_of_blocks_are_of_one_length_and_of_one_attempt() -> None:
    ids = {block_id(attempt, number, index) for attempt in ("0" * 32, "f" * 32) for number in (0, 9_999)
           for index in (0, 49)}  # fmt: skip
    assert len(ids) == 8
    assert {len(base64.b64decode(each)) for each in ids} == {24}


class TestLargeObjects:
    def test_object_is_cut_into_blocks(
        self, service: FakeAzure, bucket: AzureBucket, small_blocks: int
    ) -> None:
        put(bucket, "o", LARGE)
        blob = service.store.containers["box"].blobs["o"]
        assert [len(data) for _, data in blob.blocks] == [500_000, 500_000, 280_000]
        assert bucket.head_object("o").md5 == md5_hex(LARGE)

    @pytest.mark.parametrize("answer", [lambda _: "AAAAAAAAAAA=", lambda _: None])
    @pytest.mark.parametrize("data", [b"small", LARGE])
    def test_wrong_or_missing_crc64_is_no_success(
        self,
        service: FakeAzure,
        bucket: AzureBucket,
        answer: Callable[[str], str | None],
        data: bytes,
        small_blocks: int,
    ) -> None:
        put(bucket, "o", b"before")
        service.faults.crc64 = answer
        with pytest.raises((BadDigest, UnexpectedAnswer)):
            put(bucket, "o", data)
        service.faults.crc64 = None
        if data is LARGE:  # nothing was committed
            assert read(bucket, "o") == b"before"

    def test_wrong_md5_commits_nothing(self, bucket: AzureBucket, small_blocks: int) -> None:
        put(bucket, "o", b"before")
        with pytest.raises(BadDigest):
            bucket.put_object("o", BytesBody(LARGE), PutOptions(len(LARGE), md5=md5_hex(b"other")))
        assert read(bucket, "o") == b"before"

    def test_rights_that_are_lost_before_the_commit_replace_nothing(
        self, service: FakeAzure, bucket: AzureBucket, small_blocks: int
    ) -> None:
        put(bucket, "o", b"before")

        def refuse(method: str, path: str, query: dict[str, str]) -> None:
            if query.get("comp") == "blocklist":
                raise Refused(403, "AuthorizationPermissionMismatch")

        service.faults.refuse = refuse
        with pytest.raises(AccessDenied) as refusal:
            put(bucket, "o", LARGE)
        assert refusal.value.reason == "remote_denied"
        service.faults.refuse = None
        assert read(bucket, "o") == b"before"
        put(bucket, "o", LARGE)
        assert service.store.containers["box"].uncommitted == {}

    def test_commit_that_has_lost_its_blocks_is_tried_again(
        self, service: FakeAzure, bucket: AzureBucket
    ) -> None:
        other, wins = bucket._blocks, [True]

        def refuse(method: str, path: str, query: dict[str, str]) -> None:
            if query.get("comp") == "blocklist" and wins:
                wins.clear()
                service.store.container("box").uncommitted.pop("o")  # as any other write does

        service.faults.refuse = refuse
        with pytest.raises(RemoteUnavailable) as lost:
            put(bucket, "o", LARGE)
        assert lost.value.code == "InvalidBlockList"
        put(bucket, "o", LARGE)
        assert read(bucket, "o") == LARGE
        assert other is bucket._blocks

    def test_retries_send_an_object_again_that_has_lost_its_blocks(
        self, service: FakeAzure, new_bucket: NewBucket
    ) -> None:
        lost = [True]

        def refuse(method: str, path: str, query: dict[str, str]) -> None:
            if query.get("comp") == "blocklist" and lost:
                lost.clear()
                service.store.container("box").uncommitted.clear()

        service.faults.refuse = refuse
        inner = new_bucket()
        retry = RetryPolicy(attempts=3, base=0.001)
        provider = DelegatingProvider(_Only(inner), retry.call)
        put(provider.bucket("box", inner.namer), "o", LARGE)
        assert read(inner, "o") == LARGE


class _Only:
    """A provider of one bucket."""

    def __init__(self, bucket: AzureBucket) -> None:
        self._bucket = bucket

    def bucket(self, *_: object) -> AzureBucket:
        return self._bucket


class TestTwoWriters:
    def test_the_second_commit_fails_and_no_block_is_mixed(
        self, service: FakeAzure, bucket: AzureBucket
    ) -> None:
        one, other = (bucket.create_upload("o", ObjectMeta()) for _ in range(2))
        sent = [
            upload.upload_part(1, BytesBody(data), 4) for upload, data in ((one, b"1111"), (other, b"2222"))
        ]
        other.complete(sent[1:])
        with pytest.raises(NotFound) as lost:
            one.complete(sent[:1])
        assert lost.value.code == "NoSuchUpload"
        assert read(bucket, "o") == b"2222"

    def test_part_that_is_sent_again_counts_once(self, service: FakeAzure, bucket: AzureBucket) -> None:
        upload = bucket.create_upload("o", ObjectMeta())
        upload.upload_part(1, BytesBody(b"old, and longer"), 15)
        parts = [upload.upload_part(1, BytesBody(b"new"), 3), upload.upload_part(2, BytesBody(b"!"), 1)]
        upload.complete(parts)
        assert read(bucket, "o") == b"new!"
        assert service.store.containers["box"].uncommitted == {}

    def test_part_that_was_not_sent_by_this_process_is_refused(self, bucket: AzureBucket) -> None:
        upload = bucket.create_upload("o", ObjectMeta())
        part = upload.upload_part(1, BytesBody(b"x"), 1)
        with pytest.raises(BadDigest):
            upload.complete([part, Part(2, md5_hex(b"y"), 1, md5_hex(b"y"))])
        with pytest.raises(NotFound):
            bucket.upload_by_id("o", upload.upload_id).complete([part])

    def test_if_match_and_if_absent_hold_for_both_kinds_of_write(self, bucket: AzureBucket) -> None:
        for data in (b"small", LARGE):
            with pytest.raises(PreconditionFailed):
                put(bucket, "o", data, if_match="0x1")
            etag = put(bucket, "o", data, if_absent=True)
            with pytest.raises(PreconditionFailed):
                put(bucket, "o", data, if_absent=True)
            put(bucket, "o", data, if_match=etag)
            with pytest.raises(PreconditionFailed):
                put(bucket, "o", data, if_match=etag)
            bucket.delete_object("o")


class TestArchive:
    def test_new_bytes_replace_an_archived_blob(self, service: FakeAzure, new_bucket: NewBucket) -> None:
        bucket = new_bucket(storage_class="Archive")
        for data in (b"new", LARGE):
            etag = put(bucket, "o", b"old")
            with pytest.raises(Archived):
                bucket.get_object("o")
            if data is LARGE:
                with pytest.raises(RemoteUnavailable):  # its blocks went with the old blob
                    put(bucket, "o", data, if_match=etag)
                with pytest.raises(NotFound):
                    bucket.head_object("o")
                put(bucket, "o", data)
            else:
                put(bucket, "o", data, if_match=etag)
            assert service.store.containers["box"].blobs["o"].data == data
            bucket.delete_object("o")

    def test_archived_blob_that_somebody_replaced_stays(
        self, service: FakeAzure, new_bucket: NewBucket
    ) -> None:
        bucket = new_bucket(storage_class="Archive")
        put(bucket, "o", b"old")
        with pytest.raises(PreconditionFailed):
            put(bucket, "o", b"new", if_match="0x1")
        assert service.store.containers["box"].blobs["o"].data == b"old"

    def test_archived_blob_that_somebody_replaces_just_now_stays(
        self, service: FakeAzure, new_bucket: NewBucket
    ) -> None:
        bucket = new_bucket(storage_class="Archive")
        put(bucket, "o", b"old")
        blobs = service.store.containers["box"].blobs

        def interfere(method: str, path: str, query: dict[str, str]) -> None:
            if method == "DELETE":
                blobs["o"] = replace(blobs["o"], etag="0xOTHER")

        service.faults.refuse = interfere
        with pytest.raises(PreconditionFailed):
            put(bucket, "o", b"new")
        assert "o" in blobs

    def test_rehydration_takes_its_time_and_is_for_good(
        self, service: FakeAzure, new_bucket: NewBucket
    ) -> None:
        bucket = new_bucket(storage_class="Archive")
        meta = ObjectMeta(marks={"x-static-large-object": "True"})
        put(bucket, "o", b"bytes", meta)
        manifest = bucket.namer.manifest_key("o")
        put(new_bucket(storage_class="Archive"), manifest, b"[]")
        assert bucket.retrieve_object("o", 3, "Expedited") is Retrieval.BEGUN
        assert bucket.retrieve_object("o", 3, "Standard") is Retrieval.RUNNING
        info = bucket.head_object("o")
        assert (info.archived, info.retrieving, info.retrieved_until) == (True, True, None)
        pending = service.store.containers["box"].blobs
        assert (pending["o"].pending, pending[manifest].pending) == ("Hot", "Hot")
        service.store.finish_rehydration()
        assert bucket.retrieve_object("o", 3, "Standard") is Retrieval.READABLE
        assert read(bucket, "o") == b"bytes"
        assert bucket.head_object("o").storage_class == "Hot"


class TestRefusals:
    def test_busy_service_is_throttled_with_its_own_pause(
        self, service: FakeAzure, bucket: AzureBucket
    ) -> None:
        def refuse(method: str, path: str, query: dict[str, str]) -> None:
            raise Refused(503, "ServerBusy", Retry_After="7")

        service.faults.refuse = refuse
        for data in (b"small", LARGE):
            with pytest.raises(Throttled) as busy:
                put(bucket, "o", data)
            assert (busy.value.retry_after, busy.value.status) == (7.0, 503)

    def test_leased_blob_is_locked(self, service: FakeAzure, bucket: AzureBucket) -> None:
        put(bucket, "o", b"x")
        blobs = service.store.containers["box"].blobs
        blobs["o"] = replace(blobs["o"], leased=True)
        with pytest.raises(ObjectLocked):
            put(bucket, "o", b"y")
        with pytest.raises(ObjectLocked):
            bucket.delete_object("o")

    def test_snapshots_go_with_the_blob(self, service: FakeAzure, bucket: AzureBucket) -> None:
        put(bucket, "o", b"x")
        blobs = service.store.containers["box"].blobs
        blobs["o"] = replace(blobs["o"], snapshots=2)
        assert bucket.delete_object("o")

    def test_foreign_blocks_of_another_length_are_refused_as_what_they_are(
        self, service: FakeAzure, bucket: AzureBucket
    ) -> None:
        service.store.put_block("box", "o", "AAAA", b"x")
        with pytest.raises(InvalidRequest) as refusal:
            put(bucket, "o", LARGE)
        assert refusal.value.code == "InvalidBlobOrBlock"
        put(bucket, "o", b"a small one discards them")
        put(bucket, "o", LARGE)

    def test_missing_container_is_told_from_a_missing_blob(
        self, service: FakeAzure, bucket: AzureBucket
    ) -> None:
        with pytest.raises(NotFound) as missing:
            bucket.head_object("o")
        assert missing.value.code == "BlobNotFound"
        del service.store.containers["box"]
        for attempt in (lambda: bucket.head_object("o"), lambda: put(bucket, "o", b"x"),
                        lambda: bucket.delete_object("o")):  # fmt: skip
            with pytest.raises(NotFound) as refusal:
                attempt()
            assert refusal.value.code == "NoSuchBucket"
