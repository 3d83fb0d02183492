"""What clients of s3api see of archived objects: what they saw before these were moved."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from servers.daemon import SyncDaemon
from servers.shunted import Archive, Shunted

#: the first one is as small as a part may be
PARTS = (b"p" * (5 << 20), b"last part")
WHOLE = b"".join(PARTS)
DIGEST = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in PARTS)).hexdigest()
ETAG = f'"{DIGEST}-2"'


def upload(s3: Any, place: dict[str, str]) -> str:
    """In parts; returns the ETag."""
    identity = {**place, "UploadId": s3.create_multipart_upload(**place, Metadata={"k": "v"})["UploadId"]}
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(**identity, PartNumber=number, Body=part)["ETag"]}
        for number, part in enumerate(PARTS, start=1)
    ]
    etag: str = s3.complete_multipart_upload(**identity, MultipartUpload={"Parts": parts})["ETag"]
    return etag


def listed(s3: Any, archive: Archive) -> dict[str, str]:
    return {line["Key"]: line["ETag"] for line in s3.list_objects_v2(Bucket=archive.container)["Contents"]}


def test_an_upload_in_parts_there_and_back(
    new_archive: Callable[..., Archive], shunted: Shunted, tmp_path: Path
) -> None:
    archive = new_archive(restore_object=True)
    s3 = shunted.s3_client()
    place = {"Bucket": archive.container, "Key": "parts"}
    assert upload(s3, place) == ETAG
    before = s3.head_object(**place)
    assert (before["ETag"], listed(s3, archive)) == (ETAG, {"parts": ETAG})
    daemon = SyncDaemon(shunted, tmp_path, [archive.mapping])
    assert daemon.once().returncode == 0, daemon.log_text()
    assert not archive.is_local("parts")

    def check() -> None:
        head = s3.head_object(**place)
        same = ("ETag", "ContentLength", "ContentType", "Metadata")
        assert {name: head[name] for name in same} == {name: before[name] for name in same}
        assert listed(s3, archive) == {"parts": ETAG}
        second = s3.get_object(**place, PartNumber=2)
        assert (second["Body"].read(), second["PartsCount"], second["ETag"]) == (PARTS[1], 2, ETAG)
        got = s3.get_object(**place, Range="bytes=5242870-5242885")
        assert (got["Body"].read(), got["ETag"]) == (WHOLE[5242870:5242886], ETAG)
        with pytest.raises(ClientError, match="Not Modified"):
            s3.get_object(**place, IfNoneMatch=ETAG)
        with pytest.raises(ClientError, match="Precondition"):
            s3.get_object(**place, IfMatch='"other"')
        assert s3.get_object(**place, IfMatch=ETAG, Range="bytes=0-9")["Body"].read() == WHOLE[:10]

    check()
    copy = {"Bucket": archive.container, "Key": "copy"}
    s3.copy_object(**copy, CopySource=place, CopySourceIfMatch=ETAG)
    assert s3.get_object(**copy)["Body"].read() == WHOLE
    s3.delete_object(**copy)
    other = {"Bucket": archive.container, "Key": "of a part"}
    identity = {**other, "UploadId": s3.create_multipart_upload(**other)["UploadId"]}
    part = s3.upload_part_copy(
        **identity, PartNumber=1, CopySource=place, CopySourceRange="bytes=5242870-5242888"
    )
    parts = [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]
    s3.complete_multipart_upload(**identity, MultipartUpload={"Parts": parts})
    assert s3.get_object(**other)["Body"].read() == WHOLE[5242870:]
    s3.delete_object(**other)
    assert s3.get_object(**place, IfMatch=ETAG)["Body"].read() == WHOLE
    archive.restored("parts")
    check()
