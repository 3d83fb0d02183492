"""The ``aws-chunked`` encoding of bodies: with signed chunks, or with a trailing checksum.

Each chunk is its size in hexadecimal, optionally ``;chunk-signature=`` and 64 digits, CRLF, the data, CRLF;
the last one is empty and followed by the trailing headers. Source: Amazon S3 API Reference, "Signature
Calculations for the Authorization Header: Transferring Payload in Multiple Chunks", and the same for
trailers. Chunks must have at least 8 KiB, except the last."""

from __future__ import annotations

import base64

from s3_sync.providers.s3.transport.sigv4 import Signature, chunk_signature, trailer_signature
from s3_sync.streams.hashing import new_digest
from s3_sync.streams.reader import CHUNK, Body

_SIGNATURE = len(";chunk-signature=") + 64
_TRAILER_SIGNATURE = len("x-amz-trailer-signature:\r\n") + 64


def encoded_length(size: int, checksum: str | None, signed: bool) -> int:
    """The encoded length of a body of ``size`` bytes."""
    full_chunks, remainder = divmod(size, CHUNK)
    framing = 4 + (_SIGNATURE if signed else 0)
    length = size + full_chunks * (len(f"{CHUNK:x}") + framing)
    if remainder:
        length += len(f"{remainder:x}") + framing
    length += 1 + 2 + (_SIGNATURE if signed else 0) + 2  # the empty chunk's line, and the last empty line
    if checksum is not None:
        digest = len(base64.b64encode(new_digest(checksum).digest()))
        length += len(f"x-amz-checksum-{checksum}:\r\n") + digest
        length += _TRAILER_SIGNATURE if signed else 0
    return length


class AwsChunkedBody:
    """Encodes ``size`` bytes of ``body``. ``checksum``: algorithm of the trailing checksum; ``signature``: of
    the request head, if chunks are signed."""

    def __init__(
        self, body: Body, size: int, checksum: str | None = None, signature: Signature | None = None
    ) -> None:
        self.length: int | None = encoded_length(size, checksum, signature is not None)
        self._body = body
        self._checksum = checksum
        self._signature = signature
        self._buffer = b""
        self._ended = False
        self._start()

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        if not self._buffer and not self._ended:
            self._buffer = self._next_chunk()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def rewind(self) -> None:
        self._body.rewind()
        self._start()

    def close(self) -> None:
        self._body.close()

    def _start(self) -> None:
        self._buffer = b""
        self._ended = False
        self._previous = self._signature.value if self._signature else ""
        self._digest = new_digest(self._checksum) if self._checksum else None

    def _next_chunk(self) -> bytes:
        data = self._read_full()
        if self._digest is not None:
            self._digest.update(data)
        if data:
            return b"%s%s\r\n" % (self._line(data), data)
        self._ended = True
        return self._line(b"") + self._trailer() + b"\r\n"

    def _read_full(self) -> bytes:
        pieces: list[bytes] = []
        left = CHUNK
        while left and (piece := self._body.read(left)):
            pieces.append(piece)
            left -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _line(self, data: bytes) -> bytes:
        line = f"{len(data):x}"
        if self._signature is not None:
            self._previous = chunk_signature(self._signature, self._previous, data)
            line += f";chunk-signature={self._previous}"
        return line.encode("ascii") + b"\r\n"

    def _trailer(self) -> bytes:
        if self._digest is None:
            return b""
        line = f"x-amz-checksum-{self._checksum}:{base64.b64encode(self._digest.digest()).decode('ascii')}"
        if self._signature is None:
            return f"{line}\r\n".encode("ascii")
        value = trailer_signature(self._signature, self._previous, f"{line}\n".encode("ascii"))
        return f"{line}\r\nx-amz-trailer-signature:{value}\r\n".encode("ascii")
