"""Upload sessions: what is resumed, what is refused, and what is left behind."""

from __future__ import annotations

import random

import pytest

from s3_sync.errors import AccessDenied, BadDigest, PreconditionFailed, RemoteError, RemoteUnavailable
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.providers.gcs.bucket import GcsBucket
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import BytesBody
from servers.fake_gcs import Chunk, FakeGcs, Refusal, Request, Stored
from unit.providers.gcs.conftest import STEP

DATA = random.Random(1).randbytes(3 * STEP + 1000)


def put(bucket: GcsBucket, md5: str | None = None, data: bytes = DATA) -> str:
    options = PutOptions(len(DATA), ObjectMeta(user={"a": "1"}), md5)
    return bucket.put_object("large", BytesBody(data), options).etag


def sent(fake: FakeGcs) -> list[str]:
    return [each.headers["content-range"] for each in fake.requests if each.method == "PUT"]


@pytest.mark.parametrize("md5", [None, md5_hex(DATA)])
def test_large_object_arrives_in_chunks_with_digests_of_the_whole(
    bucket: GcsBucket, fake: FakeGcs, md5: str | None
) -> None:
    assert put(bucket, md5) == md5_hex(DATA)
    assert fake.objects("bucket")["p/large"].data == DATA
    assert bucket.head_object("large").meta.user == {"a": "1"}
    hashed = ["x-goog-hash" in each.headers for each in fake.requests if each.method == "PUT"]
    assert hashed == [False, False, False, True]
    assert all("authorization" not in each.headers for each in fake.requests if "upload_id" in each.query)


@pytest.mark.parametrize("status", [308, 503, 429, 408, 0])
@pytest.mark.parametrize("kept", [0, STEP // 2, STEP])
def test_chunk_of_which_a_part_was_kept_is_resumed_behind_it(
    bucket: GcsBucket, fake: FakeGcs, status: int, kept: int
) -> None:
    fake.chunks.extend([Chunk(STEP), Chunk(kept, status)])
    assert put(bucket) == md5_hex(DATA)
    assert fake.objects("bucket")["p/large"].data == DATA
    size, first = len(DATA), STEP + kept
    # a connection that ended is tried again at once
    asked = {308: [], 0: [f"bytes {STEP}-{2 * STEP - 1}/{size}"]}.get(status, [f"bytes */{size}"])
    resumed = first if status else 2 * STEP
    again = f"bytes {resumed}-{resumed + STEP - 1}/{size}"
    assert sent(fake)[2 : 3 + len(asked)] == [*asked, again][: len(sent(fake)) - 2]


def test_answer_to_the_last_chunk_that_is_lost_is_asked_for(bucket: GcsBucket, fake: FakeGcs) -> None:
    fake.chunks.extend([Chunk(STEP)] * 3 + [Chunk(1000, 503)])
    assert put(bucket) == md5_hex(DATA)
    assert sent(fake)[-1] == f"bytes */{len(DATA)}"


def test_outage_during_an_upload_is_asked_about_some_times(bucket: GcsBucket, fake: FakeGcs) -> None:
    def asks(request: Request) -> bool:
        return request.headers.get("content-range", "").startswith("bytes */")

    fake.chunks.append(Chunk(0, 503))
    fake.fail(Refusal(503), when=asks, times=2)
    assert put(bucket) == md5_hex(DATA)
    fake.chunks.append(Chunk(0, 503))
    fake.fail(Refusal(503), when=asks, times=99)
    with pytest.raises(RemoteUnavailable):
        put(bucket)


def test_body_with_another_digest_leaves_neither_object_nor_session(bucket: GcsBucket, fake: FakeGcs) -> None:
    with pytest.raises(BadDigest, match="MD5"):
        put(bucket, "0" * 32)
    with pytest.raises(BadDigest, match="ended after"):
        put(bucket, data=DATA[:-1])
    with pytest.raises(BadDigest, match="longer"):
        put(bucket, data=DATA + b"x")
    assert fake.objects("bucket") == {}
    assert fake.uploads == {}


def test_rights_that_are_lost_between_chunks_replace_nothing(bucket: GcsBucket, fake: FakeGcs) -> None:
    before = Stored("p/large", b"before", {}, fake.next_generation())
    fake.objects("bucket")["p/large"] = before
    fake.fail(
        Refusal(403, "forbidden", "no storage.objects.create access"),
        when=lambda request: request.headers.get("content-range", "").startswith(f"bytes {STEP}-"),
    )
    with pytest.raises(AccessDenied) as refusal:
        put(bucket)
    assert refusal.value.reason == "remote_denied"
    assert fake.objects("bucket") == {"p/large": before}
    assert fake.uploads == {}
    assert put(bucket) == md5_hex(DATA)


def test_bytes_that_change_on_the_way_are_refused_by_the_store(bucket: GcsBucket, fake: FakeGcs) -> None:
    def damage(request: Request) -> bool:
        for upload in fake.uploads.values():
            upload.data[:1] = b"?" if upload.data else b""
        return False

    fake.fail(Refusal(500), when=damage)
    with pytest.raises(BadDigest, match="doesn't match calculated"):
        put(bucket)
    assert fake.objects("bucket") == {}


@pytest.mark.parametrize("status", [404, 410])
def test_lost_session_is_no_missing_object(bucket: GcsBucket, fake: FakeGcs, status: int) -> None:
    fake.fail(Refusal(status, "notFound", "gone"), when=lambda request: request.method == "PUT")
    with pytest.raises(RemoteError) as raised:
        put(bucket)
    assert type(raised.value) is RemoteUnavailable
    assert "session-" not in str(raised.value)


def test_object_that_appears_during_an_upload_is_not_replaced(bucket: GcsBucket, fake: FakeGcs) -> None:
    def appear(request: Request) -> bool:
        if request.method == "PUT" and not fake.objects("bucket"):
            fake.objects("bucket")["p/large"] = Stored("p/large", b"other", {}, fake.next_generation())
        return False

    fake.fail(Refusal(500), when=appear)
    with pytest.raises(PreconditionFailed):
        bucket.put_object("large", BytesBody(DATA), PutOptions(len(DATA), if_absent=True))
    assert fake.objects("bucket")["p/large"].data == b"other"
