"""Converts ``ObjectMeta`` and ``ObjectInfo`` to and from the headers of blobs.

The Content-MD5 of a blob is a property that its writer sets. For our copies it is the ETag that the object
has in Swift: the MD5 of its bytes, or of the segments' MD5s of a large object. Source: "Put Blob", "Get Blob
Properties", "Set Blob Properties", "Set Blob Metadata".
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace

from s3_sync.errors import NotSupported
from s3_sync.http.message import Headers
from s3_sync.model.headers import decode_value, encode_value, from_user_metadata, to_user_metadata
from s3_sync.model.objects import KIND_MARKS, STORED_HEADERS, ObjectInfo, ObjectMeta, is_md5
from s3_sync.model.timestamps import http_date_or_zero
from s3_sync.providers.azure.names import from_identifier, to_identifier
from s3_sync.providers.object_headers import Header, decoded_digest, unquoted

META_PREFIX = "x-ms-meta-"
ARCHIVE = "Archive"
#: the header of a write for each header that a blob has as a property; it has no Expires
_PROPERTIES = {name: f"x-ms-blob-{name}" for name in STORED_HEADERS if name != "expires"}
#: metadata for that one: no name of Swift's becomes this identifier
_EXPIRES = "_expires"
CONTENT_MD5 = "x-ms-blob-content-md5"
#: a value that stands for none; not every program takes one without characters
_NOTHING = "=?UTF-8?Q??="


def property_headers(meta: ObjectMeta, md5: str | None) -> list[Header]:
    """The headers of a write for a blob's properties. ``md5``: in hex; None: the blob gets none."""
    headers = [("x-ms-blob-content-type", encode_value(meta.content_type))]
    headers += [
        (_PROPERTIES[name], encode_value(meta.headers[name]))
        for name in STORED_HEADERS
        if name in _PROPERTIES and name != "content-type" and meta.headers.get(name)
    ]
    if md5 is not None:
        headers.append((CONTENT_MD5, base64_of(bytes.fromhex(md5))))
    return headers


def meta_headers(meta: ObjectMeta) -> list[Header]:
    """The headers of a write for a blob's metadata. Raises NotSupported for a symlink."""
    if meta.link is not None:
        raise NotSupported("Azure has no symlinks")
    headers = [
        (META_PREFIX + to_identifier(name), _sent(value)) for name, value in to_user_metadata(meta).items()
    ]
    if meta.headers.get("expires"):
        headers.append((META_PREFIX + _EXPIRES, _sent(encode_value(meta.headers["expires"]))))
    return headers


def tier_headers(tier: str) -> list[Header]:
    return [("x-ms-access-tier", tier)] if tier else []


def swift_etag(meta: ObjectMeta, md5: str | None) -> str | None:
    """The ETag that the object has in Swift, for its Content-MD5; ``md5``: of the bytes, if known."""
    if "x-object-manifest" in meta.marks:  # that of a DLO is made of its segments' MD5s
        return _md5_mark(meta, "swift-source-dlo-etag")
    return md5 or _md5_mark(meta, "swift-etag")


def _md5_mark(meta: ObjectMeta, name: str) -> str | None:
    marked = meta.marks.get(name, "")
    return marked if is_md5(marked) else None


def object_info(name: str, headers: Headers, size: int) -> ObjectInfo:
    """Build an ObjectInfo from the headers of HEAD or GET; ``size``: of the whole blob."""
    found = dict(reversed(headers.items()))
    meta = read_meta(found)
    # of a range, Content-MD5 would be that of the range
    content_md5 = hex_of(found.get(CONTENT_MD5) or found.get("content-md5", ""))
    is_large = _has_kind(meta)
    mark = meta.marks.get("swift-etag", "")
    status = found.get("x-ms-archive-status", "")
    return ObjectInfo(
        name=name,
        size=size,
        etag=unquoted(found.get("etag", "")),
        md5=mark if is_md5(mark) else None if is_large else content_md5,
        large_etag=content_md5 if is_large else None,
        last_modified=http_date_or_zero(found.get("last-modified", "")),
        meta=meta,
        storage_class=tier_of(found),
        archived=found.get("x-ms-access-tier") == ARCHIVE,
        retrieving=status.startswith("rehydrate-pending"),
    )


def is_large_copy(info: ObjectInfo) -> bool:
    """Whether the blob is the copy of a large object, so that its manifest may be stored, too."""
    return _has_kind(info.meta)


def _has_kind(meta: ObjectMeta) -> bool:
    return any(mark in meta.marks for mark in KIND_MARKS)


def read_meta(found: Mapping[str, str]) -> ObjectMeta:
    """The metadata in the headers of a response, by lower-case name."""
    stored = {name: decode_value(found.get(name, "")) for name in STORED_HEADERS}
    user = {
        header[len(META_PREFIX) :]: value for header, value in found.items() if header.startswith(META_PREFIX)
    }
    stored["expires"] = decode_value(user.pop(_EXPIRES, ""))
    meta = from_user_metadata(stored, {from_identifier(name): value for name, value in user.items()})
    return replace(meta, headers={name: value for name, value in meta.headers.items() if value})


def tier_of(found: Mapping[str, str]) -> str:
    """The access tier that a blob was given; empty for that of its account."""
    inferred = found.get("x-ms-access-tier-inferred", "").lower() == "true"
    return "" if inferred else found.get("x-ms-access-tier", "")


def metadata_name(name: str) -> str:
    """A name of metadata as it is sent."""
    return to_identifier(name)


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def hex_of(text: str) -> str | None:
    """The hex form of an MD5 in Base64; None for anything else."""
    digest = decoded_digest(text, 16)
    return None if digest is None else digest.hex()


def query_of(*pairs: tuple[str, str]) -> Sequence[tuple[str, str]]:
    """The parameters that have a value."""
    return [pair for pair in pairs if pair[1]]


def _sent(value: str) -> str:
    """A value that the signature covers as it is: some programs sign repeated blanks as one."""
    if not value:
        return _NOTHING
    return encode_value(value, always=True) if "  " in value else value
