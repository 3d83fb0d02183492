"""Files that others who use the share have changed, linked or put there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from conformance.samples import md5, names, put, read
from s3_sync.errors import AccessDenied, NotFound, ObjectRefused, PreconditionFailed
from s3_sync.model.objects import LocalInfo, ObjectMeta, PutOptions, is_md5
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import ListQuery
from s3_sync.providers.file.bucket import FileBucket
from s3_sync.providers.file.provider import FileProvider
from s3_sync.providers.limits import check_limits
from s3_sync.streams.reader import BytesBody
from s3_sync.transfer.decide import Decision, decide
from servers.shared_directory import SharedDirectory
from unit.providers.file.conftest import NAMER, objects_in

META = ObjectMeta(user={"colour": "red"}, marks={"swift-timestamp": "0000000001.00000"})
NOW = Timestamp.parse("0000000001.00000")


def local(data: bytes) -> LocalInfo:
    """The object in the cluster that was copied."""
    meta = ObjectMeta(user={"colour": "red"})
    return LocalInfo("a", len(data), md5=md5(data), meta=meta, data_timestamp=NOW, timestamp=NOW)


def test_file_has_the_bytes_and_the_name_of_its_object(bucket: FileBucket, directory: Path) -> None:
    put(bucket, "folder/caf\u00e9 1.txt", b"text")
    put(bucket, "folder/sub//x", b"more")
    assert objects_in(directory) == {"folder/caf\u00e9 1.txt", "folder/sub/%_/x"}
    assert (directory / "folder" / "caf\u00e9 1.txt").read_bytes() == b"text"


def test_last_delete_in_a_directory_removes_it(bucket: FileBucket, directory: Path) -> None:
    for name in ("a/b/c", "a/b", "a/d"):
        put(bucket, name)
    assert bucket.delete_object("a/b/c")
    assert not (directory / "a" / "b").exists()
    for name in ("a/b", "a/d"):
        assert bucket.delete_object(name)
    kept = {"%tmp", "%uploads", "%locks", "%swift-s3-sync.json"}
    assert {path.name for path in directory.iterdir()} - {"%meta"} == kept
    assert [path for path in directory.glob("%meta/**/*")] == []


@pytest.mark.parametrize("data", [b"DATA", b"longer"])
def test_file_that_was_changed_is_no_copy(bucket: FileBucket, directory: Path, data: bytes) -> None:
    etag = put(bucket, "a", b"data", META).etag
    assert decide(local(b"data"), bucket.head_object("a")) is Decision.NOOP
    (directory / "a").write_bytes(data)
    info = bucket.head_object("a")
    assert (info.size, info.md5, info.meta) == (len(data), None, ObjectMeta())
    assert not is_md5(info.etag)
    assert decide(local(b"data"), info) is Decision.PUT
    [listed] = bucket.list_objects(ListQuery()).objects
    assert (listed.size, listed.etag) == (len(data), "")
    with pytest.raises(PreconditionFailed):
        bucket.post_object("a", META, etag)
    with pytest.raises(PreconditionFailed):
        bucket.put_object("a", BytesBody(b"x"), PutOptions(1, if_match=etag))
    bucket.put_object("a", BytesBody(b"data"), PutOptions(4, META, if_match=info.etag))
    assert decide(local(b"data"), bucket.head_object("a")) is Decision.NOOP


def test_file_that_only_has_another_time_is_recognised_by_its_bytes(
    bucket: FileBucket, directory: Path
) -> None:
    put(bucket, "a", b"data", META)
    os.utime(directory / "a", (1, 1))
    assert bucket.list_objects(ListQuery()).objects[0].etag == ""
    info = bucket.head_object("a")
    assert (info.md5, info.meta) == (md5(b"data"), META)
    assert bucket.list_objects(ListQuery()).objects[0].etag == md5(b"data")  # the record is true again


def test_file_of_somebody_else_is_listed_and_read_without_a_digest(
    bucket: FileBucket, directory: Path
) -> None:
    (directory / "theirs").write_bytes(b"foreign")
    info = bucket.head_object("theirs")
    assert (info.size, info.md5, info.meta) == (7, None, ObjectMeta())
    assert (names(bucket), read(bucket, "theirs")) == (["theirs"], b"foreign")
    bucket.post_object("theirs", META)
    assert bucket.head_object("theirs").md5 == md5(b"foreign")


def test_copy_of_a_file_under_another_name_does_not_have_its_record(
    bucket: FileBucket, directory: Path
) -> None:
    put(bucket, "a", b"data", META)
    shutil.copy2(directory / "a", directory / "b")  # with extended attributes
    assert (bucket.head_object("b").md5, bucket.head_object("b").meta) == (None, ObjectMeta())
    if (directory / "%meta").exists():
        shutil.copy2(directory / "%meta" / "a%@", directory / "%meta" / "b%@")
        assert bucket.head_object("b").md5 is None


def test_what_is_no_regular_file_is_no_object(bucket: FileBucket, directory: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (directory / "link").symlink_to(secret)
    os.mkfifo(directory / "pipe")
    (directory / "100%").write_bytes(b"no name that we write")
    (directory / os.fsdecode(b"\xff")).write_bytes(b"no text")
    (directory / "directory").mkdir()
    for name in ("link", "pipe", "100%", "directory"):
        with pytest.raises(NotFound):
            bucket.head_object(name)
        assert not bucket.delete_object(name)
    assert names(bucket) == []
    assert (directory / "link").is_symlink()
    for name in ("link", "pipe"):  # they are replaced, and never written through
        put(bucket, name, b"data")
        assert read(bucket, name) == b"data"
    assert secret.read_bytes() == b"secret"


@pytest.mark.parametrize("how", ["put", "get", "delete", "list"])
def test_link_to_a_directory_is_never_followed(
    bucket: FileBucket, directory: Path, tmp_path: Path, how: str
) -> None:
    (tmp_path / "x").write_bytes(b"secret")
    put(bucket, "real/x")
    (directory / "d").symlink_to(tmp_path)
    calls = {
        "put": lambda: put(bucket, "d/x", b"data"),
        "get": lambda: bucket.head_object("d/x"),
        "delete": lambda: bucket.delete_object("d/x"),
        "list": lambda: names(bucket, ListQuery(prefix="d/")),
    }
    with pytest.raises(AccessDenied):
        calls[how]()
    assert (tmp_path / "x").read_bytes() == b"secret"
    assert names(bucket) == ["real/x"]


def test_hard_link_is_an_object_only_under_the_name_of_its_record(
    bucket: FileBucket, directory: Path, tmp_path: Path
) -> None:
    secret = directory.parent / "secret"
    secret.write_bytes(b"secret")
    os.link(secret, directory / "planted")
    with pytest.raises(NotFound):
        bucket.head_object("planted")
    put(bucket, "a", b"data", META)
    os.link(directory / "a", directory.parent / "backup")  # as programs make them that keep old versions
    os.link(directory / "a", directory / "other")
    assert bucket.head_object("a").meta == META
    assert names(bucket) == ["a"]
    put(bucket, "a", b"next")
    assert (directory.parent / "backup").read_bytes() == b"data"


@pytest.mark.parametrize(
    "name", ["../out", "a/../../out", "..", "/out", "%2e%2e/out", "%tmp/x", "%swift-s3-sync.json"]
)
def test_no_name_leads_out_of_the_directory_or_to_files_of_the_bucket(
    share: SharedDirectory, bucket: FileBucket, directory: Path, name: str
) -> None:
    before = {path for path in share.path.rglob("*") if directory not in path.parents}
    marker = (directory / "%swift-s3-sync.json").read_bytes()
    put(bucket, name, b"data")
    assert read(bucket, name) == b"data"
    assert {path for path in share.path.rglob("*") if directory not in path.parents} == before
    assert (directory / "%swift-s3-sync.json").read_bytes() == marker
    assert names(bucket) == [name]


def test_post_moves_no_bytes(bucket: FileBucket, directory: Path) -> None:
    put(bucket, "a", b"data", META)
    before = (directory / "a").stat()
    bucket.post_object("a", ObjectMeta(user={"colour": "blue"}))
    after = (directory / "a").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert bucket.head_object("a").meta.user == {"colour": "blue"}


def test_metadata_has_any_names_and_values_of_swift(bucket: FileBucket) -> None:
    """Those, too, that S3 cannot hold."""
    meta = ObjectMeta(
        user={"\u00fcn\u00ef": "  \u20ac ", "a=b": "", "x": "y" * 1000}, marks={"swift-etag": "0" * 32}
    )
    check_limits(bucket, "a", meta, 4)
    put(bucket, "a", b"data", meta)
    assert bucket.head_object("a").meta == meta


def test_metadata_that_does_not_fit_is_refused_and_keeps_the_object(
    bucket: FileBucket, directory: Path
) -> None:
    put(bucket, "a", b"data")
    meta = ObjectMeta(headers={"content-disposition": "x" * 4000})
    if (directory / "%meta").exists():
        put(bucket, "a", b"new", meta)
        assert bucket.head_object("a").meta.headers == meta.headers
        return
    with pytest.raises(ObjectRefused) as refusal:
        put(bucket, "a", b"new", meta)
    assert refusal.value.reason == "metadata_too_large"
    assert read(bucket, "a") == b"data"
    assert list((directory / "%tmp").iterdir()) == []


def test_records_that_somebody_has_written_do_no_harm(bucket: FileBucket, directory: Path) -> None:
    put(bucket, "a", b"data", META)
    for content in (
        b"",
        b"[]",
        b"{",
        b"[" * 100_000,
        b'{"key": 1}',
        b'[{"key": "x", "user": {"a": "\\ud800"}}]',
        b"\xff",
    ):
        if (directory / "%meta").exists():
            (directory / "%meta" / "a%@").write_bytes(content)
        else:
            os.setxattr(directory / "a", "user.swift-s3-sync", content[:50_000])
        assert bucket.head_object("a").md5 is None
    put(bucket, "a", b"data", META)
    assert bucket.head_object("a").meta == META


def test_writers_of_one_name_at_two_nodes_leave_one_whole_version(
    share: SharedDirectory, provider: FileProvider
) -> None:
    """Each of them writes if nothing is there: one may."""
    children = []
    for number in range(4):
        child = os.fork()
        if not child:
            try:
                other = share.provider().bucket("b", provider.bucket("b", NAMER).namer)
                data = b"%d" % number
                other.put_object("d/a", BytesBody(data), PutOptions(1, META, if_absent=True))
                os._exit(0)
            except PreconditionFailed:
                os._exit(3)
            finally:
                os._exit(1)
        children.append(child)
    codes = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    assert codes == [0, 3, 3, 3]
    info = provider.bucket("b", NAMER).head_object("d/a")
    assert info.md5 == md5(read(provider.bucket("b", NAMER), "d/a"))
