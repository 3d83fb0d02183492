"""How a stored copy looks to a Swift client. Nothing else that a remote store says reaches one."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from email.utils import formatdate
from urllib.parse import quote

from swift.common.constraints import MAX_META_COUNT

from s3_sync.config.settings import Mapping
from s3_sync.errors import InvalidRequest
from s3_sync.model.headers import to_swift
from s3_sync.model.objects import ObjectInfo, ObjectMeta
from s3_sync.model.timestamps import Timestamp
from s3_sync.shunt.request import Headers, to_wsgi

#: of what s3api tells its clients instead of Swift's ETag (swift.common.middleware.s3api.s3response); the
#: gatekeeper takes it out of answers to other clients
S3_ETAG = "x-object-sysmeta-s3api-etag"
#: of an SLO: the MD5 of its manifest
MANIFEST_ETAG = "X-Manifest-Etag"
_EXPOSED = "access-control-expose-headers"
#: RFC 9110 section 5.6.2
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: what a value must not hold: it could end the header, or the whole head of the answer
_BREAKS = re.compile(r"[\r\n\0]")
#: parameters of a content type that mean something to Swift alone
_SWIFT_PARAMETER = re.compile(r";\s*swift_[^;]*", re.IGNORECASE)


def stored_headers(meta: ObjectMeta) -> dict[str, str]:
    """Those that Swift keeps with an object, of its PUT and of every answer; names in lower case."""
    headers = {"content-type": meta.content_type, **to_swift(meta)}
    headers["content-type"] = _SWIFT_PARAMETER.sub("", headers["content-type"])
    return {
        name: value for name, value in headers.items() if _TOKEN.fullmatch(name) and not _BREAKS.search(value)
    }


def answer_headers(info: ObjectInfo, etag: str, large: bool) -> Headers:
    """Of a GET or HEAD of the whole object; Content-Length is left out. ``etag`` unquoted.

    Who reads an object with ``X-Static-Large-Object`` does not take its ETag for the MD5 of its bytes.
    Raises InvalidRequest for more metadata than an object in Swift can have: clients count header lines.
    """
    assert info.meta is not None
    if len(info.meta.user) > MAX_META_COUNT:
        raise InvalidRequest(f"{info.name} has {len(info.meta.user)} fields of metadata")
    written = written_at(info)
    headers = stored_headers(info.meta)
    etag = _BREAKS.sub("", etag)
    headers["etag"] = f'"{etag}"' if large else etag
    headers["last-modified"] = formatdate(written.ceil_seconds(), usegmt=True)
    headers["x-timestamp"] = written.normal
    headers["accept-ranges"] = "bytes"
    if "x-object-manifest" in info.meta.marks:
        headers["x-object-manifest"] = quote(info.meta.marks["x-object-manifest"])
    elif large:
        headers["x-static-large-object"] = "True"
    return [(name.title(), to_wsgi(value)) for name, value in headers.items()]


def written_at(info: ObjectInfo) -> Timestamp:
    """When the object was written to Swift, or to the store, if it was never in Swift."""
    marked = info.meta.swift_timestamp if info.meta is not None else None
    return marked or Timestamp.from_seconds(info.last_modified)


def is_expired(info: ObjectInfo, now: float | None = None) -> bool:
    """Whether its X-Delete-At has passed."""
    delete_at = info.meta.delete_at if info.meta is not None else None
    return delete_at is not None and delete_at <= (time.time() if now is None else now)


def is_deleted(mapping: Mapping, info: ObjectInfo, tombstone: Timestamp) -> bool:
    """Whether a client's delete, which is on its way to the remote store, is newer than the copy there."""
    return mapping.profile.propagate_delete and tombstone.offset == 0 and tombstone > written_at(info)


def cross_origin(headers: Iterable[tuple[str, str]], answer: Iterable[tuple[str, str]] = ()) -> Headers:
    """Of the local answer: what it says to a browser about other origins holds for the object as well, whose
    ``answer`` has metadata that the local one does not have."""
    meta = {name.lower() for name, _ in answer if name.lower().startswith("x-object-meta-")}
    found: Headers = []
    for name, value in headers:
        if name.lower() == _EXPOSED and meta:
            known = {each.strip() for each in value.split(",")}
            found.append((name, ", ".join(sorted(meta | known - {""}))))
        elif name.lower().startswith("access-control-") or name.lower() == "vary":
            found.append((name, value))
    return found
