"""Large objects at the remote store: which they are, and what clients know as their ETag."""

from __future__ import annotations

from typing import NamedTuple

from s3_sync.config.schema import Credentials
from s3_sync.errors import NotFound, ObjectRefused
from s3_sync.largeobject.manifest import Manifest
from s3_sync.largeobject.restore import rebuild
from s3_sync.model.objects import ObjectInfo
from s3_sync.shunt.configured import Target

#: objects whose ETags are remembered
_MOST = 10_000
_Key = tuple[Credentials, str, str, str]


class Etags(NamedTuple):
    """``swift``: what clients of Swift's API know. ``s3``: what those of s3api do, as S3 makes it of the
    segments' MD5s; None where s3api makes its own of the other one."""

    swift: str
    s3: str | None = None


def is_large(info: ObjectInfo) -> bool:
    """Whether a client must not take the ETag for the MD5 of the bytes."""
    marks = info.meta.marks if info.meta is not None else {}
    return "x-static-large-object" in marks or "x-object-manifest" in marks or info.md5 is None


class LargeObjects:
    """Remembers ETags, which take a request for the stored manifest, by what the store calls them."""

    def __init__(self) -> None:
        self._etags: dict[_Key, Etags] = {}

    def knows(self, target: Target, info: ObjectInfo) -> bool:
        """Whether ``etags`` asks nobody."""
        return _quick(info) is not None or _key(target, info) in self._etags

    def etags(self, target: Target, info: ObjectInfo) -> Etags:
        """What they were before the object was copied; the store's own ETag where the manifest is lost.
        Raises RemoteError."""
        quick = _quick(info)
        if quick is not None:
            return quick
        key = _key(target, info)
        if key not in self._etags and self.manifest(target, info) is None:
            self._remember(key, _of_store(info))
        return self._etags[key]

    def manifest(self, target: Target, info: ObjectInfo) -> Manifest | None:
        """The stored manifest, if there is one of these very bytes. Raises RemoteError."""
        try:
            manifest = Manifest.parse(target.bucket.get_manifest(info.name))
            rebuild(info, manifest)
        except (NotFound, ObjectRefused, ValueError):
            return None
        self._remember(_key(target, info), Etags(manifest.joined_etag, manifest.multipart_etag))
        return manifest

    def _remember(self, key: _Key, etags: Etags) -> None:
        if len(self._etags) >= _MOST:
            self._etags.clear()
        self._etags[key] = etags


def _quick(info: ObjectInfo) -> Etags | None:
    """The ETags where the copy's own description says them."""
    marks = info.meta.marks if info.meta is not None else {}
    if "swift-source-dlo-etag" in marks:
        return Etags(marks["swift-source-dlo-etag"])
    return None if "x-static-large-object" in marks or "x-object-manifest" in marks else _of_store(info)


def _of_store(info: ObjectInfo) -> Etags:
    return Etags(info.etag, info.etag if "-" in info.etag else None)


def _key(target: Target, info: ObjectInfo) -> _Key:
    return target.mapping.credentials, target.bucket.name, target.bucket.namer.key(info.name), info.etag
