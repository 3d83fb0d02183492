"""Headers that some buckets demand: KMS key, ACL, tags, and who pays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conformance.samples import md5
from s3_sync.config.credentials.s3_dialects import CLONE, DIALECTS
from s3_sync.errors import BadDigest
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ByteRange, ObjectMeta, PutOptions
from s3_sync.providers.base import ListQuery, MultipartUpload, Part, WriteOptions
from s3_sync.providers.s3.bucket import S3Bucket
from s3_sync.streams.reader import BytesBody
from servers.scripted_s3 import Answer, Received, ScriptedS3

NAMER = KeyNamer.hashed("AUTH_test", "c")
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
DATA = b"data"
KEYS = (NAMER.key("o"), NAMER.manifest_key("o"))
WRITTEN = {"ETag": f'"{md5(DATA)}"'}
PLAIN = WRITTEN | {"Content-Length": "4", "Last-Modified": DATE}
WRITTEN_KMS = {"ETag": f'"{"e" * 32}"', "x-amz-server-side-encryption": "aws:kms"}
KMS = PLAIN | WRITTEN_KMS


def document(root: str, content: str = "") -> Answer:
    return Answer(200, {}, f"<{root}>{content}</{root}>".encode())


COPIED = document("CopyObjectResult", "<ETag>&quot;copied&quot;</ETag>")
CREATED = Answer(
    200, {}, b"<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>"
)
WRITE = WriteOptions(
    "STANDARD_IA",
    encrypt=True,
    kms_key="alias/lab",
    acl="bucket-owner-full-control",
    tags=(("cost centre", "a/b+c"), ("größe", "")),
)
WANTED = {
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": "alias/lab",
    "x-amz-acl": "bucket-owner-full-control",
    "x-amz-tagging": "cost%20centre=a%2Fb%2Bc&gr%C3%B6%C3%9Fe=",
}
OF_OBJECTS = WANTED | {"x-amz-storage-class": "STANDARD_IA"}
NAMES = {*OF_OBJECTS, "x-amz-tagging-directive"}


@pytest.fixture(params=[True, False], ids=["direct", "sdk"])
def direct(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def open_bucket(open_provider: Any, direct: bool) -> Callable[..., S3Bucket]:
    def build(write: WriteOptions = WRITE, **changes: Any) -> S3Bucket:
        settings = {"dialect": DIALECTS["aws"], "region": "us-east-1", "addressing_style": "path"} | changes
        bucket: S3Bucket = open_provider(direct=direct, **settings).bucket("bucket", NAMER, write)
        return bucket

    return build


def options_of(request: Received) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name in NAMES}


def put(bucket: S3Bucket) -> None:
    bucket.put_object("o", BytesBody(DATA), PutOptions(4, ObjectMeta(), md5(DATA)))


def test_put_has_them_and_with_a_kms_key_the_mark_of_its_md5(store: ScriptedS3, open_bucket: Any) -> None:
    store.answers = [Answer(200, WRITTEN_KMS), Answer(200, KMS | {"x-amz-meta-swift-etag": md5(DATA)})]
    put(open_bucket())
    sent, proof = store.requests
    assert (sent.method, options_of(sent)) == ("PUT", OF_OBJECTS)
    assert sent.headers["x-amz-meta-swift-etag"] == md5(DATA)
    assert (proof.method, options_of(proof)) == ("HEAD", {})


def test_put_without_a_kms_key_has_no_mark(store: ScriptedS3, open_bucket: Any) -> None:
    store.answers = [Answer(200, WRITTEN)]
    put(open_bucket(WriteOptions(encrypt=True, acl="private")))
    [sent] = store.requests
    assert options_of(sent) == {"x-amz-server-side-encryption": "AES256", "x-amz-acl": "private"}
    assert "x-amz-meta-swift-etag" not in sent.headers


def test_they_are_sent_to_any_store(store: ScriptedS3, open_bucket: Any) -> None:
    store.answers = [Answer(200, WRITTEN_KMS), Answer(200, KMS | {"x-amz-meta-swift-etag": md5(DATA)})]
    put(open_bucket(dialect=CLONE))
    assert options_of(store.requests[0]) == OF_OBJECTS


def test_upload_in_parts_has_them_at_its_creation_only(store: ScriptedS3, open_bucket: Any) -> None:
    store.answers = [CREATED, Answer(200, WRITTEN_KMS)]
    upload = open_bucket().create_upload("o", ObjectMeta())
    upload.upload_part(1, BytesBody(DATA), 4)
    begin, part = store.requests
    assert options_of(begin) == OF_OBJECTS
    assert options_of(part) == {}


def test_manifest_has_them_in_the_default_storage_class(store: ScriptedS3, open_bucket: Any) -> None:
    store.answers = [Answer(200, {"ETag": f'"{md5(b"[]")}"'})]
    open_bucket().manifests.put("o", b"[]")
    assert options_of(store.requests[0]) == WANTED


def test_copy_onto_itself_has_them_and_replaces_tags(store: ScriptedS3, open_bucket: Any) -> None:
    other_key = {"x-amz-server-side-encryption-aws-kms-key-id": "another"}
    store.answers = [Answer(200, KMS | other_key), COPIED]
    open_bucket().post_object("o", ObjectMeta())
    assert options_of(store.requests[1]) == OF_OBJECTS | {"x-amz-tagging-directive": "REPLACE"}


def test_copy_onto_itself_without_tags_keeps_those_of_the_object(store: ScriptedS3, open_bucket: Any) -> None:
    store.answers = [Answer(200, PLAIN), COPIED]
    open_bucket(WriteOptions(acl="private")).post_object("o", ObjectMeta())
    assert options_of(store.requests[1]) == {"x-amz-acl": "private"}


def test_probe_of_conditions_has_them_in_the_default_storage_class(
    store: ScriptedS3, open_bucket: Any
) -> None:
    store.answers = [Answer(204), Answer(403)]
    bucket = open_bucket(dialect=CLONE, conditional_put=True)
    with pytest.raises(Exception, match="403"):
        bucket.probe_conditional_writes()
    assert options_of(store.requests[1]) == WANTED


def test_probe_of_etags_has_them_in_the_default_storage_class(store: ScriptedS3, open_bucket: Any) -> None:
    store.answers = [Answer(200, {"ETag": f'"{"e" * 32}"'})]
    bucket = open_bucket(WriteOptions("STANDARD_IA", acl="private"))
    with pytest.raises(BadDigest):
        put(bucket)
    object_put, probe, *_ = store.requests
    assert options_of(object_put) == {"x-amz-acl": "private", "x-amz-storage-class": "STANDARD_IA"}
    assert (probe.method, options_of(probe)) == ("PUT", {"x-amz-acl": "private"})


LISTING = document("ListBucketResult", "<IsTruncated>false</IsTruncated>")
GOT = Answer(200, {"ETag": PLAIN["ETag"], "Last-Modified": DATE}, DATA)


def upload(bucket: S3Bucket) -> MultipartUpload:
    return bucket.upload_by_id("o", "id")


#: operation -> the answers to its requests, and how it is called
OPERATIONS: dict[str, tuple[list[Answer], Callable[[S3Bucket], object]]] = {
    "put": ([Answer(200, WRITTEN)], put),
    "head": ([Answer(200, PLAIN)], lambda bucket: bucket.head_object("o")),
    "get": ([GOT], lambda bucket: bucket.get_object("o").close()),
    "copy": ([Answer(200, PLAIN), COPIED], lambda bucket: bucket.post_object("o", ObjectMeta())),
    "list": ([LISTING], lambda bucket: bucket.list_objects(ListQuery())),
    "uploads": ([document("ListMultipartUploadsResult")], lambda bucket: list(bucket.list_uploads())),
    "create": ([CREATED], lambda bucket: bucket.create_upload("o", ObjectMeta())),
    "part": ([Answer(200, WRITTEN)], lambda bucket: upload(bucket).upload_part(1, BytesBody(DATA), 4)),
    "copied part": (
        [document("CopyPartResult", "<ETag>&quot;e&quot;</ETag>")],
        lambda bucket: upload(bucket).copy_part(1, ByteRange(0, 3)),
    ),
    "complete": (
        [
            document("CompleteMultipartUploadResult", "<ETag>&quot;e-1&quot;</ETag>"),
            Answer(200, PLAIN | {"ETag": '"e-1"'}),
        ],
        lambda bucket: upload(bucket).complete([Part(1, "e", 4)]),
    ),
    "abort": ([Answer(204)], lambda bucket: upload(bucket).abort()),
    "delete": ([Answer(204)], lambda bucket: bucket.manifests.delete("o")),
    "deletes": (
        [document("DeleteResult", "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in KEYS))],
        lambda bucket: bucket.delete_object("o"),
    ),
    "retrieve": (
        [Answer(200, PLAIN | {"x-amz-storage-class": "GLACIER"}), Answer(202)],
        lambda bucket: bucket.retrieve_object("o", 1, "Bulk"),
    ),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("pays", [True, False])
def test_requester_pays_for_every_request_of_the_bucket(
    store: ScriptedS3, open_bucket: Any, operation: str, pays: bool
) -> None:
    answers, run = OPERATIONS[operation]
    store.answers = list(answers)
    run(open_bucket(WriteOptions(), requester_pays=pays))
    payers = [request.headers.get("x-amz-request-payer") for request in store.requests]
    assert payers == ["requester" if pays else None] * len(answers)
    signatures = [request.headers["authorization"] for request in store.requests]
    assert all(("x-amz-request-payer" in signature) == pays for signature in signatures)


def test_head_of_the_bucket_is_paid_and_a_list_of_buckets_costs_nothing(
    store: ScriptedS3, open_provider: Any
) -> None:
    store.answers = [Answer(200), document("ListAllMyBucketsResult")]
    provider = open_provider(requester_pays=True)
    provider.head_bucket("bucket")
    list(provider.list_buckets())
    assert [request.headers.get("x-amz-request-payer") for request in store.requests] == ["requester", None]
