"""Reading, copying and deleting, as they go over the wire."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from xml.sax.saxutils import escape

import pytest

from conformance.samples import md5
from s3_sync.errors import (
    AccessDenied,
    Archived,
    InvalidRequest,
    NotFound,
    NotSupported,
    PreconditionFailed,
    RemoteUnavailable,
)
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ByteRange, GetOptions, ObjectMeta, PutOptions
from s3_sync.providers.base import GIB, WriteOptions
from s3_sync.providers.s3.bucket import S3Bucket
from s3_sync.providers.s3.dialect import AWS, GOOGLE
from s3_sync.streams.reader import BytesBody, read_all
from servers.scripted_s3 import Answer, ScriptedS3, error

#: of the fixture's provider, for each purpose
CONNECTIONS = 2
NAMER = KeyNamer.hashed("AUTH_test", "c")
ETAG = md5(b"data")
HEAD = {"ETag": f'"{ETAG}"', "Content-Length": "4", "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT"}
COPIED = Answer(200, {}, f"<CopyObjectResult><ETag>&quot;{ETAG}&quot;</ETag></CopyObjectResult>".encode())


def deleted(*names: str) -> Answer:
    """What a store says when it has deleted these, and their manifests."""
    keys = [key for name in names for key in (NAMER.key(name), NAMER.manifest_key(name))]
    told = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
    return Answer(200, {}, f"<DeleteResult>{told}</DeleteResult>".encode())


@pytest.fixture
def bucket(open_provider: Any) -> S3Bucket:
    return open_provider().bucket("bucket", NAMER)


@pytest.fixture
def aws(open_provider: Any) -> Any:
    provider = open_provider(dialect=AWS, region="us-east-1", addressing_style="path")
    return lambda write: provider.bucket("bucket", NAMER, write)


# What a HEAD tells


def test_a_head(store: ScriptedS3, bucket: S3Bucket) -> None:
    user = {"x-amz-meta-Color": "=?UTF-8?B?Z3LDvG4=?=", "x-amz-meta-swift-timestamp": "0000000001.00000"}
    store.answers = [Answer(200, HEAD | user | {"Content-Encoding": "aws-chunked,gzip"})]
    info = bucket.head_object("name")
    assert (info.name, info.size, info.etag, info.md5) == ("name", 4, ETAG, ETAG)
    assert info.last_modified == 1445412480.0
    assert info.meta
    assert info.meta.user == {"color": "gr\u00fcn"}
    assert info.meta.marks == {"swift-timestamp": "0000000001.00000"}
    assert info.meta.headers == {"content-encoding": "gzip"}


@pytest.mark.parametrize(
    ("headers", "known"),
    [
        ({}, True),
        ({"ETag": '"0123456789abcdef0123456789abcdef-2"'}, False),
        ({"x-amz-server-side-encryption": "AES256"}, True),
        ({"x-amz-server-side-encryption": "aws:kms"}, False),
        ({"x-amz-server-side-encryption-customer-algorithm": "AES256"}, False),
    ],
)
def test_when_the_etag_is_the_md5(
    store: ScriptedS3, bucket: S3Bucket, headers: dict[str, str], known: bool
) -> None:
    store.answers = [
        Answer(200, HEAD | headers),
        Answer(200, HEAD | headers | {"x-amz-meta-swift-etag": "a" * 32}),
    ]
    assert bucket.head_object("name").md5 == (ETAG if known else None)
    assert bucket.head_object("name").md5 == "a" * 32


@pytest.mark.parametrize(
    ("headers", "archived"),
    [
        ({}, False),
        ({"x-amz-storage-class": "STANDARD_IA"}, False),
        ({"x-amz-storage-class": "GLACIER_IR"}, False),
        ({"x-amz-storage-class": "INTELLIGENT_TIERING"}, False),
        ({"x-amz-storage-class": "INTELLIGENT_TIERING", "x-amz-archive-status": "ARCHIVE_ACCESS"}, True),
        ({"x-amz-storage-class": "GLACIER"}, True),
        ({"x-amz-storage-class": "DEEP_ARCHIVE"}, True),
        ({"x-amz-storage-class": "GLACIER", "x-amz-restore": 'ongoing-request="true"'}, True),
        (
            {
                "x-amz-storage-class": "DEEP_ARCHIVE",
                "x-amz-restore": 'ongoing-request="false", expiry-date="Fri, 21 Dec 2029 00:00:00 GMT"',
            },
            False,
        ),
    ],
)
def test_what_must_be_restored_before_it_can_be_copied(
    store: ScriptedS3, bucket: S3Bucket, headers: dict[str, str], archived: bool
) -> None:
    store.answers = [Answer(200, HEAD | headers), Answer(200, HEAD | headers), COPIED]
    assert bucket.head_object("name").archived == archived
    if archived:
        with pytest.raises(Archived):
            bucket.post_object("name", ObjectMeta())
    else:
        bucket.post_object("name", ObjectMeta())
    assert len(store.requests) == (2 if archived else 3)


@pytest.mark.parametrize("direct", [True, False])
def test_a_read_as_it_goes_out(store: ScriptedS3, open_provider: Any, direct: bool) -> None:
    """Accept-Encoding is none of the signature: Google's frontend changes it."""
    bucket = open_provider(direct=direct).bucket("bucket", NAMER)
    store.answers = [Answer(206, HEAD | {"Content-Range": "bytes 2-5/9"}, b"data")]
    with bucket.get_object("name", GetOptions(ByteRange(2, 5), if_match=ETAG)) as result:
        assert read_all(result.body) == b"data"
        assert (result.byte_range, result.info.size) == ((2, 5), 9)
    [request] = store.requests
    assert (request.method, request.headers["range"]) == ("GET", "bytes=2-5")
    assert (request.headers["if-match"], request.headers["accept-encoding"]) == (f'"{ETAG}"', "identity")
    signed = request.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert {"host", "if-match", "range", "x-amz-date"} <= set(signed)
    assert "accept-encoding" not in signed


