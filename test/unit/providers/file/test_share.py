"""A share that is not mounted, or another one, is an outage: no empty bucket, and no missing object."""

from __future__ import annotations

import errno
import json
import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.samples import names, put, read
from s3_sync.config.credentials.file import FileCredentials
from s3_sync.errors import (
    AccessDenied,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
    RemoteError,
    RemoteUnavailable,
)
from s3_sync.model.objects import ObjectMeta
from s3_sync.providers.base import Bucket, ListQuery
from s3_sync.providers.file import share as share_module
from s3_sync.providers.file.bucket import FileBucket
from s3_sync.providers.file.provider import FileProvider
from s3_sync.providers.file.share import MARKER
from servers.shared_directory import SharedDirectory
from unit.providers.file.conftest import NAMER

CALLS: dict[str, Callable[[Bucket], Any]] = {
    "head": lambda bucket: bucket.head_object("a"),
    "get": lambda bucket: bucket.get_object("a"),
    "put": lambda bucket: put(bucket, "a"),
    "post": lambda bucket: bucket.post_object("a", ObjectMeta()),
    "delete": lambda bucket: bucket.delete_object("a"),
    "list": lambda bucket: bucket.list_objects(ListQuery()),
    "create_upload": lambda bucket: bucket.create_upload("a", ObjectMeta()),
    "list_uploads": lambda bucket: list(bucket.list_uploads()),
    "manifest": lambda bucket: bucket.manifests.get("a"),
}


def check_outage(bucket: Bucket) -> None:
    for call in CALLS.values():
        with pytest.raises(RemoteUnavailable):
            call(bucket)


def test_share_that_is_unmounted_is_an_outage_until_it_is_back(
    share: SharedDirectory, bucket: FileBucket
) -> None:
    put(bucket, "a", b"data")
    share.unmount()
    check_outage(bucket)
    check_outage(share.provider().bucket("b", NAMER))
    share.path.rmdir()
    check_outage(bucket)
    share.path.mkdir()
    assert list(share.path.iterdir()) == []
    share.mount()
    assert read(bucket, "a") == b"data"


def test_bucket_directory_that_is_a_mount_of_its_own_is_an_outage_when_unmounted(
    bucket: FileBucket, directory: Path
) -> None:
    directory.rename(directory.with_name("elsewhere"))
    directory.mkdir()
    check_outage(bucket)
    assert list(directory.iterdir()) == []


def test_another_share_mounted_there_is_an_outage(share: SharedDirectory, bucket: FileBucket) -> None:
    put(bucket, "a")
    other = SharedDirectory()
    try:
        other.provider().create_bucket("b")
        share.path.rename(share.away)
        other.path.rename(share.path)
        check_outage(bucket)
        check_outage(share.provider(share.share_id).bucket("b", NAMER))
        # a process that begins now, and that was not told the id, cannot know better
        assert names(share.provider().bucket("b", NAMER)) == []
    finally:
        other.remove()


def test_bucket_of_another_share_is_an_outage(bucket: FileBucket, directory: Path) -> None:
    marker = json.loads((directory / MARKER).read_text())
    (directory / MARKER).write_text(json.dumps(marker | {"share": "0" * 32}))
    check_outage(bucket)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"format": 2}', b'{"format": 1, "share": "x"}', b"\xff"]
)
def test_damaged_marker_is_an_outage(bucket: FileBucket, directory: Path, content: bytes) -> None:
    (directory / MARKER).write_bytes(content)
    check_outage(bucket)


def test_directory_that_is_missing_on_a_mounted_share_is_no_such_bucket(provider: FileProvider) -> None:
    bucket = provider.bucket("none", NAMER)
    for call in CALLS.values():
        with pytest.raises(NotFound) as refusal:
            call(bucket)
        assert refusal.value.code == "NoSuchBucket"


def test_create_bucket_does_not_set_up_a_share(tmp_path: Path, share: SharedDirectory) -> None:
    share.unmount()
    with pytest.raises(RemoteUnavailable):
        share.provider().create_bucket("b")
    with pytest.raises(RemoteUnavailable):
        share.provider(share.share_id).set_up()
    assert list(share.path.iterdir()) == []


def test_share_that_is_set_up_twice_keeps_its_id_and_its_buckets(
    share: SharedDirectory, provider: FileProvider, bucket: FileBucket
) -> None:
    put(bucket, "a")
    assert provider.set_up() == share.share_id
    provider.create_bucket("b")
    (share.path / "others").mkdir()
    assert [entry.name for entry in provider.list_buckets()] == ["b"]
    assert names(bucket) == ["a"]


def test_directory_of_a_bucket_is_no_share_itself(share: SharedDirectory, directory: Path) -> None:
    share.path = directory
    with pytest.raises(RemoteUnavailable, match="not a share"):
        share.provider().set_up()


