"""Writes as they go over the wire, by both ways."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, ClassVar

import pytest

from conformance.samples import MIB, OnceBody, md5, sample
from s3_sync import __version__
from s3_sync.config.credentials.s3_dialects import AWS, CLONE
from s3_sync.config.secret import Secret
from s3_sync.errors import (
    AccessDenied,
    BadDigest,
    InvalidRequest,
    PreconditionFailed,
    RemoteUnavailable,
    Throttled,
)
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.providers.base import WriteOptions
from s3_sync.providers.s3.bucket import S3Bucket
from s3_sync.providers.s3.provider import S3Provider
from s3_sync.providers.store_limits import GIB
from s3_sync.streams.reader import BytesBody
from servers.scripted_s3 import Answer, ScriptedS3, error

NAMER = KeyNamer.literal("p/")
DATA = b"some data"
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
COPIED = Answer(200, {}, b"<CopyObjectResult><ETag>&quot;copied&quot;</ETag></CopyObjectResult>")
#: what is stored to find out what ETags are
ETAG_TRIAL = b"what is the ETag of this?"


def stored(data: bytes = DATA, **headers: str) -> Answer:
    return Answer(200, {"ETag": f'"{md5(data)}"', **headers})


def shown(etag: str, size: int = len(DATA), **headers: str) -> Answer:
    seen = {"ETag": f'"{etag}"', "Content-Length": str(size), "Last-Modified": DATE}
    return Answer(200, seen | headers)


@pytest.fixture(params=[True, False], ids=["direct", "sdk"])
def direct(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def bucket(open_provider: Any, direct: bool) -> S3Bucket:
    return open_provider(direct=direct).bucket("bucket", NAMER)


def put(bucket: S3Bucket, data: bytes = DATA, meta: ObjectMeta | None = None, **options: Any) -> str:
    known = {"md5": md5(data)} | options
    return bucket.put_object(
        "a b", BytesBody(data), PutOptions(len(data), meta or ObjectMeta(), **known)
    ).etag


def test_small_put_sends_metadata_md5_and_length(store: ScriptedS3, bucket: S3Bucket, direct: bool) -> None:
    store.answers = [stored()]
    meta = ObjectMeta(
        {"content-type": "text/plain", "cache-control": "no-store", "expires": "0"},
        {"color": "gr\u00fcn"},
        {"swift-timestamp": "0000000001.00000"},
    )
    assert put(bucket, meta=meta) == md5(DATA)
    (request,) = store.requests
    assert (request.method, request.target, request.body) == ("PUT", "/bucket/p/a%20b", DATA)
    wanted = {
        "content-type": "text/plain",
        "cache-control": "no-store",
        "expires": "0",
        "x-amz-meta-color": "=?UTF-8?B?Z3LDvG4=?=",
        "x-amz-meta-swift-timestamp": "0000000001.00000",
        "content-md5": base64.b64encode(hashlib.md5(DATA).digest()).decode(),
        "content-length": str(len(DATA)),
        "user-agent": f"swift-s3-sync/{__version__}",
    }
    assert {name: request.headers.get(name) for name in wanted} == wanted
    assert not [name for name in request.headers if name.startswith("x-amz-checksum")]
    assert "x-amz-server-side-encryption" not in request.headers
    assert "x-amz-storage-class" not in request.headers
    if direct:
        assert request.headers["x-amz-content-sha256"] == hashlib.sha256(DATA).hexdigest()
        assert "expect" not in request.headers


def test_large_put_sends_expect_100_continue(store: ScriptedS3, open_provider: Any) -> None:
    bucket = open_provider(direct=True).bucket("bucket", NAMER)
    data = sample(MIB + 1)
    store.answers = [stored(data)]
    put(bucket, data)
    assert store.requests[0].headers["expect"] == "100-continue"
    assert store.requests[0].headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert store.requests[0].body == data


def test_put_refused_before_its_body_sends_no_body(store: ScriptedS3, open_provider: Any) -> None:
    bucket = open_provider(direct=True).bucket("bucket", NAMER)
    refusal = error(403, "AccessDenied")
    store.answers = [Answer(403, refusal.headers, refusal.body, early=True)]
    body = OnceBody(sample(8 * MIB), step=64 * 1024)
    with pytest.raises(AccessDenied) as caught:
        bucket.put_object("a", body, PutOptions(8 * MIB, md5="0" * 32))
    assert caught.value.code == "AccessDenied"
    assert body.reads <= 2


def test_etag_of_other_bytes_raises_bad_digest(store: ScriptedS3, bucket: S3Bucket) -> None:
    store.answers = [stored(b"other bytes"), stored(ETAG_TRIAL), Answer(204), stored(b"other bytes")]
    for data in (DATA, sample(MIB)):
        with pytest.raises(BadDigest):
            put(bucket, data)
        with pytest.raises(BadDigest):
            put(bucket, data, md5=None)
    assert [request.method for request in store.requests] == ["PUT", "PUT", "DELETE", "PUT", "PUT", "PUT"]


def test_etag_that_only_looks_like_an_md5_is_found_by_a_trial(
    store: ScriptedS3, bucket: S3Bucket, logged: Any
) -> None:
    """Nothing in the answer says so; what was stored comes back right under another one."""
    odd = {"ETag": f'"{"e" * 32}"', "Last-Modified": DATE}
    there = Answer(200, odd | {"Content-Length": str(len(DATA))})
    back = Answer(200, odd, ETAG_TRIAL)
    store.answers = [Answer(200, odd), Answer(200, odd), back, Answer(204), there, COPIED, Answer(200, odd)]
    assert put(bucket) == "copied"
    trial, look, gone = store.requests[1:4]
    assert (trial.method, look.method, gone.method) == ("PUT", "GET", "DELETE")
    assert trial.target == look.target == gone.target != store.requests[0].target
    assert len(store.requests) == 6
    assert len(logged("bucket: ETags are not the MD5s")) == 1
    mark = {"x-amz-meta-swift-etag": md5(DATA)}
    store.answers = [Answer(200, odd), shown("e" * 32, **mark)]
    put(bucket)
    assert len(logged("ETags are not")) == 1
    assert store.requests[6].headers["x-amz-meta-swift-etag"] == md5(DATA)
    assert len(store.requests) == 8


def test_trial_that_returns_other_bytes_raises_bad_digest(store: ScriptedS3, bucket: S3Bucket) -> None:
    odd = {"ETag": f'"{"e" * 32}"', "Last-Modified": DATE}
    back = Answer(200, odd, ETAG_TRIAL.upper())
    store.answers = [Answer(200, odd), Answer(200, odd), back, Answer(204)]
    with pytest.raises(BadDigest):
        put(bucket)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-server-side-encryption": "aws:kms"},
        {"x-amz-server-side-encryption": "aws:kms:dsse"},
        {"x-amz-server-side-encryption-customer-algorithm": "AES256"},
    ],
)
def test_etag_with_kms_or_customer_key_is_not_compared(
    store: ScriptedS3, bucket: S3Bucket, headers: dict[str, str]
) -> None:
    store.answers = [stored(b"other bytes", **headers), shown(md5(b"other bytes"), **headers), COPIED]
    assert put(bucket) == "copied"
    assert [request.method for request in store.requests] == ["PUT", "HEAD", "PUT"]


def test_etag_of_another_form_is_not_compared(store: ScriptedS3, bucket: S3Bucket) -> None:
    store.answers = [Answer(200, {"ETag": '"not-an-md5"'}), shown("not-an-md5"), COPIED]
    assert put(bucket) == "copied"


def test_etag_with_aes256_encryption_is_compared(store: ScriptedS3, bucket: S3Bucket) -> None:
    other = stored(b"other bytes", **{"x-amz-server-side-encryption": "AES256"})
    store.answers = [other, stored(ETAG_TRIAL), Answer(204)]
    with pytest.raises(BadDigest):
        put(bucket)


@pytest.mark.parametrize("size", [10, 2 * MIB])
def test_refused_put_raises_error_with_code_and_retry_after(
    store: ScriptedS3, bucket: S3Bucket, size: int
) -> None:
    store.answers = [error(503, "SlowDown", "Reduce your request rate", Retry_After="7")]
    with pytest.raises(Throttled) as caught:
        put(bucket, sample(size))
    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (503, "SlowDown", 7.0)
    assert "Reduce your request rate" in str(caught.value)
    assert "sesame" not in str(caught.value)
    assert len(store.requests) == 1  # nobody below the retry wrapper repeats anything


def test_put_with_broken_connection_raises_remote_unavailable(store: ScriptedS3, bucket: S3Bucket) -> None:
    store.answers = [Answer(drop=True)]
    with pytest.raises(RemoteUnavailable):
        put(bucket, sample(200_000))


def test_put_with_session_token_sends_and_signs_it(
    store: ScriptedS3, open_provider: Any, direct: bool
) -> None:
    provider = open_provider(direct=direct, session_token=Secret("the token"))
    store.answers = [stored()]
    put(provider.bucket("bucket", NAMER))
    assert store.requests[0].headers["x-amz-security-token"] == "the token"
    assert "x-amz-security-token" in store.requests[0].headers["authorization"]


def test_put_is_signed_for_the_configured_region(store: ScriptedS3, open_provider: Any, direct: bool) -> None:
    store.answers = [stored()]
    put(open_provider(direct=direct, region="eu-central-2").bucket("bucket", NAMER))
    put(open_provider(direct=direct).bucket("bucket", NAMER))
    assert "/eu-central-2/s3/aws4_request" in store.requests[0].headers["authorization"]
    assert "/us-east-1/s3/aws4_request" in store.requests[1].headers["authorization"]


def test_put_requests_storage_class_and_at_aws_encryption(
    store: ScriptedS3, open_provider: Any, direct: bool
) -> None:
    store.answers = [stored()]
    write = WriteOptions("STANDARD_IA", encrypt=True)
    for dialect in (AWS, CLONE):
        provider = open_provider(dialect=dialect, direct=direct, region="us-east-1", addressing_style="path")
        put(provider.bucket("bucket", NAMER, write))
    aws, clone = store.requests
    assert aws.headers["x-amz-server-side-encryption"] == "AES256"
    assert aws.headers["x-amz-storage-class"] == clone.headers["x-amz-storage-class"] == "STANDARD_IA"
    assert "x-amz-server-side-encryption" not in clone.headers


def test_put_manifest_at_aws_is_encrypted_without_storage_class(
    store: ScriptedS3, open_provider: Any, direct: bool
) -> None:
    """A restore must be able to read it."""
    store.answers = [stored(b"[]")]
    provider = open_provider(dialect=AWS, direct=direct, region="us-east-1", addressing_style="path")
    provider.bucket("bucket", NAMER, WriteOptions("DEEP_ARCHIVE", encrypt=True)).manifests.put("o", b"[]")
    (request,) = store.requests
    assert request.target == f"/bucket/{NAMER.manifest_key('o')}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-amz-server-side-encryption"] == "AES256"
    assert "x-amz-storage-class" not in request.headers


class TestKmsEncryptedBucket:
    """The ETag that comes back is none of the bytes'; what was stored has been checked by Content-MD5."""

    KMS: ClassVar[dict[str, str]] = {"ETag": f'"{"e" * 32}"', "x-amz-server-side-encryption": "aws:kms"}
    SEEN: ClassVar[dict[str, str]] = KMS | {"Last-Modified": DATE, "Content-Length": "4"}

    @pytest.fixture
    def bucket(self, store: ScriptedS3, open_provider: Any, direct: bool) -> S3Bucket:
        store.answers = [Answer(200, self.SEEN)]
        provider: S3Provider = open_provider(direct=direct)
        return provider.bucket("bucket", NAMER)

    def test_first_put_is_marked_by_a_copy_and_later_ones_at_once(
        self, store: ScriptedS3, bucket: S3Bucket
    ) -> None:
        store.answers = [Answer(200, self.KMS), Answer(200, self.SEEN), COPIED]
        meta = ObjectMeta({"content-type": "text/x"}, {"a": "1"})
        result = bucket.put_object("a", BytesBody(b"data"), PutOptions(4, meta, md5(b"data")))
        assert result.etag == "copied"
        first, _, copy = store.requests
        assert "x-amz-meta-swift-etag" not in first.headers
        assert copy.headers["x-amz-meta-swift-etag"] == md5(b"data")
        assert copy.headers["x-amz-copy-source-if-match"] == f'"{"e" * 32}"'
        assert copy.headers["x-amz-meta-a"] == "1"
        assert copy.headers["x-amz-server-side-encryption"] == "aws:kms"
        mark = {"x-amz-meta-swift-etag": md5(b"more")}
        store.answers = [Answer(200, self.KMS), Answer(200, self.SEEN | mark)]
        bucket.put_object("b", BytesBody(b"more"), PutOptions(4, meta, md5(b"more")))
        assert len(store.requests) == 5, "and a HEAD for each"
        assert store.requests[3].headers["x-amz-meta-swift-etag"] == md5(b"more")

    def test_put_after_head_of_an_encrypted_object_is_marked_at_once(
        self, store: ScriptedS3, bucket: S3Bucket
    ) -> None:
        bucket.head_object("other")
        mark = {"x-amz-meta-swift-etag": md5(DATA), "Content-Length": str(len(DATA))}
        store.answers = [Answer(200, self.KMS), Answer(200, self.SEEN | mark)]
        put(bucket)
        assert store.requests[1].headers["x-amz-meta-swift-etag"] == md5(DATA)
        assert len(store.requests) == 3

    def test_opaque_etags_are_logged_once_for_each_bucket(
        self, store: ScriptedS3, open_provider: Any, direct: bool, logged: Any
    ) -> None:
        provider = open_provider(direct=direct)
        bucket, another = (provider.bucket(name, NAMER) for name in ("bucket", "another"))
        store.answers = [stored(), Answer(200, self.SEEN)]
        put(bucket)
        assert logged("ETags") == []
        for asked in (bucket, bucket, another):
            asked.head_object("other")
        found = "ETags are not the MD5s of objects: comparing with the MD5s in their metadata"
        assert logged("ETags") == [f"bucket: {found}", f"another: {found}"]

    def test_put_manifest_is_not_marked(self, store: ScriptedS3, bucket: S3Bucket) -> None:
        """Nothing looks for a mark there, neither the first time nor later."""
        seen = self.SEEN | {"Content-Length": "2"}
        for _ in range(2):
            store.answers = [Answer(200, self.KMS), Answer(200, seen)]
            bucket.manifests.put("a", b"[]")
        assert [request.method for request in store.requests] == ["PUT", "HEAD"] * 2
        assert all("x-amz-meta-swift-etag" not in request.headers for request in store.requests)

    def test_put_to_another_bucket_is_not_marked(
        self, store: ScriptedS3, open_provider: Any, direct: bool
    ) -> None:
        provider = open_provider(direct=direct)
        store.answers = [Answer(200, self.SEEN), stored()]
        provider.bucket("bucket", NAMER).head_object("other")
        put(provider.bucket("another", NAMER))
        assert "x-amz-meta-swift-etag" not in store.requests[1].headers

    def test_put_without_room_for_the_mark_is_not_marked(self, store: ScriptedS3, bucket: S3Bucket) -> None:
        meta = ObjectMeta(user={"a": "x" * 2040})
        store.answers = [Answer(200, self.KMS), Answer(200, self.SEEN)]
        bucket.put_object("a", BytesBody(b"data"), PutOptions(4, meta, md5(b"data")))
        assert [request.method for request in store.requests] == ["PUT", "HEAD"]

    def test_put_without_known_md5_is_not_marked(self, store: ScriptedS3, bucket: S3Bucket) -> None:
        store.answers = [Answer(200, self.KMS), Answer(200, self.SEEN)]
        bucket.put_object("a", BytesBody(b"data"), PutOptions(4))
        assert [request.method for request in store.requests] == ["PUT", "HEAD"]


