"""What clients of s3api see of archived objects: what they saw before these were moved."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from faults.peculiar import hyphenates_metadata
from faults.proxy import FaultProxy
from servers.daemon import SyncDaemon
from servers.landed import decoded
from servers.pair import Store
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


def test_multipart_upload_looks_the_same_when_moved_and_restored(
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


def test_unversioned_container_lists_null_versions_of_all_objects(
    new_archive: Callable[..., Archive], shunted: Shunted
) -> None:
    archive = new_archive()
    for name in ("a/here", "c/1", "c/2"):
        archive.swift.put(archive.container, name)
    for name in ("a/there", "b", "c/2", "d"):
        archive.store(name)
    s3 = shunted.s3_client()
    pages = s3.get_paginator("list_object_versions")
    for asked, expected in (
        ({}, ["a/here", "a/there", "b", "c/1", "c/2", "d"]),
        ({"Prefix": "c/"}, ["c/1", "c/2"]),
        ({"Delimiter": "/"}, ["a/", "b", "c/", "d"]),
    ):
        found = []
        for page in pages.paginate(Bucket=archive.container, PaginationConfig={"PageSize": 2}, **asked):
            shown = page.get("Versions", [])
            assert {(line["VersionId"], line["IsLatest"]) for line in shown} <= {("null", True)}
            groups = [line["Prefix"] for line in page.get("CommonPrefixes", [])]
            found += sorted([line["Key"] for line in shown] + groups)
        assert found == expected
    listed = json.loads(archive.ask("GET", query="versions&reverse=1&limit=2").body)
    assert [(line["name"], line["version_id"], line["is_latest"]) for line in listed] == [
        ("d", "null", True),
        ("c/2", "null", True),
    ]
    assert len(listed[0]["content_location"]) == 1
    for name in ("a/here", "a/there"):
        assert s3.get_object(Bucket=archive.container, Key=name, VersionId="null")["VersionId"] == "null"
    archive.swift.request("POST", archive.container, headers={"X-Versions-Enabled": "true"})
    assert archive.get("b", "version-id=null").status == 404
    assert archive.get("b").status == 200
    listed = json.loads(archive.ask("GET", query="versions").body)
    assert [line["name"] for line in listed] == ["a/here", "c/1", "c/2"]


#: as clients of S3 know it, with what the header's name becomes in Swift
NAMES = {"foo_bar": "foo=5fbar", "foo-bar": "foo-bar", "__a_": "=5f=5fa=5f", "dotted.name": "dotted.name"}
METADATA = {name: f"of {name}" for name in NAMES}
#: what s3api stores of other letters, as S3 does
WORD = "=?UTF-8?B?w4PCqQ==?="


@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "hyphenated"])
def test_metadata_names_with_underscores_look_the_same_when_moved_and_restored(
    new_archive: Callable[..., Archive],
    shunted: Shunted,
    moto_store: Store,
    tmp_path: Path,
    keeps: bool,
) -> None:
    with FaultProxy.before(moto_store.endpoint) as remote:
        options: dict[str, Any] = {"restore_object": True}
        if not keeps:
            remote.when(hyphenates_metadata)
            options |= {"store": moto_store.behind(remote.endpoint), "dialect": {"keeps_underscores": False}}
        check_names_of_moved_object(new_archive(**options), shunted, tmp_path, keeps)


def check_names_of_moved_object(archive: Archive, shunted: Shunted, directory: Path, keeps: bool) -> None:
    s3, swift = shunted.s3_client(), shunted.client()
    place = {"Bucket": archive.container, "Key": "o"}
    # two names that are the same to a store are refused
    names = NAMES if keeps else {name: stored for name, stored in NAMES.items() if name != "foo-bar"}
    metadata = {name: METADATA[name] for name in names}
    written = {**metadata, "word": WORD}
    s3.put_object(**place, Body=b"bytes", Metadata=written)

    def check() -> None:
        assert s3.head_object(**place)["Metadata"] == written
        got = s3.get_object(**place)
        assert (got["Metadata"], got["Body"].read()) == (written, b"bytes")
        for headers in (
            swift.head_object(archive.container, "o"),
            swift.get_object(archive.container, "o")[0],
        ):
            found = {name: value for name, value in headers.items() if name.startswith("x-object-meta-")}
            expected = {f"x-object-meta-{names[name]}": value for name, value in metadata.items()}
            assert found == {**expected, "x-object-meta-word": WORD}

    check()
    daemon = SyncDaemon(shunted, directory, [archive.mapping])
    assert daemon.once().returncode == 0, daemon.log_text()
    assert not archive.is_local("o")
    stored = archive.s3.head_object(Bucket=archive.bucket, Key=archive.prefix + "o")["Metadata"]
    there = metadata if keeps else {name.replace("_", "-"): value for name, value in metadata.items()}
    marks = {"swift-timestamp", "word"} | (set() if keeps else {"swift-underscores"})
    assert stored == {**there, **{name: stored[name] for name in marks}}
    assert decoded(stored["word"]) == WORD
    check()
    archive.restored("o")
    check()
    assert daemon.once().returncode == 0, daemon.log_text()
    assert not archive.is_local("o")
    check()


def test_metadata_names_of_other_writers_are_shown_restored_and_replaced(
    new_archive: Callable[..., Archive], shunted: Shunted
) -> None:
    archive = new_archive(restore_object=True, propagate_post=True)
    s3, swift = shunted.s3_client(), shunted.client()
    for name in ("read", "posted"):
        archive.store(name, b"bytes", METADATA)
    place = {"Bucket": archive.container, "Key": "posted"}
    assert s3.head_object(**place)["Metadata"] == METADATA
    swift.post_object(archive.container, "posted", {"X-Object-Meta-Foo=5FBar": "posted"})
    assert s3.head_object(**place)["Metadata"] == {"foo_bar": "posted"}
    stored = archive.s3.head_object(Bucket=archive.bucket, Key=archive.prefix + "posted")["Metadata"]
    assert stored == {"foo_bar": "posted", "swift-timestamp": stored["swift-timestamp"]}
    assert s3.get_object(Bucket=archive.container, Key="read")["Body"].read() == b"bytes"
    headers = archive.restored("read").headers
    assert {name: headers[f"x-object-meta-{NAMES[name]}"] for name in NAMES} == METADATA
    assert s3.head_object(Bucket=archive.container, Key="read")["Metadata"] == METADATA
