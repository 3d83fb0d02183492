"""A stored copy's headers as Swift clients see them. Nothing else that a remote store sends reaches a
client."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from email.utils import formatdate
from urllib.parse import quote

from swift.common.constraints import MAX_META_COUNT

from s3_sync.config.settings import Mapping
from s3_sync.errors import InvalidRequest
from s3_sync.model.headers import storable
from s3_sync.model.objects import ObjectInfo, ObjectMeta
from s3_sync.model.timestamps import Timestamp
from s3_sync.shunt.request import Headers, to_wsgi

#: the ETag that s3api shows its clients instead of Swift's (swift.common.middleware.s3api.s3response); the
#: gatekeeper removes it from responses to other clients
S3_ETAG = "x-object-sysmeta-s3api-etag"
#: the MD5 of an SLO's manifest
MANIFEST_ETAG = "X-Manifest-Etag"
_EXPOSED = "access-control-expose-headers"
#: RFC 9110 section 5.6.2, and the ``=`` of metadata names that Swift's S3 API encodes
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z=-]+")
#: characters that could end the header, or the whole header block
_BREAKS = re.compile(r"[\r\n\0]")


def stored_headers(meta: ObjectMeta) -> dict[str, str]:
    """Return the headers that Swift stores with an object, for its PUT and for responses; names in lower
    case."""
    headers = {"content-type": meta.content_type, **storable(meta)}
    return {name: value for name, value in headers.items() if _FIELD_NAME.fullmatch(name)}


def answer_headers(info: ObjectInfo, etag: str, large: bool) -> Headers:
    """Return the headers of a GET or HEAD of the whole object, without Content-Length. ``etag`` is unquoted.

    Clients do not take the ETag of a response with ``X-Static-Large-Object`` for the MD5 of the bytes. Raises
    InvalidRequest for more metadata than Swift allows: clients limit the number of header lines.
    """
    if len(info.meta.user) > MAX_META_COUNT:
        raise InvalidRequest(
            f"{info.name} has {len(info.meta.user)} metadata headers, Swift allows {MAX_META_COUNT}"
        )
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
    """Return when the object was written to Swift, or to the store if it was never in Swift."""
    return info.meta.swift_timestamp or info.x_timestamp or Timestamp.from_seconds(info.last_modified)


def is_expired(info: ObjectInfo, now: float | None = None) -> bool:
    """Return whether the object's X-Delete-At has passed."""
    delete_at = info.meta.delete_at
    return delete_at is not None and delete_at <= (time.time() if now is None else now)


def is_deleted(mapping: Mapping, info: ObjectInfo, tombstone: Timestamp) -> bool:
    """Return whether a client's delete is newer than the copy at the remote store, and counts for it: it is
    still to be propagated, or the copy is the source of a migration."""
    counts = mapping.profile.propagate_delete or mapping.migration is not None
    return counts and tombstone.offset == 0 and tombstone > written_at(info)


def cross_origin(headers: Iterable[tuple[str, str]], answer: Iterable[tuple[str, str]] = ()) -> Headers:
    """Return the CORS headers of the local response, which apply to the object as well.

    ``answer``: headers of the response to the client; its metadata headers are added to the exposed ones.
    """
    meta = {name.lower() for name, _ in answer if name.lower().startswith("x-object-meta-")}
    found: Headers = []
    for name, value in headers:
        if name.lower() == _EXPOSED and meta:
            known = {each.strip() for each in value.split(",")}
            found.append((name, ", ".join(sorted(meta | known - {""}))))
        elif name.lower().startswith("access-control-") or name.lower() == "vary":
            found.append((name, value))
    return found
