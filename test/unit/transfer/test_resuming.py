"""A read that goes on where its connection broke."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from s3_sync.errors import InvalidRequest, NotFound, PreconditionFailed, RemoteUnavailable
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import PutOptions
from s3_sync.providers.memory import MemoryBucket, MemoryProvider
from s3_sync.providers.open_object import OpenObject
from s3_sync.streams.reader import BytesBody
from s3_sync.transfer.resuming import ResumingBody, read_range

DATA = bytes(range(100))


class Shaky:
    """Breaks each read of the store's bodies after as many bytes as the next number says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.breaks: Iterator[int] = iter(())
        self.opened: list[Any] = []
        provider = MemoryProvider()
        provider.create_bucket("b")
        self.bucket = provider.bucket("b", KeyNamer.literal(""))
        self.put(DATA)
        original = MemoryBucket.get_object

        def get(bucket: MemoryBucket, name: str, options: Any) -> Any:
            self.opened.append(options)
            result = original(bucket, name, options)
            left = next(self.breaks, 1000)
            read = result.body.read

            def breaking(size: int = -1) -> bytes:
                nonlocal left
                if not left:
                    raise RemoteUnavailable("reset")
                data = read(min(size, left))
                left -= len(data)
                return data

            monkeypatch.setattr(result.body, "read", breaking)
            return result

        monkeypatch.setattr(MemoryBucket, "get_object", get)

    def put(self, data: bytes) -> None:
        self.bucket.put_object("o", BytesBody(data), PutOptions(len(data)))

    def read(self, first: int = 0, last: int = 99) -> ResumingBody:
        return read_range(self.bucket, self.bucket.head_object("o"), first, last)


@pytest.fixture
def shaky(monkeypatch: pytest.MonkeyPatch) -> Shaky:
    return Shaky(monkeypatch)


def test_unbroken_read_makes_one_request(shaky: Shaky) -> None:
    assert shaky.read().read() == DATA
    assert shaky.read(10, 19).read() == DATA[10:20]
    assert [options.byte_range for options in shaky.opened][0] is None
    assert len(shaky.opened) == 2


@pytest.mark.parametrize(("first", "last"), [(0, 99), (10, 19), (0, 98), (99, 99)])
@pytest.mark.parametrize("breaks", [(0,), (1, 0, 3, 0, 5), (0, 0), (5, 5, 5, 5)], ids=str)
def test_broken_read_resumes_until_all_bytes_are_read(
    shaky: Shaky, first: int, last: int, breaks: tuple[int, ...]
) -> None:
    shaky.breaks = iter(breaks)
    body = shaky.read(first, last)
    assert body.length == last - first + 1
    assert body.read() == DATA[first : last + 1]
    assert body.read(10) == b""


def test_read_without_progress_raises_remote_unavailable(shaky: Shaky) -> None:
    shaky.breaks = iter((10, 0, 0))
    body = shaky.read()
    assert body.read(50) == DATA[:10]
    with pytest.raises(RemoteUnavailable):
        body.read(50)
    assert len(shaky.opened) == 3


def test_resume_of_an_overwritten_object_raises_precondition_failed(shaky: Shaky) -> None:
    shaky.breaks = iter((10,))
    body = shaky.read()
    assert body.read(50) == DATA[:10]
    shaky.put(DATA[::-1])
    with pytest.raises(PreconditionFailed):
        body.read(50)


def test_resume_of_a_deleted_object_raises_not_found(shaky: Shaky) -> None:
    shaky.breaks = iter((10,))
    body = shaky.read()
    body.read(50)
    shaky.bucket.delete_object("o")
    with pytest.raises(NotFound):
        body.read(50)


def test_store_that_ignores_conditions_or_ranges_raises(
    shaky: Shaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = shaky.bucket.head_object("o")
    monkeypatch.setattr(MemoryBucket, "get_object", _lax)
    with pytest.raises(InvalidRequest, match="other than"):
        read_range(shaky.bucket, info, 5, 9)
    shaky.put(b"x" * 100)
    with pytest.raises(PreconditionFailed):
        read_range(shaky.bucket, info, 0, 99)


def _lax(bucket: MemoryBucket, name: str, _: Any) -> OpenObject:
    found = bucket._find(name)
    return OpenObject(found.info(name, 0.0), None, BytesBody(found.data))
