"""Converts ``ObjectMeta`` and ``ObjectInfo`` to and from the headers of S3 requests and responses."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from urllib.parse import quote, urlencode

from s3_sync.config.credentials.s3_dialects import Dialect
from s3_sync.errors import NotSupported
from s3_sync.model.headers import decode_value, encode_value, from_user_metadata, to_user_metadata
from s3_sync.model.objects import KIND_MARKS, STORED_HEADERS, ObjectInfo, ObjectMeta, is_md5
from s3_sync.model.timestamps import http_date_or_zero
from s3_sync.providers.base import WriteOptions
from s3_sync.providers.object_headers import agreed, decoded_digest
from s3_sync.providers.s3.transport.sigv4 import Header

USER_PREFIX = "x-amz-meta-"
#: mark of our copies: the timestamp of the version in Swift
WRITTEN = f"{USER_PREFIX}swift-timestamp"
#: the parts of ``x-amz-restore``; some stores omit the quotes
_ONGOING = re.compile(r'ongoing-request="?(true|false)')
_EXPIRY = re.compile(r'expiry-date="?([^"]+)')
_SSE = "x-amz-server-side-encryption"
#: of an object that a key of the customer's encrypts
_CUSTOMER_KEY = f"{_SSE}-customer-algorithm"
#: Cloud Storage, "HTTP headers for the XML API": base64 digests of what is stored, of objects in parts no MD5
_GOOGLE_HASH = "x-goog-hash"
_SSE_KEY = "x-amz-server-side-encryption-aws-kms-key-id"


def meta_headers(meta: ObjectMeta, dialect: Dialect) -> list[Header]:
    """The metadata headers of PutObject, CopyObject and CreateMultipartUpload.

    HTTP headers are ASCII: other text is sent as encoded words, in system headers, too. Raises NotSupported
    for a symlink.
    """
    if meta.link is not None:
        raise NotSupported("S3 has no symlinks")
    headers = [("content-type", encode_value(meta.content_type))]
    for name in STORED_HEADERS:
        if name != "content-type" and meta.headers.get(name):
            headers.append((name, encode_value(meta.headers[name])))
    user = to_user_metadata(meta, dialect.keeps_underscores)
    headers.extend((USER_PREFIX + name, value) for name, value in user.items())
    return headers


def write_headers(write: WriteOptions, dialect: Dialect) -> list[Header]:
    """The headers for storage class, encryption, ACL and tags. A key or an ACL was asked for, so they are
    sent to any store; one that has none refuses them."""
    headers: list[Header] = []
    if write.storage_class:
        headers.append(("x-amz-storage-class", write.storage_class))
    if write.kms_key:
        headers += [(_SSE, "aws:kms"), (_SSE_KEY, write.kms_key)]
    elif write.encrypt and dialect.encrypts:
        headers.append((_SSE, "AES256"))
    if write.acl:
        headers.append(("x-amz-acl", write.acl))
    if write.tags:
        headers.append(("x-amz-tagging", urlencode(write.tags, quote_via=quote, safe="")))
    return headers


def copy_headers(write: WriteOptions, dialect: Dialect, current: Mapping[str, str]) -> list[Header]:
    """As write_headers, for an object that is copied onto itself: what we do not configure is kept.

    ``current``: the headers of a HEAD. Without these headers the copy would get the bucket's defaults.
    """
    storage_class = write.storage_class or _storage_class(current)
    headers = write_headers(replace(write, storage_class=storage_class), dialect)
    if write.tags:
        headers.append(("x-amz-tagging-directive", "REPLACE"))
    if not write.kms_key and is_encrypted_with_kms(current):
        headers = [header for header in headers if header[0] != _SSE]
        headers.extend((name, current[name]) for name in (_SSE, _SSE_KEY) if name in current)
    return headers


def object_info(name: str, headers: Mapping[str, str], size: int, dialect: Dialect) -> ObjectInfo:
    """Build an ObjectInfo from the headers, with lower-case names, of HEAD or GET; ``size``: of the whole
    object."""
    user = {
        header[len(USER_PREFIX) :]: value
        for header, value in headers.items()
        if header.startswith(USER_PREFIX)
    }
    meta = from_user_metadata({header: _stored(header, headers) for header in STORED_HEADERS}, user)
    return ObjectInfo(
        name=name,
        size=size,
        etag=unquoted(headers.get("etag", "")),
        md5=_md5(meta, headers),
        last_modified=http_date_or_zero(headers.get("last-modified", "")),
        meta=meta,
        storage_class=_storage_class(headers),
        archived=is_archived(headers, dialect),
        retrieving=is_being_retrieved(headers),
        retrieved_until=retrieved_until(headers),
        opaque_etag=(
            not dialect.multipart_etag_is_md5s or is_encrypted_with_kms(headers) or _CUSTOMER_KEY in headers
        ),
    )


def lower_names(items: Iterable[Header]) -> dict[str, str]:
    """Headers by lower-case name; repeated ones are joined (RFC 9110 section 5.3)."""
    headers: dict[str, str] = {}
    for name, value in items:
        lower = name.lower()
        headers[lower] = f"{headers[lower]}, {value}" if lower in headers else value
    return headers


def unquoted(etag: str) -> str:
    """An ETag without its quotes, which some stores omit. An ETag that a compressing proxy made weak is still
    the store's. Repeated ETags that differ count as none."""
    written = agreed(etag) if '"' in etag[1:-1] else etag.strip()
    return written.removeprefix("W/").strip('"')


