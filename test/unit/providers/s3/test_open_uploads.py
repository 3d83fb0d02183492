"""Listings of open uploads, and uploads of keys that XML cannot hold."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from conformance.samples import md5
from s3_sync.errors import NotFound, RemoteUnavailable
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectMeta
from s3_sync.providers.base import Part
from s3_sync.providers.s3.bucket import S3Bucket
from servers.scripted_s3 import Answer, ScriptedS3, error

NAMER = KeyNamer.literal("")
#: MD5s of 1,024 times "A" and of 1,024 times "B", and what S3 makes of the two
PARTS = [Part(n, md5(c * 1024), 1024, md5(c * 1024)) for n, c in enumerate((b"A", b"B"), 1)]
ETAG = "670b3279101b19eb8e1a7c4e4efb84db-2"
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"


def shown(etag: str, size: int = 2048, **headers: str) -> Answer:
    marks = {f"x-amz-meta-{name.replace('_', '-')}": value for name, value in headers.items()}
    seen = {"ETag": f'"{etag}"', "Content-Length": str(size), "Last-Modified": DATE}
    return Answer(200, seen | marks)


@pytest.fixture
def bucket(open_provider: Any) -> S3Bucket:
    return open_provider().bucket("bucket", NAMER)


def uploads_page(entries: str, rest: str = "<IsTruncated>false</IsTruncated>") -> Answer:
    return Answer(
        200, {}, f"<ListMultipartUploadsResult>{rest}{entries}</ListMultipartUploadsResult>".encode()
    )


def entry(key: str, upload_id: str) -> str:
    return f"<Upload><Key>{key}</Key><UploadId>{upload_id}</UploadId></Upload>"


def found(bucket: S3Bucket) -> list[tuple[str, str]]:
    return [(upload.name, upload.upload_id) for upload in bucket.list_uploads()]


def test_list_uploads_of_a_bucket_that_never_had_one_is_empty(store: ScriptedS3, bucket: S3Bucket) -> None:
    """rclone answers so; other stores say so of a bucket that is missing with another code."""
    store.answers = [error(404, "NoSuchUpload"), error(404, "NoSuchBucket")]
    assert found(bucket) == []
    with pytest.raises(NotFound):
        found(bucket)


def test_list_uploads_decodes_keys_and_continues_after_the_last(store: ScriptedS3, bucket: S3Bucket) -> None:
    encoded = "<EncodingType>url</EncodingType>"
    more = "<IsTruncated>true</IsTruncated><NextKeyMarker>a%07</NextKeyMarker>"
    more += "<NextUploadIdMarker>u1</NextUploadIdMarker>"
    last = "<IsTruncated>false</IsTruncated>"
    store.answers = [
        uploads_page(entry("a%07", "u1"), encoded + more),
        uploads_page(entry("b%2B+c", "u2"), encoded + last),
    ]
    assert found(bucket) == [("a\x07", "u1"), ("b+ c", "u2")]
    first, second = (request.target for request in store.requests)
    assert "encoding-type=url" in first
    assert "key-marker=a%07" in second
    assert "upload-id-marker=u1" in second


@pytest.mark.parametrize("written", ["\x07", "&#x7;", "\uffff"])
def test_list_uploads_without_encoding_reads_names_unchanged(
    store: ScriptedS3, bucket: S3Bucket, written: str
) -> None:
    character = "\x07" if written.startswith("&") else written
    store.answers = [
        uploads_page(entry(f"a{written}", "u1") + entry("b", "u2") + "<Upload/>" + entry("", "u3"))
    ]
    assert found(bucket) == [(f"a{character}", "u1"), ("b", "u2")]


@pytest.mark.parametrize("encodes", [True, False])
def test_list_uploads_encoded_without_saying_so_are_decoded(
    store: ScriptedS3, bucket: S3Bucket, encodes: bool
) -> None:
    """As Ceph does it. A store that does not encode knows no upload of that key without its %."""
    page = uploads_page(entry("a", "u1") + entry("b%20%2B", "u2") + entry("c%2525", "u3"))
    store.answers = [page, uploads_page(entry("b%20%2B", "u2") if encodes else "")]
    odd = ["b +", "c%25"] if encodes else ["b%20%2B", "c%2525"]
    assert found(bucket) == [("a", "u1"), (odd[0], "u2"), (odd[1], "u3")]
    assert "prefix=b%20%2B&" in store.requests[1].target + "&"
    assert len(store.requests) == 2


def test_list_uploads_of_plain_keys_asks_once(store: ScriptedS3, bucket: S3Bucket) -> None:
    store.answers = [uploads_page(entry("100%", "u1") + entry("a+b", "u2"))]
    assert found(bucket) == [("100%", "u1"), ("a+b", "u2")]
    assert len(store.requests) == 1


def test_list_uploads_with_a_repeated_marker_ends(store: ScriptedS3, bucket: S3Bucket) -> None:
    more = "<IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker>"
    store.answers = [uploads_page(entry("a", "u1"), more)]
    assert found(bucket) == [("a", "u1"), ("a", "u1")]


def test_list_uploads_other_document_raises_remote_unavailable(store: ScriptedS3, bucket: S3Bucket) -> None:
    store.answers = [Answer(200, {}, b"<html></html>")]
    with pytest.raises(RemoteUnavailable, match="list the uploads of bucket"):
        found(bucket)


@pytest.mark.parametrize("written", ["\x07", "&#x7;", "\uffff", "&#65535;"])
def test_create_upload_odd_key_in_the_answer_returns_the_upload_id(
    store: ScriptedS3, bucket: S3Bucket, written: str
) -> None:
    name, told = "InitiateMultipartUploadResult", f"<Key>a{written}</Key><UploadId>u1</UploadId>"
    store.answers = [Answer(200, {}, f"<{name}>{told}</{name}>".encode())]
    assert bucket.create_upload("a\x07", ObjectMeta()).upload_id == "u1"


FAILED = error(500, "InternalError")
MORE = "<IsTruncated>true</IsTruncated>"


class TestStoreThatCannotWriteOddKeys:
    """As Swift's S3 API: status 500 where a response would have a character that XML cannot hold."""

    @pytest.mark.parametrize("prefix", ["a\x07b", "a\uffff"])
    def test_list_uploads_sends_no_such_prefix_and_finds_only_those_with_it(
        self, store: ScriptedS3, bucket: S3Bucket, prefix: str
    ) -> None:
        store.answers = [uploads_page(entry("a", "u1") + entry(f"{prefix}", "u2") + entry("ab", "u3"))]
        assert [upload.upload_id for upload in bucket.list_uploads(prefix)] == ["u2"]
        (request,) = store.requests
        assert request.target.endswith("&prefix=a") or "prefix=a&" in request.target

    def test_list_uploads_asks_for_single_ones_until_it_is_past_the_odd_key(
        self, store: ScriptedS3, bucket: S3Bucket
    ) -> None:
        store.answers = [
            FAILED,
            uploads_page(entry("a", "u1"), MORE),
            FAILED,
            uploads_page(entry("b\x07", "u2"), MORE),
            FAILED,
            uploads_page(entry("c", "u3"), MORE),
            uploads_page(entry("d", "u4") + entry("e", "u5"), MORE + "<NextKeyMarker>e</NextKeyMarker>"),
            uploads_page(""),
        ]
        assert found(bucket) == [
            ("a", "u1"), ("b\x07", "u2"), ("c", "u3"), ("d", "u4"), ("e", "u5"),
        ]  # fmt: skip
        asked = [parse_qs(urlsplit(request.target).query) for request in store.requests]
        assert [(*each.get("key-marker", [""]), *each.get("max-uploads", ["all"])) for each in asked] == [
            ("", "all"), ("", "1"), ("a", "2"), ("a", "1"),
            ("b\x07", "2"), ("b\t", "1"), ("c", "2"), ("e", "4"),
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("key", "following"),
        [
            ("b\x07", "b\t"),
            ("b\x0b", "b\r"),
            ("b\x1fx", "b "),
            ("b\uffff", "b\U00010000"),
            ("\x01\x02", "\t"),
        ],
    )
    def test_list_uploads_goes_on_behind_an_odd_key(
        self, store: ScriptedS3, bucket: S3Bucket, key: str, following: str
    ) -> None:
        store.answers = [FAILED, uploads_page(entry(key, "u1"), MORE), FAILED, uploads_page("")]
        assert found(bucket) == [(key, "u1")]
        assert parse_qs(urlsplit(store.requests[-1].target).query)["key-marker"] == [following]
        assert following > key

    def test_list_uploads_in_an_outage_fails_after_one_more_request(
        self, store: ScriptedS3, bucket: S3Bucket
    ) -> None:
        store.answers = [FAILED]
        with pytest.raises(RemoteUnavailable):
            found(bucket)
        assert len(store.requests) == 2
        store.answers = [error(503, "ServiceUnavailable")]
        with pytest.raises(RemoteUnavailable):
            found(bucket)
        assert len(store.requests) == 3

    @pytest.mark.parametrize(
        ("name", "hidden"), [("a\x07", True), ("a\x05", False), ("a\x01", False), ("a\uffff", False)]
    )
    def test_list_uploads_of_a_name_that_another_one_may_hide_fails(
        self, store: ScriptedS3, bucket: S3Bucket, name: str, hidden: bool
    ) -> None:
        store.answers = [FAILED, uploads_page(entry("a\x05", "u1"), MORE), FAILED, uploads_page("")]
        if hidden:
            with pytest.raises(RemoteUnavailable):
                list(bucket.list_uploads(name))
        else:
            assert [each.upload_id for each in bucket.list_uploads(name)] == ["u1"] * (name == "a\x05")

    def test_list_uploads_that_goes_in_circles_ends(self, store: ScriptedS3, bucket: S3Bucket) -> None:
        pages = [
            uploads_page(entry("a", "u1"), f"{MORE}<NextKeyMarker>{key}</NextKeyMarker>") for key in "ab"
        ]
        store.answers = pages * 50
        assert set(found(bucket)) == {("a", "u1")}
        assert len(store.requests) == 3

    @pytest.mark.parametrize("others", ["", entry("a\x07", "u0"), entry("a\x07x", "u0")])
    def test_create_upload_that_fails_uses_the_one_that_is_new(
        self, store: ScriptedS3, bucket: S3Bucket, others: str
    ) -> None:
        store.answers = [
            uploads_page(others),
            FAILED,
            uploads_page(others + entry("a\x07", "u1")),
            Answer(204, {}),
        ]
        upload = bucket.create_upload("a\x07", ObjectMeta())
        assert (upload.name, upload.upload_id) == ("a\x07", "u1")
        upload.abort()
        assert "uploadId=u1" in store.requests[-1].target

    @pytest.mark.parametrize(
        "answers",
        [
            [uploads_page(""), FAILED, uploads_page("")],
            [uploads_page(""), FAILED, uploads_page(entry("a\x07", "u1") + entry("a\x07", "u2"))],
            [uploads_page(""), FAILED, error(403, "AccessDenied")],
            [error(403, "AccessDenied"), FAILED],
        ],
    )
    def test_create_upload_that_fails_without_a_single_new_one_raises(
        self, store: ScriptedS3, bucket: S3Bucket, answers: list[Answer]
    ) -> None:
        store.answers = list(answers)
        with pytest.raises(RemoteUnavailable, match="create the upload"):
            bucket.create_upload("a\x07", ObjectMeta())
        assert len(store.requests) == len(answers)

    def test_create_upload_that_could_not_be_found_is_not_sent(
        self, store: ScriptedS3, bucket: S3Bucket
    ) -> None:
        store.answers = [FAILED, uploads_page(entry("a\x05", "u1"), MORE), FAILED]
        with pytest.raises(RemoteUnavailable, match="list the uploads"):
            bucket.create_upload("a\x07", ObjectMeta())
        assert {request.method for request in store.requests} == {"GET"}

    def test_create_upload_of_other_keys_lists_nothing(self, store: ScriptedS3, bucket: S3Bucket) -> None:
        store.answers = [FAILED]
        with pytest.raises(RemoteUnavailable):
            bucket.create_upload("a", ObjectMeta())
        assert len(store.requests) == 1

    @pytest.mark.parametrize(("name", "seen", "done"), [("a\x07", ETAG, True), ("a\x07", "x", False)])
    def test_complete_that_fails_is_proved_by_a_head(
        self, store: ScriptedS3, bucket: S3Bucket, name: str, seen: str, done: bool
    ) -> None:
        store.answers = [FAILED, shown(seen)]
        upload = bucket.upload_by_id(name, "id")
        if done:
            assert upload.complete(PARTS).etag == ETAG
        else:
            with pytest.raises(RemoteUnavailable, match="complete the upload"):
                upload.complete(PARTS)
        assert [request.method for request in store.requests] == ["POST", "HEAD"]

    def test_complete_of_other_keys_that_fails_asks_only_whether_the_upload_is_open(
        self, store: ScriptedS3, bucket: S3Bucket
    ) -> None:
        store.answers = [FAILED, uploads_page(entry("a", "id"))]
        with pytest.raises(RemoteUnavailable):
            bucket.upload_by_id("a", "id").complete(PARTS)
        assert [request.method for request in store.requests] == ["POST", "GET"]