def test_open_reads_do_not_keep_a_write_waiting(store: ScriptedS3, bucket: S3Bucket) -> None:
    """Whoever reads one object to write another would wait for itself."""
    stored = Answer(200, {"ETag": f'"{ETAG}"'})
    store.answers = [*[Answer(200, HEAD, b"data")] * CONNECTIONS, stored]
    with ExitStack() as stack:
        opened = [stack.enter_context(bucket.get_object("name")) for _ in range(CONNECTIONS)]
        assert bucket.put_object("other", BytesBody(b"data"), PutOptions(4)).etag == ETAG
        assert [read_all(result.body) for result in opened] == [b"data"] * CONNECTIONS


@pytest.mark.parametrize("direct", [True, False])
def test_metadata_that_a_store_sends_as_utf8(store: ScriptedS3, open_provider: Any, direct: bool) -> None:
    bucket = open_provider(direct=direct).bucket("bucket", NAMER)
    raw = "gr\u00fcn".encode().decode("latin-1")
    store.answers = [Answer(200, HEAD | {"x-amz-meta-color": raw})]
    meta = bucket.head_object("name").meta
    assert meta
    assert meta.user == {"color": "gr\u00fcn"}


def test_a_head_is_refused_without_a_word(store: ScriptedS3, bucket: S3Bucket) -> None:
    for status, kind in (
        (404, NotFound),
        (403, AccessDenied),
        (500, RemoteUnavailable),
        (400, InvalidRequest),
    ):
        store.answers = [Answer(status)]
        with pytest.raises(kind) as caught:
            bucket.head_object("name")
        assert (caught.value.status, caught.value.code) == (status, "")


# Reading


def test_a_body_that_ends_early(store: ScriptedS3, bucket: S3Bucket) -> None:
    store.answers = [Answer(200, HEAD, b"data", cut=2)]
    with bucket.get_object("name") as result, pytest.raises(RemoteUnavailable):
        read_all(result.body)


def test_a_part_of_which_nobody_says_which(store: ScriptedS3, bucket: S3Bucket) -> None:
    store.answers = [Answer(206, HEAD, b"data")]
    with pytest.raises(RemoteUnavailable), bucket.get_object("name", GetOptions(ByteRange(2, 5))):
        pass


def test_the_second_time_it_gives_all_instead_of_a_part(store: ScriptedS3, bucket: S3Bucket) -> None:
    part = Answer(206, HEAD | {"Content-Range": "bytes 0-3/9"}, b"data")
    store.answers = [part, Answer(200, HEAD | {"Content-Length": "9"}, b"data more")]
    with bucket.get_object("name", GetOptions(ByteRange(0, 3))) as result:
        assert read_all(result.body) == b"data"
        with pytest.raises(PreconditionFailed):
            result.body.rewind()


def test_an_archived_object(store: ScriptedS3, bucket: S3Bucket) -> None:
    store.answers = [error(403, "InvalidObjectState", "The operation is not valid for the storage class")]
    with pytest.raises(Archived), bucket.get_object("name"):
        pass


# Copying onto itself


def test_a_copy_keeps_class_and_key(store: ScriptedS3, aws: Any) -> None:
    kms = {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "key 1"}
    store.answers = [Answer(200, HEAD | kms | {"x-amz-storage-class": "ONEZONE_IA"}), COPIED]
    meta = ObjectMeta({"content-type": "text/x", "expires": "-1"}, {"color": "blue"})
    aws(WriteOptions(encrypt=True)).post_object("a b+c", meta, if_match=ETAG)
    head, copy = store.requests
    key = NAMER.key("a%20b%2Bc")
    assert (head.method, copy.method, copy.target) == ("HEAD", "PUT", f"/bucket/{key}")
    wanted = {
        "x-amz-copy-source": f"bucket/{key}",
        "x-amz-copy-source-if-match": f'"{ETAG}"',
        "x-amz-metadata-directive": "REPLACE",
        "x-amz-meta-color": "blue",
        "content-type": "text/x",
        "expires": "-1",
        "x-amz-storage-class": "ONEZONE_IA",
        **kms,
    }
    assert {name: copy.headers.get(name) for name in wanted} == wanted


