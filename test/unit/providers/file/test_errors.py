"""An error of the file system in the middle of an operation leaves the old object or the new one, and nothing
else."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conformance.samples import put, read
from s3_sync.errors import QuotaExceeded, RemoteError
from s3_sync.providers.base import Bucket
from s3_sync.providers.file.bucket import FileBucket
from s3_sync.providers.file.provider import FileProvider
from s3_sync.streams.reader import BytesBody
from servers.shared_directory import SharedDirectory
from unit.providers.file.test_kills import CHANGING, NEW, OLD


@contextmanager
def failing_at(step: int) -> Iterator[list[str]]:
    """The call with this number that changes something fails, once; yields the names of all calls."""
    calls: list[str] = []

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            calls.append(name)
            if len(calls) == step + 1:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return function(*args, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in CHANGING:
            patch.setattr(os, name, counted(name, getattr(os, name)))
        yield calls


def upload(bucket: Bucket) -> None:
    begun = bucket.create_upload("d/a", NEW)
    try:
        begun.complete([begun.upload_part(number, BytesBody(b"p"), 1) for number in (1, 2)])
    except RemoteError:
        begun.abort()
        raise


ACTIONS: dict[str, Callable[[Bucket], object]] = {
    "put": lambda bucket: put(bucket, "d/a", b"new", NEW),
    "post": lambda bucket: bucket.post_object("d/a", NEW),
    "upload": upload,
}


@pytest.mark.parametrize("action", ACTIONS)
def test_error_at_any_step_leaves_no_file_behind(bucket: FileBucket, directory: Path, action: str) -> None:
    seen: set[tuple[bytes, str]] = set()
    for step in range(100):
        put(bucket, "d/a", b"old", OLD)
        try:
            with failing_at(step) as calls:
                ACTIONS[action](bucket)
        except QuotaExceeded:
            pass
        else:
            if len(calls) <= step:
                break
        seen.add((read(bucket, "d/a"), bucket.head_object("d/a").meta.user["colour"]))
        where = f"step {step}: {calls}"
        assert list((directory / "%tmp").iterdir()) == [], where
        assert list((directory / "%uploads").iterdir()) == [], where
    new = {"put": b"new", "post": b"old", "upload": b"pp"}[action]
    assert (b"old", "old") in seen
    assert seen <= {(b"old", "old"), (new, "new")}
    assert step > 1


@pytest.mark.parametrize("set_up", ["share", "bucket"])
def test_share_or_bucket_that_could_not_be_set_up_can_be_the_next_time(tmp_path: Path, set_up: str) -> None:
    share = SharedDirectory()
    try:
        for step in range(100):
            name = f"b{step}"
            if set_up == "share":
                (share.path / "%swift-s3-sync.json").unlink(missing_ok=True)
            provider: FileProvider = share.provider()
            act = provider.set_up if set_up == "share" else lambda: provider.create_bucket(name)  # noqa: B023
            try:
                with failing_at(step) as calls:
                    act()
            except QuotaExceeded:
                act()
            provider.close()
            if len(calls) <= step:
                break
        left = {path.name for path in share.path.rglob("*") if path.name.endswith(".new")}
        assert left == set()
        assert step > 2
    finally:
        share.remove()
