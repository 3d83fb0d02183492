"""What an object is, wherever it is stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from s3_sync.model.timestamps import Timestamp

#: Headers that a store keeps with an object and gives back, beside user metadata. These are the ones
#: that both Swift's object server (``allowed_headers``) and S3's PutObject know.
STORED_HEADERS = (
    "content-type",
    "content-encoding",
    "content-disposition",
    "content-language",
    "cache-control",
    "expires",
)

#: User-metadata names that belong to this product. They are never compared as the user's metadata and
#: never shown to Swift clients; docs/data-model.md tells what each one means.
MARKS = frozenset(
    {
        "swift-timestamp",
        "swift-etag",
        "swift-slo-etag",
        "swift-source-dlo-etag",
        "combined-etag",
        "x-delete-at",
        "x-object-manifest",
        "x-static-large-object",
    }
)

_SECONDS = re.compile(r"[0-9]{1,18}")
_MD5 = re.compile(r"[0-9a-f]{32}")


def is_md5(etag: str) -> bool:
    """Whether an unquoted ETag has the form of an MD5 (a multipart one, ``hex-N``, has not)."""
    return _MD5.fullmatch(etag) is not None


@dataclass(frozen=True, slots=True)
class ObjectMeta:
    """Everything a store keeps about an object beside its bytes, in decoded form.

    ``headers``: lower-case name from STORED_HEADERS -> value. ``user``: the user's metadata, lower-case
    name without ``X-Object-Meta-`` -> value. ``marks``: name from MARKS -> value.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    user: Mapping[str, str] = field(default_factory=dict)
    marks: Mapping[str, str] = field(default_factory=dict)

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "application/octet-stream")

    @property
    def swift_timestamp(self) -> Timestamp | None:
        """The X-Timestamp of the Swift object that this copy was made from, if it was marked."""
        try:
            return Timestamp.parse(self.marks["swift-timestamp"])
        except (KeyError, ValueError):
            return None

    @property
    def delete_at(self) -> int | None:
        """X-Delete-At: when the object expires, in seconds since the epoch."""
        written = self.marks.get("x-delete-at", "")
        return int(written) if _SECONDS.fullmatch(written) else None

    def marked(self, **marks: str) -> ObjectMeta:
        """A copy with these marks added; write ``swift-etag`` as ``swift_etag``."""
        added = {name.replace("_", "-"): value for name, value in marks.items()}
        return replace(self, marks={**self.marks, **added})


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object as its store describes it.

    ``etag`` is unquoted and may be anything; ``md5`` is the hex MD5 of the bytes, where it is known.
    ``archived``: neither bytes nor metadata can be copied before the store was asked to restore it.
    ``last_modified`` is in seconds since the epoch. ``meta`` is None when the description comes from a
    listing. ``data_timestamp`` and ``timestamp`` are known for objects of the local cluster: when the
    bytes were written, and when bytes or metadata last changed.
    """

    name: str
    size: int
    etag: str = ""
    md5: str | None = None
    last_modified: float = 0.0
    meta: ObjectMeta | None = None
    storage_class: str = ""
    archived: bool = False
    data_timestamp: Timestamp | None = None
    timestamp: Timestamp | None = None


@dataclass(frozen=True, slots=True)
class ByteRange:
    """``first`` to ``last``, both inclusive, as in RFC 9110; ``last`` None = to the end."""

    first: int
    last: int | None = None

    @property
    def header(self) -> str:
        return f"bytes={self.first}-{'' if self.last is None else self.last}"


@dataclass(frozen=True, slots=True)
class GetOptions:
    """What to read and under which conditions; ETags are given unquoted."""

    byte_range: ByteRange | None = None
    if_match: str | None = None
    if_none_match: str | None = None


@dataclass(frozen=True, slots=True)
class PutOptions:
    """How to write an object.

    ``size`` is the exact number of bytes. ``md5`` (hex) is what they must hash to: the store is made to
    check it, and the write fails with BadDigest when they differ. ``if_match``: write only over exactly
    this ETag (unquoted). ``if_absent``: write only where nothing is. Both raise PreconditionFailed, and
    NotSupported on a store without that feature.
    """

    size: int
    meta: ObjectMeta = field(default_factory=ObjectMeta)
    md5: str | None = None
    if_match: str | None = None
    if_absent: bool = False


@dataclass(frozen=True, slots=True)
class PutResult:
    """``etag`` as the store reported it, unquoted."""

    etag: str
