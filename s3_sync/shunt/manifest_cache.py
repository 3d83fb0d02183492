"""Large objects at the remote store: which they are, what clients know as their ETag, and where their
segments were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from s3_sync.config.settings import Credentials
from s3_sync.errors import NotFound, ObjectRefused, UnexpectedAnswer
from s3_sync.largeobject.manifest import Manifest
from s3_sync.largeobject.rebuild import rebuild
from s3_sync.model.objects import ObjectInfo
from s3_sync.shunt.mapping_table import MappedContainer

#: objects of which something is remembered
_MOST = 10_000
_Key = tuple[Credentials, str, str, str, int, float, str]
#: a container, and the name of a segment in it
Place = tuple[str, str]


class Etags(NamedTuple):
    """``swift``: what clients of Swift's API know. ``s3``: what those of s3api do, as S3 makes it of the
    segments' MD5s; None where s3api makes its own of the other one. ``manifest``: of the manifest as an
    object, where that is stored."""

    swift: str
    s3: str | None = None
    manifest: str | None = None


class _Known(NamedTuple):
    etags: Etags
    places: frozenset[Place] | None


def is_large(info: ObjectInfo) -> bool:
    """Whether a client must not take the ETag for the MD5 of the bytes."""
    return info.md5 is None or has_segments(info)


def is_dynamic(info: ObjectInfo) -> bool:
    """Whether the object was a DLO."""
    return "x-object-manifest" in _marks(info)


class LargeObjects:
    """Remembers what takes a request for the stored manifest, by what the store calls the object."""

    def __init__(self) -> None:
        self._known: dict[_Key, _Known] = {}

    def knows(self, target: MappedContainer, info: ObjectInfo) -> bool:
        """Whether ``etags`` and ``places`` ask nobody."""
        return _key(target, info) in self._known

    def etags(self, target: MappedContainer, info: ObjectInfo) -> Etags:
        """What they were before the object was copied; the store's own ETag where the manifest is lost.
        Raises RemoteError."""
        return _of_dlo(info) or self._look(target, info).etags

    def places(self, target: MappedContainer, info: ObjectInfo) -> frozenset[Place] | None:
        """Each container that segments of it lay in, once; none for what Swift never had as a large object,
        None where nothing tells. Raises RemoteError."""
        return self._look(target, info).places

    def manifest(self, target: MappedContainer, info: ObjectInfo) -> Manifest | None:
        """The stored manifest, if there is one of these very bytes. Raises RemoteError, also where it is the
        object's and of another size: then the size that an answer tells is wrong."""
        try:
            manifest = Manifest.parse(target.bucket.get_manifest(info.name))
            if _names(info, manifest) and info.size != manifest.size:
                told = f"an answer tells {info.size:,} bytes, its manifest {manifest.size:,}"
                raise UnexpectedAnswer(f"{info.name}: {told}")
            rebuild(info, manifest)
        except (NotFound, ObjectRefused, ValueError):
            return None
        names = dict(named_places(info)) | {segment.container: segment.name for segment in manifest.segments}
        etags = Etags(manifest.joined_etag, manifest.multipart_etag, manifest.etag)
        known = _Known(etags, frozenset(names.items()))
        self._remember(_key(target, info), known)
        return manifest

    def _look(self, target: MappedContainer, info: ObjectInfo) -> _Known:
        key = _key(target, info)
        if key not in self._known and self.manifest(target, info) is None:
            places = named_places(info) or (None if has_segments(info) else frozenset())
            self._remember(key, _Known(_of_store(info), places))
        return self._known[key]

    def _remember(self, key: _Key, known: _Known) -> None:
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[key] = known


def _marks(info: ObjectInfo) -> Mapping[str, str]:
    return info.meta.marks if info.meta is not None else {}


def has_segments(info: ObjectInfo) -> bool:
    """Whether Swift had it as a large object, and not the store alone."""
    return "x-static-large-object" in _marks(info) or is_dynamic(info)


def named_places(info: ObjectInfo) -> frozenset[Place]:
    """What the copy's own description says of where a DLO has its segments."""
    container, _, name = _marks(info).get("x-object-manifest", "").partition("/")
    return frozenset({(container, name or "-")}) if container else frozenset()


def _of_dlo(info: ObjectInfo) -> Etags | None:
    etag = _marks(info).get("swift-source-dlo-etag")
    return Etags(etag) if etag is not None else None


def _of_store(info: ObjectInfo) -> Etags:
    return Etags(info.etag, info.etag if "-" in info.etag else None)


def _names(info: ObjectInfo, manifest: Manifest) -> bool:
    """Whether the copy itself says that it is of this manifest."""
    marks = _marks(info)
    return (
        marks.get("swift-slo-etag") == manifest.etag
        or marks.get("swift-source-dlo-etag") == manifest.joined_etag
        or info.etag == manifest.multipart_etag
    )


def _key(target: MappedContainer, info: ObjectInfo) -> _Key:
    """Of one version of the object: the same bytes may come again with segments elsewhere."""
    bucket, written = target.bucket, _marks(info).get("swift-timestamp", "")
    return (
        target.mapping.credentials,
        bucket.name,
        bucket.namer.key(info.name),
        info.etag,
        info.size,
        info.last_modified,
        written,
    )
