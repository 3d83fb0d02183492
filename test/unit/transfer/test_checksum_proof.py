"""An object that has a CRC32C and no MD5 is compared with the local bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from s3_sync.errors import BadDigest
from s3_sync.model.objects import LocalInfo, ObjectInfo, ObjectMeta
from s3_sync.model.timestamps import Timestamp
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import Body, BytesBody
from s3_sync.transfer.checksum_proof import with_proved_md5
from s3_sync.transfer.source import Source

DATA, CRC = b"123456789", "e3069283"  # RFC 3720: the check value of CRC-32C
STAMP = Timestamp(1)


@dataclass
class Local:
    body: Body


@dataclass
class Reads:
    """The local object; counts how often it is read."""

    data: bytes = DATA
    count: int = 0
    closed: list[bool] = field(default_factory=list)

    @contextmanager
    def open(self, expect: object, byte_range: object) -> Iterator[Local]:
        assert expect == STAMP
        self.count += 1
        yield Local(BytesBody(self.data))
        self.closed.append(True)


def local() -> LocalInfo:
    meta, md5 = ObjectMeta(), md5_hex(DATA)
    return LocalInfo("o", len(DATA), md5, md5, meta=meta, data_timestamp=STAMP, timestamp=STAMP)


def remote(**changes: Any) -> ObjectInfo:
    return ObjectInfo(
        **{"name": "o", "size": len(DATA), "etag": "1", "crc32c": CRC, "meta": ObjectMeta(), **changes}
    )


def proved(reads: Reads, found: ObjectInfo) -> ObjectInfo:
    return with_proved_md5(Source("o", cast(Any, reads.open)), local(), found)


def test_same_crc32c_and_size_prove_the_md5() -> None:
    reads = Reads()
    assert proved(reads, remote()).md5 == md5_hex(DATA)
    assert (reads.count, reads.closed) == (1, [True])


def test_another_crc32c_proves_nothing() -> None:
    assert proved(Reads(), remote(crc32c="00000000")).md5 is None


@pytest.mark.parametrize("changes", [{"size": 8}, {"md5": "0" * 32}, {"crc32c": None}])
def test_bytes_are_not_read_where_they_would_prove_nothing(changes: dict[str, Any]) -> None:
    reads = Reads()
    found = remote(**changes)
    assert proved(reads, found) is found
    assert reads.count == 0


def test_local_bytes_that_are_damaged_are_no_proof() -> None:
    with pytest.raises(BadDigest):
        proved(Reads(b"12345678?"), remote())
