"""Multipart uploads."""

from __future__ import annotations

import hashlib

import pytest

from conformance.names import NAMES
from conformance.samples import MIB, OnceBody, md5, names, put, read, sample
from conformance.targets import IN_PARTS, STORES, Target
from s3_sync.errors import BadDigest, InvalidRequest, NotFound, NotSupported, RemoteError, RemoteUnavailable
from s3_sync.model.objects import ByteRange, GetOptions, ObjectMeta
from s3_sync.providers.base import Bucket, MultipartUpload, Part
from s3_sync.streams.reader import BytesBody, read_all

PART = 5 * MIB
in_parts = pytest.mark.parametrize("target", IN_PARTS, indirect=True)


def send(upload: MultipartUpload, pieces: list[bytes], first: int = 1) -> list[Part]:
    return [
        upload.upload_part(number, BytesBody(piece), len(piece), md5(piece))
        for number, piece in enumerate(pieces, first)
    ]


def etag_of(pieces: list[bytes]) -> str:
    digests = b"".join(hashlib.md5(piece, usedforsecurity=False).digest() for piece in pieces)
    return f"{md5(digests)}-{len(pieces)}"


@in_parts
@pytest.mark.parametrize("last", [1, PART - 1, PART, PART + 1])
def test_completed_upload_replaces_the_object_with_all_parts(
    bucket: Bucket, target: Target, last: int
) -> None:
    pieces = [sample(PART), sample(PART + 1, 1), sample(last, 2)]
    meta = ObjectMeta(
        {"content-type": "text/x"}, {"color": "gr\u00fcn"}, {"swift-timestamp": "0000000001.00000"}
    )
    put(bucket, "object", b"before")
    upload = bucket.create_upload("object", meta)
    parts = send(upload, pieces)
    assert [(part.number, part.etag, part.size) for part in parts] == [
        (number, md5(piece), len(piece)) for number, piece in enumerate(pieces, 1)
    ]
    assert read(bucket, "object") == b"before"
    result = upload.complete(parts)
    info = bucket.head_object("object")
    whole = b"".join(pieces)
    opaque = target.quirks.opaque_etags or target.quirks.opaque_parts
    joined = md5(whole) if target.store == "file" else etag_of(pieces)
    assert result.etag == (info.etag if opaque else joined)
    assert (info.size, info.meta) == (len(whole), meta)
    if target.quirks.forgets_parts:
        assert info.etag == info.md5 == md5(whole)
    elif target.quirks.opaque_etags:
        assert info.md5 is None
    else:
        assert (info.etag, info.md5) == (result.etag, None)
    with bucket.get_object("object", GetOptions(ByteRange(PART - 5, PART + 4))) as got:
        assert read_all(got.body) == whole[PART - 5 : PART + 5]
    assert read(bucket, "object") == whole


@in_parts
def test_parts_are_read_one_by_one_where_the_store_tells_them(bucket: Bucket, target: Target) -> None:
    pieces = [sample(PART), sample(PART + 1, 1), b"end"]
    upload = bucket.create_upload("object", ObjectMeta())
    etag = upload.complete(send(upload, pieces)).etag
    if not target.quirks.tells_parts:
        with pytest.raises(NotSupported):
            bucket.get_object("object", GetOptions(part=2))
        return
    assert bucket.features.reads_parts
    first = 0
    for number, piece in enumerate(pieces, 1):
        with bucket.get_object("object", GetOptions(part=number, if_match=etag)) as got:
            assert (got.byte_range, got.info.size) == ((first, first + len(piece) - 1), 2 * PART + 4)
            assert (got.info.etag, read_all(got.body)) == (etag, piece)
        first += len(piece)
    with pytest.raises(RemoteError):
        bucket.get_object("object", GetOptions(part=4))


@in_parts
def test_swift_etag_mark_gives_the_md5_of_an_upload(bucket: Bucket) -> None:
    pieces = [sample(PART), b"end"]
    whole = md5(b"".join(pieces))
    upload = bucket.create_upload("object", ObjectMeta().marked(swift_etag=whole))
    upload.complete(send(upload, pieces))
    assert bucket.head_object("object").md5 == whole


@in_parts
def test_part_sent_again_replaces_the_first(bucket: Bucket, target: Target) -> None:
    upload = bucket.create_upload("object", ObjectMeta())
    send(upload, [b"first"])
    if target.quirks.parts_once:
        with pytest.raises(NotSupported):
            send(upload, [b"second"])
        return
    upload.complete(send(upload, [b"second"]))
    assert read(bucket, "object") == b"second"


@in_parts
def test_parts_sent_out_of_order_are_joined_by_number(bucket: Bucket) -> None:
    upload = bucket.create_upload("object", ObjectMeta())
    pieces = [sample(PART), b"end"]
    last = send(upload, pieces[1:], first=2)
    first = send(upload, pieces[:1])
    upload.complete(first + last)
    assert read(bucket, "object") == b"".join(pieces)


@in_parts
@pytest.mark.parametrize("size", [10, 2 * MIB])
def test_part_without_a_known_md5_returns_it_as_etag(bucket: Bucket, size: int) -> None:
    upload = bucket.create_upload("object", ObjectMeta())
    part = upload.upload_part(1, OnceBody(sample(size)), size)
    assert part.etag == part.md5 == md5(sample(size))
    upload.abort()


