"""An object of a local cluster in memory, and a bucket for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from s3_sync.errors import (
    LocalChanged,
)
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ByteRange, LocalInfo, ObjectMeta
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import Bucket
from s3_sync.providers.memory import MemoryBucket, MemoryProvider, MemoryUpload
from s3_sync.providers.store_limits import Limits
from s3_sync.streams.reader import Body, BytesBody
from s3_sync.transfer.source import OpenObject, Source
from s3_sync.transfer.upload import upload
from s3_sync.transfer.upload_session import Precondition, TransferContext

SMALL = Limits(max_put=100, max_copy=100, min_part=10, max_part=40, max_parts=20, max_name=60)


T1, T2 = Timestamp.parse("1000000001.00000"), Timestamp.parse("1000000002.00000")


META = ObjectMeta({"content-type": "text/plain"}, {"colour": "blü"}, {"x-delete-at": "1999999999"})


@dataclass
class Opened:
    """One open read."""

    info: LocalInfo
    body: Body
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "plain"
    container: str = "c"


class LocalFile:
    """One object of the local cluster. ``before_read`` is called for each chunk with the reads so far."""

    def __init__(self, data: bytes, name: str = "o") -> None:
        self.data = data
        self.info = LocalInfo(
            name, len(data), md5=hashlib.md5(data).hexdigest(), meta=META, data_timestamp=T1, timestamp=T2
        )
        self.opened: list[ByteRange | None] = []
        self.open_now = 0
        self.counted = 0

    @contextmanager
    def open(self, expect: Timestamp | None, byte_range: ByteRange | None) -> Iterator[OpenObject]:
        if expect is not None and expect != self.info.data_timestamp:
            raise LocalChanged("another version")
        self.opened.append(byte_range)
        data = self.data
        if byte_range is not None:
            assert byte_range.last is not None
            data = data[byte_range.first : byte_range.last + 1]
        self.open_now += 1
        try:
            yield Opened(self.info, BytesBody(data))
        finally:
            self.open_now -= 1

    def count(self, size: int) -> None:
        self.counted += size

    @property
    def source(self) -> Source:
        return Source(self.info.name, self.open)


def memory(limits: Limits = SMALL) -> MemoryBucket:
    provider = MemoryProvider(limits=limits)
    provider.create_bucket("b")
    return provider.bucket("b", KeyNamer.literal("p/"))


def unfinished(bucket: MemoryBucket) -> int:
    return len(bucket._provider.store("b").uploads)


def content(bucket: Bucket, name: str = "o") -> bytes:
    with bucket.get_object(name) as result:
        return result.body.read()


def send(bucket: Bucket, local: LocalFile, overwrite: Precondition | None = None) -> None:
    with local.open(None, None) as opened:
        upload(TransferContext(bucket, local.count), local.source, opened, overwrite or Precondition())
    assert local.open_now == 0


def watch(monkeypatch: pytest.MonkeyPatch, bucket: MemoryBucket) -> list[str]:
    """The names of the calls that reach the bucket, or an upload to it."""
    calls: list[str] = []
    of_bucket = ("head_object", "put_object", "create_upload")
    of_uploads = ("upload_part", "complete", "abort")
    watched = [(bucket, name) for name in of_bucket] + [(MemoryUpload, name) for name in of_uploads]
    for owner, name in watched:
        real: Callable[..., Any] = getattr(owner, name)

        def call(*arguments: Any, name: str = name, real: Callable[..., Any] = real, **named: Any) -> Any:
            calls.append(name)
            return real(*arguments, **named)

        monkeypatch.setattr(owner, name, call)
    return calls
