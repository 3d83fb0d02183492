"""New metadata and tiers, which move no bytes."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from s3_sync.errors import Archived, NotSupported, PreconditionFailed
from s3_sync.model.objects import Link, ObjectMeta
from s3_sync.providers.azure.bucket import AzureBucket
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import BytesBody
from servers.fake_azure import FakeAzure
from unit.providers.azure.conftest import NewBucket, put

META = ObjectMeta(
    {"content-type": "a/b", "cache-control": "no-store", "expires": "Thu, 01 Jan 2037 00:00:00 GMT"},
    {"class": "x", "a-b": "grün", "2": "two  blanks", "empty": ""},
    {"swift-timestamp": "0000000001.00000"},
)


def test_metadata_comes_back_as_it_was(bucket: AzureBucket) -> None:
    put(bucket, "o", b"bytes", META)
    assert bucket.head_object("o").meta == META


def test_new_metadata_alone_takes_one_write(service: FakeAzure, bucket: AzureBucket) -> None:
    put(bucket, "o", b"bytes", META)
    service.requests.clear()
    bucket.post_object("o", replace(META, user={"new": "1"}))
    assert [(each.method, each.query.get("comp")) for each in service.requests] == [
        ("HEAD", None),
        ("PUT", "metadata"),
    ]


def test_new_headers_keep_the_md5_and_come_before_the_metadata(
    service: FakeAzure, bucket: AzureBucket
) -> None:
    put(bucket, "o", b"bytes", META)
    after = ObjectMeta({"content-type": "x/y", "content-encoding": "gzip"}, {"new": "1"})
    service.requests.clear()
    bucket.post_object("o", after)
    assert [each.query.get("comp") for each in service.requests] == [None, "properties", "metadata"]
    info = bucket.head_object("o")
    assert (info.meta, info.md5) == (after, md5_hex(b"bytes"))


def test_blob_that_changes_in_between_is_left_alone(service: FakeAzure, bucket: AzureBucket) -> None:
    put(bucket, "o", b"bytes", META)

    def interfere(method: str, path: str, query: dict[str, str]) -> None:
        if query.get("comp") == "metadata":
            service.store.change("box", "o", etag="0xOTHER", metadata={"theirs": "1"})

    service.faults.refuse = interfere
    with pytest.raises(PreconditionFailed):
        bucket.post_object("o", replace(META, user={"new": "1"}))
    assert bucket.head_object("o").meta.user == {"theirs": "1"}


def test_archived_blob_takes_no_metadata(new_bucket: NewBucket) -> None:
    bucket = new_bucket(storage_class="Archive")
    put(bucket, "o", b"bytes")
    with pytest.raises(Archived):
        bucket.post_object("o", META)


def test_symlink_is_not_supported(bucket: AzureBucket) -> None:
    with pytest.raises(NotSupported):
        put(bucket, "o", b"", ObjectMeta(link=Link("c", "o")))


def test_large_objects_have_the_etag_of_swift_as_their_md5(bucket: AzureBucket) -> None:
    pieces = [b"1" * 10, b"2" * 5]
    meta = ObjectMeta(marks={"x-static-large-object": "True", "swift-slo-etag": "0" * 32})
    upload = bucket.create_upload("o", meta)
    parts = [upload.upload_part(n, BytesBody(piece), len(piece)) for n, piece in enumerate(pieces, 1)]
    upload.complete(parts)
    info = bucket.head_object("o")
    joined = md5_hex("".join(md5_hex(piece) for piece in pieces).encode())
    assert (info.md5, info.large_etag, info.size) == (None, joined, 15)
    bucket.post_object("o", meta.marked(swift_timestamp="0000000002.00000"))
    assert bucket.head_object("o").large_etag == joined


@pytest.mark.parametrize(
    ("marks", "content_md5"),
    [
        ({"x-object-manifest": "c/p", "swift-source-dlo-etag": "1" * 32}, "1" * 32),
        ({"swift-etag": "2" * 32}, "2" * 32),
        ({}, None),
    ],
)
def test_content_md5_of_an_upload_is_what_its_marks_tell(
    service: FakeAzure, bucket: AzureBucket, marks: dict[str, str], content_md5: str | None
) -> None:
    upload = bucket.create_upload("o", ObjectMeta(marks=marks))
    upload.complete([upload.upload_part(1, BytesBody(b"part"), 4)])
    found = service.store.containers["box"].blobs["o"].properties.get("content-md5")
    assert (base64.b64decode(found).hex() if found else None) == content_md5


def test_dlo_in_one_piece_has_the_etag_of_swift_too(bucket: AzureBucket) -> None:
    marks = {"x-object-manifest": "c/p", "swift-source-dlo-etag": "1" * 32}
    put(bucket, "o", b"bytes", ObjectMeta(marks=marks))
    assert (bucket.head_object("o").large_etag, bucket.head_object("o").md5) == ("1" * 32, None)
