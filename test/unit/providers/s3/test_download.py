"""Reads that are believed, and those that are not; what other forms right answers have."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest

from conformance.samples import md5
from s3_sync.config.credentials.s3_dialects import AWS, GOOGLE
from s3_sync.errors import RemoteUnavailable, UnexpectedAnswer
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ByteRange, GetOptions
from s3_sync.providers.s3.bucket import S3Bucket
from s3_sync.streams.reader import read_all
from servers.scripted_s3 import Answer, ScriptedS3

NAMER = KeyNamer.literal("")
DATA = b"data"
ETAG = md5(DATA)
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
HEAD = {"ETag": f'"{ETAG}"', "Content-Length": "4", "Last-Modified": DATE}
ASK: dict[str, Callable[[S3Bucket], object]] = {
    "HEAD": lambda bucket: bucket.head_object("name"),
    "GET": lambda bucket: bucket.get_object("name"),
}


@pytest.fixture
def bucket(open_provider: Any) -> S3Bucket:
    bucket: S3Bucket = open_provider().bucket("bucket", NAMER)
    return bucket


class TestRead:
    @pytest.mark.parametrize("lacking", ["ETag", "Last-Modified"])
    @pytest.mark.parametrize("question", ["HEAD", "GET"])
    def test_answer_without_etag_or_date_raises_unexpected_answer(
        self, store: ScriptedS3, bucket: S3Bucket, question: str, lacking: str
    ) -> None:
        store.answers = [Answer(200, {k: v for k, v in HEAD.items() if k != lacking}, DATA)]
        with pytest.raises(UnexpectedAnswer):
            ASK[question](bucket)

    @pytest.mark.parametrize("question", ["HEAD", "GET"])
    def test_answer_with_swift_timestamp_needs_no_date(
        self, store: ScriptedS3, bucket: S3Bucket, question: str
    ) -> None:
        version = {"x-amz-meta-swift-timestamp": "0000000001.00000"}
        described = {k: v for k, v in HEAD.items() if k != "Last-Modified"} | version
        store.answers = [Answer(200, described, DATA)]
        ASK[question](bucket)

    def test_etag_in_upper_case_is_taken_for_the_md5(self, store: ScriptedS3, bucket: S3Bucket) -> None:
        store.answers = [Answer(200, HEAD | {"ETag": f'"{ETAG.upper()}"'}, DATA)]
        info = bucket.head_object("name")
        assert (info.etag, info.md5) == (ETAG.upper(), ETAG)

    @pytest.mark.parametrize(
        "own", [{"x-amz-request-id": "1"}, {"x-amz-meta-swift-timestamp": "1"}, {"x-goog-hash": "md5=1"}]
    )
    def test_html_object_is_read_if_the_answer_has_headers_of_a_store(
        self, store: ScriptedS3, bucket: S3Bucket, own: dict[str, str]
    ) -> None:
        page = HEAD | {"Content-Type": "text/html"}
        store.answers = [Answer(200, page | own, DATA)]
        assert bucket.head_object("name").size == 4
        with bucket.get_object("name") as result:
            assert read_all(result.body) == DATA
        store.answers = [Answer(200, page, DATA)]
        with pytest.raises(UnexpectedAnswer):
            bucket.get_object("name")

    @pytest.mark.parametrize(
        ("wanted", "status", "told"),
        [
            (None, 206, None),
            (None, 206, "bytes 2-5/9"),
            (ByteRange(2, 5), 206, None),
            (ByteRange(2, 5), 206, "bytes 0-3/9"),
            (ByteRange(2, 5), 200, "bytes 0-3/9"),
            (ByteRange(2), 206, "bytes 2-5/9"),
            (ByteRange(2, 5), 206, "bytes 2-5/9, bytes 2-5/8"),
        ],
    )
    def test_other_range_than_requested_raises_unexpected_answer(
        self, store: ScriptedS3, bucket: S3Bucket, wanted: ByteRange | None, status: int, told: str | None
    ) -> None:
        store.answers = [Answer(status, HEAD | ({"Content-Range": told} if told else {}), DATA)]
        with pytest.raises(UnexpectedAnswer):
            bucket.get_object("name", GetOptions(wanted))

    @pytest.mark.parametrize(
        ("wanted", "status", "told", "found"),
        [
            (None, 206, "bytes 0-3/4", None),
            (ByteRange(0, 3), 200, None, None),
            (ByteRange(2, 5), 200, "bytes 2-5/9", (2, 5)),
            (ByteRange(5, 99), 206, "bytes 5-8/9", (5, 8)),
            (ByteRange(5), 206, "bytes 5-8/9, bytes 5-8/9", (5, 8)),
        ],
    )
    def test_requested_bytes_in_another_form_are_accepted(
        self,
        store: ScriptedS3,
        bucket: S3Bucket,
        wanted: ByteRange | None,
        status: int,
        told: str | None,
        found: tuple[int, int] | None,
    ) -> None:
        store.answers = [Answer(status, HEAD | ({"Content-Range": told} if told else {}), DATA)]
        with bucket.get_object("name", GetOptions(wanted)) as result:
            assert result.byte_range == found
            assert read_all(result.body) == DATA

    @pytest.mark.parametrize(
        ("etag", "known"),
        [
            (f'"{ETAG}", "{ETAG}"', ETAG),
            (f'W/"{ETAG}"', ETAG),
            (ETAG, ETAG),
            (f'"{ETAG}", "{md5(b"other")}"', None),
            ('""', None),
            ("", None),
        ],
    )
    def test_repeated_etag_is_accepted_if_all_are_equal(
        self, store: ScriptedS3, bucket: S3Bucket, etag: str, known: str | None
    ) -> None:
        store.answers = [Answer(200, HEAD | {"ETag": etag})]
        if known is None:
            with pytest.raises(UnexpectedAnswer):
                bucket.head_object("name")
        else:
            assert bucket.head_object("name").etag == known

    @pytest.mark.parametrize(("length", "size"), [("4, 4", 4), ("4, 5", None), ("four", None), ("-4", None)])
    def test_repeated_content_length_is_accepted_if_all_are_equal(
        self, store: ScriptedS3, open_provider: Any, length: str, size: int | None
    ) -> None:
        bucket = open_provider().bucket("bucket", NAMER)
        store.answers = [Answer(200, HEAD | {"Content-Length": length})]
        if size is None:
            with pytest.raises(UnexpectedAnswer):
                bucket.head_object("name")
        else:
            assert bucket.head_object("name").size == size


class TestMissingContentLength:
    """As of what is packed or unpacked on the way."""

    LISTED = (
        b"<ListBucketResult><Contents><Key>name</Key><Size>4</Size><ETag>&quot;%s&quot;</ETag></Contents>"
        b"<IsTruncated>false</IsTruncated></ListBucketResult>"
    )
    CHUNKED = {k: v for k, v in HEAD.items() if k != "Content-Length"} | {"Transfer-Encoding": "chunked"}

    def test_head_object_takes_the_size_from_the_listing(self, store: ScriptedS3, bucket: S3Bucket) -> None:
        store.answers = [Answer(200, self.CHUNKED), Answer(200, {}, self.LISTED % ETAG.encode())]
        assert bucket.head_object("name").size == 4
        assert "prefix=name" in store.requests[1].target

    @pytest.mark.parametrize(
        "listed",
        [LISTED % b"another", b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"],
    )
    def test_head_object_missing_in_listing_raises_unexpected_answer(
        self, store: ScriptedS3, bucket: S3Bucket, listed: bytes
    ) -> None:
        store.answers = [Answer(200, self.CHUNKED), Answer(200, {}, listed)]
        with pytest.raises(UnexpectedAnswer):
            bucket.head_object("name")

    @pytest.mark.parametrize(
        ("status", "code"), [(403, "AccessDenied"), (501, "NotImplemented"), (400, "InvalidArgument")]
    )
    @pytest.mark.parametrize("direct", [True, False])
    def test_refused_listing_leaves_a_head_without_size_unexplained(
        self, store: ScriptedS3, open_provider: Any, direct: bool, status: int, code: str
    ) -> None:
        """It concerns this object, and no other one."""
        refusal = Answer(status, {}, f"<Error><Code>{code}</Code></Error>".encode())
        store.answers = [Answer(200, self.CHUNKED), refusal]
        bucket = open_provider(direct=direct).bucket("bucket", NAMER)
        with pytest.raises(UnexpectedAnswer, match=f"no Content-Length.*{code}"):
            bucket.head_object("name")

    def test_head_object_takes_the_size_from_a_header_of_google(
        self, store: ScriptedS3, bucket: S3Bucket
    ) -> None:
        store.answers = [Answer(200, self.CHUNKED | {"x-goog-stored-content-length": "4"})]
        assert bucket.head_object("name").size == 4
        assert len(store.requests) == 1

    def test_get_object_accepts_gzip_at_google_only(self, store: ScriptedS3, open_provider: Any) -> None:
        store.answers = [Answer(200, HEAD, DATA)]
        for dialect, coding in ((GOOGLE, "gzip"), (AWS, "identity")):
            provider = open_provider(dialect=dialect, region="us-east-1", addressing_style="path")
            with provider.bucket("bucket", NAMER).get_object("name") as result:
                read_all(result.body)
            assert store.requests[-1].headers["accept-encoding"] == coding

    @pytest.mark.parametrize(
        ("body", "right"), [(b"4\r\ndata\r\n0\r\n\r\n", True), (b"3\r\ndat\r\n0\r\n\r\n", False)]
    )
    def test_get_object_with_less_than_the_listed_bytes_is_refused(
        self, store: ScriptedS3, bucket: S3Bucket, body: bytes, right: bool
    ) -> None:
        self.read(store, bucket, body, right)

    def test_get_object_with_unpacked_bytes_is_refused(self, store: ScriptedS3, bucket: S3Bucket) -> None:
        self.read(store, bucket, b"8\r\nunpacked\r\n0\r\n\r\n", False)
        self.read(store, bucket, b"4\r\nunpa\r\n4\r\ncked\r\n0\r\n\r\n", False)

    def read(self, store: ScriptedS3, bucket: S3Bucket, body: bytes, right: bool) -> None:
        store.answers = [Answer(200, self.CHUNKED, body), Answer(200, {}, self.LISTED % ETAG.encode())]
        with bucket.get_object("name") as result:
            assert (result.info.size, result.body.length) == (4, 4)
            if right:
                assert read_all(result.body) == DATA
            else:
                with pytest.raises(RemoteUnavailable) as error:
                    read_all(result.body)
                # more bytes are an answer of the store; none, or fewer, are a connection that broke
                assert error.value.status == (200 if b"cked" in body else 0)


class TestManifest:
    MANIFEST = b'[{"name": "/s/1", "bytes": 1, "hash": "0cc175b9c0f1b6a831c399e269772661"}]'

    def answer(self, etag: str, body: bytes) -> Answer:
        return Answer(200, {"ETag": f'"{etag}"', "Content-Length": str(len(body))}, body)

    @pytest.mark.parametrize("etag", [md5(MANIFEST), "opaque"])
    def test_get_manifest_returns_a_json_list(self, store: ScriptedS3, bucket: S3Bucket, etag: str) -> None:
        store.answers = [self.answer(etag, self.MANIFEST)]
        assert bucket.manifests.get("name") == self.MANIFEST

    @pytest.mark.parametrize("etag", [md5(MANIFEST), "opaque"])
    @pytest.mark.parametrize("came", [MANIFEST[:-1], b"", b"{}", b"<html>"])
    def test_get_manifest_other_body_raises_unexpected_answer(
        self, store: ScriptedS3, bucket: S3Bucket, etag: str, came: bytes
    ) -> None:
        store.answers = [self.answer(etag, came)]
        with pytest.raises(UnexpectedAnswer, match="body is no manifest"):
            bucket.manifests.get("name")

    def test_get_manifest_damaged_in_the_store_is_returned(self, store: ScriptedS3, bucket: S3Bucket) -> None:
        store.answers = [self.answer(md5(b"damaged"), b"damaged")]
        assert bucket.manifests.get("name") == b"damaged"


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("question", ["HEAD", "GET"])
def test_read_of_an_object_measures_the_clock_of_the_store(
    store: ScriptedS3, open_provider: Any, question: str, direct: bool
) -> None:
    bucket = open_provider(direct=direct).bucket("bucket", NAMER)
    begun = time.time()
    store.answers = [Answer(200, {**HEAD, "Date": formatdate(begun - 600, usegmt=True)}, DATA)]
    ASK[question](bucket)
    took = time.time() - begun
    assert -602.0 - took < bucket.clock_offset < -598.0