def test_a_copy_takes_class_and_encryption_of_the_mapping(store: ScriptedS3, aws: Any) -> None:
    store.answers = [Answer(200, HEAD | {"x-amz-storage-class": "ONEZONE_IA"}), COPIED]
    aws(WriteOptions("STANDARD_IA", encrypt=True)).post_object("name", ObjectMeta())
    assert store.requests[1].headers["x-amz-storage-class"] == "STANDARD_IA"
    assert store.requests[1].headers["x-amz-server-side-encryption"] == "AES256"


def test_a_copy_that_fails_behind_a_200(store: ScriptedS3, bucket: S3Bucket) -> None:
    refusal = error(200, "InternalError", "We encountered an internal error")
    store.answers = [Answer(200, HEAD), Answer(200, refusal.headers, refusal.body)]
    with pytest.raises(RemoteUnavailable) as caught:
        bucket.post_object("name", ObjectMeta())
    assert caught.value.code == "InternalError"


def test_what_cannot_be_copied(store: ScriptedS3, bucket: S3Bucket) -> None:
    store.answers = [Answer(200, HEAD | {"Content-Length": str(5 * GIB + 1)})]
    with pytest.raises(NotSupported):
        bucket.post_object("name", ObjectMeta())
    store.answers = [Answer(200, HEAD | {"x-amz-storage-class": "DEEP_ARCHIVE"})]
    with pytest.raises(Archived):
        bucket.post_object("name", ObjectMeta())
    assert {request.method for request in store.requests} == {"HEAD"}


# Deleting


def test_one_request_deletes_object_and_manifest(store: ScriptedS3, bucket: S3Bucket) -> None:
    store.answers = [deleted("a&b")]
    assert bucket.delete_object("a&b")
    (request,) = store.requests
    assert (request.method, request.target) == ("POST", "/bucket?delete")
    assert NAMER.key("a&amp;b").encode() in request.body
    assert NAMER.manifest_key("a&b").encode() in request.body
    assert "content-md5" in request.headers
    assert not [name for name in request.headers if name.startswith("x-amz-checksum")]


def test_amazon_gets_its_own_checksum(store: ScriptedS3, aws: Any) -> None:
    store.answers = [deleted("name")]
    aws(WriteOptions()).delete_object("name")
    assert "content-md5" not in store.requests[0].headers
    assert "x-amz-checksum-crc32" in store.requests[0].headers


@pytest.mark.parametrize(
    ("code", "kind"),
    [("AccessDenied", AccessDenied), ("InternalError", RemoteUnavailable), ("Odd", InvalidRequest)],
)
@pytest.mark.parametrize("which", ["key", "manifest"])
def test_a_failure_of_either_is_a_failure(
    store: ScriptedS3, bucket: S3Bucket, which: str, code: str, kind: type[Exception]
) -> None:
    key = NAMER.key("name") if which == "key" else NAMER.manifest_key("name")
    document = f"<DeleteResult><Error><Key>{key}</Key><Code>{code}</Code></Error></DeleteResult>"
    store.answers = [Answer(200, {}, document.encode())]
    with pytest.raises(kind):
        bucket.delete_object("name")


def test_what_the_store_knows_was_not_there(store: ScriptedS3, bucket: S3Bucket) -> None:
    missing = "<Error><Key>{}</Key><Code>NoSuchKey</Code></Error>"
    both = missing.format(NAMER.key("name")) + missing.format(NAMER.manifest_key("name"))
    store.answers = [Answer(200, {}, f"<DeleteResult>{both}</DeleteResult>".encode())]
    assert not bucket.delete_object("name")
    only = missing.format(NAMER.manifest_key("name")) + f"<Deleted><Key>{NAMER.key('name')}</Key></Deleted>"
    store.answers = [Answer(200, {}, f"<DeleteResult>{only}</DeleteResult>".encode())]
    assert bucket.delete_object("name")


def test_two_requests_where_one_cannot_do_it(store: ScriptedS3, open_provider: Any) -> None:
    bucket = open_provider(dialect=GOOGLE).bucket("bucket", NAMER)
    store.answers = [Answer(204), error(404, "NoSuchKey")]
    assert bucket.delete_object("name")
    assert [(request.method, request.target) for request in store.requests] == [
        ("DELETE", f"/bucket/{NAMER.key('name')}"),
        ("DELETE", f"/bucket/{NAMER.manifest_key('name')}"),
    ]
    store.answers = [Answer(204), error(403, "AccessDenied")]
    with pytest.raises(AccessDenied):
        bucket.delete_object("name")
    store.answers = [error(404, "NoSuchKey"), error(404, "NoSuchKey")]
    assert not bucket.delete_object("name")


def test_two_requests_for_a_name_that_xml_cannot_hold(store: ScriptedS3, bucket: S3Bucket) -> None:
    store.answers = [Answer(204)]
    assert bucket.delete_object("a\x01b")
    assert [request.method for request in store.requests] == ["DELETE", "DELETE"]
    assert store.requests[0].target == f"/bucket/{NAMER.key('a%01b')}"
