"""An answer is believed only if it is the store's answer to that question."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conformance.samples import md5
from s3_sync.config.credentials.s3_dialects import AWS, CLONE, Dialect
from s3_sync.errors import BadDigest, NotFound, NotSupported, UnexpectedAnswer
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ByteRange, ObjectMeta, PutOptions
from s3_sync.providers.base import MultipartUpload, Part
from s3_sync.providers.s3.bucket import S3Bucket
from s3_sync.providers.s3.multipart import multipart_etag
from s3_sync.providers.s3.provider import S3Provider
from s3_sync.streams.reader import BytesBody
from servers.scripted_s3 import Answer, ScriptedS3, error

NAMER = KeyNamer.literal("")
DATA = b"data"
ETAG = md5(DATA)
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
HEAD = {"ETag": f'"{ETAG}"', "Content-Length": "4", "Last-Modified": DATE}
VERSION = "0000000001.00000"
META = ObjectMeta(marks={"swift-timestamp": VERSION})
PARTS = [Part(1, md5(b"A" * 1024), 1024, md5(b"A" * 1024))]
PAGE = b"<html><head><title>Sign in</title></head><body>to the network</body></html>"
#: what a web server sends with a file
WEB = {"ETag": '"5f3e-6a1"', "Last-Modified": DATE, "Content-Type": "text/html"}

STRANGE = {
    "a page": Answer(200, {"Content-Type": "text/html"}, PAGE),
    "a file of a web server": Answer(200, WEB, PAGE),
    "nothing": Answer(200),
    "JSON": Answer(200, {"Content-Type": "application/json"}, b'{"status": "ok"}'),
    "another document": Answer(200, {"Content-Type": "application/xml"}, b"<ListBucketResult/>"),
    "202": Answer(202),
    "a redirect": Answer(302, {"Location": "https://portal.example/"}, PAGE),
    "a redirect without a place": Answer(307),
}


def put(bucket: S3Bucket) -> object:
    return bucket.put_object("name", BytesBody(DATA), PutOptions(4, META, ETAG))


ASK: dict[str, Callable[[S3Bucket], object]] = {
    "PUT": put,
    "HEAD": lambda bucket: bucket.head_object("name"),
    "GET": lambda bucket: bucket.get_object("name"),
    "DELETE of several": lambda bucket: bucket.delete_object("name"),
    "begin": lambda bucket: bucket.create_upload("name", META),
    "part": lambda bucket: bucket.upload_by_id("name", "id").upload_part(1, BytesBody(DATA), 4, ETAG),
    "copy a part": lambda bucket: bucket.upload_by_id("name", "id").copy_part(1, ByteRange(0, 3)),
    "complete": lambda bucket: bucket.upload_by_id("name", "id").complete(PARTS),
    "abort": lambda bucket: bucket.upload_by_id("name", "id").abort(),
    "list uploads": lambda bucket: list(bucket.list_uploads("name")),
    "manifest": lambda bucket: bucket.manifests.put("name", b"[]"),
    "expiry": lambda bucket: bucket.set_expiry_rule(3),
}


#: these have two ways to the store
TRANSPORTED = {"PUT", "HEAD", "GET", "part", "manifest"}
#: a store that takes the question for a listing
OTHERWISE = {("expiry", "another document"): NotSupported}


@pytest.fixture
def provider(open_provider: Any) -> S3Provider:
    provider: S3Provider = open_provider()
    return provider


@pytest.fixture
def bucket(provider: S3Provider) -> S3Bucket:
    return provider.bucket("bucket", NAMER)


@pytest.mark.parametrize("question", ASK)
def test_strange_answer_to_any_request_raises_an_error(
    store: ScriptedS3, open_provider: Any, question: str
) -> None:
    for direct in (True, False) if question in TRANSPORTED else (True,):
        bucket = open_provider(direct=direct).bucket("bucket", NAMER)
        for name, answer in STRANGE.items():
            store.answers = [answer]
            store.requests.clear()
            with pytest.raises((UnexpectedAnswer, NotSupported)) as caught:
                ASK[question](bucket)
            kind = OTHERWISE.get((question, name), UnexpectedAnswer)
            assert (type(caught.value), name) == (kind, name)
            assert len(store.requests) <= 3
    assert UnexpectedAnswer.transient


def test_unexpected_answer_message_names_answer_and_endpoint(store: ScriptedS3, bucket: S3Bucket) -> None:
    store.answers = [STRANGE["a page"]]
    with pytest.raises(UnexpectedAnswer) as caught:
        put(bucket)
    assert str(caught.value) == (
        f"PUT bucket/name: unexpected response: no ETag (200, text/html, {len(PAGE)} bytes); "
        f"is a proxy or a portal in front of {store.endpoint}?"
    )
    store.answers = [STRANGE["a redirect"]]
    with pytest.raises(
        UnexpectedAnswer, match=r"302: redirected to https://portal\.example/; .* not followed"
    ):
        put(bucket)


@pytest.mark.parametrize("question", ["HEAD", "GET"])
def test_404_with_a_foreign_page_is_no_absence(store: ScriptedS3, bucket: S3Bucket, question: str) -> None:
    store.answers = [Answer(404, {"Content-Type": "text/plain"}, b"default backend - 404")]
    with pytest.raises(UnexpectedAnswer):
        ASK[question](bucket)
    for headers in (
        {"x-amzn-requestid": "1", "Content-Type": "text/html"},
        {"Content-Type": "application/xml"},
        {},
    ):
        store.answers = [Answer(404, headers)]
        with pytest.raises(NotFound):
            ASK[question](bucket)


class TestPut:
    def test_etag_of_a_web_server_adds_no_mark_to_later_puts(
        self, store: ScriptedS3, bucket: S3Bucket
    ) -> None:
        store.answers = [Answer(200, WEB, PAGE), Answer(200, WEB)]
        with pytest.raises(UnexpectedAnswer):
            put(bucket)
        store.answers = [Answer(200, {"ETag": f'"{ETAG}"'})]
        put(bucket)
        assert "x-amz-meta-swift-etag" not in store.requests[-1].headers
        assert len(store.requests) == 3, "what the ETag proves costs no HEAD"

    def test_answer_without_etag_is_verified_by_a_head(self, store: ScriptedS3, bucket: S3Bucket) -> None:
        there = HEAD | {"x-amz-meta-swift-timestamp": VERSION}
        store.answers = [Answer(200), Answer(200, there)]
        assert bucket.put_object("name", BytesBody(DATA), PutOptions(4, META, ETAG)).etag == ETAG
        for other in (
            {"x-amz-meta-swift-timestamp": "0000000000.99999"},
            {"ETag": '"other"'},
            {"Content-Length": "5"},
        ):
            store.answers = [Answer(200), Answer(200, there | other)]
            with pytest.raises(UnexpectedAnswer):
                put(bucket)
        store.answers = [Answer(200), Answer(200, HEAD)]
        with pytest.raises(UnexpectedAnswer):
            put(bucket)

    @pytest.mark.parametrize("other", [{"ETag": '"another"'}, {"Content-Length": "5"}, {}])
    def test_opaque_etag_is_verified_by_a_head(
        self, store: ScriptedS3, bucket: S3Bucket, other: dict[str, str]
    ) -> None:
        opaque = {"ETag": '"opaque"', "Last-Modified": DATE, "Content-Length": "4"}
        copied = Answer(200, {}, b"<CopyObjectResult><ETag>opaque</ETag></CopyObjectResult>")
        mark = {"x-amz-meta-swift-timestamp": VERSION}
        store.answers = [Answer(200, {"ETag": '"opaque"'}), Answer(200, opaque | mark | other), copied]
        if other:
            with pytest.raises(UnexpectedAnswer):
                put(bucket)
        else:
            put(bucket)
        assert len(store.requests) == (2 if other else 3)

    def test_weak_etag_is_compared_like_a_strong_one(self, store: ScriptedS3, bucket: S3Bucket) -> None:
        weak = {"ETag": f'W/"{ETAG}"'}
        store.answers = [Answer(200, weak), Answer(200, HEAD | weak)]
        put(bucket)
        info = bucket.head_object("name")
        assert (info.etag, info.md5, len(store.requests)) == (ETAG, ETAG, 2)
        store.answers = [Answer(200, {"ETag": f'W/"{md5(b"other")}"'})]
        with pytest.raises(BadDigest):
            put(bucket)


class TestPart:
    @pytest.mark.parametrize("said", [{}, {"ETag": ""}, {"ETag": '""'}], ids=str)
    @pytest.mark.parametrize("size", [4, 1 << 20])
    @pytest.mark.parametrize("direct", [True, False])
    def test_answer_without_etag_raises_unexpected_answer(
        self, store: ScriptedS3, open_provider: Any, said: dict[str, str], size: int, direct: bool
    ) -> None:
        """And it is no corruption: nothing tells what has arrived."""
        data = b"d" * size
        bucket: S3Bucket = open_provider(direct=direct).bucket("bucket", NAMER)
        store.answers = [Answer(200, said)]
        with pytest.raises(UnexpectedAnswer, match="no ETag") as error:
            bucket.upload_by_id("name", "id").upload_part(1, BytesBody(data), size, md5(data))
        assert error.value.reason == "remote_answer"


class TestComplete:
    COMPLETED = b"<CompleteMultipartUploadResult><ETag>%s</ETag></CompleteMultipartUploadResult>"

    def begin(self, store: ScriptedS3, bucket: S3Bucket) -> MultipartUpload:
        begun = b"<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>"
        store.answers = [Answer(200, {}, begun)]
        return bucket.create_upload("name", META)

    @pytest.mark.parametrize("other", [{}, {"Content-Length": "1023"}, {"x-amz-meta-swift-timestamp": "1"}])
    @pytest.mark.parametrize("said", ["empty", "gone", "page"])
    def test_inconclusive_answer_is_verified_by_a_head(
        self, store: ScriptedS3, bucket: S3Bucket, said: str, other: dict[str, str]
    ) -> None:
        """An empty ETag (Ceph, the first time), or an upload that is gone because its completion was lost."""
        answers = {
            "empty": Answer(200, {}, self.COMPLETED % b""),
            "gone": error(404, "NoSuchUpload"),
            "page": STRANGE["a page"],
        }
        upload = self.begin(store, bucket)
        there = HEAD | {"Content-Length": "1024", "ETag": '"x-1"', "x-amz-meta-swift-timestamp": VERSION}
        store.answers = [answers[said], Answer(200, there | other)]
        parts = [Part(1, "opaque", 1024)]
        if other:
            with pytest.raises((UnexpectedAnswer, NotFound)):
                upload.complete(parts)
        else:
            assert upload.complete(parts).etag == "x-1"

    def test_etag_derived_from_the_parts_needs_no_head(self, store: ScriptedS3, bucket: S3Bucket) -> None:
        whole = b"42fb4f7e5a1f2a6d0e8a7a3b4a5f5c8f-1"
        etag = multipart_etag(PARTS)
        assert etag
        store.answers = [Answer(200, {}, self.COMPLETED % etag.encode())]
        assert bucket.upload_by_id("name", "id").complete(PARTS).etag == etag
        assert len(store.requests) == 1
        store.answers = [Answer(200, {}, self.COMPLETED % whole)]
        with pytest.raises(BadDigest):
            bucket.upload_by_id("name", "id").complete(PARTS)


class TestDelete:
    @pytest.fixture
    def single(self, open_provider: Any) -> S3Bucket:
        bucket: S3Bucket = open_provider(dialect=CLONE.with_changes(Dialect(max_deletes=0))).bucket(
            "bucket", NAMER
        )
        return bucket

    @pytest.mark.parametrize("said", ["a page", "nothing", "202"])
    def test_unexpected_success_is_verified_by_a_head(
        self, store: ScriptedS3, single: S3Bucket, said: str
    ) -> None:
        gone = error(404, "NoSuchKey")
        store.answers = [STRANGE[said], gone, Answer(204)]
        assert single.delete_object("name")
        assert [request.method for request in store.requests] == ["DELETE", "HEAD", "DELETE"]
        store.answers = [STRANGE[said], Answer(200, HEAD)]
        with pytest.raises(UnexpectedAnswer):
            single.delete_object("name")

    def test_404_with_a_foreign_page_raises_unexpected_answer(
        self, store: ScriptedS3, single: S3Bucket
    ) -> None:
        store.answers = [Answer(404, {"Content-Type": "text/html"}, PAGE)]
        with pytest.raises(UnexpectedAnswer):
            single.delete_object("name")

    def test_key_missing_in_bulk_answer_is_deleted_by_its_own_request(
        self, store: ScriptedS3, bucket: S3Bucket
    ) -> None:
        some = "<Deleted><Key>{}</Key></Deleted>" * 3
        keys = ["a", NAMER.manifest_key("a"), NAMER.manifest_key("b")]
        document = f"<DeleteResult>{some.format(*keys)}</DeleteResult>".encode()
        store.answers = [Answer(200, {}, document), Answer(204)]
        assert bucket.delete_objects(["a", "b"]) == {}
        assert [(r.method, r.target) for r in store.requests] == [
            ("POST", "/bucket?delete"),
            ("DELETE", "/bucket/b"),
        ]
        store.answers = [Answer(200, {}, document), STRANGE["a page"], Answer(200, HEAD)]
        failed = bucket.delete_objects(["a", "b"])
        assert list(failed) == ["b"]
        assert isinstance(failed["b"], UnexpectedAnswer)

    def test_empty_bulk_answer_of_failing_store_costs_one_more_request(
        self, store: ScriptedS3, bucket: S3Bucket
    ) -> None:
        store.answers = [Answer(200, {}, b"<DeleteResult/>"), error(503, "ServiceUnavailable")]
        names = [f"o{number}" for number in range(50)]
        assert sorted(bucket.delete_objects(names)) == sorted(names)
        assert len(store.requests) == 2

    def test_abort_of_upload_that_stays_open_raises_unexpected_answer(
        self, store: ScriptedS3, bucket: S3Bucket
    ) -> None:
        uploads = b"<ListMultipartUploadsResult>%s</ListMultipartUploadsResult>"
        mine = b"<Upload><Key>name</Key><UploadId>id</UploadId></Upload>"
        store.answers = [Answer(200), Answer(200, {}, uploads % mine)]
        with pytest.raises(UnexpectedAnswer):
            bucket.upload_by_id("name", "id").abort()
        store.answers = [Answer(200), Answer(200, {}, uploads % b"")]
        bucket.upload_by_id("name", "id").abort()


class TestCopy:
    def test_answer_without_etag_is_verified_by_a_head(self, store: ScriptedS3, bucket: S3Bucket) -> None:
        mark = {"x-amz-meta-swift-timestamp": VERSION}
        empty = Answer(200, {}, b"<CopyObjectResult></CopyObjectResult>")
        store.answers = [Answer(200, HEAD), empty, Answer(200, HEAD | mark)]
        bucket.post_object("name", META)
        store.answers = [Answer(200, HEAD), empty, Answer(200, HEAD)]
        with pytest.raises(UnexpectedAnswer):
            bucket.post_object("name", META)

    @pytest.mark.parametrize("said", ["a page", "nothing", "another document"])
    def test_strange_answer_raises_unexpected_answer(
        self, store: ScriptedS3, bucket: S3Bucket, said: str
    ) -> None:
        store.answers = [Answer(200, HEAD), STRANGE[said]]
        with pytest.raises(UnexpectedAnswer):
            bucket.post_object("name", META)

    def test_copied_part_with_etag_of_no_bytes_raises_not_supported(
        self, store: ScriptedS3, bucket: S3Bucket
    ) -> None:
        """The store took it for a part without bytes."""
        store.answers = [Answer(200, {"ETag": f'"{md5(b"")}"'})]
        with pytest.raises(NotSupported):
            bucket.upload_by_id("name", "id").copy_part(1, ByteRange(0, 3))


class TestBucketRequests:
    def test_list_buckets_other_document_raises_unexpected_answer(
        self, store: ScriptedS3, provider: S3Provider
    ) -> None:
        for answer in ("a page", "nothing", "another document"):
            store.answers = [STRANGE[answer]]
            with pytest.raises(UnexpectedAnswer):
                list(provider.list_buckets())
        store.answers = [Answer(200, {}, b"<ListAllMyBucketsResult/>")]
        assert list(provider.list_buckets()) == []

    def test_head_or_create_bucket_page_raises_unexpected_answer(
        self, store: ScriptedS3, provider: S3Provider
    ) -> None:
        store.answers = [STRANGE["a page"]]
        with pytest.raises(UnexpectedAnswer):
            provider.head_bucket("bucket")
        with pytest.raises(UnexpectedAnswer):
            provider.create_bucket("bucket")

    def test_region_lookup_without_region_raises_unexpected_answer(
        self, store: ScriptedS3, open_provider: Any
    ) -> None:
        """Else everything would be signed for a wrong one until the next start."""
        bucket = open_provider(dialect=AWS, addressing_style="path").bucket("bucket", NAMER)
        store.answers = [STRANGE["nothing"]]
        with pytest.raises(UnexpectedAnswer):
            bucket.head_object("name")


@pytest.mark.parametrize("status", [301, 302, 307])
def test_redirect_by_clone_is_not_followed(store: ScriptedS3, provider: S3Provider, status: int) -> None:
    store.answers = [Answer(status, {"Location": "http://127.0.0.1:9/"})]
    with pytest.raises(UnexpectedAnswer, match="redirected to http://127.0.0.1:9/"):
        list(provider.list_buckets())
    bucket = provider.bucket("bucket", NAMER)
    with pytest.raises(UnexpectedAnswer):
        bucket.delete_object("name")
    assert len(store.requests) == 2


def test_repeated_redirect_by_aws_ends_after_three_requests(store: ScriptedS3, open_provider: Any) -> None:
    """The SDK asks for the bucket's region then, once."""
    bucket = open_provider(dialect=AWS, region="us-east-1", addressing_style="path").bucket("bucket", NAMER)
    store.answers = [Answer(301, {"Location": "http://127.0.0.1:9/"})]
    with pytest.raises(UnexpectedAnswer):
        bucket.delete_object("name")
    assert len(store.requests) <= 3


def test_refusal_without_a_message_gives_status_and_code(store: ScriptedS3, bucket: S3Bucket) -> None:
    refusal = b"<Error><Code>AccessDenied</Code><Message/></Error>"
    store.answers = [Answer(403, {"Content-Type": "application/xml"}, refusal)]
    with pytest.raises(Exception, match=r"403 AccessDenied$"):
        bucket.delete_object("name")
