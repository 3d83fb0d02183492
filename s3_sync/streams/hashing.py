"""Digests of streams."""

from __future__ import annotations

import hashlib
import zlib
from typing import Protocol

from s3_sync.streams.reader import Body


class Digest(Protocol):
    """The interface of ``hashlib``'s objects, also implemented by the CRCs that object stores support."""

    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...

    def hexdigest(self) -> str: ...


class Crc32:
    """CRC-32 (zip, Ethernet), as four big-endian bytes."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")

    def hexdigest(self) -> str:
        return self.digest().hex()


class Crc64:
    """CRC-64/NVME, as eight big-endian bytes (NVM Express NVM Command Set, section 5.2.1.3.4)."""

    def __init__(self) -> None:
        from awscrt.checksums import crc64nvme  # a C runtime that only few stores need

        self._crc64nvme = crc64nvme
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = self._crc64nvme(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(8, "big")

    def hexdigest(self) -> str:
        return self.digest().hex()


class Crc32c:
    """CRC-32C (Castagnoli; RFC 3720, appendix B.4), as four big-endian bytes."""

    def __init__(self) -> None:
        from awscrt.checksums import crc32c  # as above

        self._crc32c = crc32c
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = self._crc32c(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")

    def hexdigest(self) -> str:
        return self.digest().hex()


def new_digest(algorithm: str) -> Digest:
    """``algorithm``: md5, sha256, crc32, crc32c or crc64nvme. Raises ValueError."""
    if algorithm == "md5":
        return hashlib.md5(usedforsecurity=False)
    if algorithm == "sha256":
        return hashlib.sha256()
    if algorithm == "crc32":
        return Crc32()
    if algorithm == "crc32c":
        return Crc32c()
    if algorithm == "crc64nvme":
        return Crc64()
    raise ValueError(f"no such digest: {algorithm}")


def md5_hex(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


class HashingBody:
    """Hashes a body as it is read. ``rewind`` resets the digest."""

    def __init__(self, body: Body, algorithm: str) -> None:
        self.length = body.length
        self._body = body
        self._algorithm = algorithm
        self.digest = new_digest(algorithm)

    def read(self, size: int = -1) -> bytes:
        data = self._body.read(size)
        self.digest.update(data)
        return data

    def rewind(self) -> None:
        self._body.rewind()
        self.digest = new_digest(self._algorithm)

    def close(self) -> None:
        self._body.close()
