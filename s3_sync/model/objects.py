"""An object's description, wherever it is stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from s3_sync.model.copies import Origin
from s3_sync.model.timestamps import UNITS, Timestamp

#: Headers that a store keeps with an object and returns, besides user metadata: those that both Swift's
#: object server (``allowed_headers``) and S3's PutObject support.
STORED_HEADERS = (
    "content-type",
    "content-encoding",
    "content-disposition",
    "content-language",
    "cache-control",
    "expires",
)

#: User-metadata names that belong to this product. They are never compared as the user's metadata and never
#: shown to Swift clients; docs/data-model.md describes each.
MARKS = frozenset(
    {
        "swift-timestamp",
        "swift-copy",
        "swift-etag",
        "swift-expires",
        "swift-link-etag",
        "swift-slo-etag",
        "swift-source",
        "swift-source-dlo-etag",
        "combined-etag",
        "x-delete-at",
        "x-object-manifest",
        "x-static-large-object",
    }
)

#: marks for the kind of Swift object; plain objects have none
KIND_MARKS = ("x-static-large-object", "x-object-manifest")

_SECONDS = re.compile(r"[0-9]{1,18}")
_MD5 = re.compile(r"[0-9a-f]{32}")


def is_md5(etag: str) -> bool:
    """Return whether an unquoted ETag has the form of an MD5 (a multipart ETag, ``hex-N``, does not)."""
    return _MD5.fullmatch(etag) is not None


@dataclass(frozen=True, slots=True)
class Link:
    """The target of a symlink, as Swift names it in the cluster that objects are copied from.

    ``container``: in the account of the link; empty if the link is at the remote and leads to nothing that
    its mapping copies. ``etag``: the one that a static link is bound to; empty for other links. ``size``: of
    the target of a static link that was read as it is stored.
    """

    container: str
    name: str
    etag: str = ""
    size: int = field(default=0, compare=False)

    @property
    def header(self) -> str:
        """The value of X-Symlink-Target."""
        return quote(f"{self.container}/{self.name}")

    def path(self, account: str) -> str:
        """Return the quoted path of the target, as in Swift's listings and in Content-Location."""
        return f"/v1/{quote(account)}/{self.header}"


@dataclass(frozen=True, slots=True)
class ObjectMeta:
    """All metadata of an object, decoded.

    ``headers``: lower-case name from STORED_HEADERS -> value. ``user``: the user's metadata, lower-case name
    without ``X-Object-Meta-`` -> value; names are Swift's, which have no underscore (``model.headers``).
    ``marks``: name from MARKS -> value. ``link``: what a symlink that was not followed leads to; None for any
    other object, and in any store without ``Features.symlinks``.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    user: Mapping[str, str] = field(default_factory=dict)
    marks: Mapping[str, str] = field(default_factory=dict)
    link: Link | None = None

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "application/octet-stream")

    @property
    def swift_timestamp(self) -> Timestamp | None:
        """The X-Timestamp of the Swift object that this copy was made from; None if it has no such mark."""
        try:
            return Timestamp.parse(self.marks["swift-timestamp"])
        except (KeyError, ValueError):
            return None

    @property
    def delete_at(self) -> int | None:
        """X-Delete-At: when the object expires, in seconds since the epoch."""
        written = self.marks.get("x-delete-at", "")
        return int(written) if _SECONDS.fullmatch(written) else None

    @property
    def is_segment(self) -> bool:
        """Whether this is of a copy in another Swift that large objects may name there."""
        return "swift-source" in self.marks and not any(mark in self.marks for mark in KIND_MARKS)

    def marked(self, **marks: str) -> ObjectMeta:
        """Return a copy with these marks added; ``swift_etag`` stands for the mark ``swift-etag``."""
        added = {name.replace("_", "-"): value for name, value in marks.items()}
        return replace(self, marks={**self.marks, **added})


@dataclass(frozen=True, slots=True)
class ListedObject:
    """One object as a listing of a remote store shows it.

    ``etag`` is unquoted and may have any form: one that equals an MD5 proves the same bytes, any other proves
    nothing. ``last_modified``: seconds since the epoch, 0.0 if unknown. ``link``: as in ``ObjectMeta``.
    """

    name: str
    size: int
    etag: str = ""
    last_modified: float = 0.0
    storage_class: str = ""
    link: Link | None = None


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object as its store describes it in the answer to a HEAD or GET.

    ``etag`` is unquoted and may have any form; ``md5`` is the hex MD5 of the bytes, if known, and ``crc32c``
    their CRC-32C, as eight hexadecimal digits, if the store tells it. ``large_etag``:
    the ETag that the original, a large object, has in Swift, if the store keeps it. ``archived``:
    the object is in an archive class, and the store has to retrieve it before bytes or metadata can be
    copied. ``retrieving``: the store is doing so. ``retrieved_until``: until when a retrieved object can be
    read, infinity for ever, None for any other object. ``last_modified`` and that are in seconds since the
    epoch.

    ``opaque_etag``: the ETag does not follow from the bytes, not even that of parts.

    If the store is a Swift: ``x_timestamp`` is when bytes or metadata were written there, and ``expires``,
    in seconds since the epoch, when it deletes the object.
    """

    name: str
    size: int
    etag: str = ""
    md5: str | None = None
    last_modified: float = 0.0
    meta: ObjectMeta = field(kw_only=True)
    storage_class: str = ""
    archived: bool = False
    retrieving: bool = False
    retrieved_until: float | None = None
    x_timestamp: Timestamp | None = None
    expires: int | None = None
    crc32c: str | None = None
    large_etag: str | None = None
    opaque_etag: bool = False

    def version(self, clock_offset: float = 0.0) -> Timestamp | None:
        """Return which version of the local object this is: that of its mark, or, if it is no copy of ours,
        when it was written, at the latest; None if that is unknown.

        ``clock_offset``: of the store's clock, in seconds. If the store's seems to be ahead, this node's may
        as well be behind, or only the server be wrong that has answered: what a client has written there must
        not count as older for that."""
        marked = self.meta.swift_timestamp
        if marked is not None or self.x_timestamp is None:
            return marked
        return Timestamp(self.x_timestamp.raw - round(min(0.0, clock_offset) * UNITS))


