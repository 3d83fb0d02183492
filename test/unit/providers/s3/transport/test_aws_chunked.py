"""The aws-chunked coding, read back with a decoder of its own."""

from __future__ import annotations

import base64
import zlib

import pytest

from conformance.samples import OnceBody, sample
from s3_sync.providers.s3.transport.aws_chunked import AwsChunkedBody, encoded_length
from s3_sync.providers.s3.transport.sigv4 import SIGNED_CHUNKS, Keys, Signature, Signer, chunk_signature
from s3_sync.streams.reader import BytesBody, read_all

CHUNK = 64 * 1024
SIZES = [1, 15, 16, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 1_000_000]


def signature() -> Signature:
    return Signer(lambda: Keys("ak", "sk"), "us-east-1", clock=lambda: 1e9).sign(
        "PUT", "h", "/b/k", [], SIGNED_CHUNKS
    )


def decode(encoded: bytes) -> tuple[list[bytes], list[dict[str, str]], dict[str, str]]:
    """Chunks with the empty one, the extensions of each, and the trailing headers."""
    chunks, extensions = [], []
    while True:
        line, encoded = encoded.split(b"\r\n", 1)
        size, *extra = line.decode().split(";")
        extensions.append(dict(part.split("=", 1) for part in extra))
        chunks.append(encoded[: int(size, 16)])
        if int(size, 16) == 0:
            break
        assert encoded[int(size, 16) :][:2] == b"\r\n"
        encoded = encoded[int(size, 16) + 2 :]
    assert encoded.endswith(b"\r\n")
    lines = encoded.decode().split("\r\n")
    assert lines[-2:] == ["", ""] or lines == ["", ""]
    return chunks, extensions, dict(line.split(":", 1) for line in lines if line)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("checksum", [None, "crc32", "crc64nvme", "sha256"])
@pytest.mark.parametrize("size", SIZES)
def test_encoded_body_has_announced_length_and_all_chunks(
    size: int, checksum: str | None, signed: bool
) -> None:
    data = sample(size)
    body = AwsChunkedBody(OnceBody(data, step=9_000), size, checksum, signature() if signed else None)
    encoded = read_all(body)
    assert len(encoded) == body.length == encoded_length(size, checksum, signed)
    chunks, extensions, trailer = decode(encoded)
    assert b"".join(chunks) == data
    assert {len(chunk) for chunk in chunks[:-2]} <= {CHUNK}
    assert all(("chunk-signature" in each) is signed for each in extensions)
    assert (f"x-amz-checksum-{checksum}" in trailer) is (checksum is not None)
    assert ("x-amz-trailer-signature" in trailer) is (signed and checksum is not None)


def test_encoded_body_ends_with_the_crc32_of_the_content() -> None:
    data = sample(100_000)
    _, _, trailer = decode(read_all(AwsChunkedBody(BytesBody(data), len(data), "crc32")))
    assert base64.b64decode(trailer["x-amz-checksum-crc32"]) == zlib.crc32(data).to_bytes(4, "big")


def test_signature_of_each_chunk_includes_the_previous_one() -> None:
    data, seed = sample(CHUNK + 5), signature()
    chunks, extensions, _ = decode(read_all(AwsChunkedBody(BytesBody(data), len(data), None, seed)))
    previous = seed.value
    for chunk, extension in zip(chunks, extensions, strict=True):
        previous = chunk_signature(seed, previous, chunk)
        assert extension["chunk-signature"] == previous


def test_body_read_again_after_rewind_is_the_same() -> None:
    data = sample(CHUNK + 5)
    body = AwsChunkedBody(BytesBody(data), len(data), "sha256", signature())
    once = read_all(body)
    body.rewind()
    body.read(100)
    body.rewind()
    assert read_all(body) == once