def test_put_with_signature_version_2_is_signed_by_the_sdk(store: ScriptedS3, open_provider: Any) -> None:
    store.answers = [stored(), stored(sample(MIB))]
    bucket = open_provider(signature_version="s3").bucket("bucket", NAMER)
    put(bucket)
    put(bucket, sample(MIB))
    for request in store.requests:
        assert request.headers["authorization"].startswith("AWS AKID:")


def test_conditional_put_answered_by_404_or_409_raises_an_error(
    store: ScriptedS3, open_provider: Any, direct: bool
) -> None:
    provider = open_provider(dialect=AWS, direct=direct, region="us-east-1", addressing_style="path")
    bucket = provider.bucket("bucket", NAMER)
    store.answers = [error(404, "NoSuchKey")]
    with pytest.raises(PreconditionFailed):
        put(bucket, if_match="0" * 32)
    assert store.requests[0].headers["if-match"] == f'"{"0" * 32}"'
    store.answers = [error(409, "ConditionalRequestConflict")]
    with pytest.raises(RemoteUnavailable):
        put(bucket, if_absent=True)
    assert store.requests[1].headers["if-none-match"] == "*"


def test_put_of_more_than_5_gib_raises_without_a_request(store: ScriptedS3, bucket: S3Bucket) -> None:
    with pytest.raises(InvalidRequest):
        bucket.put_object("a", BytesBody(b""), PutOptions(5 * GIB + 1))
    assert store.requests == []


def test_error_document_in_chunks_is_read_whole(store: ScriptedS3, open_provider: Any) -> None:
    bucket = open_provider(direct=True).bucket("bucket", NAMER)
    whole = error(503, "SlowDown", "m" * 300).body
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (whole[:20], whole[20:50], whole[50:]))
    store.answers = [Answer(503, {"Transfer-Encoding": "chunked"}, chunks + b"0\r\n\r\n")]
    with pytest.raises(Throttled) as caught:
        put(bucket)
    assert caught.value.code == "SlowDown"


def test_put_after_an_error_uses_the_same_connection(store: ScriptedS3, open_provider: Any) -> None:
    """The next request goes out on the same connection, after an error with a document too."""
    bucket = open_provider(direct=True).bucket("bucket", NAMER)
    store.answers = [stored(), error(412, "PreconditionFailed"), stored()]
    put(bucket)
    with pytest.raises(PreconditionFailed):
        put(bucket)
    put(bucket)
    assert len(store.requests) == 3
    assert len({request.port for request in store.requests}) == 1
