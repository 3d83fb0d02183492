"""Reading, copying and deleting, as they go over the wire."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from xml.sax.saxutils import escape

import pytest

from conformance.samples import md5
from s3_sync.config.credentials.s3_dialects import AWS, CLONE, Dialect
from s3_sync.errors import (
    AccessDenied,
    Archived,
    InvalidRequest,
    NotFound,
    NotSupported,
    ObjectLocked,
    PreconditionFailed,
    RemoteUnavailable,
)
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ByteRange, GetOptions, ObjectMeta, PutOptions
from s3_sync.providers.base import WriteOptions
from s3_sync.providers.s3.bucket import S3Bucket
from s3_sync.providers.store_limits import GIB
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


def test_head_object_returns_size_etag_date_and_metadata(store: ScriptedS3, bucket: S3Bucket) -> None:
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
def test_head_object_etag_is_the_md5_unless_multipart_or_kms(
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
def test_post_object_of_archived_object_raises_archived(
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
def test_get_object_sends_signed_range_and_condition(
    store: ScriptedS3, open_provider: Any, direct: bool
) -> None:
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


def test_put_object_beside_open_reads_does_not_wait(store: ScriptedS3, bucket: S3Bucket) -> None:
    """Whoever reads one object to write another would wait for itself."""
    stored = Answer(200, {"ETag": f'"{ETAG}"'})
    store.answers = [*[Answer(200, HEAD, b"data")] * CONNECTIONS, stored]
    with ExitStack() as stack:
        opened = [stack.enter_context(bucket.get_object("name")) for _ in range(CONNECTIONS)]
        assert bucket.put_object("other", BytesBody(b"data"), PutOptions(4)).etag == ETAG
        assert [read_all(result.body) for result in opened] == [b"data"] * CONNECTIONS


@pytest.mark.parametrize("direct", [True, False])
def test_head_object_decodes_metadata_sent_as_utf8(
    store: ScriptedS3, open_provider: Any, direct: bool
) -> None:
    bucket = open_provider(direct=direct).bucket("bucket", NAMER)
    raw = "gr\u00fcn".encode().decode("latin-1")
    store.answers = [Answer(200, HEAD | {"x-amz-meta-color": raw})]
    meta = bucket.head_object("name").meta
    assert meta
    assert meta.user == {"color": "gr\u00fcn"}


def test_head_object_error_without_document_follows_the_status(store: ScriptedS3, bucket: S3Bucket) -> None:
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


def test_get_object_with_truncated_body_raises_remote_unavailable(
    store: ScriptedS3, bucket: S3Bucket
) -> None:
    store.answers = [Answer(200, HEAD, b"data", cut=2)]
    with bucket.get_object("name") as result, pytest.raises(RemoteUnavailable):
        read_all(result.body)


def test_get_object_206_without_range_raises_remote_unavailable(store: ScriptedS3, bucket: S3Bucket) -> None:
    store.answers = [Answer(206, HEAD, b"data")]
    with pytest.raises(RemoteUnavailable), bucket.get_object("name", GetOptions(ByteRange(2, 5))):
        pass


def test_rewind_answered_by_the_whole_raises_precondition_failed(store: ScriptedS3, bucket: S3Bucket) -> None:
    part = Answer(206, HEAD | {"Content-Range": "bytes 0-3/9"}, b"data")
    store.answers = [part, Answer(200, HEAD | {"Content-Length": "9"}, b"data more")]
    with bucket.get_object("name", GetOptions(ByteRange(0, 3))) as result:
        assert read_all(result.body) == b"data"
        with pytest.raises(PreconditionFailed):
            result.body.rewind()


def test_get_object_of_archived_object_raises_archived(store: ScriptedS3, bucket: S3Bucket) -> None:
    store.answers = [error(403, "InvalidObjectState", "The operation is not valid for the storage class")]
    with pytest.raises(Archived), bucket.get_object("name"):
        pass


# Copying onto itself


def test_post_object_keeps_storage_class_and_kms_key(store: ScriptedS3, aws: Any) -> None:
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


def test_post_object_sets_storage_class_and_encryption_of_mapping(store: ScriptedS3, aws: Any) -> None:
    store.answers = [Answer(200, HEAD | {"x-amz-storage-class": "ONEZONE_IA"}), COPIED]
    aws(WriteOptions("STANDARD_IA", encrypt=True)).post_object("name", ObjectMeta())
    assert store.requests[1].headers["x-amz-storage-class"] == "STANDARD_IA"
    assert store.requests[1].headers["x-amz-server-side-encryption"] == "AES256"


def test_post_object_error_in_a_200_raises_remote_unavailable(store: ScriptedS3, bucket: S3Bucket) -> None:
    refusal = error(200, "InternalError", "We encountered an internal error")
    store.answers = [Answer(200, HEAD), Answer(200, refusal.headers, refusal.body)]
    with pytest.raises(RemoteUnavailable) as caught:
        bucket.post_object("name", ObjectMeta())
    assert caught.value.code == "InternalError"


def test_post_object_of_too_large_or_archived_object_sends_no_copy(
    store: ScriptedS3, bucket: S3Bucket
) -> None:
    store.answers = [Answer(200, HEAD | {"Content-Length": str(5 * GIB + 1)})]
    with pytest.raises(NotSupported):
        bucket.post_object("name", ObjectMeta())
    store.answers = [Answer(200, HEAD | {"x-amz-storage-class": "DEEP_ARCHIVE"})]
    with pytest.raises(Archived):
        bucket.post_object("name", ObjectMeta())
    assert {request.method for request in store.requests} == {"HEAD"}


# Deleting


def test_delete_object_deletes_object_and_manifest_at_once(store: ScriptedS3, bucket: S3Bucket) -> None:
    store.answers = [deleted("a&b")]
    assert bucket.delete_object("a&b")
    (request,) = store.requests
    assert (request.method, request.target) == ("POST", "/bucket?delete")
    assert NAMER.key("a&amp;b").encode() in request.body
    assert NAMER.manifest_key("a&b").encode() in request.body
    assert "content-md5" in request.headers
    assert not [name for name in request.headers if name.startswith("x-amz-checksum")]


def test_delete_object_at_aws_sends_crc32_and_no_md5(store: ScriptedS3, aws: Any) -> None:
    store.answers = [deleted("name")]
    aws(WriteOptions()).delete_object("name")
    assert "content-md5" not in store.requests[0].headers
    assert "x-amz-checksum-crc32" in store.requests[0].headers


@pytest.mark.parametrize(
    ("code", "kind"),
    [("AccessDenied", AccessDenied), ("InternalError", RemoteUnavailable), ("Odd", InvalidRequest)],
)
@pytest.mark.parametrize("which", ["key", "manifest"])
def test_delete_object_error_of_key_or_manifest_is_raised(
    store: ScriptedS3, bucket: S3Bucket, which: str, code: str, kind: type[Exception]
) -> None:
    key = NAMER.key("name") if which == "key" else NAMER.manifest_key("name")
    document = f"<DeleteResult><Error><Key>{key}</Key><Code>{code}</Code></Error></DeleteResult>"
    store.answers = [Answer(200, {}, document.encode())]
    with pytest.raises(kind):
        bucket.delete_object("name")


def test_delete_object_of_missing_key_returns_false(store: ScriptedS3, bucket: S3Bucket) -> None:
    missing = "<Error><Key>{}</Key><Code>NoSuchKey</Code></Error>"
    both = missing.format(NAMER.key("name")) + missing.format(NAMER.manifest_key("name"))
    store.answers = [Answer(200, {}, f"<DeleteResult>{both}</DeleteResult>".encode())]
    assert not bucket.delete_object("name")
    only = missing.format(NAMER.manifest_key("name")) + f"<Deleted><Key>{NAMER.key('name')}</Key></Deleted>"
    store.answers = [Answer(200, {}, f"<DeleteResult>{only}</DeleteResult>".encode())]
    assert bucket.delete_object("name")


def test_delete_object_without_bulk_delete_sends_two_requests(store: ScriptedS3, open_provider: Any) -> None:
    bucket = open_provider(dialect=CLONE.with_changes(Dialect(max_deletes=0))).bucket("bucket", NAMER)
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


def test_delete_object_with_name_invalid_in_xml_sends_two_requests(
    store: ScriptedS3, bucket: S3Bucket
) -> None:
    store.answers = [Answer(204)]
    assert bucket.delete_object("a\x01b")
    assert [request.method for request in store.requests] == ["DELETE", "DELETE"]
    assert store.requests[0].target == f"/bucket/{NAMER.key('a%01b')}"


# Object lock


def test_conditions_of_a_store_that_is_only_named_are_probed(
    store: ScriptedS3, open_provider: Any, logged: Any
) -> None:
    """Somebody has called a clone that ignores all conditions "aws"."""
    named: Any = {"store": "aws", "region": "us-east-1", "addressing_style": "path"}
    bucket = open_provider(dialect=AWS, conditional_put=True, **named).bucket("bucket", NAMER)
    assert bucket.features.put_if_match
    store.answers = [Answer(204), *[Answer(200, {"ETag": f'"{md5(b"[]")}"'})] * 3, Answer(204)]
    for _ in range(2):
        bucket.probe_conditional_writes()
    assert (bucket.features.put_if_absent, bucket.features.put_if_match) == (False, False)
    assert logged("conditions of writes") == ["bucket: conditions of writes that hold: none"]


def test_probe_of_conditions_writes_nothing_that_it_may_not_delete(
    store: ScriptedS3, open_provider: Any
) -> None:
    """It is repeated until it succeeds, under another key each time."""
    bucket = open_provider(conditional_put=True).bucket("bucket", NAMER)
    store.answers = [error(403, "AccessDenied")]
    with pytest.raises(AccessDenied):
        bucket.probe_conditional_writes()
    assert [request.method for request in store.requests] == ["DELETE"]


def test_probe_of_conditions_on_a_store_that_locks_what_is_new(store: ScriptedS3, open_provider: Any) -> None:
    """It refuses the second write before it looks at its condition, and the delete, too."""
    bucket = open_provider(conditional_put=True).bucket("bucket", NAMER)
    stored = Answer(200, {"ETag": f'"{md5(b"[]")}"'})
    store.answers = [Answer(204), stored, error(409, "ObjectLockedByBucketPolicy")]
    bucket.probe_conditional_writes()
    assert (bucket.features.put_if_absent, bucket.features.put_if_match) == (False, False)


def test_delete_of_a_locked_object_fails_for_it_alone(store: ScriptedS3, bucket: S3Bucket) -> None:
    message = "Access Denied because object protected by object lock."
    entries = "".join(
        f"<Error><Key>{escape(key)}</Key><Code>AccessDenied</Code><Message>{message}</Message></Error>"
        if key == NAMER.key("locked")
        else f"<Deleted><Key>{escape(key)}</Key></Deleted>"
        for name in ("free", "locked")
        for key in (NAMER.key(name), NAMER.manifest_key(name))
    )
    store.answers = [Answer(200, {}, f"<DeleteResult>{entries}</DeleteResult>".encode())]
    failed = bucket.delete_objects(["free", "locked"])
    assert {name: type(failure) for name, failure in failed.items()} == {"locked": ObjectLocked}
    store.answers = [error(400, "InvalidRequest", "Object is WORM protected and cannot be overwritten")]
    with pytest.raises(ObjectLocked):
        bucket.delete_object("locked")
    of_ibm = f"<Error><Key>{escape(NAMER.key('o'))}</Key><Code>UnavailableForLegalReasons</Code></Error>"
    store.answers = [Answer(200, {}, f"<DeleteResult>{of_ibm}</DeleteResult>".encode())]
    with pytest.raises(ObjectLocked):
        bucket.delete_object("o")
    assert bucket.features.bulk_delete  # a lock is no sign that the store does not know the request
