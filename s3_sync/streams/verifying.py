"""A body that verifies its size and digest, and fails before its last byte is sent.

A store commits an object once Content-Length bytes have arrived. An error must surface before that, or a
wrong object is stored."""

from __future__ import annotations

from s3_sync.errors import BadDigest
from s3_sync.streams.hashing import md5_hex, new_digest
from s3_sync.streams.reader import CHUNK, Body


class ExactBody:
    """A body of ``size`` bytes (at least one) with this MD5, if given, or another digest.

    Raises BadDigest when the underlying body is shorter or longer, or has another digest; always instead of
    the read that would have returned the last byte.
    """

    def __init__(self, body: Body, size: int, digest: str | None = None, algorithm: str = "md5") -> None:
        self.length: int | None = size
        self._size = size
        self._body = body
        self._expected = digest
        self._algorithm = algorithm
        self._start()

    def read(self, size: int = -1) -> bytes:
        left = self._size - self._position
        if left == 0 or size == 0:
            return b""
        data = self._body.read(left if size < 0 else min(size, left))
        if not data:
            raise BadDigest(f"the body ended after {self._position} of {self._size} bytes")
        self._position += len(data)
        if self._digest is not None:
            self._digest.update(data)
        if self._position == self._size:
            self._check_end()
        return data

    def rewind(self) -> None:
        self._body.rewind()
        self._start()

    def close(self) -> None:
        self._body.close()

    def _start(self) -> None:
        self._position = 0
        self._digest = new_digest(self._algorithm) if self._expected is not None else None

    def _check_end(self) -> None:
        if self._body.read(1):
            raise BadDigest(f"the body is longer than {self._size} bytes")
        if self._digest is not None and self._digest.hexdigest() != self._expected:
            raise BadDigest(f"the body hashes to {self._digest.hexdigest()}, not to {self._expected}")


def read_exactly(body: Body, size: int, md5: str | None = None) -> bytes:
    """Read a small body to its end, verified like ExactBody; ``size`` may be 0."""
    pieces: list[bytes] = []
    have = 0
    while have <= size and (piece := body.read(min(CHUNK, size + 1 - have))):
        pieces.append(piece)
        have += len(piece)
    if have != size:
        raise BadDigest(f"the body is {'longer' if have > size else 'shorter'} than {size} bytes")
    data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    if md5 is not None and md5_hex(data) != md5:
        raise BadDigest(f"the body hashes to {md5_hex(data)}, not to {md5}")
    return data
