"""What only the reference implementation can show: its clock, its limits, many threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from conformance.samples import md5, put, read
from s3_sync.errors import BadDigest, InvalidRequest, NotSupported, PreconditionFailed
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.providers.base import Part
from s3_sync.providers.memory import MemoryBucket, MemoryProvider
from s3_sync.providers.store_limits import Limits
from s3_sync.streams.reader import BytesBody

LIMITS = Limits(max_put=10, max_copy=8, min_part=3, max_part=6, max_parts=3)


def bucket(now: float = 1000.0) -> MemoryBucket:
    provider = MemoryProvider(limits=LIMITS, clock=lambda: now)
    provider.create_bucket("b")
    return provider.bucket("b", KeyNamer.literal("p/"))


def test_last_modified_is_the_time_of_the_given_clock() -> None:
    memory = bucket(1234.5)
    put(memory, "x")
    assert memory.head_object("x").last_modified == 1234.5


def test_request_beyond_limits_raises_an_error() -> None:
    memory = bucket()
    put(memory, "x", b"0123456789")
    with pytest.raises(InvalidRequest):
        put(memory, "x", b"0123456789a")
    with pytest.raises(NotSupported):
        memory.post_object("x", ObjectMeta())
    upload = memory.create_upload("y", ObjectMeta())
    for number, data in ((0, b"abc"), (4, b"abc"), (1, b"abcdefg")):
        with pytest.raises(InvalidRequest):
            upload.upload_part(number, BytesBody(data), len(data))
    parts = [upload.upload_part(n, BytesBody(d), len(d)) for n, d in ((1, b"ab"), (2, b"c"))]
    with pytest.raises(InvalidRequest):
        upload.complete(parts)
    with pytest.raises(InvalidRequest):
        upload.complete([parts[1], parts[0]])
    with pytest.raises(InvalidRequest):
        upload.complete([])
    with pytest.raises(BadDigest):
        upload.complete([Part(3, md5(b"abc"), 3)])


def test_concurrent_puts_if_absent_only_one_succeeds() -> None:
    memory = bucket()

    def write(number: int) -> bool:
        try:
            memory.put_object("x", BytesBody(b"%d" % number), PutOptions(len(str(number)), if_absent=True))
        except PreconditionFailed:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = [number for number, first in enumerate(pool.map(write, range(200))) if first]
    assert len(won) == 1
    assert read(memory, "x") == b"%d" % won[0]
