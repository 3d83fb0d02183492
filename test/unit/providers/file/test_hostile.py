"""Other users of the share write whatever they like."""

from __future__ import annotations

import errno
import json
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from conformance.samples import put
from s3_sync.errors import AccessDenied, NotFound, RemoteError
from s3_sync.model.objects import ObjectMeta
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import ListQuery
from s3_sync.providers.file.bucket import FileBucket
from servers.shared_directory import SharedDirectory

META = ObjectMeta({"content-type": "text/plain"}, {"a": "b"}, {"swift-timestamp": "1700000000.00000"})


def names(bucket: FileBucket) -> list[str]:
    return [each.name for each in bucket.list_objects(ListQuery()).objects]


def nest(directory: Path, name: str) -> None:
    """More directories of that name in each other than a program can recurse into, all of them old."""
    above = os.open(directory, os.O_RDONLY)
    for _ in range(1100):
        os.mkdir(name, dir_fd=above)
        below = os.open(name, os.O_RDONLY, dir_fd=above)
        os.close(above)
        above = below
    os.close(above)
    os.utime(directory / name, (1, 1))


def edit(directory: Path, name: str, **changes: Any) -> None:
    """Change the record of an object, wherever it is."""
    sidecar = directory / "%meta" / f"{name}%@"
    if sidecar.exists():
        records = json.loads(sidecar.read_bytes())
        records[0] |= changes
        sidecar.write_text(json.dumps(records))
    else:
        record = json.loads(os.getxattr(directory / name, "user.swift-s3-sync"))
        os.setxattr(directory / name, "user.swift-s3-sync", json.dumps(record | changes).encode())


@pytest.mark.parametrize(
    "changes",
    [
        {"written": 10**400},
        {"written": float("inf")},
        {"written": float("nan")},
        {"written": -1e300},
        {"written": True},
        {"md5": ""},
        {"md5": "x\r\nEvil: 1"},
        {"md5": "0" * 31},
        {"size": True},
    ],
    ids=lambda changes: str(changes)[:30],
)
def test_record_with_any_value_stops_neither_listing_nor_head(
    bucket: FileBucket, directory: Path, changes: dict[str, Any]
) -> None:
    put(bucket, "a", b"x", META)
    put(bucket, "b", b"y", META)
    edit(directory, "a", **changes)
    info = bucket.head_object("a")
    Timestamp.from_seconds(info.last_modified)
    assert info.md5 is None
    assert "\n" not in info.etag
    assert names(bucket) == ["a", "b"]
    put(bucket, "a", b"x", META)
    assert bucket.head_object("a").meta == META


def test_depth_of_directories_ends_neither_listing_nor_write(bucket: FileBucket, directory: Path) -> None:
    for name in ("a%+", "b", "%tmp/d"):
        nest((directory / name).parent, Path(name).name)
    put(bucket, "z", b"x")
    assert names(bucket) == ["z"]


def test_links_and_times_of_others_end_no_listing(
    share: SharedDirectory, bucket: FileBucket, directory: Path
) -> None:
    for name in ("a", "b/c", "d"):
        put(bucket, name, b"x")
    for seconds, name in ((2**40, "e"), (-(2**40), "f")):
        (directory / name).write_bytes(b"")
        os.utime(directory / name, (seconds, seconds))
    if (directory / "%meta").exists():
        (directory / "%meta" / "a%@").unlink()
        (directory / "%meta" / "a%@").symlink_to("/etc/passwd")
        (directory / "%meta" / "b").rename(share.path / "elsewhere")
        (directory / "%meta" / "b").symlink_to(share.path / "elsewhere")
        assert bucket.head_object("a").md5 is None
        assert bucket.head_object("b/c").md5 is None
    listed = bucket.list_objects(ListQuery()).objects
    assert [each.name for each in listed] == ["a", "b/c", "d", "e", "f"]
    assert all(datetime.fromtimestamp(each.last_modified, timezone.utc) for each in listed)


def test_upload_that_somebody_has_edited_is_none(bucket: FileBucket, directory: Path) -> None:
    upload = bucket.create_upload("a", META)
    about = directory / "%uploads" / upload.upload_id / "about.json"
    for content in ("[" * 200_000, '{"key": "a", "begun": 1, "headers": 1, "user": {}, "marks": {"a": 1}}'):
        about.write_text(content)
        list(bucket.list_uploads())
        with pytest.raises(RemoteError):
            upload.complete([])
    with pytest.raises(NotFound):
        bucket.head_object("a")


def test_file_that_only_its_owner_may_read_ends_no_listing(
    bucket: FileBucket, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bucket, "a", b"x")
    put(bucket, "b", b"four")
    real = os.open

    def refusing(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if path == "b" and not flags & os.O_DIRECTORY:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", refusing)
    found = bucket.list_objects(ListQuery()).objects
    assert [(each.name, each.size, bool(each.etag)) for each in found] == [("a", 1, True), ("b", 4, False)]
    with pytest.raises(AccessDenied):
        bucket.head_object("b")
