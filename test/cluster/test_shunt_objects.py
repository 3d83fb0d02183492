"""GET and HEAD of archived objects: what Swift would have said, had they stayed."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from email.utils import formatdate
from urllib.parse import quote

import pytest

from servers.raw_swift import Answer, RawSwift
from servers.shunted import Archive, Shunted

BODY = bytes(range(256)) * 1000
MD5 = hashlib.md5(BODY).hexdigest()


@pytest.fixture
def archive(new_archive: Callable[..., Archive]) -> Archive:
    return new_archive()


def test_archived_object_has_the_headers_it_had_in_swift(archive: Archive) -> None:
    written = 1_500_000_000.12345
    archive.swift.put(archive.container, "local", b"here", {"X-Object-Meta-Colour": "grün"})
    archive.store(
        "a/ü %2F",
        BODY,
        {"colour": "=?UTF-8?B?Z3LDvG4=?=", "swift-timestamp": f"{written:.5f}"},
        ContentType="text/plain",
        ContentEncoding="rot13",
        CacheControl="no-store",
    )
    got = archive.get("a/ü %2F")
    assert (got.status, got.body) == (200, BODY)
    expected = {
        "content-length": str(len(BODY)),
        "content-type": "text/plain",
        "content-encoding": "rot13",
        "cache-control": "no-store",
        "etag": MD5,
        "x-object-meta-colour": "grün",
        "x-timestamp": f"{written:.5f}",
        "last-modified": formatdate(1_500_000_001, usegmt=True),
        "accept-ranges": "bytes",
    }
    assert {name: got.headers.get(name) for name in expected} == expected
    head = archive.ask("HEAD", "a/ü %2F")
    assert (head.status, head.body) == (200, b"")
    local = archive.get("local")
    for answer in (got, head):
        assert "x-trans-id" in answer.headers
        # nothing that a local object would not have
        assert set(answer.headers) - set(local.headers) == {"content-encoding", "cache-control"}
    assert not archive.is_local("a/ü %2F")


def test_empty_archived_object_is_readable_with_and_without_ranges(archive: Archive) -> None:
    archive.store("empty", b"")
    got = archive.get("empty")
    assert (got.status, got.body, got.headers["content-length"]) == (200, b"", "0")
    assert archive.get("empty", Range="bytes=0-").status == 416
    assert archive.get("empty", Range="bytes=-5").status == 200


def test_local_object_is_preferred_to_its_copy(archive: Archive) -> None:
    archive.store("both", b"remote")
    archive.swift.put(archive.container, "both", b"local")
    assert archive.get("both").body == b"local"


def test_absent_object_gets_the_same_404_as_in_swift(archive: Archive, shunted: Shunted) -> None:
    plain = RawSwift(shunted)
    plain.put_container("plain")
    theirs, ours = plain.ask("GET", "plain", "absent"), archive.get("absent")
    assert (ours.status, ours.body) == (theirs.status, theirs.body) == (404, theirs.body)
    assert set(ours.headers) == set(theirs.headers)
    assert archive.ask("HEAD", "absent").status == 404
    assert archive.ask("GET", "absent", If_Match="*").status == 412


def test_name_of_a_manifest_or_too_long_for_a_key_is_404(new_archive: Callable[..., Archive]) -> None:
    archive = new_archive(custom_prefix="", propagate_delete=True)
    archive.store_large("slo", [("s", "one", b"1")])
    hidden = archive.manifest_key("slo")
    assert hidden.startswith(".manifests/")
    for name in (hidden, "n" * 1024, "n" * 1025, "ü" * 512):
        for method in ("GET", "HEAD", "DELETE"):
            answer = archive.ask(method, name)
            assert answer.status == 404, name[:20]
    assert len(archive.stored()) == 2


RANGES = [
    "bytes=0-0",
    "bytes=0-",
    "bytes=10-19",
    "bytes=255999-",
    "bytes=255999-999999",
    "bytes=-1",
    "bytes=-999999",
    "bytes=256000-",
    "bytes=-0",
    "bytes=5-3",
    "pages=1-2",
    "bytes=0-1,10-11,-3",
    "bytes=0-1,999999-",
    "bytes=999998-,999999-",
    "bytes=65530-65541,131070-131080",
]


@pytest.mark.parametrize("wanted", RANGES)
def test_range_of_archived_object_is_answered_like_swift(archive: Archive, wanted: str) -> None:
    archive.swift.put(archive.container, "local", BODY, {"Content-Type": "image/png"})
    archive.store("remote", BODY, ContentType="image/png")
    for method in ("GET", "HEAD"):
        theirs, ours = (archive.ask(method, name, Range=wanted) for name in ("local", "remote"))
        assert ours.status == theirs.status
        assert _comparable(ours) == _comparable(theirs)


def _comparable(answer: Answer) -> object:
    """Boundaries are random."""
    kind = answer.headers["content-type"]
    boundary = kind.partition("boundary=")[2]
    headers = {name: answer.headers.get(name) for name in ("content-range", "content-length")}
    body = answer.body.replace(boundary.encode(), b"BOUNDARY") if boundary else answer.body
    return headers, kind.replace(boundary, "BOUNDARY") if boundary else kind, body


CONDITIONS = [
    {"If_None_Match": MD5},
    {"If_None_Match": f'"{MD5}"'},
    {"If_None_Match": "*"},
    {"If_None_Match": "other"},
    {"If_Match": MD5},
    {"If_Match": f'"other", "{MD5}"'},
    {"If_Match": "*"},
    {"If_Match": "other"},
    {"If_Modified_Since": formatdate(1_600_000_000, usegmt=True)},
    {"If_Modified_Since": formatdate(1_400_000_000, usegmt=True)},
    {"If_Unmodified_Since": formatdate(1_600_000_000, usegmt=True)},
    {"If_Unmodified_Since": formatdate(1_400_000_000, usegmt=True)},
    {"If_Match": MD5, "Range": "bytes=10-19"},
    {"If_Match": "other", "Range": "bytes=10-19"},
    {"If_None_Match": MD5, "Range": "bytes=0-1,4-5"},
]


@pytest.mark.parametrize("headers", CONDITIONS, ids=str)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_condition_on_archived_object_is_evaluated_like_swift(
    new_archive: Callable[..., Archive], archive: Archive, method: str, headers: dict[str, str]
) -> None:
    timestamp = "1500000000.00000"
    archive.swift.put(archive.container, "local", BODY)
    local = archive.ask(method, "local", **headers)
    archive.store("remote", BODY, {"swift-timestamp": timestamp})
    ours = archive.ask(method, "remote", **headers)
    if "since" not in str(headers).lower():
        assert (ours.status, ours.body) == (local.status, local.body)
        assert ours.headers["etag"] == local.headers["etag"]
    else:
        since = "1400000000" if "2014" in str(headers) else "1600000000"
        unmodified = "Unmodified" in str(headers)
        expected = {True: 412 if since < timestamp else 200, False: 304 if since > timestamp else 200}
        assert ours.status == expected[unmodified]


def test_expired_copy_is_404(archive: Archive) -> None:
    archive.store("expired", meta={"x-delete-at": str(int(time.time()) - 10)})
    archive.store("expires", meta={"x-delete-at": str(int(time.time()) + 1000)})
    assert archive.get("expired").status == archive.ask("HEAD", "expired").status == 404
    assert "x-delete-at" in archive.get("expires").headers


def test_copy_older_than_the_tombstone_is_404(new_archive: Callable[..., Archive]) -> None:
    archive = new_archive(propagate_delete=True)
    archive.store("o", b"copy", {"swift-timestamp": f"{time.time() - 100:.5f}"})
    archive.swift.put(archive.container, "o", b"local")
    archive.swift.delete(archive.container, "o")
    assert archive.get("o").status == archive.ask("HEAD", "o").status == 404
    archive.store("o", b"newer", {"swift-timestamp": f"{time.time() + 1:.5f}"})
    assert archive.get("o").body == b"newer"


def test_tombstone_without_propagate_delete_hides_no_copy(archive: Archive) -> None:
    archive.store("o", b"copy")
    archive.swift.put(archive.container, "o", b"local")
    archive.swift.delete(archive.container, "o")
    assert archive.get("o").body == b"copy"


def test_copy_of_object_in_deleted_container_is_404(archive: Archive) -> None:
    archive.store("o")
    assert archive.get("o").status == 200
    archive.swift.request("DELETE", archive.container)
    assert archive.get("o").status == archive.ask("HEAD", "o").status == 404


def test_bypass_header_hides_archived_objects(archive: Archive) -> None:
    archive.store("o")
    assert archive.get("o", X_Cloud_Sync_Shunt_Bypass="true").status == 404


class TestLargeObjects:
    SEGMENTS = (("s", "one", b"a" * 1000), ("t", "two", b"b" * 2000), ("s", "three", b"c" * 500))
    WHOLE = b"".join(data for _, _, data in SEGMENTS)
    ETAG = hashlib.md5("".join(hashlib.md5(s[2]).hexdigest() for s in SEGMENTS).encode()).hexdigest()

    @pytest.fixture
    def archive(self, new_archive: Callable[..., Archive]) -> Archive:
        archive = new_archive()
        self.manifest = archive.store_large("slo", self.SEGMENTS, colour="red")
        return archive

    def test_range_of_all_bytes_is_206_with_all_bytes(self, archive: Archive) -> None:
        for _ in range(2):
            got = archive.get("slo", Range="bytes=0-")
            assert (got.status, got.body) == (206, self.WHOLE)
            assert got.headers["content-range"] == "bytes 0-3499/3500"

    def test_get_and_head_have_slo_etag_and_headers(self, archive: Archive) -> None:
        for _ in range(2):  # the second time the ETag is known
            got = archive.get("slo")
            assert (got.status, got.body) == (200, self.WHOLE)
            assert got.headers["etag"] == f'"{self.ETAG}"'
            assert got.headers["x-static-large-object"] == "True"
            assert got.headers["x-object-meta-colour"] == "red"
            assert not any("swift-" in name for name in got.headers)
        assert archive.ask("HEAD", "slo").headers["etag"] == f'"{self.ETAG}"'
        part = archive.get("slo", Range="bytes=999-1000")
        assert (part.status, part.body) == (206, b"ab")
        assert archive.get("slo", If_None_Match=f'"{self.ETAG}"').status == 304

    def test_manifest_get_returns_the_stored_manifest(self, archive: Archive) -> None:
        got = archive.get("slo", "multipart-manifest=get")
        assert (got.status, got.body) == (200, self.manifest)
        assert got.headers["content-type"] == "application/json; charset=utf-8"
        assert got.headers["etag"] == hashlib.md5(self.manifest).hexdigest()
        assert got.headers["x-static-large-object"] == "True"
        assert got.headers["content-length"] == str(len(self.manifest))
        head = archive.ask("HEAD", "slo", "multipart-manifest=get")
        assert head.headers["content-length"] == str(len(self.manifest))
        raw = json.loads(archive.get("slo", "multipart-manifest=get&format=raw").body)
        assert [entry["path"] for entry in raw] == ["/s/one", "/t/two", "/s/three"]
        archive.store("plain", b"plain")
        assert archive.get("plain", "multipart-manifest=get").body == b"plain"

    def test_part_number_returns_the_segment_or_416(self, archive: Archive) -> None:
        second = archive.get("slo", "part-number=2")
        assert (second.status, second.body) == (206, b"b" * 2000)
        assert second.headers["content-range"] == "bytes 1000-2999/3500"
        assert second.headers["x-parts-count"] == "3"
        head = archive.ask("HEAD", "slo", "part-number=3")
        assert (head.status, head.headers["content-length"]) == (206, "500")
        assert archive.get("slo", "part-number=4").status == 416
        assert archive.get("slo", "part-number=0").status == 400
        archive.store("plain", b"plain")
        assert archive.get("plain", "part-number=2").body == b"plain"

    def test_manifest_that_does_not_fit_the_copy_is_ignored(self, archive: Archive) -> None:
        archive.store("slo", b"others", {"x-static-large-object": "True", "swift-slo-etag": "0" * 32})
        got = archive.get("slo")
        assert (got.status, got.body) == (200, b"others")
        assert got.headers["etag"] == f'"{hashlib.md5(b"others").hexdigest()}"'
        assert archive.get("slo", "multipart-manifest=get").status == 404

    def test_multipart_upload_without_manifest_is_read_as_large_object(self, archive: Archive) -> None:
        key = {"Bucket": archive.bucket, "Key": archive.prefix + "parts"}
        upload = archive.s3.create_multipart_upload(**key)["UploadId"]
        data = b"p" * (5 << 20)
        part = archive.s3.upload_part(**key, UploadId=upload, PartNumber=1, Body=data)
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        archive.s3.complete_multipart_upload(**key, UploadId=upload, MultipartUpload=parts)
        got = archive.get("parts")
        assert got.body == data
        assert got.headers["etag"].endswith('-1"')
        assert got.headers["x-static-large-object"] == "True"


def test_bare_dlo_manifest_reads_local_and_archived_segments(archive: Archive) -> None:
    """Versions before 0.2 stored such manifests. One segment is archived, the other one is local."""
    archive.swift.put(archive.container, "dlo/1", b"first")
    archive.store("dlo/2", b"second")
    meta = {"x-object-manifest": quote(f"{archive.container}/dlo/"), "colour": "red", "swift-timestamp": ""}
    archive.store("dlo", b"", meta, ContentType="a/b")
    archive.swift.put(archive.container, "local/1", b"first")
    archive.swift.put(archive.container, "local/2", b"second")
    headers = {"X-Object-Manifest": f"{archive.container}/local/", "X-Object-Meta-Colour": "red"}
    archive.swift.put(archive.container, "local", b"", {**headers, "Content-Type": "a/b"})
    for asked in (
        {},
        {"Range": "bytes=3-6"},
        {"Range": "bytes=99-"},
        {"If_None_Match": "x"},
    ):
        for method in ("GET", "HEAD"):
            ours, theirs = (archive.ask(method, name, **asked) for name in ("dlo", "local"))
            assert (ours.status, ours.body) == (theirs.status, theirs.body)
            for header in ("etag", "content-length", "content-type", "content-range", "x-object-meta-colour"):
                assert ours.headers.get(header) == theirs.headers.get(header), (asked, method, header)
    manifest = archive.get("dlo", "multipart-manifest=get")
    assert (manifest.status, manifest.body) == (200, b"")
    assert manifest.headers["x-object-manifest"] == f"{archive.container}/dlo/"
    assert archive.get("dlo").body == b"firstsecond"
    assert not archive.is_local("dlo")


def test_symlink_to_archived_object_returns_its_bytes(archive: Archive) -> None:
    archive.store("target", BODY)
    archive.store("link", b"never seen")
    for name, more in (("soft", {}), ("link", {})):
        headers = {"X-Symlink-Target": f"{archive.container}/target", **more}
        archive.swift.put(archive.container, name, b"", headers)
        assert archive.get(name).body == BODY
        assert archive.get(name, Range="bytes=1-2").body == BODY[1:3]
        assert archive.ask("HEAD", name, "symlink=get").headers["content-length"] == "0"
    elsewhere = RawSwift(archive.cluster)
    elsewhere.put_container("links")
    elsewhere.put("links", "to", b"", {"X-Symlink-Target": f"{archive.container}/target"})
    assert elsewhere.ask("GET", "links", "to").status == 404


def test_symlink_into_deleted_container_is_404(archive: Archive, new_archive: Callable[..., Archive]) -> None:
    other = new_archive()
    other.store("target", BODY)
    archive.swift.put(archive.container, "link", b"", {"X-Symlink-Target": f"{other.container}/target"})
    assert archive.get("link").body == BODY
    other.swift.request("DELETE", other.container)
    assert archive.get("link").status == other.get("target").status == 404


def test_static_symlink_to_archived_object_is_409_if_etag_differs(archive: Archive) -> None:
    target = {"X-Symlink-Target": f"{archive.container}/target"}
    archive.swift.put(archive.container, "target", BODY)
    archive.swift.put(archive.container, "link", b"", {**target, "X-Symlink-Target-Etag": MD5})
    archive.swift.delete(archive.container, "target")
    archive.store("target", BODY)
    assert archive.get("link").body == BODY
    archive.store("target", b"another")
    assert archive.get("link").status == 409