@dataclass(frozen=True, slots=True)
class LocalInfo(ObjectInfo):
    """One object of the local cluster. ``data_timestamp``: when the bytes were written; ``timestamp``: when
    bytes or metadata last changed. ``origin``: of an object that another cluster's daemon has written."""

    data_timestamp: Timestamp = field(kw_only=True)
    timestamp: Timestamp = field(kw_only=True)
    origin: Origin | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes ``first`` to ``last``, both inclusive, as in RFC 9110; ``last`` None = to the end."""

    first: int
    last: int | None = None

    @property
    def header(self) -> str:
        return f"bytes={self.first}-{'' if self.last is None else self.last}"

    def last_of(self, size: int) -> int:
        """The last byte of an object of ``size`` bytes that is in the range."""
        return size - 1 if self.last is None else min(self.last, size - 1)


@dataclass(frozen=True, slots=True)
class GetOptions:
    """The range to read, or one ``part`` of an object that was uploaded in parts, from 1; and the conditions.
    ETags are unquoted."""

    byte_range: ByteRange | None = None
    if_match: str | None = None
    if_none_match: str | None = None
    part: int | None = None
    #: the object as a store with large objects of its own keeps it: of an SLO the JSON of its manifest, of a
    # DLO
    #: the bytes beside its header. ``ObjectInfo.meta`` is then the store's own: no mark but one for the kind,
    # with
    #: the container as it is called there, as in a link; all others are users' metadata
    stored: bool = False


@dataclass(frozen=True, slots=True)
class PutOptions:
    """Options of a write.

    ``size`` is the exact number of bytes. ``md5`` (hex) is what they must hash to: the store verifies it, and
    the write fails with BadDigest if they differ. ``if_match``: overwrite exactly this ETag (unquoted).
    ``if_absent``: write only if no object exists. Both raise PreconditionFailed, and NotSupported on a store
    without that feature. ``replaces``: X-Timestamp of the object to overwrite, if the store is a Swift; there
    may be none that is younger.
    """

    size: int
    meta: ObjectMeta = field(default_factory=ObjectMeta)
    md5: str | None = None
    if_match: str | None = None
    if_absent: bool = False
    replaces: Timestamp | None = None


@dataclass(frozen=True, slots=True)
class PutResult:
    """``etag``: as the store reported it, unquoted."""

    etag: str
