"""The manifest of an SLO exactly as Swift stores it, whatever it is made of: segments, ranges of them, other
SLOs, and bytes of its own (``swift.common.middleware.slo``). ``manifest`` has the form that most of the
program copes with: whole, plain segments."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from s3_sync.errors import ObjectRefused
from s3_sync.largeobject.manifest import joined_etag
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.small_files import is_count, is_text, parse_json

_RANGE = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Entry:
    """What one entry names. ``size`` and ``etag``: of the whole segment; ``length``: of the bytes that it
    adds to the SLO. ``share``: what it adds to the SLO's ETag. ``is_slo``: the segment is an SLO itself.
    ``container`` is empty for bytes inside the manifest."""

    container: str
    name: str
    size: int
    etag: str
    length: int
    share: str
    is_slo: bool = False


@dataclass(frozen=True)
class StoredSlo:
    """``raw``: the JSON."""

    raw: bytes
    entries: tuple[Entry, ...]

    @classmethod
    def parse(cls, raw: bytes) -> StoredSlo:
        """Raises ObjectRefused ``slo_malformed``."""
        found = _json(raw)
        return cls(raw, tuple(_entry(number, each) for number, each in enumerate(found, start=1)))

    @cached_property
    def md5(self) -> str:
        """The ETag of the manifest as an object."""
        return md5_hex(self.raw)

    @cached_property
    def etag(self) -> str:
        """The ETag of the SLO as clients see it."""
        return joined_etag(entry.share for entry in self.entries)

    @cached_property
    def size(self) -> int:
        return sum(entry.length for entry in self.entries)

    @property
    def segments(self) -> Sequence[Entry]:
        """The objects that it names, each once, in order."""
        named = {(entry.container, entry.name): entry for entry in self.entries if entry.container}
        return list(named.values())

    def renamed(self, container: Callable[[str], str]) -> StoredSlo:
        """Return it with other containers; as it is, byte for byte, if all stay the same."""
        if all(container(entry.container) == entry.container for entry in self.segments):
            return self
        written = _json(self.raw)
        for entry, each in zip(self.entries, written, strict=True):
            if entry.container:
                each["name"] = f"/{container(entry.container)}/{entry.name}"
        entries = tuple(
            replace(entry, container=container(entry.container)) if entry.container else entry
            for entry in self.entries
        )
        return StoredSlo(json.dumps(written).encode("ascii"), entries)

    def is_same(self, other: StoredSlo) -> bool:
        """Return whether both say the same, whatever the order of the keys."""
        return bool(_json(self.raw) == _json(other.raw))


def _json(raw: bytes) -> list[Any]:
    try:
        found = parse_json(raw)
    except ValueError as error:
        raise ObjectRefused("slo_malformed", f"the manifest is not JSON: {error}") from error
    if not isinstance(found, list):
        raise ObjectRefused("slo_malformed", "the manifest is not a list of segments")
    return found


def _entry(number: int, written: Any) -> Entry:
    if not isinstance(written, dict):
        raise ObjectRefused("slo_malformed", f"segment {number} is not described by a JSON object")
    if "data" in written:
        data = _data(number, written["data"])
        return Entry("", "", len(data), md5_hex(data), len(data), md5_hex(data))
    path, size, etag, span = (written.get(key) for key in ("name", "bytes", "hash", "range"))
    container, slash, name = path.lstrip("/").partition("/") if is_text(path) else ("", "", "")
    if not (container and slash and name and is_count(size) and is_text(etag) and etag):
        raise ObjectRefused("slo_malformed", f"segment {number} has no name, size or ETag: {path!r:.200}")
    length, share = size, etag
    if span:
        match = _RANGE.fullmatch(span) if is_text(span) else None
        first, last = (int(match[1]), int(match[2])) if match else (1, 0)
        if not first <= last < size:
            raise ObjectRefused("slo_malformed", f"segment {number} has an unusable range: {span!r:.50}")
        length, share = last + 1 - first, f"{etag}:{span};"
    return Entry(container, name, size, etag, length, share, bool(written.get("sub_slo")))


def _data(number: int, written: Any) -> bytes:
    try:
        return base64.b64decode(written, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise ObjectRefused("slo_malformed", f"segment {number} has unreadable data: {error}") from error
