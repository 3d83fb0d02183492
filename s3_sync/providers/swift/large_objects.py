"""The large objects of another Swift: SLOs and DLOs as its ``slo`` and ``dlo`` middlewares know them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from s3_sync.errors import (
    InvalidRequest,
    NotFound,
    ObjectRefused,
    SegmentChanged,
    UnexpectedAnswer,
)
from s3_sync.http.pool import Response
from s3_sync.largeobject.manifest import Manifest, Segment, named_objects
from s3_sync.largeobject.naming import Named, may_name, place_of
from s3_sync.largeobject.plan import PartLimits
from s3_sync.model.headers import is_true
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectMeta, PutOptions, PutResult
from s3_sync.model.segment_names import SegmentNamer
from s3_sync.providers.base import ListQuery, WriteOptions
from s3_sync.providers.http_errors import translated
from s3_sync.providers.large_objects import ManifestPage, is_incomplete, name_and_version
from s3_sync.providers.manifests import MAX_MANIFEST
from s3_sync.providers.object_headers import Header, unquoted
from s3_sync.providers.store_limits import GIB, Limits
from s3_sync.providers.swift.headers import Place
from s3_sync.providers.swift.links import ITSELF
from s3_sync.providers.swift.listing import (
    MAX_ENTRIES,
    Lister,
    Rows,
    list_below,
    list_containers,
    listed_name,
)
from s3_sync.providers.swift.told_limits import told_limits
from s3_sync.providers.swift.transport import SwiftTransport
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import CHUNK
from s3_sync.streams.small_files import is_count

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
        slo = self._transport.info().get("slo")
        if not isinstance(slo, dict):
            return _LIMITS
        smallest, most = slo.get("min_segment_size"), slo.get("max_manifest_segments")
        return replace(
            _LIMITS,
            min_part=smallest if is_count(smallest) and 0 < smallest <= GIB else _LIMITS.min_part,
            max_part=min(_LIMITS.max_part, told_limits(self._transport.info()).max_put),
            max_parts=most if is_count(most) and most else _LIMITS.max_parts,
        )

    def segments(self, container: str, needed: ObjectMeta | None = None) -> SwiftBucket:
        return self._container(self._namer.remote(container), needed)

    def remote(self, container: str, needed: ObjectMeta | None = None) -> SwiftBucket:
        return self._container(container, needed)

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

    def reveal(self, name: str) -> bool:
        place = Place(self._bucket.name, self._bucket.namer.key(name))
        try:
            with self._transport.request("HEAD", place.path, query=f"{_RAW}&{ITSELF}") as response:
                target = response.headers.get("x-object-manifest")
        except NotFound:
            return False
        container = place_of(target)[0] if target else ""
        if not self._namer.holds(container):
            return False
        self.remote(container).writer.create_container()
        return True

    def containers(self) -> Sequence[str]:
        pages = list(list_containers(self._transport))
        names = [entry.name for page in pages for entry in page.entries]
        if is_incomplete(len(names), pages[-1].total):
            counted = "an unknown number of" if pages[-1].total is None else pages[-1].total
            raise UnexpectedAnswer(f"the account lists {len(names)} of {counted} containers")
        return names

    def list_manifests(self, container: str, after: str) -> ManifestPage:
        lister = Lister(self._transport, container, KeyNamer.plain())
        has_versions = bool(name_and_version(after)[1])
        page = Rows([]) if has_versions else lister.rows(ListQuery(limit=MAX_ENTRIES), after)
        if has_versions or page.has_versions:  # older versions name segments, too
            page = lister.versions(after)
        rows = page.rows
        found = tuple(
            (listed_name(row), f"{row.get('hash')} {row.get('last_modified')}")
            for row in rows
            if _may_name(row)
        )
        return ManifestPage(found, listed_name(rows[-1]) if rows else None, len(rows), page.total)

    def named_by(self, container: str, name: str) -> Named:
        # without it, the answer may be that of a replica with an older version
        newest = ("X-Newest", "true")
        key, version = name_and_version(name)
        query = f"&{ITSELF}" + (f"&{urlencode({'version-id': version})}" if version else "")
        try:
            headers, raw = self._read(Place(container, key), query, newest)
        except NotFound:
            return Named()
        if is_true(headers.get("x-static-large-object", "")):
            return Named(frozenset(named_objects(raw)))
        if target := headers.get("x-object-manifest"):
            return Named(below=place_of(target))
        if target := headers.get("x-symlink-target"):
            return Named(frozenset({place_of(target)}), is_link=True)
        return Named()

    def _container(self, name: str, needed: ObjectMeta | None) -> SwiftBucket:
        write = replace(self._write, lifetime=self._write.lifetime.of_segments(needed))
        return type(self._bucket)(self._transport, name, KeyNamer.plain(), write)

    def _read(self, place: Place, more: str = "", *headers: Header) -> tuple[dict[str, str], bytes]:
        """Headers and bytes of an object as it is stored; the bytes only of a manifest. Raises
        UnexpectedAnswer for bytes that its ETag does not prove."""
        what = f"GET the manifest of {place.path}"
        answer = self._transport.request("GET", place.path, query=_RAW + more, headers=headers)
        with translated(what), answer as response:
            found = {name: value for name, value in reversed(response.headers.items())}
            if not is_true(found.get("x-static-large-object", "")):
                return found, b""
            raw = _limited(what, response)
        if not _is_proved(raw, unquoted(found.get("etag", ""))):
            raise UnexpectedAnswer(f"{what}: {len(raw)} bytes that do not have its ETag")
        return found, raw

    def _check_own(self, container: str) -> None:
        """Raise ObjectRefused for segments that no mapping has put there: whoever may write there can name
        any object of the account, and our rights are more than theirs."""
        if not self._namer.holds(container):
            raise ObjectRefused("segments_elsewhere", f"segments are in {container} at the store")


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


def _is_proved(raw: bytes, etag: str) -> bool:
    """Whether a stored manifest has this ETag: Swift's is the MD5 of its bytes, that of Ceph's gateway that
    of the large object."""
    if md5_hex(raw) == etag:
        return True
    try:
        return Manifest.parse(raw).joined_etag == etag
    except ObjectRefused:
        return False


def _entry(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a listing as ``Manifest.from_listing`` takes it."""
    return {**row, "hash": str(row.get("hash", "")), "bytes": row.get("bytes", 0)}


def _may_name(row: dict[str, Any]) -> bool:
    size, etag = row.get("bytes", 0), str(row.get("hash", ""))
    return "slo_etag" in row or may_name(size, etag, str(row.get("content_type", "")))
