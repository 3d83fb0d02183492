"""Digests against known values, and over bodies."""

from __future__ import annotations

import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3_sync.streams.hashing import HashingBody, md5_hex, new_digest
from s3_sync.streams.reader import BytesBody, read_all

CHECK = b"123456789"


@pytest.mark.parametrize(
    ("algorithm", "hexdigest"),
    [
        ("md5", "25f9e794323b453885f5181f1b624d0b"),
        ("sha256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        ("crc32", "cbf43926"),
        ("crc64nvme", "ae8b14860a799888"),
    ],
)
def test_new_digest_of_the_check_string_is_the_published_value(algorithm: str, hexdigest: str) -> None:
    digest = new_digest(algorithm)
    for byte in CHECK:
        digest.update(bytes([byte]))
    assert digest.hexdigest() == hexdigest
    assert digest.digest().hex() == hexdigest


def test_new_digest_of_unknown_algorithm_raises_value_error() -> None:
    with pytest.raises(ValueError, match="sha3"):
        new_digest("sha3")


def bit_by_bit(data: bytes) -> int:
    """CRC-64/NVME by its definition, without tables."""
    crc = 0xFFFFFFFFFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x9A6C9329AC4BC9B5 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFFFFFFFFFF


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_crc64nvme_in_pieces_equals_its_definition(pieces: list[bytes]) -> None:
    digest = new_digest("crc64nvme")
    for piece in pieces:
        digest.update(piece)
    assert int.from_bytes(digest.digest(), "big") == bit_by_bit(b"".join(pieces))


def test_hashing_body_hashes_what_is_read_and_rewind_starts_over() -> None:
    data = bytes(range(256)) * 1000
    body = HashingBody(BytesBody(data), "md5")
    assert body.length == len(data)
    assert read_all(body) == data
    assert body.digest.hexdigest() == hashlib.md5(data).hexdigest() == md5_hex(data)
    body.rewind()
    body.read(10)
    assert body.digest.hexdigest() == md5_hex(data[:10])


def test_crc32_in_pieces_equals_that_of_zlib() -> None:
    digest = new_digest("crc32")
    digest.update(b"a" * 1000)
    digest.update(b"b")
    assert digest.digest() == zlib.crc32(b"a" * 1000 + b"b").to_bytes(4, "big")
