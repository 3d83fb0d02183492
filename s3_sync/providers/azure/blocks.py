"""Writes block blobs: one Put Blob for what is small, else blocks and a list that commits them.

Nothing is replaced before all bytes are proved: a small blob is sent with its digest, which the service
verifies; the service's CRC64 of each block is compared with that of the bytes sent, before the blocks are
committed. The CRC64 is that of ``streams.hashing``, its bytes in reverse order, in Base64.

Every block has an ID of its own upload and attempt, so no commit can include a block of another writer. A
commit, or any other write of the blob, discards all blocks that it does not name: an upload that has lost its
blocks to another writer fails, and is repeated.

Memory: MAX_BUFFERED bytes for each small object in transfer; of larger ones only what is being sent. The
blocks of one body go one after another: it can be read only in order, so several at a time would have to be
kept.

Source: "Put Blob", "Put Block", "Put Block List"; "Scalability and performance targets for Blob storage".
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4
from xml.sax.saxutils import escape

from s3_sync.errors import BadDigest, InvalidRequest, NotFound, PreconditionFailed, UnexpectedAnswer
from s3_sync.providers.azure.errors import NO_SUCH_BLOCKS, unexpected
from s3_sync.providers.azure.headers import base64_of
from s3_sync.providers.azure.transport import AzureTransport
from s3_sync.providers.http_errors import NO_SUCH_BUCKET
from s3_sync.providers.object_headers import Header, unquoted
from s3_sync.streams.hashing import Crc64, HashingBody, new_digest
from s3_sync.streams.reader import Body
from s3_sync.streams.verifying import ExactBody

#: bytes of a block, and how many a blob may have. Azure allows larger ones; a block that fails is sent again
BLOCK, MAX_BLOCKS = 100_000_000, 50_000
#: bodies up to this many bytes are read before they are sent, so that all digests are known beforehand
MAX_BUFFERED = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sent:
    """Blocks of this many bytes altogether are at the service. ``md5``: of the bytes, in hex."""

    attempt: str
    number: int
    size: int
    md5: str

    @property
    def ids(self) -> list[str]:
        return [block_id(self.attempt, self.number, index) for index in range(-(-self.size // BLOCK))]


def block_id(attempt: str, number: int, index: int) -> str:
    """The ID of one block: Base64, and for all blocks of a blob of the same length."""
    return base64_of(bytes.fromhex(attempt) + struct.pack(">II", number, index))


class BlockWriter:
    """Writes to one container. Takes keys."""

    def __init__(self, transport: AzureTransport, container: str) -> None:
        self._transport = transport
        self._container = container

    def put_blob(self, key: str, data: bytes, headers: Sequence[Header]) -> str:
        """Store a small blob. Returns its ETag. Raises BadDigest, PreconditionFailed, NotFound."""
        what, path = f"PUT {self._container}/{key}", f"/{self._container}/{key}"
        sent = [("x-ms-blob-type", "BlockBlob"), *self._digest(data), *headers]
        response = self._transport.request("PUT", path, headers=sent, body=data)
        response.drain()
        self._check_digest(what, response.headers.get("x-ms-content-crc64"), data)
        return written_etag(what, response.status, response.headers.get("etag"))

    def send(self, key: str, body: Body, size: int, md5: str | None, number: int = 0) -> Sent:
        """Send at least one byte as blocks. Raises BadDigest if it is not this many bytes with this MD5."""
        attempt = uuid4().hex
        exact = ExactBody(body, size, md5)
        whole = HashingBody(exact, "md5") if md5 is None else None
        source: Body = exact if whole is None else whole
        for index, first in enumerate(range(0, size, BLOCK)):
            block = _Block(source, min(BLOCK, size - first), is_first=first == 0)
            known = md5 if size <= BLOCK else None
            self._put_block(key, block_id(attempt, number, index), block, known)
        return Sent(attempt, number, size, md5 or (whole.digest.hexdigest() if whole else ""))

    def commit(self, key: str, sent: Sequence[Sent], headers: Sequence[Header]) -> str:
        """Make the blob of these blocks. Returns its ETag. Raises PreconditionFailed, and NotFound with code
        NO_SUCH_BLOCKS if another write has discarded any of them.

        ``Latest``: a commit that is repeated because its answer was lost finds the blocks committed."""
        what = f"PUT the block list of {self._container}/{key}"
        ids = [each for part in sent for each in part.ids]
        if len(ids) > MAX_BLOCKS:
            raise InvalidRequest(f"{what}: {len(ids)} blocks", code="BlockCountExceedsLimit")
        listed = "".join(f"<Latest>{escape(each)}</Latest>" for each in ids)
        data = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'.encode("ascii")
        query = [("comp", "blocklist")]
        all_headers = [("Content-Type", "application/xml"), *self._digest(data), *headers]
        try:
            response = self._transport.request(
                "PUT", f"/{self._container}/{key}", query=query, headers=all_headers, body=data
            )
        except InvalidRequest as error:
            if error.code != NO_SUCH_BLOCKS:
                raise
            why = "another writer was faster, or the blocks are too old"
            raise NotFound(f"{error}: {why}", status=error.status, code=NO_SUCH_BLOCKS) from error
        response.drain()
        return written_etag(what, response.status, response.headers.get("etag"))

    def _put_block(self, key: str, identity: str, block: _Block, md5: str | None) -> None:
        query = [("comp", "block"), ("blockid", identity)]
        headers: list[Header] = []
        if md5 is not None and self._transport.checksum == "md5":
            headers.append(("Content-MD5", base64_of(bytes.fromhex(md5))))
        what = f"PUT a block of {self._container}/{key}"
        response = self._transport.request(
            "PUT", f"/{self._container}/{key}", query=query, headers=headers, body=block, size=block.length
        )
        response.drain()
        if response.status != 201:
            raise unexpected(what, response.status, "not the answer to a block")
        if self._transport.checksum == "crc64":
            compare_crc64(what, response.headers.get("x-ms-content-crc64"), block.crc64)

    def _digest(self, data: bytes) -> list[Header]:
        if self._transport.checksum == "crc64":
            return [("x-ms-content-crc64", crc64_of(data))]
        md5 = new_digest("md5")
        md5.update(data)
        return [("Content-MD5", base64_of(md5.digest()))]

    def _check_digest(self, what: str, found: str | None, data: bytes) -> None:
        if self._transport.checksum == "crc64":
            compare_crc64(what, found, crc64_of(data))


class _Block:
    """The next bytes of a body, with their CRC64. Only the first block can be rewound."""

    def __init__(self, body: Body, size: int, *, is_first: bool) -> None:
        self.length: int | None = size
        self._size = size
        self._body = body
        self._is_first = is_first
        self._start()

    def read(self, size: int = -1) -> bytes:
        if not self._left or size == 0:
            return b""
        data = self._body.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        self._crc.update(data)
        return data

    def rewind(self) -> None:
        if not self._is_first:
            raise io.UnsupportedOperation("only the first block can be rewound")
        self._body.rewind()
        self._start()

    def close(self) -> None:
        """Does nothing: the body belongs to the caller."""

    @property
    def crc64(self) -> str:
        return sent_form(self._crc)

    def _start(self) -> None:
        self._left = self._size
        self._crc = Crc64()


def crc64_of(data: bytes) -> str:
    """The CRC64 of some bytes, as the service sends it."""
    crc = Crc64()
    crc.update(data)
    return sent_form(crc)


def sent_form(crc: Crc64) -> str:
    return base64_of(crc.digest()[::-1])


def compare_crc64(what: str, found: str | None, expected: str) -> None:
    """Raise BadDigest if the service has received other bytes, and UnexpectedAnswer if it does not say."""
    if found is None:
        raise UnexpectedAnswer(
            f"{what}: no x-ms-content-crc64 in the response; an emulator needs azure_checksum md5"
        )
    if found != expected:
        raise BadDigest(f"{what}: the service's CRC64 is {found[:20]}, that of the bytes sent {expected}")


def written_etag(what: str, status: int, etag: str | None) -> str:
    found = unquoted(etag or "")
    if status != 201 or not found:
        raise unexpected(what, status, f"not the answer to a write (ETag {found[:40]!r})")
    return found


def without_blob(error: NotFound, if_match: str | None) -> NotFound | PreconditionFailed:
    """Translate the error for a write with If-Match where there is no blob."""
    if if_match is None or error.code in (NO_SUCH_BUCKET, NO_SUCH_BLOCKS):
        return error
    return PreconditionFailed(str(error), status=error.status, code=error.code)
