"""Converts ``ObjectMeta`` and ``ObjectInfo`` to and from the headers of another Swift.

Stored headers and user metadata travel as they are, in UTF-8. Marks are user metadata of the copy. Swift has
headers of its own for the kinds of large objects and for the expiry; they say what is true of the copy, and
the marks what is true of its original.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from s3_sync.http.message import Headers
from s3_sync.model.copies import NOBODY, copy_mark, writer_of
from s3_sync.model.headers import USER_PREFIX, is_true
from s3_sync.model.objects import MARKS, STORED_HEADERS, Link, ObjectInfo, ObjectMeta, is_md5
from s3_sync.model.segment_names import SegmentNamer
from s3_sync.model.timestamps import Timestamp, http_date_or_zero
from s3_sync.providers.base import WriteOptions
from s3_sync.providers.object_headers import Header, unquoted
from s3_sync.providers.swift.links import MARK as LINK_MARK

TIMESTAMP = "X-Timestamp"
_NUMBER = re.compile(r"[0-9]{1,18}")
#: seconds by which the clocks of two clusters may differ
_CLOCKS = 86400.0
#: marks of which Swift itself has a header, which says the same
_NATIVE = "x-static-large-object"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object is stored."""

    container: str
    key: str

    @property
    def path(self) -> str:
        return f"/{self.container}/{self.key}"


def meta_headers(
    place: Place, meta: ObjectMeta, write: WriteOptions, *, is_static: bool = False
) -> list[Header]:
    """The headers of a PUT or POST for this metadata.

    A copy with a version is marked as the copy in this place. X-Delete-At is not included. The mark of a DLO
    makes the object one, with the container that the segments have there; not if it ``is_static``, which a
    DLO is that is kept as an SLO.
    """
    headers = [("Content-Type", meta.content_type)]
    headers += [
        (name, meta.headers[name])
        for name in STORED_HEADERS
        if name != "content-type" and meta.headers.get(name)
    ]
    headers += [(USER_PREFIX + name, value) for name, value in meta.user.items()]
    headers += [(USER_PREFIX + name, value) for name, value in mark_values(meta).items()]
    if meta.link is not None and meta.link.etag:
        headers.append((USER_PREFIX + LINK_MARK, meta.link.etag))
    if meta.swift_timestamp is not None:
        mark = copy_mark(place.container, place.key, write.writer or NOBODY)
        headers.append((f"{USER_PREFIX}swift-copy", mark))
    target = meta.marks.get("x-object-manifest")
    if target is not None and not is_static:
        headers.append(("X-Object-Manifest", quote(_remote_target(target, write.segments))))
    return headers


def delete_at_header(expires: int | None) -> list[Header]:
    return [] if expires is None else [("X-Delete-At", str(expires))]


def mark_values(meta: ObjectMeta) -> dict[str, str]:
    """The marks as they are sent."""
    return {
        name: quote(value) if name == "x-object-manifest" else value
        for name, value in meta.marks.items()
        if name not in (_NATIVE, "swift-copy")
    }


def object_info(
    name: str, place: Place, headers: Headers, size: int, segments: SegmentNamer | None = None
) -> ObjectInfo:
    """Build an ObjectInfo from the headers of HEAD or GET; ``size``: of the whole object."""
    found = dict(reversed(headers.items()))
    etag = unquoted(found.get("etag", ""))
    meta = _meta(place, found, etag, segments)
    plain = not is_static(headers) and "x-object-manifest" not in found
    digests = (etag, meta.marks.get("swift-etag", "")) if plain else ()
    return ObjectInfo(
        name=name,
        size=size,
        etag=etag,
        md5=next(filter(is_md5, digests), None),
        last_modified=http_date_or_zero(found.get("last-modified", "")),
        meta=meta,
        x_timestamp=_timestamp(found.get("x-timestamp", "")),
        expires=_number(found.get("x-delete-at", "")),
    )


