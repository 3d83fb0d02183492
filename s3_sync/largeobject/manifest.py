"""Manifests of large objects and their JSON form.

Swift stores an SLO as a JSON list (``swift.common.middleware.slo``, "data_for_storage"), which a read that
bypasses the SLO middleware, or internals such as ``?multipart-manifest=get&format=raw``, return as it is::

    [{"name": "/container/object", "bytes": 5242880, "hash": "<md5>", "content_type": "...",
      "last_modified": "2026-01-02T03:04:05.000000"}, ...]

What clients send with ``?multipart-manifest=put`` has ``path``, ``size_bytes`` and ``etag`` instead.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from s3_sync.errors import LocalUnavailable, ObjectRefused
from s3_sync.model.objects import is_md5
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import Body, read_all
from s3_sync.streams.small_files import is_text, parse_json

_MULTIPART = re.compile(r"[0-9a-fA-F]{32}-([1-9][0-9]{0,4})")


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of a large object; ``md5`` is that of its ``size`` bytes."""

    container: str
    name: str
    size: int
    md5: str

    @property
    def path(self) -> str:
        return f"/{self.container}/{self.name}"


@dataclass(frozen=True)
class Manifest:
    """The segments in order, and the JSON as stored."""

    segments: tuple[Segment, ...]
    raw: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Manifest:
        """Parse Swift's stored form. Raises ObjectRefused if the object cannot be copied, with the reason

        - ``slo_malformed``: not a JSON list of segments with name, size and MD5,
        - ``slo_data``: bytes inside the manifest,
        - ``slo_range``: only a part of a segment,
        - ``slo_nested``: a segment that is an SLO.
        """
        try:
            entries = parse_json(raw)
        except ValueError as error:
            raise ObjectRefused("slo_malformed", f"the manifest is not JSON: {error}") from error
        if not isinstance(entries, list):
            raise ObjectRefused("slo_malformed", "the manifest is not a list of segments")
        return cls(tuple(_segment(number, entry) for number, entry in enumerate(entries, start=1)), raw)

    @classmethod
    def from_listing(cls, container: str, entries: Sequence[dict[str, Any]]) -> Manifest:
        """Build a DLO's current manifest from the entries of a JSON listing.

        Raises ObjectRefused ``dlo_nested`` for a segment that is an SLO, for which Swift itself would return
        the text of the manifest.
        """
        stored = []
        for entry in entries:
            if "slo_etag" in entry or "slo_etag=" in entry["hash"]:
                raise ObjectRefused("dlo_nested", f"segment /{container}/{entry['name']} is a large object")
            stored.append(
                {
                    "name": f"/{container}/{entry['name']}",
                    "bytes": entry["bytes"],
                    "hash": entry["hash"],
                    "content_type": entry.get("content_type", "application/octet-stream"),
                    "last_modified": entry.get("last_modified", ""),
                }
            )
        return cls.parse(json.dumps(stored).encode("ascii"))

    @classmethod
    def of(cls, segments: Iterable[Segment]) -> Manifest:
        """Build a manifest of whole objects."""
        kept = tuple(segments)
        entries = [{"name": each.path, "bytes": each.size, "hash": each.md5} for each in kept]
        return cls(kept, json.dumps(entries).encode("ascii"))

    @cached_property
    def size(self) -> int:
        return sum(segment.size for segment in self.segments)

    @cached_property
    def etag(self) -> str:
        """The ETag of the manifest as an object: the MD5 of its JSON."""
        return hashlib.md5(self.raw, usedforsecurity=False).hexdigest()

    @cached_property
    def joined_etag(self) -> str:
        """The ETag of the SLO or DLO as clients see it: the MD5 of all segments' MD5s in hexadecimal."""
        return joined_etag(segment.md5 for segment in self.segments)

    @cached_property
    def multipart_etag(self) -> str:
        """The ETag that S3 computes for these segments, each uploaded as one part."""
        return multipart_etag(segment.md5 for segment in self.segments)

    def to_put(self) -> bytes:
        """Return the body of ``PUT ?multipart-manifest=put`` that creates this SLO, as ``format=raw`` returns
        it."""
        entries = [
            {"path": segment.path, "size_bytes": segment.size, "etag": segment.md5}
            for segment in self.segments
        ]
        return json.dumps(entries, sort_keys=True).encode("ascii")


def named_objects(raw: bytes) -> set[tuple[str, str]]:
    """Return (container, name) of everything that a stored manifest names, even if it is otherwise
    malformed."""
    try:
        entries = parse_json(raw)
    except ValueError:
        return set()
    named: set[tuple[str, str]] = set()
    for entry in entries if isinstance(entries, list) else ():
        path = entry.get("name") if isinstance(entry, dict) else None
        if is_text(path):
            container, _, name = path.lstrip("/").partition("/")
            named.add((container, name))
    return named


def joined_etag(md5s: Iterable[str]) -> str:
    """Return the MD5 of the segments' MD5s in hexadecimal."""
    return hashlib.md5("".join(md5s).encode("ascii"), usedforsecurity=False).hexdigest()


def multipart_etag(md5s: Iterable[str]) -> str:
    """Return the MD5 of the parts' binary MD5s, a hyphen, and the number of parts."""
    digests = [bytes.fromhex(md5) for md5 in md5s]
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"


def parts_of(etag: str) -> int:
    """Return the number of parts that an ETag such as ``multipart_etag`` returns tells; 0 for any other
    ETag."""
    match = _MULTIPART.fullmatch(etag)
    return int(match[1]) if match else 0


def read_manifest(body: Body, etag: str, limit: int) -> bytes:
    """Read the JSON of an SLO in Swift, whose ``etag`` is its MD5.

    Raises LocalUnavailable if the MD5 differs, so that a bit flip on a disk or in transit does not turn the
    object into another one, into one with fewer segments, or into one that cannot be copied. Raises
    ObjectRefused ``slo_malformed`` above ``limit`` bytes.
    """
    try:
        raw = read_all(body, limit)
    except ValueError as error:
        raise ObjectRefused("slo_malformed", f"the manifest is too large: {error}") from error
    if is_md5(etag) and md5_hex(raw) != etag:
        raise LocalUnavailable(f"the MD5 of the manifest that was read is not {etag}")
    return raw


def _segment(number: int, entry: Any) -> Segment:
    if not isinstance(entry, dict):
        raise ObjectRefused("slo_malformed", f"segment {number} is not described by a JSON object")
    if "data" in entry:
        raise ObjectRefused("slo_data", f"segment {number} is data inside the manifest")
    path, size, md5 = entry.get("name"), entry.get("bytes"), entry.get("hash")
    where = f"segment {number} ({path})"
    if entry.get("sub_slo"):
        raise ObjectRefused("slo_nested", f"{where} is a large object itself")
    if entry.get("range"):
        raise ObjectRefused("slo_range", f"{where} uses only the range {entry['range']}")
    container, slash, name = path.lstrip("/").partition("/") if is_text(path) else ("", "", "")
    if not (container and slash and name):
        raise ObjectRefused("slo_malformed", f"{where} has no name of the form /container/object")
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ObjectRefused("slo_malformed", f"{where} has no size")
    if not isinstance(md5, str) or not is_md5(md5):
        raise ObjectRefused("slo_malformed", f"{where} has no MD5")
    return Segment(container, name, size, md5)