def test_bucket_with_anything_in_it_is_not_deleted(provider: FileProvider, bucket: FileBucket) -> None:
    put(bucket, "a")
    with pytest.raises(InvalidRequest):
        provider.delete_bucket("b")
    assert names(bucket) == ["a"]
    bucket.delete_object("a")
    provider.delete_bucket("b")
    with pytest.raises(NotFound):
        provider.head_bucket("b")


def test_mount_that_cannot_do_what_the_share_needs_is_an_outage(share: SharedDirectory) -> None:
    """As seen from a node that mounts it by another protocol."""
    marker = json.loads((share.path / MARKER).read_text())
    if marker["metadata"] == "xattr":
        os.removexattr(share.path / MARKER, share_module.ATTRIBUTE)
        with pytest.raises(RemoteUnavailable, match="extended attributes"):
            share.provider().create_bucket("b")
    else:
        shutil.copy(share.path / MARKER, share.path / MARKER.upper())
        with pytest.raises(RemoteUnavailable, match="capital and small letters"):
            share.provider().create_bucket("b")


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ESTALE, RemoteUnavailable),
        (errno.EIO, RemoteUnavailable),
        (errno.ENOTCONN, RemoteUnavailable),
        (errno.EROFS, RemoteUnavailable),
        (errno.ENOENT, RemoteUnavailable),
        (errno.EHOSTDOWN, RemoteUnavailable),
        (errno.ENOSPC, QuotaExceeded),
        (errno.EDQUOT, QuotaExceeded),
        (errno.EACCES, AccessDenied),
        (errno.ENAMETOOLONG, InvalidRequest),
    ],
)
def test_error_of_the_system_is_never_a_missing_object(
    bucket: FileBucket, monkeypatch: pytest.MonkeyPatch, number: int, expected: type[RemoteError]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    put(bucket, "a")
    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(expected):
        put(bucket, "a")
    monkeypatch.undo()
    monkeypatch.setattr(share_module.Share, "open_bucket", fail)
    for call in CALLS.values():
        with pytest.raises(expected):
            call(bucket)


def test_listing_fails_as_a_whole_when_a_directory_cannot_be_read(
    bucket: FileBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The share goes away while its second directory is read."""
    for name in ("a/1", "b/2", "c/3"):
        put(bucket, name)
    scandir, calls = os.scandir, []

    def scan(directory: int) -> Any:
        calls.append(directory)
        if len(calls) == 3:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return scandir(directory)

    monkeypatch.setattr(os, "scandir", scan)
    with pytest.raises(RemoteUnavailable):
        bucket.list_objects(ListQuery())
    assert names(bucket) == ["a/1", "b/2", "c/3"]


def test_call_that_hangs_holds_up_its_own_share_only(share: SharedDirectory, bucket: FileBucket) -> None:
    put(bucket, "a", b"data")
    hanging = share.provider(connections=4)
    hanging.share.timeout = 0.05
    reading, writing = os.pipe()
    for _ in range(4):  # every thread that it may have
        with pytest.raises(RemoteUnavailable, match="no answer"):
            hanging.share.call("hang", lambda touch: os.read(reading, 1))
    with pytest.raises(RemoteUnavailable):
        hanging.bucket("b", NAMER).head_object("a")
    assert read(bucket, "a") == b"data"
    os.write(writing, b"x" * 64)
    os.close(writing)
    hanging.share.timeout = 60.0
    assert hanging.bucket("b", NAMER).head_object("a").size == 4
    hanging.close()


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOSPC])
def test_share_without_extended_attributes_gets_sidecars(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "setxattr", fail)
    assert set_up(tmp_path) == ("sidecar", "exact")


@pytest.mark.parametrize(
    "change",
    [
        str.lower,
        lambda name: unicodedata.normalize("NFC", name),
        lambda name: name.rstrip(". "),
        lambda name: name.replace(":", "\uf022"),
    ],
)
def test_share_that_changes_names_gets_portable_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[str], str]
) -> None:
    write = share_module.write_small

    def write_changed(parent: int, name: str, content: bytes) -> int:
        return write(parent, change(name) if not name.startswith("%") else name, content)

    monkeypatch.setattr(share_module, "write_small", write_changed)
    assert set_up(tmp_path) == ("xattr", "portable")
    assert [path.name for path in tmp_path.iterdir()] == [MARKER]


def set_up(path: Path) -> tuple[str, str]:
    """Metadata and names, as the marker says."""
    provider = FileProvider(FileCredentials(provider="file", path=str(path)))
    provider.set_up()
    provider.close()
    marker = json.loads((path / MARKER).read_text())
    return marker["metadata"], marker["names"]


@pytest.mark.parametrize("content", [b"[" * 200_000, b'{"a":' * 100_000, b'{"format": 1e999}', b"\xff\xfe"])
def test_marker_with_anything_in_it_is_an_outage(bucket: FileBucket, directory: Path, content: bytes) -> None:
    for marker in (directory / MARKER, directory.parent / MARKER):
        kept = marker.read_bytes()
        marker.write_bytes(content)
        with pytest.raises(RemoteUnavailable):
            bucket.head_object("a")
        marker.write_bytes(kept)
