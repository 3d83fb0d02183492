"""The large objects of another Swift: SLOs and DLOs as its ``slo`` and ``dlo`` middlewares know them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from s3_sync.errors import InvalidRequest, NotFound, ObjectRefused, SegmentChanged
from s3_sync.http.pool import Response
from s3_sync.largeobject.manifest import Manifest, Segment, named_objects
from s3_sync.largeobject.naming import Named, may_name, place_of
from s3_sync.largeobject.plan import PartLimits
from s3_sync.model.headers import is_true
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import PutOptions, PutResult
from s3_sync.model.segment_names import SegmentNamer
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import ListQuery, WriteOptions
from s3_sync.providers.large_objects import ManifestPage
from s3_sync.providers.manifests import MAX_MANIFEST
from s3_sync.providers.object_reads import translated
from s3_sync.providers.store_limits import GIB, Limits
from s3_sync.providers.swift.headers import Place
from s3_sync.providers.swift.listing import MAX_ENTRIES, Lister, list_below, list_containers
from s3_sync.providers.swift.told_limits import told_limits
from s3_sync.providers.swift.transport import SwiftTransport
from s3_sync.streams.reader import CHUNK

if TYPE_CHECKING:
    from s3_sync.providers.swift.bucket import SwiftBucket

#: of a cluster that does not tell: the defaults of slo
_LIMITS = Limits(min_part=1, max_part=5 * GIB, max_parts=1000)
_RAW = "multipart-manifest=get"


class SwiftLargeObjects:
    """See ``LargeObjects``. ``bucket``: the container of the mapping's objects."""

    def __init__(self, transport: SwiftTransport, bucket: SwiftBucket, write: WriteOptions) -> None:
        self._transport = transport
        self._bucket = bucket
        self._write = write
        self._namer = write.segments or SegmentNamer("", bucket.name)

    @property
    def limits(self) -> PartLimits:
        try:
            slo = self._transport.info()["slo"]
            smallest, most = int(slo.get("min_segment_size", 1)), int(slo["max_manifest_segments"])
        except (KeyError, TypeError, ValueError):
            return _LIMITS
        largest = min(_LIMITS.max_part, told_limits(self._transport.info()).max_put)
        return replace(_LIMITS, min_part=max(1, smallest), max_part=largest, max_parts=most)

    def segments(self, container: str, needed: Timestamp | None = None) -> SwiftBucket:
        return self._container(self._namer.remote(container), needed)

    def remote(self, container: str) -> SwiftBucket:
        return self._container(container, None)

    def put_static(self, name: str, segments: Sequence[Segment], options: PutOptions) -> PutResult:
        try:
            return self._bucket.writer.put_manifest(self._bucket.namer.key(name), segments, options)
        except InvalidRequest as error:
            if error.status != 400:
                raise
            # what slo answers about segments that are not as the manifest says, as its form is right
            raise SegmentChanged(f"the store refused the manifest: {error}") from error

    def manifest(self, name: str) -> Manifest:
        headers, raw = self._read(Place(self._bucket.name, self._bucket.namer.key(name)))
        if is_true(headers.get("x-static-large-object", "")):
            manifest = Manifest.parse(raw)
            for container in {segment.container for segment in manifest.segments}:
                self._check_own(container)
            return manifest
        target = headers.get("x-object-manifest")
        if not target:
            raise NotFound(f"{name} is no large object", status=404)
        container, prefix = place_of(target)
        self._check_own(container)
        rows = list_below(self._transport, container, prefix)
        return Manifest.from_listing(container, [_entry(row) for row in rows])

    def containers(self) -> Sequence[str]:
        return [entry.name for entry in list_containers(self._transport)]

    def list_manifests(self, container: str, after: str) -> ManifestPage:
        rows = self._lister(container).rows(ListQuery(limit=MAX_ENTRIES), after)
        found = tuple(
            (row["name"], f"{row.get('hash')} {row.get('last_modified')}") for row in rows if _may_name(row)
        )
        return ManifestPage(found, rows[-1]["name"] if rows else None, not rows)

    def named_by(self, container: str, name: str) -> Named:
        try:
            headers, raw = self._read(Place(container, name), "&symlink=get")
        except NotFound:
            return Named()
        if is_true(headers.get("x-static-large-object", "")):
            return Named(frozenset(named_objects(raw)))
        if target := headers.get("x-object-manifest"):
            return Named(below=place_of(target))
        if target := headers.get("x-symlink-target"):
            return Named(frozenset({place_of(target)}), is_link=True)
        return Named()

    def _container(self, name: str, needed: Timestamp | None) -> SwiftBucket:
        write = replace(self._write, lifetime=self._write.lifetime.of_segments(needed))
        return type(self._bucket)(self._transport, name, KeyNamer.plain(), write)

    def _read(self, place: Place, more: str = "") -> tuple[dict[str, str], bytes]:
        """Headers and bytes of an object as it is stored; the bytes only of a manifest."""
        what = f"GET the manifest of {place.path}"
        with translated(what), self._transport.request("GET", place.path, query=_RAW + more) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            if not is_true(headers.get("x-static-large-object", "")):
                return headers, b""
            return headers, _limited(what, response)

    def _check_own(self, container: str) -> None:
        """Raise ObjectRefused for segments that no mapping has put there: whoever may write there can name
        any object of the account, and our rights are more than theirs."""
        if not self._namer.holds(container):
            raise ObjectRefused("segments_elsewhere", f"segments are in {container} at the store")

    def _lister(self, container: str) -> Lister:
        return Lister(self._transport, container, KeyNamer.plain())


def _limited(what: str, response: Response) -> bytes:
    """Raises ObjectRefused for more bytes than any manifest has."""
    pieces: list[bytes] = []
    left = MAX_MANIFEST
    while left >= 0 and (piece := response.read(CHUNK)):
        pieces.append(piece)
        left -= len(piece)
    if left < 0:
        raise ObjectRefused("slo_malformed", f"{what}: more than {MAX_MANIFEST} bytes")
    return b"".join(pieces)


def _entry(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a listing as ``Manifest.from_listing`` takes it."""
    return {**row, "hash": str(row.get("hash", "")), "bytes": row.get("bytes", 0)}


def _may_name(row: dict[str, Any]) -> bool:
    size, etag = row.get("bytes", 0), str(row.get("hash", ""))
    return "slo_etag" in row or may_name(size, etag, str(row.get("content_type", "")))
