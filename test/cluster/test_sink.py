"""The sink of the bench: what it takes, what it refuses, what it lists."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from servers.sink import Sink


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with Sink() as server:
        yield server


@pytest.fixture
def bucket(sink: Sink, request: pytest.FixtureRequest) -> str:
    return sink.create_bucket(request.node.name.replace("_", "-"))


@pytest.fixture
def s3(sink: Sink) -> Any:
    return sink.client()


def _md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def test_put_with_wrong_md5_is_refused_as_bad_digest(sink: Sink, s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="right", Body=b"right", ContentMD5=_md5(b"right"), Metadata={"a": "b"})
    with pytest.raises(ClientError, match="BadDigest"):
        s3.put_object(Bucket=bucket, Key="wrong", Body=b"wrong", ContentMD5=_md5(b"right"))
    found = s3.get_object(Bucket=bucket, Key="right")
    assert (found["Body"].read(), found["Metadata"]) == (b"right", {"a": "b"})
    assert sink.state()["refused"] == {"BadDigest": 1}
    assert sink.state()["checked"] == 1


def test_listing_has_pages_start_after_and_common_prefixes(sink: Sink, s3: Any, bucket: str) -> None:
    names = sorted(f"{folder}/ü & {number:04d}" for folder in "ab" for number in range(1500))
    sink.fill(bucket, [(name, 7, "0" * 32) for name in names])
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="a/"))
    keys = [entry["Key"] for page in pages for entry in page["Contents"]]
    assert keys == [name for name in names if name.startswith("a/")]
    assert len(pages) == 2
    after = s3.list_objects_v2(Bucket=bucket, StartAfter=names[2998])
    assert [entry["Key"] for entry in after["Contents"]] == names[2999:]
    groups = s3.list_objects_v2(Bucket=bucket, Delimiter="/")["CommonPrefixes"]
    assert [group["Prefix"] for group in groups] == ["a/", "b/"]


def test_multipart_upload_is_completed_copied_and_deleted(sink: Sink, s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="large", Metadata={"a": "b"})["UploadId"]
    parts = []
    for number, data in enumerate((b"x" * 300_000, b"y"), start=1):
        sent = s3.upload_part(Bucket=bucket, Key="large", UploadId=upload, PartNumber=number, Body=data)
        parts.append({"PartNumber": number, "ETag": sent["ETag"]})
    wrong = [{**parts[0], "ETag": parts[1]["ETag"]}]
    with pytest.raises(ClientError, match="InvalidPart"):
        s3.complete_multipart_upload(
            Bucket=bucket, Key="large", UploadId=upload, MultipartUpload={"Parts": wrong}
        )
    s3.complete_multipart_upload(
        Bucket=bucket, Key="large", UploadId=upload, MultipartUpload={"Parts": parts}
    )
    source = {"Bucket": bucket, "Key": "large"}
    s3.copy_object(
        Bucket=bucket, Key="copy", CopySource=source, MetadataDirective="REPLACE", Metadata={"c": "d"}
    )
    found = s3.head_object(Bucket=bucket, Key="copy")
    assert (found["ContentLength"], found["Metadata"]) == (300_001, {"c": "d"})
    assert found["ETag"].endswith('-2"')
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "copy"}, {"Key": "large"}]})
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    assert sink.state()["uploads"] == 0
