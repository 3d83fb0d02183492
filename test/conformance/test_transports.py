"""Every way in which bytes can be framed, signed and checked, on stores that look at it."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.known_quirks import QUIRKS
from conformance.samples import MIB, OnceBody, md5, read, sample
from conformance.targets import target_of
from s3_sync.config.credentials.s3_dialects import CLONE
from s3_sync.config.secret import Secret
from s3_sync.errors import AccessDenied, BadDigest, NotSupported, RemoteUnavailable
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.providers.base import Bucket, ListQuery, WriteOptions
from s3_sync.providers.s3.provider import S3Provider
from s3_sync.streams.reader import BytesBody
from servers.ceph_packages import missing

CHUNK = 64 * 1024
SIZES = (0, 10, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * MIB + 17)
CHECKSUMS = ("md5", "none", "crc32", "crc64nvme", "sha256")
#: directly with a signature for the head alone, directly with one for each chunk, by the SDK
WAYS = {"unsigned": (True, True), "signed chunks": (True, False), "sdk": (False, True)}


@pytest.fixture(params=["swift", "moto", *(() if missing() else ("ceph",))])
def server(request: pytest.FixtureRequest) -> tuple[str, Any]:
    return request.param, request.getfixturevalue(request.param)


def open_bucket(server: tuple[str, Any], namer: KeyNamer, checksum: str, way: str) -> Bucket:
    direct, unsigned = WAYS[way]
    credentials = target_of(*server).credentials.model_copy(update={"checksum": checksum})
    dialect = CLONE.model_copy(update={"unsigned_over_http": unsigned})
    provider = S3Provider(credentials, connections=2, dialect=dialect, direct=direct)
    provider.create_bucket("conformance")
    return provider.bucket("conformance", namer)


def refuses_trailer(server: tuple[str, Any], checksum: str, way: str) -> bool:
    """Whether the first large body is refused for its trailer; later ones come without."""
    trails = way != "sdk" and checksum not in ("md5", "none")
    return trails and not QUIRKS[server[0]].takes_trailers


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("checksum", CHECKSUMS)
def test_object_arrives_with_every_checksum_and_signature(
    server: tuple[str, Any], namer: KeyNamer, checksum: str, way: str
) -> None:
    bucket = open_bucket(server, namer, checksum, way)
    refused = refuses_trailer(server, checksum, way)
    for size in SIZES:
        data = sample(size)
        meta = ObjectMeta({"content-type": "text/plain", "content-encoding": "gzip"})
        if refused and size > CHUNK:
            refused = False
            with pytest.raises(RemoteUnavailable, match="trailing checksums"):
                bucket.put_object("object", BytesBody(data), PutOptions(size, meta, md5(data)))
        result = bucket.put_object("object", BytesBody(data), PutOptions(size, meta, md5(data)))
        assert result.etag == md5(data)
        assert read(bucket, "object") == data
        assert bucket.head_object("object").meta == meta


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("checksum", CHECKSUMS)
def test_part_arrives_with_every_checksum_and_signature(
    server: tuple[str, Any], namer: KeyNamer, checksum: str, way: str
) -> None:
    bucket = open_bucket(server, namer, checksum, way)
    data = sample(2 * MIB + 17)
    upload = bucket.create_upload("object", ObjectMeta())
    if refuses_trailer(server, checksum, way):
        with pytest.raises(RemoteUnavailable, match="trailing checksums"):
            upload.upload_part(1, BytesBody(data), len(data), md5(data))
    part = upload.upload_part(1, BytesBody(data), len(data), md5(data))
    upload.complete([part])
    assert read(bucket, "object") == data


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("checksum", ["none", "crc32", "sha256"])
def test_wrong_md5_is_found_by_the_client_without_content_md5(
    server: tuple[str, Any], namer: KeyNamer, checksum: str, way: str
) -> None:
    bucket = open_bucket(server, namer, checksum, way)
    bucket.put_object("object", BytesBody(b"before"), PutOptions(6))
    for size in (10, 2 * MIB):
        with pytest.raises(BadDigest):
            bucket.put_object("object", BytesBody(sample(size)), PutOptions(size, md5=md5(b"else")))
        assert read(bucket, "object") == b"before"


@pytest.mark.parametrize("way", ["unsigned", "signed chunks"])
def test_checksum_of_a_stream_that_cannot_rewind_is_sent_behind_it(
    server: tuple[str, Any], namer: KeyNamer, way: str
) -> None:
    bucket = open_bucket(server, namer, "crc32", way)
    if refuses_trailer(server, "crc32", way):
        with pytest.raises(RemoteUnavailable, match="trailing checksums"):
            bucket.put_object("object", OnceBody(sample(MIB)), PutOptions(MIB))
    bucket.put_object("object", OnceBody(sample(MIB)), PutOptions(MIB))
    assert read(bucket, "object") == sample(MIB)


def test_sdk_refuses_a_checksum_of_a_stream_that_cannot_rewind(
    server: tuple[str, Any], namer: KeyNamer
) -> None:
    bucket = open_bucket(server, namer, "crc32", "sdk")
    with pytest.raises(NotSupported):
        bucket.put_object("object", OnceBody(sample(MIB)), PutOptions(MIB))


def test_encryption_is_requested_only_where_the_store_supports_it(
    moto: Any, swift: Any, namer: KeyNamer
) -> None:
    write = WriteOptions(encrypt=True)
    for store, server in (("moto", moto), ("swift", swift)):  # swift answers 501 to the header
        target = target_of(store, server)
        provider = target.provider()
        provider.create_bucket("conformance")
        bucket = provider.bucket("conformance", namer, write)
        bucket.put_object("object", BytesBody(b"data"), PutOptions(4))
        bucket.post_object("object", ObjectMeta(user={"a": "1"}))
        upload = bucket.create_upload("parts", ObjectMeta())
        part = upload.upload_part(1, BytesBody(b"data"), 4)
        upload.complete([part])
    client = moto.client()
    for name in ("object", "parts"):
        there = client.head_object(Bucket="conformance", Key=namer.key(name))
        assert there["ServerSideEncryption"] == "AES256"


def test_kms_key_acl_and_tags_are_those_of_the_stored_objects(moto: Any, namer: KeyNamer) -> None:
    """Through another client, of an object, its new metadata, an upload in parts and a manifest."""
    write = WriteOptions(kms_key="alias/lab", acl="public-read", tags=(("a b", "c/d"), ("e", "")))
    provider = target_of("moto", moto).provider()
    provider.create_bucket("conformance")
    bucket = provider.bucket("conformance", namer, write)
    for name in ("object", "posted"):
        bucket.put_object(name, BytesBody(b"data"), PutOptions(4, ObjectMeta(), md5(b"data")))
    bucket.post_object("posted", ObjectMeta(user={"a": "1"}))
    upload = bucket.create_upload("parts", ObjectMeta())
    upload.complete([upload.upload_part(1, BytesBody(b"data"), 4)])
    bucket.manifests.put("object", b"[]")
    assert bucket.head_object("object").md5 == md5(b"data")
    client = moto.client()
    for key in (*map(namer.key, ("object", "posted", "parts")), namer.manifest_key("object")):
        where = {"Bucket": "conformance", "Key": key}
        head = client.head_object(**where)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "alias/lab"), key
        tags = {tag["Key"]: tag["Value"] for tag in client.get_object_tagging(**where)["TagSet"]}
        assert tags == {"a b": "c/d", "e": ""}, key
        grants = client.get_object_acl(**where)["Grants"]
        assert "READ" in {grant["Permission"] for grant in grants}, key


def test_signature_version_2_is_accepted_and_a_wrong_one_refused(swift: Any, namer: KeyNamer) -> None:
    """Swift's s3api checks it, of requests about a bucket too."""
    target = target_of("swift", swift)
    target.provider().create_bucket("conformance")
    data = sample(2 * MIB)
    for secret, refused in ((target.credentials.secret, False), (Secret("wrong"), True)):
        credentials = target.credentials.model_copy(update={"signature_version": "s3", "secret": secret})
        bucket = S3Provider(credentials, connections=1).bucket("conformance", namer)
        meta = ObjectMeta({"content-type": "text/x"}, {"color": "gr\u00fcn"})
        options = PutOptions(len(data), meta, md5(data))
        if refused:
            with pytest.raises(AccessDenied):
                bucket.put_object("a b", BytesBody(data), options)
            with pytest.raises(AccessDenied):
                bucket.list_objects(ListQuery())
        else:
            bucket.put_object("a b", BytesBody(data), options)
            assert read(bucket, "a b") == data
            assert bucket.head_object("a b").meta == meta
            assert [each.name for each in bucket.list_objects(ListQuery()).objects] == ["a b"]
            assert list(bucket.list_uploads()) == []
            assert bucket.delete_objects(["a b"]) == {}
