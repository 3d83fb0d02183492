"""Large objects at the remote store: which objects are large, their ETags as clients know them, and where
their segments were."""

from __future__ import annotations

from typing import NamedTuple

from s3_sync.config.credentials.base import Credentials
from s3_sync.errors import NotFound, ObjectRefused, UnexpectedAnswer
from s3_sync.largeobject.manifest import Manifest
from s3_sync.largeobject.rebuild import is_of, rebuild
from s3_sync.model.objects import ObjectInfo
from s3_sync.shunt.mapping_table import MappedContainer

#: objects in the cache
_MAX_ENTRIES = 10_000
_Key = tuple[Credentials, str, str, str, int, float, str]
#: a container, and the name of a segment in it
Place = tuple[str, str]


class Etags(NamedTuple):
    """``swift``: the ETag for clients of Swift's API. ``s3``: for clients of s3api, as S3 computes it from
    the segments' MD5s; None if s3api derives its own from ``swift``. ``manifest``: the ETag of the manifest
    as an object, if it is stored."""

    swift: str
    s3: str | None = None
    manifest: str | None = None


class _CacheEntry(NamedTuple):
    etags: Etags
    places: frozenset[Place] | None


def is_large(info: ObjectInfo) -> bool:
    """Return whether clients must not take the ETag for the MD5 of the bytes."""
    return info.md5 is None or has_segments(info)


def is_dynamic(info: ObjectInfo) -> bool:
    """Return whether the object was a DLO."""
    return "x-object-manifest" in info.meta.marks


class LargeObjects:
    """Caches what requires reading the stored manifest, per version of the stored object."""

    def __init__(self) -> None:
        self._cache: dict[_Key, _CacheEntry] = {}

    def knows(self, target: MappedContainer, info: ObjectInfo) -> bool:
        """Return whether ``etags`` and ``places`` need no request."""
        return _key(target, info) in self._cache

    def etags(self, target: MappedContainer, info: ObjectInfo) -> Etags:
        """Return the ETags from before the object was copied; the store's own ETag if the manifest is lost.
        Raises RemoteError."""
        return _of_dlo(info) or self._lookup(target, info).etags

    def places(self, target: MappedContainer, info: ObjectInfo) -> frozenset[Place] | None:
        """Return one segment from each container that held segments of the object.

        Empty if Swift never had it as a large object; None if unknown. Raises RemoteError.
        """
        return self._lookup(target, info).places

    def manifest(self, target: MappedContainer, info: ObjectInfo) -> Manifest | None:
        """Return the stored manifest, or None if there is none for exactly these bytes.

        Raises RemoteError, also if the manifest is this object's but its size differs: then the size in the
        store's answer is wrong.
        """
        try:
            manifest = Manifest.parse(target.bucket.manifests.get(info.name))
            if is_of(info, manifest) and info.size != manifest.size:
                sizes = f"the store reports {info.size:,} bytes, the manifest {manifest.size:,}"
                raise UnexpectedAnswer(f"{info.name}: {sizes}")
            rebuild(info, manifest)
        except (NotFound, ObjectRefused, ValueError):
            return None
        names = dict(named_places(info)) | {segment.container: segment.name for segment in manifest.segments}
        etags = Etags(manifest.joined_etag, manifest.multipart_etag, manifest.etag)
        entry = _CacheEntry(etags, frozenset(names.items()))
        self._remember(_key(target, info), entry)
        return manifest

    def _lookup(self, target: MappedContainer, info: ObjectInfo) -> _CacheEntry:
        key = _key(target, info)
        if key not in self._cache and self.manifest(target, info) is None:
            places = named_places(info) or (None if has_segments(info) else frozenset())
            self._remember(key, _CacheEntry(_of_store(info), places))
        return self._cache[key]

    def _remember(self, key: _Key, entry: _CacheEntry) -> None:
        if len(self._cache) >= _MAX_ENTRIES:
            self._cache.clear()
        self._cache[key] = entry


def has_segments(info: ObjectInfo) -> bool:
    """Return whether the object was a large object in Swift, not only at the store."""
    return "x-static-large-object" in info.meta.marks or is_dynamic(info)


def named_places(info: ObjectInfo) -> frozenset[Place]:
    """Return where a DLO's segments are, according to the copy's own metadata."""
    container, _, name = info.meta.marks.get("x-object-manifest", "").partition("/")
    return frozenset({(container, name or "-")}) if container else frozenset()


def _of_dlo(info: ObjectInfo) -> Etags | None:
    etag = info.meta.marks.get("swift-source-dlo-etag")
    return Etags(etag) if etag is not None else None


def _of_store(info: ObjectInfo) -> Etags:
    return Etags(info.large_etag or info.etag, info.etag if "-" in info.etag else None)


def _key(target: MappedContainer, info: ObjectInfo) -> _Key:
    """Return the key of one version of the object: the same bytes may be written again with segments
    elsewhere."""
    bucket, written = target.bucket, info.meta.marks.get("swift-timestamp", "")
    return (
        target.mapping.credentials,
        bucket.name,
        bucket.namer.key(info.name),
        info.etag,
        info.size,
        info.last_modified,
        written,
    )
