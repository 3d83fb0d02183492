"""Converts ``ObjectMeta`` and ``ObjectInfo`` to and from the API's description of an object.

Source: JSON API reference, "Objects: resource". User metadata and marks have the form of S3
(``model.headers``), which is also that of Google's S3 interoperability: either API reads what the other
wrote.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from s3_sync.errors import BadDigest, NotSupported, UnexpectedAnswer
from s3_sync.model.headers import decode_value, encode_value, from_user_metadata, to_user_metadata
from s3_sync.model.objects import ListedObject, ObjectInfo, ObjectMeta, is_md5
from s3_sync.model.timestamps import iso_date_or_zero
from s3_sync.providers.object_headers import decoded_digest
from s3_sync.streams.small_files import is_text

#: the fields of a resource that are read here
FIELDS = (
    "name,generation,metageneration,size,md5Hash,crc32c,contentType,contentEncoding,contentDisposition,"
    "contentLanguage,cacheControl,metadata,storageClass,updated"
)
LISTED_FIELDS = "name,generation,size,md5Hash,storageClass,updated"
_HEADERS = {
    "content-type": "contentType",
    "content-encoding": "contentEncoding",
    "content-disposition": "contentDisposition",
    "content-language": "contentLanguage",
    "cache-control": "cacheControl",
}
#: holds the header Expires, which the API does not have
_EXPIRES = "swift-expires"
_NUMBER = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as the API describes it. ``generation`` changes with the bytes, ``metageneration`` with the
    metadata. ``crc32c``: four bytes; None if it is not stated. ``names``: of all custom metadata."""

    info: ObjectInfo
    generation: str
    metageneration: str
    crc32c: bytes | None
    names: frozenset[str]

    @property
    def conditions(self) -> dict[str, str]:
        """The query by which a request is about exactly this state."""
        found = {"ifGenerationMatch": self.generation}
        return found | ({"ifMetagenerationMatch": self.metageneration} if self.metageneration else {})


@dataclass(frozen=True, slots=True)
class Digests:
    """The digests of bytes that were sent. ``md5``: in hex; ``crc32c``: four bytes."""

    md5: str
    crc32c: bytes

    @property
    def fields(self) -> dict[str, str]:
        return {"md5Hash": base64_of(bytes.fromhex(self.md5)), "crc32c": base64_of(self.crc32c)}

    @property
    def header(self) -> str:
        """The value of ``X-Goog-Hash``."""
        return f"crc32c={base64_of(self.crc32c)},md5={base64_of(bytes.fromhex(self.md5))}"

    def check(self, what: str, document: Mapping[str, Any]) -> None:
        """Raise BadDigest for the description of other bytes, and UnexpectedAnswer for one without any
        digest."""
        md5, crc = md5_of(document), decoded_digest(_text(document, "crc32c"), 4)
        if md5 not in (None, self.md5) or crc not in (None, self.crc32c):
            told = md5 or (crc or b"").hex()
            raise BadDigest(f"{what}: the store tells {told}, sent were {self.md5} and {self.crc32c.hex()}")
        if md5 is None and crc is None:
            raise UnexpectedAnswer(f"{what}: the answer tells no digest", status=200)


def to_resource(meta: ObjectMeta) -> dict[str, Any]:
    """The fields for this metadata. Raises NotSupported for a symlink."""
    if meta.link is not None:
        raise NotSupported("Google Cloud Storage has no symlinks")
    found: dict[str, Any] = {"contentType": encode_value(meta.content_type)}
    for name, key in _HEADERS.items():
        if name != "content-type" and meta.headers.get(name):
            found[key] = encode_value(meta.headers[name])
    custom = to_user_metadata(meta)
    if meta.headers.get("expires"):
        custom[_EXPIRES] = encode_value(meta.headers["expires"])
    found["metadata"] = custom
    return found


def to_patch(meta: ObjectMeta, current: Stored) -> dict[str, Any]:
    """The fields that replace all metadata: what a patch does not name stays, and null removes it."""
    found = to_resource(meta)
    for key in _HEADERS.values():
        found.setdefault(key, None)
    found["metadata"] = dict.fromkeys(sorted(current.names)) | found["metadata"]
    return found


def read_resource(what: str, name: str, document: Mapping[str, Any]) -> Stored:
    """Raises UnexpectedAnswer for what is no description of an object."""
    size, generation = number(document, "size"), number(document, "generation")
    if size is None or generation is None:
        raise UnexpectedAnswer(f"{what}: not the description of an object", status=200)
    custom = _custom(document)
    headers = {name: decode_value(_text(document, key)) for name, key in _HEADERS.items()}
    headers["expires"] = decode_value(custom.pop(_EXPIRES, ""))
    meta = from_user_metadata(headers, custom)
    md5, crc = md5_of(document), decoded_digest(_text(document, "crc32c"), 4)
    mark = meta.marks.get("swift-etag", "")
    info = ObjectInfo(
        name=name,
        size=int(size),
        etag=md5 or generation,
        md5=mark if is_md5(mark) else md5,
        last_modified=iso_date_or_zero(document.get("updated")),
        meta=meta,
        storage_class=_storage_class(document),
        crc32c=crc.hex() if crc is not None else None,
    )
    names = frozenset(_custom(document))
    return Stored(info, generation, number(document, "metageneration") or "", crc, names)


def read_listed(name: str, document: Mapping[str, Any]) -> ListedObject:
    """What a listing shows. Its fields may be missing."""
    return ListedObject(
        name=name,
        size=int(number(document, "size") or 0),
        etag=md5_of(document) or number(document, "generation") or "",
        last_modified=iso_date_or_zero(document.get("updated")),
        storage_class=_storage_class(document),
    )


def md5_of(document: Mapping[str, Any]) -> str | None:
    """The hex MD5; None for a composite object, which has none."""
    digest = decoded_digest(_text(document, "md5Hash"), 16)
    return digest.hex() if digest is not None else None


def base64_of(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")


def number(document: Mapping[str, Any], key: str) -> str | None:
    """A number as its digits, as the API writes those of 64 bits; None if it is not there."""
    value = document.get(key)
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return text if isinstance(text, str) and _NUMBER.fullmatch(text) else None


def _custom(document: Mapping[str, Any]) -> dict[str, str]:
    found = document.get("metadata")
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if is_text(name) and is_text(value)}


def _storage_class(document: Mapping[str, Any]) -> str:
    stored = _text(document, "storageClass")
    return "" if stored == "STANDARD" else stored


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    return value if is_text(value) else ""
