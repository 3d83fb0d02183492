"""Small things that the tests of this suite share."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Iterator
from contextlib import suppress

from s3_sync.errors import RemoteUnavailable
from s3_sync.model.objects import ListedObject, ObjectMeta, PutOptions, PutResult
from s3_sync.providers.base import Bucket, ListQuery
from s3_sync.streams.reader import BytesBody, read_all

MIB = 1024 * 1024


def sample(size: int, seed: int = 0) -> bytes:
    """``size`` bytes in which no block looks like another, the same ones each time."""
    block = b"".join(hashlib.sha256(b"%d %d" % (seed, n)).digest() for n in range(2048))
    return (block * (size // len(block) + 1))[:size]


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


class OnceBody(BytesBody):
    """A body that cannot be read twice, and gives at most ``step`` bytes a time."""

    def __init__(self, data: bytes, step: int = 10_000) -> None:
        super().__init__(data)
        self._step = step
        self.reads = 0

    def read(self, size: int = -1) -> bytes:
        self.reads += 1
        return super().read(self._step if size < 0 else min(size, self._step))

    def rewind(self) -> None:
        raise io.UnsupportedOperation("rewind")


def put(bucket: Bucket, name: str, data: bytes = b"x", meta: ObjectMeta | None = None) -> PutResult:
    options = PutOptions(len(data), meta or ObjectMeta(), md5(data))
    return bucket.put_object(name, BytesBody(data), options)


def read(bucket: Bucket, name: str) -> bytes:
    with bucket.get_object(name) as result:
        return read_all(result.body)


def read_after_failure(bucket: Bucket, name: str) -> bytes:
    """What a broken-off upload has left. rclone is still putting things away then, and may stumble over the
    temporary file that it has just removed: for a moment it answers 500."""
    for _ in range(50):
        with suppress(RemoteUnavailable):
            return read(bucket, name)
        time.sleep(0.1)
    return read(bucket, name)


def everything(bucket: Bucket, query: ListQuery) -> Iterator[ListedObject | str]:
    """All pages of a listing, objects and prefixes in one sequence; checks each page's order."""
    start = query.start_after
    while True:
        page = bucket.list_objects(ListQuery(query.prefix, start, query.delimiter, query.limit))
        assert len(page.objects) + len(page.prefixes) <= query.limit
        entries: list[ListedObject | str] = [*page.objects, *page.prefixes]
        yield from sorted(entries, key=name_of)
        if page.next_after is None:
            return
        assert page.next_after != start
        start = page.next_after


def name_of(entry: ListedObject | str) -> str:
    return entry if isinstance(entry, str) else entry.name


def names(bucket: Bucket, query: ListQuery = ListQuery()) -> list[str]:  # noqa: B008
    return [name_of(entry) for entry in everything(bucket, query)]
