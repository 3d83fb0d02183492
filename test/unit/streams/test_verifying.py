"""A body is what was promised, or breaks before its last byte is out."""

from __future__ import annotations

import pytest

from conformance.samples import OnceBody, md5, sample
from s3_sync.errors import BadDigest
from s3_sync.streams.reader import BytesBody, read_all
from s3_sync.streams.verifying import ExactBody, read_exactly

SIZES = [1, 9_999, 10_000, 10_001, 200_000]


@pytest.mark.parametrize("size", SIZES)
def test_exact_body_of_promised_length_and_digest_is_read_whole(size: int) -> None:
    data = sample(size)
    body = ExactBody(OnceBody(data), size, md5(data))
    assert body.length == size
    assert read_all(body) == data
    assert body.read(1) == b""
    assert ExactBody(BytesBody(data), size).read() == data


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("difference", [-1, 1, 50_000])
def test_exact_body_of_another_length_raises_before_the_last_byte(
    size: int, difference: int, known: bool
) -> None:
    data = sample(max(0, size + difference))
    body = ExactBody(OnceBody(data), size, md5(data) if known else None)
    assert drain(body) < size


@pytest.mark.parametrize("size", SIZES)
def test_exact_body_of_another_digest_raises_before_the_last_byte(size: int) -> None:
    assert drain(ExactBody(OnceBody(sample(size)), size, md5(b"else"))) < size


def drain(body: ExactBody) -> int:
    """Read until it breaks; how many bytes came before."""
    got = 0
    try:
        while data := body.read(4096):
            got += len(data)
    except BadDigest:
        return got
    raise AssertionError("the body ended as if nothing were wrong")


def test_exact_body_after_rewind_is_read_whole() -> None:
    data = sample(200_000)
    body = ExactBody(BytesBody(data), len(data), md5(data))
    body.read(70_000)
    body.rewind()
    assert read_all(body) == data


def test_exact_body_read_of_zero_bytes_is_not_its_end() -> None:
    body = ExactBody(BytesBody(b"ab"), 2)
    assert body.read(0) == b""
    assert body.read(2) == b"ab"


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537])
def test_read_exactly_returns_promised_bytes_or_raises_bad_digest(size: int) -> None:
    data = sample(size)
    assert read_exactly(OnceBody(data), size, md5(data)) == data
    assert read_exactly(BytesBody(data), size) == data
    for wrong in (size + 1, size - 1):
        if wrong >= 0:
            with pytest.raises(BadDigest):
                read_exactly(OnceBody(data), wrong)
    with pytest.raises(BadDigest):
        read_exactly(OnceBody(data), size, md5(b"else"))
