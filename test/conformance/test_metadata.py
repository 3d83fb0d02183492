"""Metadata goes in and comes out as it was, whatever it consists of."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from conformance.samples import md5, put, read
from conformance.targets import Target
from s3_sync.errors import (
    Archived,
    CredentialsRefused,
    NotFound,
    NotSupported,
    PreconditionFailed,
    RemoteError,
    UnexpectedAnswer,
)
from s3_sync.model.headers import to_user_metadata
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectInfo, ObjectMeta
from s3_sync.providers.base import Bucket, Provider, WriteOptions
from s3_sync.streams.reader import BytesBody

VALUES = {
    "plain": "blue",
    "blanks inside": "a b  c",
    "outer blanks": "  outer  ",
    "empty": "",
    "umlaut": "gr\u00fcn",
    "euro": "\u20ac",
    "four bytes": "\U0001f600 \U0001f601",
    "encoded word": "=?UTF-8?B?w6k=?=",
    "broken word": "=?UTF-8?B?***?=",
    "other charset": "=?iso-8859-1?Q?a=e9?=",
    "control": "a\x04b",
    "tab": "a\tb",
    "quotes": "\"'\\",
    "percent": "100% %41",
    "comma": "a, b;c=d",
    "colon": "a: b",
    "long": "x" * 250,
    "long umlauts": "\u00fc" * 60,
}


def meta_of(info: ObjectInfo) -> ObjectMeta:
    return info.meta


@pytest.mark.parametrize("how", ["put", "post", "parts"])
@pytest.mark.parametrize("kind", VALUES)
def test_user_metadata_value_comes_back_unchanged(
    bucket: Bucket, target: Target, kind: str, how: str
) -> None:
    if lacks(bucket, target, how):
        return
    meta = ObjectMeta(user={"color": VALUES[kind], "other": "1"})
    write(bucket, meta, how)
    there = dict(meta_of(bucket.head_object("object")).user)
    if kind == "empty":
        there.setdefault("color", "")  # some stores drop it: the same as none
    assert there == {**meta.user, "color": target.quirks.changed_values.get(kind, VALUES[kind])}
    with bucket.get_object("object") as result:
        assert meta_of(result.info) == meta_of(bucket.head_object("object"))


def lacks(bucket: Bucket, target: Target, how: str) -> bool:
    """Whether the store cannot write in this way."""
    if how != "parts" or target.quirks.parts:
        return False
    with pytest.raises(NotSupported):
        bucket.create_upload("object", ObjectMeta())
    return True


def write(bucket: Bucket, meta: ObjectMeta, how: str) -> None:
    if how == "put":
        put(bucket, "object", b"data", meta)
    elif how == "post":
        put(bucket, "object", b"data")
        bucket.post_object("object", meta)
    else:
        upload = bucket.create_upload("object", meta)
        part = upload.upload_part(1, BytesBody(b"data"), 4)
        upload.complete([part])


@pytest.mark.parametrize("how", ["put", "post", "parts"])
def test_stored_headers_come_back_unchanged(bucket: Bucket, target: Target, how: str) -> None:
    if lacks(bucket, target, how):
        return
    headers = {
        "content-type": "text/html; charset=utf-8",
        "content-encoding": "gzip",
        "content-disposition": 'attachment; filename="a b.txt"',
        "content-language": "de-CH",
        "cache-control": "max-age=3600, public",
        "expires": formatdate(2_000_000_000, usegmt=True),
    }
    write(bucket, ObjectMeta(headers=headers), how)
    assert dict(meta_of(bucket.head_object("object")).headers) == expected_headers(headers, target)
    with bucket.get_object("object") as result:
        assert dict(meta_of(result.info).headers) == expected_headers(headers, target)


def expected_headers(headers: dict[str, str], target: Target) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in target.quirks.lost_headers}


@pytest.mark.parametrize("expires", ["0", "-1", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_expires_header_of_any_text_comes_back_unchanged(
    bucket: Bucket, target: Target, expires: str
) -> None:
    headers = {"content-type": "text/plain", "expires": expires}
    put(bucket, "object", b"data", ObjectMeta(headers=headers))
    assert dict(meta_of(bucket.head_object("object")).headers) == expected_headers(headers, target)


@pytest.mark.parametrize("how", ["put", "post", "parts"])
def test_non_ascii_header_comes_back_unchanged(bucket: Bucket, target: Target, how: str) -> None:
    if lacks(bucket, target, how):
        return
    headers = {"content-type": "text/plain", "content-disposition": 'inline; filename="gr\u00fcn.txt"'}
    write(bucket, ObjectMeta(headers=headers), how)
    assert dict(meta_of(bucket.head_object("object")).headers) == expected_headers(headers, target)


def test_missing_content_type_becomes_octet_stream(bucket: Bucket) -> None:
    put(bucket, "object", b"data", ObjectMeta())
    assert meta_of(bucket.head_object("object")).content_type == "application/octet-stream"


def test_marks_come_back_apart_from_user_metadata(bucket: Bucket, target: Target) -> None:
    marks = {
        "swift-timestamp": "1700000000.12345_0000000000000002",
        "swift-etag": "d41d8cd98f00b204e9800998ecf8427e",
        "x-delete-at": "1900000000",
        "x-object-manifest": "segments/gr\u00fcn prefix/%41",
        "x-static-large-object": "True",
    }
    if not target.quirks.stores_manifests:
        del marks["x-object-manifest"]  # would make it a DLO, which test_native_large.py has
    put(bucket, "object", b"data", ObjectMeta(user={"a": "1"}, marks=marks))
    if not target.quirks.stores_manifests:
        del marks["x-static-large-object"]  # only a Swift can say so itself
    info = bucket.head_object("object")
    assert dict(meta_of(info).marks) == marks
    assert dict(meta_of(info).user) == {"a": "1"}
    # the mark wins over the ETag, but at a Swift, where anyone may write it and the ETag is always the MD5
    assert info.md5 == (marks["swift-etag"] if target.quirks.stores_manifests else md5(b"data"))


def test_metadata_name_with_punctuation_comes_back_unchanged(bucket: Bucket, target: Target) -> None:
    meta = ObjectMeta(user={"color-of-it=5f1.2": "blue"})
    if target.quirks.hyphenates_metadata and target.credentials.signature_version == "s3":
        with pytest.raises(CredentialsRefused):
            put(bucket, "object", b"data", meta)
        return
    put(bucket, "object", b"data", meta)
    name = "color-of-it-1.2" if target.quirks.hyphenates_metadata else "color-of-it=5f1.2"
    assert dict(meta_of(bucket.head_object("object")).user) == {name: "blue"}


@pytest.mark.parametrize("how", ["put", "post", "parts"])
def test_metadata_name_with_underscore_comes_back_unchanged(bucket: Bucket, target: Target, how: str) -> None:
    if lacks(bucket, target, how):
        return
    meta = ObjectMeta(user={"a=5fb": "1", "a-c": "2", "=5f=5fd": "3"})
    if target.quirks.hyphenates_metadata and target.credentials.signature_version == "s3":
        with pytest.raises(CredentialsRefused):
            write(bucket, meta, how)
        return
    write(bucket, meta, how)
    lost = (how == "parts" and target.quirks.underscores_lost_in_parts) or target.quirks.hyphenates_metadata
    expected = {"a-b": "1", "a-c": "2", "--d": "3"} if lost else {"a=5fb": "1", "a-c": "2", "=5f=5fd": "3"}
    assert dict(meta_of(bucket.head_object("object")).user) == expected


def test_as_much_metadata_as_allowed_is_kept_or_refused(bucket: Bucket, target: Target) -> None:
    limit = bucket.limits.max_metadata
    assert limit == max(2048, target.quirks.metadata_limit)
    sent = bucket.limits.metadata_name
    user = {f"key-{n:03d}": "v" * (200 - len(sent("key-000"))) for n in range(limit // 200)}
    user["rest"] = "w" * (limit % 200 - 4)
    meta = ObjectMeta(user=user)
    assert sum(len(sent(k)) + len(v) for k, v in to_user_metadata(meta).items()) == limit
    if target.quirks.metadata_limit < 2048:
        with pytest.raises(RemoteError) as refusal:
            put(bucket, "object", b"data", meta)
        assert not refusal.value.transient
        return
    put(bucket, "object", b"data", meta)
    assert dict(meta_of(bucket.head_object("object")).user) == user


def test_post_replaces_all_metadata_and_keeps_the_bytes(bucket: Bucket, target: Target) -> None:
    before = ObjectMeta({"content-type": "text/a", "cache-control": "no-store"}, {"old": "1", "both": "2"})
    put(bucket, "object", b"data", before)
    stored = bucket.head_object("object")
    after = ObjectMeta({"content-type": "text/b", "content-language": "en"}, {"new": "3", "both": "4"})
    if target.quirks.merges_metadata:
        with pytest.raises(UnexpectedAnswer):
            bucket.post_object("object", after)
        return
    bucket.post_object("object", after)
    info = bucket.head_object("object")
    assert target.quirks.opaque_etags or info.etag == stored.etag
    assert info.md5 == stored.md5
    assert read(bucket, "object") == b"data"
    assert meta_of(info) == after


def test_post_of_missing_object_raises_not_found(bucket: Bucket) -> None:
    with pytest.raises(NotFound):
        bucket.post_object("nothing", ObjectMeta())


def test_post_if_match_of_another_etag_raises_precondition_failed(bucket: Bucket, target: Target) -> None:
    put(bucket, "object", b"data")
    etag = bucket.head_object("object").etag
    bucket.post_object("object", ObjectMeta(user={"a": "1"}), if_match=etag)
    assert meta_of(bucket.head_object("object")).user == {"a": "1"}
    if "copy" in target.quirks.ignores_if_match:
        bucket.post_object("object", ObjectMeta(user={"a": "2"}), if_match="0" * 32)
        return
    with pytest.raises(PreconditionFailed):
        bucket.post_object("object", ObjectMeta(user={"a": "2"}), if_match="0" * 32)
    assert meta_of(bucket.head_object("object")).user == {"a": "1"}


@pytest.mark.parametrize("how", ["put", "post", "parts"])
def test_storage_class_is_set_by_writes_and_survives_a_post(
    provider: Provider, namer: KeyNamer, target: Target, how: str
) -> None:
    bucket = provider.bucket("conformance", namer, WriteOptions(storage_class=target.quirks.classes[0]))
    if lacks(bucket, target, how):
        return
    if target.quirks.ignores_storage_classes:
        write(bucket, ObjectMeta(), how)
        assert bucket.head_object("object").storage_class == ""
        return
    if not target.quirks.storage_classes:
        with pytest.raises(RemoteError):
            write(bucket, ObjectMeta(), how)
        return
    write(bucket, ObjectMeta(), how)
    assert bucket.head_object("object").storage_class == target.quirks.classes[0]
    assert not bucket.head_object("object").archived
    plain = provider.bucket("conformance", namer)
    plain.post_object("object", ObjectMeta(user={"a": "1"}))
    assert plain.head_object("object").storage_class == target.quirks.classes[0]


def test_archived_object_can_be_deleted_but_not_read(
    provider: Provider, namer: KeyNamer, target: Target
) -> None:
    archive = target.quirks.classes[1]
    bucket = provider.bucket("conformance", namer, WriteOptions(storage_class=archive))
    if target.quirks.ignores_storage_classes:
        put(bucket, "object", b"data")
        assert not bucket.head_object("object").archived
        return
    if not target.quirks.storage_classes:
        with pytest.raises(RemoteError):
            put(bucket, "object", b"data")
        return
    put(bucket, "object", b"data")
    if not target.quirks.archives:
        assert read(bucket, "object") == b"data"
        return
    info = bucket.head_object("object")
    assert (info.storage_class, info.archived) == (archive, True)
    with pytest.raises(Archived), bucket.get_object("object"):
        pass
    with pytest.raises(Archived):
        bucket.post_object("object", ObjectMeta(user={"a": "1"}))
    assert bucket.delete_object("object")
