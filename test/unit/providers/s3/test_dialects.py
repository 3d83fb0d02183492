"""Each property of a store changes the requests that it is about, and no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from s3_sync.config.credentials.s3_dialects import CLONE, Dialect
from s3_sync.errors import BadDigest, NotSupported, RemoteUnavailable
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ByteRange, ObjectMeta, PutOptions
from s3_sync.providers.base import ListQuery, Part
from s3_sync.providers.s3.bucket import S3Bucket
from s3_sync.providers.s3.lifecycle import edit
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import BytesBody
from servers.scripted_s3 import Answer, ScriptedS3, error

SOURCES = Path(__file__).parents[4] / "s3_sync"
NAMER = KeyNamer.literal("")
DATA = b"data"
ETAG = md5_hex(DATA)
OTHER = "0" * 32
HEAD = {
    "Content-Length": "4",
    "ETag": f'"{ETAG}"',
    "Last-Modified": "Tue, 24 Nov 2026 09:00:00 GMT",
}
EMPTY = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
BEGUN = Answer(
    200, {}, b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
)


def completed(etag: str) -> Answer:
    document = f"<CompleteMultipartUploadResult><ETag>{etag}</ETag></CompleteMultipartUploadResult>"
    return Answer(200, {}, document.encode())


@pytest.fixture
def open_bucket(open_provider: Any) -> Any:
    def build(checksum: str = "md5", **properties: Any) -> S3Bucket:
        dialect = CLONE.model_copy(update=properties)
        bucket: S3Bucket = open_provider(dialect=dialect, checksum=checksum).bucket("bucket", NAMER)
        return bucket

    return build


def test_limits_of_a_bucket_are_those_of_the_dialect(open_bucket: Any) -> None:
    limits = open_bucket(max_parts=77, min_part=5, max_metadata=99, equal_parts=True).limits
    assert (limits.max_parts, limits.min_part, limits.max_metadata, limits.equal_parts) == (77, 5, 99, True)


@pytest.mark.parametrize(("keys", "names"), [(0, 0), (1, 0), (100, 50), (1000, 500)])
def test_bulk_delete_takes_half_as_many_names_as_keys(open_bucket: Any, keys: int, names: int) -> None:
    assert open_bucket(max_deletes=keys).features.bulk_delete == names


@pytest.mark.parametrize("header", ["x-amz-copy-source-if-match", "x-amz-copy-if-match"])
def test_condition_of_a_copy_has_the_name_that_the_store_reads(
    store: ScriptedS3, open_bucket: Any, header: str
) -> None:
    store.answers = [
        Answer(200, HEAD),
        Answer(200, {}, f"<CopyObjectResult><ETag>{OTHER}</ETag></CopyObjectResult>".encode()),
        Answer(200, {}, f"<CopyPartResult><ETag>{OTHER}</ETag></CopyPartResult>".encode()),
    ]
    bucket = open_bucket(copy_condition=header)
    bucket.post_object("name", ObjectMeta(), if_match=ETAG)
    bucket.upload_by_id("name", "u").copy_part(1, ByteRange(0, 3), ETAG)
    for request in store.requests[1:]:
        conditions = {
            name: value for name, value in request.headers.items() if "copy" in name and "if" in name
        }
        assert conditions == {header: f'"{ETAG}"'}


def test_copy_part_at_store_without_it_raises_before_any_request(store: ScriptedS3, open_bucket: Any) -> None:
    with pytest.raises(NotSupported):
        open_bucket(copies_parts=False).upload_by_id("name", "u").copy_part(1, ByteRange(0, 3))
    assert store.requests == []


@pytest.mark.parametrize(("version", "queries"), [(1, [False]), (2, [True, False])])
def test_list_version_1_is_the_first_one_that_is_tried(
    store: ScriptedS3, open_bucket: Any, version: int, queries: list[bool]
) -> None:
    store.answers = [Answer(501), Answer(200, {}, EMPTY)][-len(queries) :]
    assert open_bucket(list_version=version).list_objects(ListQuery()).objects == ()
    assert ["list-type=2" in request.target for request in store.requests] == queries


def test_opaque_multipart_etag_is_proved_by_a_head(store: ScriptedS3, open_bucket: Any) -> None:
    parts = [Part(1, ETAG, 4, ETAG)]
    wrong = f'"{OTHER}-1"'
    store.answers = [completed(wrong)]
    with pytest.raises(BadDigest):
        open_bucket().upload_by_id("name", "u").complete(parts)
    store.answers = [completed(wrong), Answer(200, {**HEAD, "ETag": wrong})]
    bucket = open_bucket(multipart_etag_is_md5s=False)
    assert bucket.upload_by_id("name", "u").complete(parts).etag == f"{OTHER}-1"


def test_opaque_etag_of_a_put_is_proved_by_a_head_with_the_mark(store: ScriptedS3, open_bucket: Any) -> None:
    marked = {**HEAD, "ETag": f'"{OTHER}"', "x-amz-meta-swift-etag": ETAG}
    store.answers = [Answer(200, {"ETag": f'"{OTHER}"'}), Answer(200, marked)]
    bucket = open_bucket(etag_is_md5=False)
    assert bucket.put_object("name", BytesBody(DATA), PutOptions(4, md5=ETAG)).etag == OTHER
    assert [request.method for request in store.requests] == ["PUT", "HEAD"]
    assert store.requests[0].headers["x-amz-meta-swift-etag"] == ETAG


def test_trailing_checksum_is_not_sent_to_a_store_without_trailers(
    store: ScriptedS3, open_bucket: Any
) -> None:
    data = bytes(200_000)
    store.answers = [Answer(200, {"ETag": f'"{md5_hex(data)}"'})]
    bucket = open_bucket(checksum="sha256", trailing_checksums=False)
    bucket.put_object("name", BytesBody(data), PutOptions(len(data), md5=md5_hex(data)))
    [request] = store.requests
    assert "x-amz-trailer" not in request.headers
    assert request.headers["content-md5"]


@pytest.mark.parametrize("checksum", ["crc32", "sha256", "crc64nvme"])
@pytest.mark.parametrize("declared", [True, False])
def test_declared_checksums_are_named_at_the_start_and_repeated_at_the_end(
    store: ScriptedS3, open_bucket: Any, checksum: str, declared: bool
) -> None:
    """S3 API Reference, CreateMultipartUpload and CompleteMultipartUpload."""
    stored = {"ETag": f'"{ETAG}"', f"x-amz-checksum-{checksum}": "c3Vt"}
    element = f"Checksum{checksum.upper()}"
    digest = f"<{element}>Y29weQ==</{element}>"
    copied = f"<CopyPartResult><ETag>{ETAG}</ETag>{digest}</CopyPartResult>".encode()
    store.answers = [BEGUN, Answer(200, stored), Answer(200, {}, copied), completed(f'"{OTHER}-2"')]
    bucket = open_bucket(checksum=checksum, declared_checksums=declared, multipart_etag_is_md5s=False)
    upload = bucket.create_upload("name", ObjectMeta())
    parts = [upload.upload_part(1, BytesBody(DATA), 4, ETAG), upload.copy_part(2, ByteRange(0, 3))]
    store.answers.append(Answer(200, {**HEAD, "Content-Length": "8", "ETag": f'"{OTHER}-2"'}))
    upload.complete(parts)
    begin, _, _, end, _ = store.requests
    assert begin.headers.get("x-amz-checksum-algorithm") == (checksum.upper() if declared else None)
    sums = re.findall(rb"<Checksum(\w+)>([^<]+)<", end.body)
    name = checksum.upper().encode()
    assert sums == ([(name, b"c3Vt"), (name, b"Y29weQ==")] if declared else [])


def test_rule_for_all_keys_has_an_empty_filter_and_is_found_again() -> None:
    """Some stores refuse an empty Prefix in a Filter."""
    document = edit(None, [""], 30)
    assert document
    assert b"<Prefix" not in document
    assert edit(document, [""], 30) is None
    with_prefix = document.replace(b"<Filter/>", b"<Filter><Prefix></Prefix></Filter>")
    assert with_prefix != document
    assert edit(with_prefix, [""], 30) is None


def test_filter_by_a_tag_is_not_our_rule_for_all_keys() -> None:
    document = edit(None, [""], 30)
    assert document
    tagged = document.replace(b"<Filter/>", b"<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>")
    assert edit(tagged, [""], 30) is not None


def test_every_property_is_used() -> None:
    """A property that nothing reads would be a claim without effect."""
    from pathlib import Path

    root = Path(__file__).parents[4] / "s3_sync"
    files = [*(root / "providers" / "s3").rglob("*.py"), root / "config" / "credentials" / "s3.py"]
    limits = {
        "max_name",
        "max_metadata",
        "max_put",
        "max_copy",
        "min_part",
        "max_part",
        "max_parts",
        "equal_parts",
    }
    code = "".join(path.read_text(encoding="utf-8") for path in files)
    unused = {name for name in Dialect.model_fields if not re.search(rf"dialect\w*\.{name}\b", code)}
    assert unused - limits - {"name"} == set()


def test_store_without_trailers_gets_content_md5_from_the_second_try_on(
    store: ScriptedS3, open_bucket: Any, logged: Any
) -> None:
    """The refusal is no corruption."""
    bucket = open_bucket("crc32")
    data = bytes(200_000)
    options = PutOptions(len(data), md5=md5_hex(data))
    store.answers = [
        error(400, "XAmzContentSHA256Mismatch"),
        *[Answer(200, {"ETag": f'"{md5_hex(data)}"'})] * 2,
    ]
    with pytest.raises(RemoteUnavailable, match="trailing checksums are not supported"):
        bucket.put_object("name", BytesBody(data), options)
    assert len(logged("bucket: the store does not support trailing checksums, sending Content-MD5")) == 1
    for _ in range(2):
        bucket.put_object("name", BytesBody(data), options)
    trailers = ["x-amz-trailer" in request.headers for request in store.requests]
    assert trailers == [True, False, False]
    assert len(logged("does not support trailing")) == 1
    assert [bool(request.headers.get("content-md5")) for request in store.requests] == [False, True, True]


def test_mismatch_without_a_trailer_is_a_bad_digest(store: ScriptedS3, open_bucket: Any) -> None:
    store.answers = [error(400, "XAmzContentSHA256Mismatch")]
    with pytest.raises(BadDigest):
        open_bucket().put_object("name", BytesBody(DATA), PutOptions(4, md5=ETAG))