def stored_md5(headers: Mapping[str, str]) -> str | None:
    """The MD5 of an object that was sent by one PUT, in lower case, as far as the store tells it: Google in
    x-goog-hash, also where a key of the customer's encrypts; others as the ETag."""
    for digest in headers.get(_GOOGLE_HASH, "").split(","):
        algorithm, _, value = digest.strip().partition("=")
        if algorithm == "md5" and (found := decoded_digest(value, 16)):
            return found.hex()
    # some stores send it in capitals, and require that form in conditions
    lower = unquoted(headers.get("etag", "")).lower()
    return lower if etag_is_md5({**headers, "etag": lower}) else None


def etag_is_md5(headers: Mapping[str, str]) -> bool:
    """Whether the ETag of an object that was sent by one PUT is the MD5 of its bytes. With SSE-KMS or SSE-C
    it is not, though it looks like one."""
    return (
        not is_encrypted_with_kms(headers)
        and _CUSTOMER_KEY not in headers
        and is_md5(unquoted(headers.get("etag", "")))
    )


def is_encrypted_with_kms(headers: Mapping[str, str]) -> bool:
    """Whether SSE-KMS encrypts the object: its ETag then looks like an MD5 and is none. (S3 API Reference,
    "Common response headers": aws:kms, aws:kms:dsse.)"""
    return headers.get(_SSE, "").startswith("aws:")


def is_large_copy(headers: Mapping[str, str]) -> bool:
    """Whether the object is the copy of a large object, so that its manifest may be stored, too."""
    return any(USER_PREFIX + mark in headers for mark in KIND_MARKS)


def is_archived(headers: Mapping[str, str], dialect: Dialect) -> bool:
    """Whether the object must be retrieved before it can be read or copied.

    Source: S3 API Reference, HeadObject: ``x-amz-restore`` while the object can be read
    (``ongoing-request="false"``), or is being retrieved ("true"); ``x-amz-archive-status`` for the archive
    tiers of INTELLIGENT_TIERING.
    """
    if retrieved_until(headers) is not None:
        return False
    in_archive = headers.get("x-amz-storage-class", "") in dialect.archive_classes
    return in_archive or "x-amz-archive-status" in headers or is_being_retrieved(headers)


def is_being_retrieved(headers: Mapping[str, str]) -> bool:
    return _ongoing(headers) == "true"


def retrieved_until(headers: Mapping[str, str]) -> float | None:
    """Until when a retrieved object can be read, in seconds since the epoch; infinity without a valid date.
    None if it was not retrieved, or that time is over by the store's clock."""
    if _ongoing(headers) != "false":
        return None
    expiry = _EXPIRY.search(headers["x-amz-restore"])
    until = (http_date_or_zero(expiry[1]) if expiry else 0.0) or math.inf
    return until if until > (http_date_or_zero(headers.get("date", "")) or time.time()) else None


def _ongoing(headers: Mapping[str, str]) -> str:
    found = _ONGOING.search(headers.get("x-amz-restore", ""))
    return found[1] if found else ""


def _md5(meta: ObjectMeta, headers: Mapping[str, str]) -> str | None:
    mark = meta.marks.get("swift-etag", "")
    return mark if is_md5(mark) else stored_md5(headers)


def _stored(name: str, headers: Mapping[str, str]) -> str:
    value = decode_value(headers.get(name, ""))
    if name == "content-encoding":
        # aws-chunked describes the framing of the upload, not the object; some stores keep it
        codings = [coding.strip() for coding in value.split(",")]
        value = ", ".join(coding for coding in codings if coding and coding != "aws-chunked")
    return value


def _storage_class(headers: Mapping[str, str]) -> str:
    stored = headers.get("x-amz-storage-class") or headers.get("x-goog-storage-class", "")
    return "" if stored == "STANDARD" else stored