def stored_info(name: str, headers: Headers, size: int) -> ObjectInfo:
    """Build the ObjectInfo of an object as it is stored there: see ``GetOptions.stored``. ``size``: of its
    own bytes."""
    found = dict(reversed(headers.items()))
    etag = unquoted(found.get("etag", ""))
    marks: dict[str, str] = {}
    if is_static(headers):
        marks[_NATIVE] = "True"
    elif target := unquote(found.get("x-object-manifest", "")).lstrip("/"):
        marks["x-object-manifest"] = target
    link = None
    if written := found.get("x-symlink-target"):
        container, _, target = unquote(written).lstrip("/").partition("/")
        foreign = "x-symlink-target-account" in found
        bound = unquoted(found.get("x-symlink-target-etag", ""))
        bytes_there = _number(found.get("x-symlink-target-bytes", "")) or 0
        link = Link("", "") if foreign else Link(container, target, bound, bytes_there)
    user = {
        header.removeprefix(USER_PREFIX): value
        for header, value in found.items()
        if header.startswith(USER_PREFIX) and value
    }
    return ObjectInfo(
        name,
        size,
        etag,
        md5=etag if is_md5(etag) else None,
        last_modified=http_date_or_zero(found.get("last-modified", "")),
        meta=ObjectMeta({each: found[each] for each in STORED_HEADERS if found.get(each)}, user, marks, link),
        x_timestamp=_timestamp(found.get("x-timestamp", "")),
        expires=_number(found.get("x-delete-at", "")),
    )


def is_static(headers: Headers) -> bool:
    """Whether the object is an SLO there."""
    return is_true(headers.get(_NATIVE, "") or "")


def _remote_target(target: str, segments: SegmentNamer | None) -> str:
    """The ``container/prefix`` of a DLO's segments there."""
    container, slash, prefix = target.lstrip("/").partition("/")
    return f"{container if segments is None else segments.remote(container)}{slash}{prefix}"


def _local_target(target: str, segments: SegmentNamer | None) -> str:
    container, slash, prefix = target.partition("/")
    return f"{container if segments is None else segments.local(container)}{slash}{prefix}"


def _meta(place: Place, found: Mapping[str, str], etag: str, segments: SegmentNamer | None) -> ObjectMeta:
    stored = {name: found[name] for name in STORED_HEADERS if found.get(name)}
    user: dict[str, str] = {}
    marks: dict[str, str] = {}
    for header, value in found.items():
        name = header.removeprefix(USER_PREFIX)
        if name == header or not value:
            continue
        if name in MARKS:
            marks[name] = unquote(value) if name == "x-object-manifest" else value
        else:
            user[name] = value
    marks.pop(LINK_MARK, None)  # part of the link
    copied_here = writer_of(marks.pop("swift-copy", ""), place.container, place.key) is not None
    if not copied_here or _is_too_new(marks, found):
        marks.pop("swift-timestamp", None)  # of another object, of which a client has made this one
    target = unquote(found.get("x-object-manifest", "")).lstrip("/")
    if target and _remote_target(marks.get("x-object-manifest", ""), segments) != target:
        # a client there has written one of the two; the mark must not tell of other segments
        marks["x-object-manifest"] = _local_target(target, segments)
    if "x-object-manifest" in marks:
        marks.pop(_NATIVE, None)  # a DLO that is stored as an SLO
    elif is_true(found.get(_NATIVE, "")):
        marks[_NATIVE] = "True"
    if target:  # what it consists of now, and not when its manifest was written
        marks["swift-source-dlo-etag"] = etag
    return ObjectMeta(stored, user, marks)


def _is_too_new(marks: Mapping[str, str], found: Mapping[str, str]) -> bool:
    """Whether the version that a mark tells was not there yet when the object was written. Clients can write
    marks, too, and no version that comes later could replace such an object."""
    marked, written = _timestamp(marks.get("swift-timestamp", "")), _timestamp(found.get("x-timestamp", ""))
    return marked is not None and written is not None and marked.seconds > written.seconds + _CLOCKS


def _timestamp(text: str) -> Timestamp | None:
    try:
        return Timestamp.parse(text)
    except ValueError:
        return None


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None
