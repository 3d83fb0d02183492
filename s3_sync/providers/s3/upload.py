"""Sending bytes: what holds for PutObject and UploadPart, whichever way they are sent."""

from __future__ import annotations

import base64

from s3_sync.errors import BadDigest
from s3_sync.providers.s3.client import Account
from s3_sync.providers.s3.errors import is_a_page, unexpected
from s3_sync.providers.s3.headers import etag_is_md5, unquoted
from s3_sync.providers.s3.transport.base import Content, Transport, Upload
from s3_sync.providers.s3.transport.sigv4 import Header
from s3_sync.streams.hashing import HashingBody, md5_hex, new_digest
from s3_sync.streams.reader import CHUNK, Body
from s3_sync.streams.verifying import ExactBody, read_exactly

#: bytes up to this many are read before they are sent: then all digests are known beforehand
SMALL = CHUNK
#: statuses that say that it is stored; of 202 and others nobody can tell
STORED = frozenset({200, 201, 204})


class OtherETag(BadDigest):
    """The ETag looks like an MD5, and is not that of the bytes: either other bytes arrived, or in this bucket
    ETags are no MD5s without a header that says so."""

    def __init__(self, what: str, etag: str, md5: str) -> None:
        super().__init__(f"{what}: the store has {etag}, {md5} was sent", code="EtagMismatch")
        self.etag = etag


def store(account: Account, transport: Transport, upload: Upload) -> tuple[str, str | None]:
    """Send ``upload``; returns the ETag, and the MD5 of the bytes where the ETag proves it.

    The stored bytes are known to be right in two ways: by the digest that the store is asked to check, and by
    the ETag of its answer where that is an MD5. Raises OtherETag, UnexpectedAnswer for an answer without any.
    """
    checksum = account.credentials.checksum
    hashing: HashingBody | None = None
    md5 = upload.md5
    if upload.size <= SMALL:
        data = read_exactly(upload.body, upload.size, md5)
        md5 = md5 or md5_hex(data)
        content = Content(data, upload.size, _digest_headers(checksum, md5, data))
    else:
        body: Body = upload.body
        if md5 is None:
            body = hashing = HashingBody(body, "md5")
        # a store that is not told the MD5 cannot check it: then we do, before the last byte is out
        exact = ExactBody(body, upload.size, md5 if checksum != "md5" else None)
        trailer = checksum if checksum not in ("md5", "none") else None
        content = Content(exact, upload.size, _digest_headers(checksum, md5, None), trailer)
    receipt = transport.send(upload, content)
    if hashing is not None:
        md5 = hashing.digest.hexdigest()
    etag = unquoted(receipt.headers.get("etag", ""))
    if not etag or receipt.status not in STORED or (etag != md5 and is_a_page(receipt.headers)):
        why = "a page, or another status than one of success" if etag else "no ETag"
        raise unexpected(upload.what, why, account.endpoint, receipt.status, receipt.headers)
    if not etag_is_md5(receipt.headers):
        return etag, None
    if etag != md5:
        raise OtherETag(upload.what, etag, md5 or "")
    return etag, md5


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