@in_parts
@pytest.mark.parametrize("size", [10, 2 * MIB])
def test_part_with_wrong_md5_raises_bad_digest(bucket: Bucket, size: int) -> None:
    upload = bucket.create_upload("object", ObjectMeta())
    with pytest.raises(BadDigest):
        upload.upload_part(1, BytesBody(sample(size)), size, md5(b"else"))
    upload.abort()


@in_parts
@pytest.mark.parametrize(
    ("size", "promised"), [(10, 11), (10, 9), (2 * MIB, 2 * MIB + 1), (2 * MIB, 2 * MIB - 1)]
)
def test_part_with_wrong_length_raises_bad_digest(bucket: Bucket, size: int, promised: int) -> None:
    upload = bucket.create_upload("object", ObjectMeta())
    with pytest.raises(BadDigest):
        upload.upload_part(1, OnceBody(sample(size)), promised)
    upload.abort()


@in_parts
def test_complete_with_a_wrong_part_etag_raises_bad_digest(bucket: Bucket) -> None:
    put(bucket, "object", b"before")
    upload = bucket.create_upload("object", ObjectMeta())
    send(upload, [b"part"])
    with pytest.raises(BadDigest):
        upload.complete([Part(1, md5(b"else"), 4, md5(b"else"))])
    assert read(bucket, "object") == b"before"
    upload.abort()


@in_parts
def test_complete_with_a_missing_part_raises_remote_error(bucket: Bucket) -> None:
    upload = bucket.create_upload("object", ObjectMeta())
    parts = send(upload, [sample(PART)])
    with pytest.raises(RemoteError):
        upload.complete([*parts, Part(2, md5(b"else"), 4, md5(b"else"))])
    assert names(bucket) == []
    upload.abort()


@in_parts
def test_complete_with_a_small_part_before_the_last_is_refused(bucket: Bucket, target: Target) -> None:
    upload = bucket.create_upload("object", ObjectMeta())
    parts = send(upload, [b"small", b"end"])
    if target.quirks.small_parts:
        upload.complete(parts)
        assert read(bucket, "object") == b"smallend"
        return
    with pytest.raises(InvalidRequest):
        upload.complete(parts)
    assert names(bucket) == []


@in_parts
def test_aborted_upload_takes_no_parts_and_keeps_the_object(bucket: Bucket, target: Target) -> None:
    put(bucket, "object", b"before")
    upload = bucket.create_upload("object", ObjectMeta())
    parts = send(upload, [b"part"])
    upload.abort()
    upload.abort()
    with pytest.raises(RemoteUnavailable if target.quirks.breaks_without_upload else NotFound):
        send(upload, [b"part"])
    with pytest.raises(NotFound):
        upload.complete(parts)
    assert read(bucket, "object") == b"before"


@in_parts
def test_complete_repeated_keeps_the_completed_object(bucket: Bucket, target: Target) -> None:
    """The answer to the first time was lost: the second one finds the object in place."""
    upload = bucket.create_upload("object", ObjectMeta())
    parts = send(upload, [b"part"])
    first = upload.complete(parts)
    unknown_etag = target.quirks.forgets_parts or target.quirks.opaque_parts  # and here is no mark either
    if unknown_etag or target.store == "memory":
        with pytest.raises(NotFound):
            upload.complete(parts)
    else:
        assert upload.complete(parts) == first
    assert read(bucket, "object") == b"part"


@in_parts
def test_unfinished_upload_is_no_object(bucket: Bucket) -> None:
    upload = bucket.create_upload("object", ObjectMeta())
    send(upload, [b"part"])
    assert names(bucket) == []
    with pytest.raises(NotFound):
        bucket.head_object("object")
    upload.abort()


@in_parts
def test_list_uploads_finds_uploads_of_hostile_names(bucket: Bucket, target: Target) -> None:
    """XML cannot hold some of these, and one of them must not hide the others."""
    quirks = target.quirks
    avoided = quirks.refused_names | quirks.renamed.keys() | quirks.unlisted_uploads
    wanted = {"plain", "control", "noncharacter", "carriage return", "plus", "percent encoded"} - avoided
    if not target.quirks.lists_uploads:
        return  # see TestListUploads
    uploads = [bucket.create_upload(NAMES[name_id], ObjectMeta()) for name_id in wanted]
    assert [upload.name for upload in uploads] == [NAMES[name_id] for name_id in wanted]
    listed = {upload.upload_id: upload.name for upload in bucket.list_uploads()}
    assert listed == {upload.upload_id: upload.name for upload in uploads}
    for upload in uploads:
        assert [each.upload_id for each in bucket.list_uploads(upload.name)] == [upload.upload_id]
        part = upload.upload_part(1, BytesBody(b"part"), 4, md5(b"part"))
        upload.complete([part])
        assert read(bucket, upload.name) == b"part"
    assert list(bucket.list_uploads()) == []


@pytest.mark.parametrize("target", sorted({*STORES} - {*IN_PARTS}), indirect=True)
def test_store_without_parts_refuses_uploads(bucket: Bucket) -> None:
    assert not bucket.features.multipart
    with pytest.raises(NotSupported):
        bucket.create_upload("object", ObjectMeta())
    with pytest.raises(NotSupported):
        bucket.upload_by_id("object", "id")
    assert list(bucket.list_uploads()) == []
