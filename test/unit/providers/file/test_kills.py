"""A process that is killed at any step leaves the old object or the new one, each with its own metadata.

A child is killed before its first call of the system that changes something, then before its second one, and
so on, until it comes to its end. Each time a process that knows nothing of it looks at what is there.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from conformance.samples import md5, names, put, read
from s3_sync.errors import NotFound
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.providers.base import Bucket
from s3_sync.providers.file.bucket import FileBucket
from s3_sync.streams.reader import BytesBody
from servers.shared_directory import SharedDirectory
from unit.providers.file.conftest import NAMER, objects_in

CHANGING = ("write", "fsync", "setxattr", "rename", "link", "unlink", "mkdir", "rmdir", "utime")
OLD, NEW = ObjectMeta(user={"colour": "old"}), ObjectMeta(user={"colour": "new"})
State = tuple[bytes, str] | None


def run_killed(share: SharedDirectory, step: int, action: Callable[[Bucket], object]) -> bool:
    """Whether a child came to the end of ``action`` before that many steps."""
    child = os.fork()
    if not child:
        left = step

        def counted(function: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **options: Any) -> Any:
                nonlocal left
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*args, **options)

            return call

        try:
            bucket = share.provider().bucket("b", NAMER)
            for name in CHANGING:
                setattr(os, name, counted(getattr(os, name)))
            action(bucket)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status
    return status == 0


@contextmanager
def fresh(share: SharedDirectory) -> Iterator[FileBucket]:
    provider = share.provider()
    yield provider.bucket("b", NAMER)
    provider.close()


def state(bucket: Bucket, name: str) -> State:
    """Bytes and colour; what HEAD, GET and a listing say must agree."""
    try:
        info = bucket.head_object(name)
    except NotFound:
        assert name not in names(bucket)
        return None
    data = read(bucket, name)
    assert (info.size, info.md5) == (len(data), md5(data))
    assert name in names(bucket)
    return data, info.meta.user["colour"]


def kill_at_each_step(
    share: SharedDirectory, before: Callable[[Bucket], object], action: Callable[[Bucket], object]
) -> Iterator[FileBucket]:
    """Iterate over the bucket as each kill has left it; the last time ``action`` has ended."""
    for step in range(200):
        with fresh(share) as bucket:
            for name in names(bucket):
                bucket.delete_object(name)
            before(bucket)
        done = run_killed(share, step, action)
        with fresh(share) as bucket:
            yield bucket
        if done:
            assert step > 1
            return
    raise AssertionError("it does not end")


@pytest.mark.parametrize("size", [3, 4])
def test_kill_within_an_overwrite_leaves_one_of_the_versions(share: SharedDirectory, size: int) -> None:
    """With the same size, too, so that a record could be taken for that of the other file."""
    share.provider().create_bucket("b")
    new = b"new!"[:size]
    seen: set[State] = set()
    for bucket in kill_at_each_step(
        share, lambda bucket: put(bucket, "d/a", b"old", OLD), lambda bucket: put(bucket, "d/a", new, NEW)
    ):
        seen.add(state(bucket, "d/a"))
        put(bucket, "d/a", b"newest", NEW)  # nothing is in the way of the next attempt
        assert state(bucket, "d/a") == (b"newest", "new")
        assert objects_in(share.path / "b") == {"d/a"}
    assert seen == {(b"old", "old"), (new, "new")}


@pytest.mark.parametrize("if_absent", [False, True])
def test_kill_within_the_first_write_leaves_it_or_nothing(share: SharedDirectory, if_absent: bool) -> None:
    share.provider().create_bucket("b")
    options = PutOptions(3, NEW, if_absent=if_absent)
    seen = {
        state(bucket, "d/e/a")
        for bucket in kill_at_each_step(
            share,
            lambda bucket: None,
            lambda bucket: bucket.put_object("d/e/a", BytesBody(b"new"), options),
        )
    }
    assert seen == {None, (b"new", "new")}


def test_kill_while_a_file_makes_room_for_a_directory_loses_neither(share: SharedDirectory) -> None:
    share.provider().create_bucket("b")
    seen: set[State] = set()
    for bucket in kill_at_each_step(
        share, lambda bucket: put(bucket, "a", b"old", OLD), lambda bucket: put(bucket, "a/b", b"new", NEW)
    ):
        assert state(bucket, "a") == (b"old", "old")
        seen.add(state(bucket, "a/b"))
        put(bucket, "a", b"newer", NEW)
        assert state(bucket, "a") == (b"newer", "new")
        bucket.delete_object("a")
        assert state(bucket, "a") is None
    assert seen == {None, (b"new", "new")}


def test_kill_within_a_post_leaves_the_old_metadata_or_the_new(share: SharedDirectory) -> None:
    share.provider().create_bucket("b")
    seen = {
        state(bucket, "a")
        for bucket in kill_at_each_step(
            share,
            lambda bucket: put(bucket, "a", b"same", OLD),
            lambda bucket: bucket.post_object("a", NEW),
        )
    }
    assert seen == {(b"same", "old"), (b"same", "new")}


def test_kill_within_a_delete_leaves_the_object_or_nothing(share: SharedDirectory) -> None:
    share.provider().create_bucket("b")

    def before(bucket: Bucket) -> None:
        put(bucket, "a/b", b"other", OLD)
        put(bucket, "a", b"old", OLD)

    seen: set[State] = set()
    for bucket in kill_at_each_step(share, before, lambda bucket: bucket.delete_object("a")):
        seen.add(state(bucket, "a"))
        assert state(bucket, "a/b") == (b"other", "old")
    assert seen == {None, (b"old", "old")}


def test_kill_within_the_end_of_an_upload_leaves_all_parts_or_none(share: SharedDirectory) -> None:
    share.provider().create_bucket("b")

    def upload(bucket: Bucket) -> None:
        upload = bucket.create_upload("a", NEW)
        upload.complete([upload.upload_part(number, BytesBody(b"p"), 1) for number in (1, 2)])

    seen: set[State] = set()
    for bucket in kill_at_each_step(share, lambda bucket: put(bucket, "a", b"old", OLD), upload):
        seen.add(state(bucket, "a"))
        for left in bucket.list_uploads():
            bucket.upload_by_id(left.name, left.upload_id).abort()
    assert seen == {(b"old", "old"), (b"pp", "new")}
    assert list((share.path / "b" / "%uploads").iterdir()) == []


def test_leftovers_of_killed_processes_are_swept_when_they_are_old(share: SharedDirectory) -> None:
    share.provider().create_bucket("b")
    temporary, uploads = (share.path / "b" / name for name in ("%tmp", "%uploads"))
    (temporary / "old").write_bytes(b"x")
    (temporary / "young").write_bytes(b"x")
    with fresh(share) as bucket:
        ids = [bucket.create_upload(name, ObjectMeta()).upload_id for name in ("a", "b")]
    days = {temporary / "old": 2, temporary / "young": 0.9, uploads / ids[0]: 8, uploads / ids[1]: 6}
    for path, age in days.items():
        status = path.stat()
        os.utime(path, (status.st_atime, status.st_mtime - age * 86400))
    with fresh(share) as bucket:
        put(bucket, "a")
        assert [each.upload_id for each in bucket.list_uploads()] == ids[1:]
    assert [path.name for path in temporary.iterdir()] == ["young"]


def test_keys_of_uploads_belong_to_their_mapping(share: SharedDirectory) -> None:
    provider = share.provider()
    provider.create_bucket("b")
    mine = provider.bucket("b", KeyNamer.literal("mine/"))
    other = provider.bucket("b", KeyNamer.literal("other/"))
    upload = mine.create_upload("a", ObjectMeta())
    assert [each.name for each in mine.list_uploads()] == ["a"]
    assert list(other.list_uploads()) == []
    with pytest.raises(NotFound):
        other.upload_by_id("a", upload.upload_id).upload_part(1, BytesBody(b"x"), 1)
    for upload_id in ("..", "../%locks", "a" * 32, ""):
        with pytest.raises(NotFound):
            mine.upload_by_id("a", upload_id or "x").complete([upload.upload_part(1, BytesBody(b"x"), 1)])
        mine.upload_by_id("a", upload_id).abort()
    assert [each.name for each in mine.list_uploads()] == ["a"]
    provider.close()
