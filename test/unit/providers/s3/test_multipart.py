"""Multipart uploads of which the answers are odd."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.samples import md5
from s3_sync.config.credentials.s3_dialects import AWS
from s3_sync.errors import (
    AccessDenied,
    BadDigest,
    NotFound,
    NotSupported,
    PreconditionFailed,
    RemoteUnavailable,
    UnexpectedAnswer,
)
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ByteRange, ObjectMeta
from s3_sync.providers.base import Part, WriteOptions
from s3_sync.providers.s3.bucket import S3Bucket
from s3_sync.providers.s3.multipart import multipart_etag
from s3_sync.streams.reader import BytesBody
from servers.scripted_s3 import Answer, ScriptedS3, error

NAMER = KeyNamer.literal("")
#: MD5s of 1,024 times "A" and of 1,024 times "B", and what S3 makes of the two
PARTS = [Part(n, md5(c * 1024), 1024, md5(c * 1024)) for n, c in enumerate((b"A", b"B"), 1)]
ETAG = "670b3279101b19eb8e1a7c4e4efb84db-2"
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"


def completed(etag: str) -> Answer:
    body = f"<CompleteMultipartUploadResult><ETag>&quot;{etag}&quot;</ETag></CompleteMultipartUploadResult>"
    return Answer(200, {}, body.encode())


def shown(etag: str, size: int = 2048, **headers: str) -> Answer:
    marks = {f"x-amz-meta-{name.replace('_', '-')}": value for name, value in headers.items()}
    seen = {"ETag": f'"{etag}"', "Content-Length": str(size), "Last-Modified": DATE}
    return Answer(200, seen | marks)


@pytest.fixture
def bucket(open_provider: Any) -> S3Bucket:
    return open_provider().bucket("bucket", NAMER)


def test_multipart_etag_is_derived_from_md5s_of_parts() -> None:
    assert multipart_etag(PARTS) == ETAG
    assert multipart_etag([*PARTS, Part(3, "opaque", 1)]) is None


def test_create_upload_and_upload_part_send_expected_headers(store: ScriptedS3, open_provider: Any) -> None:
    provider = open_provider(dialect=AWS, region="us-east-1", addressing_style="path")
    bucket = provider.bucket("bucket", NAMER, WriteOptions("STANDARD_IA", encrypt=True))
    result = "<InitiateMultipartUploadResult><UploadId>id/1+2</UploadId></InitiateMultipartUploadResult>"
    store.answers = [Answer(200, {}, result.encode()), Answer(200, {"ETag": f'"{md5(b"data")}"'})]
    meta = ObjectMeta({"content-type": "text/x"}, {"color": "blue"})
    upload = bucket.create_upload("name", meta)
    assert (upload.name, upload.upload_id) == ("name", "id/1+2")
    part = upload.upload_part(7, BytesBody(b"data"), 4)
    assert part == Part(7, md5(b"data"), 4, md5(b"data"))
    begin, sent = store.requests
    assert (begin.method, begin.target) == ("POST", "/bucket/name?uploads")
    wanted = {
        "content-type": "text/x",
        "x-amz-meta-color": "blue",
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-server-side-encryption": "AES256",
    }
    assert {name: begin.headers.get(name) for name in wanted} == wanted
    assert sent.target == "/bucket/name?partNumber=7&uploadId=id%2F1%2B2"
    assert not wanted.keys() & sent.headers.keys()


def test_complete_upload_of_opaque_parts_is_verified_by_a_head(store: ScriptedS3, bucket: S3Bucket) -> None:
    kms = {"ETag": f'"{"f" * 32}"', "x-amz-server-side-encryption": "aws:kms"}
    whole = {"ETag": f'"{"0" * 32}-1"', "Content-Length": "4", "Last-Modified": DATE}
    store.answers = [Answer(200, kms), completed("0" * 32 + "-1"), Answer(200, kms | whole)]
    part = bucket.upload_by_id("name", "id").upload_part(1, BytesBody(b"data"), 4)
    assert part == Part(1, "f" * 32, 4, None)
    assert bucket.upload_by_id("name", "id").complete([part]).etag == "0" * 32 + "-1"


def test_complete_upload_with_another_etag_raises_bad_digest(store: ScriptedS3, bucket: S3Bucket) -> None:
    store.answers = [completed("0" * 32 + "-2")]
    with pytest.raises(BadDigest):
        bucket.upload_by_id("name", "id").complete(PARTS)


def test_complete_upload_error_in_a_200_raises_remote_unavailable(
    store: ScriptedS3, bucket: S3Bucket
) -> None:
    refusal = error(200, "InternalError", "We encountered an internal error. Please try again.")
    # blanks keep the connection open while the store is busy
    store.answers = [Answer(200, {}, b'<?xml version="1.0"?>\n   \n' + refusal.body)]
    with pytest.raises(RemoteUnavailable) as caught:
        bucket.upload_by_id("name", "id").complete(PARTS)
    assert caught.value.code == "InternalError"


def test_complete_upload_completed_before_is_verified_by_a_head(store: ScriptedS3, bucket: S3Bucket) -> None:
    gone = error(404, "NoSuchUpload")
    store.answers = [gone, shown(ETAG)]
    assert bucket.upload_by_id("name", "id").complete(PARTS).etag == ETAG
    store.answers = [gone, shown("another one")]
    with pytest.raises(NotFound):
        bucket.upload_by_id("name", "id").complete(PARTS)
    store.answers = [gone, Answer(404)]
    with pytest.raises(NotFound):
        bucket.upload_by_id("name", "id").complete(PARTS)


def open_upload(upload_id: str) -> Answer:
    upload = f"<Upload><Key>name</Key><UploadId>{upload_id}</UploadId></Upload>"
    page = (
        f"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>{upload}</ListMultipartUploadsResult>"
    )
    return Answer(200, {}, page.encode())


def test_complete_upload_with_an_internal_error_for_one_that_is_gone(
    store: ScriptedS3, bucket: S3Bucket
) -> None:
    """Ceph and moto answer so, for one that was completed as for one that was aborted."""
    upload = bucket.upload_by_id("name", "id")
    broken = error(500, "InternalError")
    store.answers = [broken, open_upload("another"), shown(ETAG)]
    assert upload.complete(PARTS).etag == ETAG
    store.answers = [broken, open_upload("another"), Answer(404)]
    with pytest.raises(NotFound, match="no such upload is open") as missing:
        upload.complete(PARTS)
    assert missing.value.code == "NoSuchUpload"


@pytest.mark.parametrize(
    "look", [open_upload("id"), error(500, "InternalError"), error(501, "NotImplemented")]
)
def test_complete_upload_with_an_internal_error_for_one_that_may_be_open(
    store: ScriptedS3, bucket: S3Bucket, look: Answer
) -> None:
    store.answers = [error(500, "InternalError"), look]
    with pytest.raises(RemoteUnavailable):
        bucket.upload_by_id("name", "id").complete(PARTS)
    assert [request.method for request in store.requests[:2]] == ["POST", "GET"]
    assert "HEAD" not in {request.method for request in store.requests}


def test_complete_upload_with_unmet_condition_raises_precondition_failed(
    store: ScriptedS3, open_provider: Any
) -> None:
    provider = open_provider(dialect=AWS, region="us-east-1", addressing_style="path")
    bucket = provider.bucket("bucket", NAMER)
    store.answers = [completed(ETAG), completed(ETAG), error(404, "NoSuchKey")]
    bucket.upload_by_id("name", "id").complete(PARTS, if_match="a" * 32)
    bucket.upload_by_id("name", "id").complete(PARTS, if_absent=True)
    assert store.requests[0].headers["if-match"] == f'"{"a" * 32}"'
    assert store.requests[1].headers["if-none-match"] == "*"
    with pytest.raises(PreconditionFailed):
        bucket.upload_by_id("name", "id").complete(PARTS, if_match="a" * 32)


def test_complete_copied_parts_is_proved_by_the_etag_that_follows_from_theirs(
    store: ScriptedS3, bucket: S3Bucket
) -> None:
    """The MD5 of a copied part is not known; Ceph answers with an empty ETag the first time."""
    copied = [Part(part.number, part.etag, part.size) for part in PARTS]
    empty = Answer(200, {}, b"<CompleteMultipartUploadResult><ETag></ETag></CompleteMultipartUploadResult>")
    store.answers = [empty, shown(ETAG)]
    assert bucket.upload_by_id("name", "id").complete(copied).etag == ETAG
    store.answers = [empty, shown("0" * 32 + "-2")]
    with pytest.raises(UnexpectedAnswer):
        bucket.upload_by_id("name", "id").complete(copied)


@pytest.mark.parametrize("name", ["a%20b", "%", "a?versionId=3"])
def test_copy_part_of_a_name_that_a_second_decoding_changes_is_for_amazon_only(
    store: ScriptedS3, open_provider: Any, name: str
) -> None:
    """Ceph 16 copies from `a b` instead, or crashes."""
    copied = f"<CopyPartResult><ETag>{'0' * 32}</ETag></CopyPartResult>".encode()
    store.answers = [Answer(200, {}, copied)]
    with pytest.raises(NotSupported):
        open_provider().bucket("bucket", NAMER).upload_by_id(name, "id").copy_part(1, ByteRange(0, 3))
    assert store.requests == []
    amazon = open_provider(dialect=AWS, region="us-east-1", addressing_style="path").bucket("bucket", NAMER)
    assert amazon.upload_by_id(name, "id").copy_part(1, ByteRange(0, 3)).etag == "0" * 32


def test_abort_upload_ignores_a_missing_upload_only(store: ScriptedS3, bucket: S3Bucket) -> None:
    store.answers = [error(404, "NoSuchUpload")]
    bucket.upload_by_id("name", "id").abort()
    for answer, kind in ((error(404, "NoSuchBucket"), NotFound), (error(403, "AccessDenied"), AccessDenied)):
        store.answers = [answer]
        with pytest.raises(kind):
            bucket.upload_by_id("name", "id").abort()
