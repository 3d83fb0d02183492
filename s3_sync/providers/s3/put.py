"""Sending bytes: PutObject and UploadPart, whichever way they are sent.

``direct`` signs the request itself and sends it over a pooled connection; it costs a fraction of the
SDK's CPU, which for small objects is most of what the whole job costs. ``sdk`` lets the SDK do it, for
what the other cannot: signature version 2, and proxies that are spoken to in TLS. What must hold for
both stands here.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from s3_sync.errors import BadDigest
from s3_sync.providers.s3.headers import etag_is_md5, unquoted
from s3_sync.providers.s3.signing import Header
from s3_sync.streams.exact import ExactBody, read_exactly
from s3_sync.streams.hashing import HashingBody, md5_hex, new_digest
from s3_sync.streams.reader import CHUNK, Body

#: bytes up to this many are read before they are sent: then all digests are known beforehand
SMALL = CHUNK


@dataclass(frozen=True, slots=True)
class PartOf:
    """Where in a multipart upload the bytes belong."""

    upload_id: str
    number: int


@dataclass(frozen=True, slots=True)
class Upload:
    """One request to be made. ``body`` holds exactly ``size`` bytes; ``headers`` without digests."""

    bucket: str
    key: str
    body: Body
    size: int
    md5: str | None = None
    headers: tuple[Header, ...] = ()
    part: PartOf | None = None

    @property
    def what(self) -> str:
        return f"PUT {self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes as a writer gets them: all of them here and hashed, or a stream that checks itself.

    ``checksum``: algorithm of a checksum that is to be sent behind a stream.
    """

    data: bytes | Body
    size: int
    headers: tuple[Header, ...]
    checksum: str | None = None


class Writer(Protocol):
    """Sends one request and returns the answer's headers, by lower-case name. Raises RemoteErrors."""

    def send(self, upload: Upload, content: Content) -> Mapping[str, str]: ...

    def close(self) -> None: ...


def store(writer: Writer, upload: Upload, checksum: str) -> tuple[str, str | None]:
    """Send ``upload``; returns the ETag, and the MD5 of the bytes where the ETag proves it.

    ``checksum``: the mode of ``Credentials``. The stored bytes are known to be right in two ways: by the
    digest that the store is asked to check, and by the ETag of its answer where that is an MD5. Raises
    BadDigest.
    """
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
    answer = writer.send(upload, content)
    if hashing is not None:
        md5 = hashing.digest.hexdigest()
    etag = unquoted(answer.get("etag", ""))
    if not etag_is_md5(answer):
        return etag, None
    if etag != md5:
        raise BadDigest(f"{upload.what}: the store has {etag}, {md5} was sent", code="EtagMismatch")
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
