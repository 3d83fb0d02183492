"""Large objects at the remote store: which they are, and what Swift clients know as their ETag."""

from __future__ import annotations

from s3_sync.errors import NotFound, ObjectRefused
from s3_sync.largeobject.manifest import Manifest
from s3_sync.largeobject.restore import rebuild
from s3_sync.model.objects import ObjectInfo
from s3_sync.providers.base import Bucket

#: ETags that are remembered
_MOST = 10_000


def is_large(info: ObjectInfo) -> bool:
    """Whether a client must not take the ETag for the MD5 of the bytes."""
    marks = info.meta.marks if info.meta is not None else {}
    return "x-static-large-object" in marks or "x-object-manifest" in marks or info.md5 is None


class LargeObjects:
    """Remembers ETags, which take a request for the stored manifest, by what the store calls them."""

    def __init__(self) -> None:
        self._etags: dict[tuple[str, str, str], str] = {}

    def knows(self, bucket: Bucket, info: ObjectInfo) -> bool:
        """Whether ``etag`` asks nobody."""
        return _quick(info) is not None or _key(bucket, info) in self._etags

    def etag(self, bucket: Bucket, info: ObjectInfo) -> str:
        """What Swift said it was before the object was copied; the store's own ETag where the manifest is
        lost. Raises RemoteError."""
        quick = _quick(info)
        if quick is not None:
            return quick
        key = _key(bucket, info)
        etag = self._etags.get(key)
        if etag is None:
            manifest = self.manifest(bucket, info)
            etag = self._etags.get(key) or (info.etag if manifest is None else manifest.joined_etag)
            self._remember(key, etag)
        return etag

    def manifest(self, bucket: Bucket, info: ObjectInfo) -> Manifest | None:
        """The stored manifest, if there is one of these very bytes. Raises RemoteError."""
        try:
            manifest = Manifest.parse(bucket.get_manifest(info.name))
            rebuild(info, manifest)
        except (NotFound, ObjectRefused, ValueError):
            return None
        self._remember(_key(bucket, info), manifest.joined_etag)
        return manifest

    def _remember(self, key: tuple[str, str, str], etag: str) -> None:
        if len(self._etags) >= _MOST:
            self._etags.clear()
        self._etags[key] = etag


def _quick(info: ObjectInfo) -> str | None:
    """The ETag where the copy's own description says it."""
    marks = info.meta.marks if info.meta is not None else {}
    if "swift-source-dlo-etag" in marks:
        return marks["swift-source-dlo-etag"]
    return None if "x-static-large-object" in marks or "x-object-manifest" in marks else info.etag


def _key(bucket: Bucket, info: ObjectInfo) -> tuple[str, str, str]:
    return bucket.name, bucket.namer.key(info.name), info.etag
