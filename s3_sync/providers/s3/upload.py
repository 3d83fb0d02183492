"""Uploads of bytes by PutObject and UploadPart, over any transport."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from s3_sync.errors import BadDigest
from s3_sync.providers.s3.client import Account
from s3_sync.providers.s3.errors import is_html_page, unexpected
from s3_sync.providers.s3.headers import stored_md5, unquoted
from s3_sync.providers.s3.transport.base import Content, Transport, Upload
from s3_sync.providers.s3.transport.sigv4 import Header
from s3_sync.streams.hashing import HashingBody, md5_hex, new_digest
from s3_sync.streams.reader import CHUNK, Body
from s3_sync.streams.verifying import ExactBody, read_exactly

#: bodies up to this many bytes are read before they are sent, so that all digests are known beforehand
MAX_BUFFERED_BODY = CHUNK
#: statuses that mean that the object is stored; 202 and others leave it open
STORED_STATUSES = frozenset({200, 201, 204})


class EtagMismatch(BadDigest):
    """The ETag looks like an MD5 but is not that of the bytes: either other bytes arrived, or ETags of this
    bucket are not MD5s although no header says so."""

    def __init__(self, what: str, etag: str, md5: str) -> None:
        super().__init__(f"{what}: the store's ETag is {etag}, the MD5 sent {md5}", code="EtagMismatch")
        self.etag = etag


@dataclass(frozen=True, slots=True)
class Stored:
    """A store's response: the ``md5`` of the bytes if the ETag proves it, and the base64 ``checksum`` if it
    returns one."""

    etag: str
    md5: str | None = None
    checksum: str | None = None


def store(account: Account, transport: Transport, upload: Upload) -> Stored:
    """Send ``upload``.

    The stored bytes are verified in two ways: by the digest that is sent to the store, and by the ETag of the
    response if that is an MD5. Raises EtagMismatch, and UnexpectedAnswer for a response without an ETag.
    """
    checksum = account.credentials.checksum
    hashing: HashingBody | None = None
    md5 = upload.md5
    if upload.size <= MAX_BUFFERED_BODY:
        data = read_exactly(upload.body, upload.size, md5)
        md5 = md5 or md5_hex(data)
        content = Content(data, upload.size, _digest_headers(checksum, md5, data))
    else:
        body: Body = upload.body
        if md5 is None:
            body = hashing = HashingBody(body, "md5")
        # without Content-MD5 the store cannot verify the MD5: we do, before the last byte is sent
        exact = ExactBody(body, upload.size, md5 if checksum != "md5" else None)
        trailer = checksum if checksum not in ("md5", "none") and transport.has_trailers else None
        sent = checksum if trailer or checksum == "none" else "md5"
        content = Content(exact, upload.size, _digest_headers(sent, md5, None), trailer)
    receipt = transport.send(upload, content)
    if hashing is not None:
        md5 = hashing.digest.hexdigest()
    etag = unquoted(receipt.headers.get("etag", ""))
    if not etag or receipt.status not in STORED_STATUSES or (etag != md5 and is_html_page(receipt.headers)):
        why = "a page, or a status that does not mean success" if etag else "no ETag"
        raise unexpected(upload.what, why, account.endpoint, receipt.status, receipt.headers)
    digest = receipt.headers.get(f"x-amz-checksum-{checksum}")
    told = stored_md5(receipt.headers)
    if told is None:
        return Stored(etag, checksum=digest)
    if told != md5:
        raise EtagMismatch(upload.what, etag, md5 or "")
    return Stored(etag, md5, digest)


def _digest_headers(checksum: str, md5: str | None, data: bytes | None) -> tuple[Header, ...]:
    if checksum == "none":
        return ()
    if checksum == "md5":
        return (("Content-MD5", base64_text(bytes.fromhex(md5))),) if md5 else ()
    if data is None:
        return ()
    digest = new_digest(checksum)
    digest.update(data)
    return ((f"x-amz-checksum-{checksum}", base64_text(digest.digest())),)


def base64_text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
