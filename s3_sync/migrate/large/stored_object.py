"""An object of another Swift as it is stored there."""

from __future__ import annotations

from dataclasses import dataclass

from s3_sync.errors import ObjectRefused, UnexpectedAnswer
from s3_sync.largeobject.naming import Place
from s3_sync.largeobject.stored_slo import StoredSlo
from s3_sync.model.objects import GetOptions, ObjectInfo
from s3_sync.providers.base import Bucket
from s3_sync.providers.manifests import MAX_MANIFEST
from s3_sync.streams.reader import read_all


@dataclass(frozen=True, slots=True)
class StoredThere:
    """``container``: as it is called there. ``info``: see ``GetOptions.stored``. ``manifest``: of an SLO."""

    container: str
    info: ObjectInfo
    manifest: StoredSlo | None = None

    @property
    def path(self) -> str:
        return f"/{self.container}/{self.info.name}"

    @property
    def dynamic(self) -> Place | None:
        """Container and prefix of a DLO's segments."""
        target = self.info.meta.marks.get("x-object-manifest")
        if target is None:
            return None
        container, _, prefix = target.partition("/")
        return container, prefix

    @property
    def is_plain(self) -> bool:
        return not self.info.meta.marks and self.info.meta.link is None


def read_stored(bucket: Bucket, container: str, name: str) -> StoredThere:
    """Describe an object, and read its manifest if it is an SLO. Raises NotFound, UnexpectedAnswer for a
    manifest that is not the one that is stored, ObjectRefused (``slo_malformed``)."""
    with bucket.get_object(name, GetOptions(stored=True)) as found:
        info = found.info
        if "x-static-large-object" not in info.meta.marks:
            return StoredThere(container, info)
        try:
            raw = read_all(found.body, MAX_MANIFEST)
        except ValueError as error:
            raise ObjectRefused("slo_malformed", f"the manifest of {name} is too large: {error}") from error
    manifest = StoredSlo.parse(raw)
    if info.etag not in (manifest.md5, manifest.etag):  # the latter at Ceph's gateway
        raise UnexpectedAnswer(f"the manifest of {name} has {len(raw)} bytes that do not have its ETag")
    return StoredThere(container, info, manifest)
