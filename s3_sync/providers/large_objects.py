"""What belongs to large objects at a store: stored manifests; or, at another Swift, the store's own SLOs and
DLOs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from s3_sync.largeobject.manifest import Manifest, Segment
from s3_sync.largeobject.naming import Named
from s3_sync.largeobject.plan import PartLimits
from s3_sync.model.objects import ObjectMeta, PutOptions, PutResult

if TYPE_CHECKING:
    from s3_sync.providers.base import Bucket


@dataclass(frozen=True, slots=True)
class ManifestPage:
    """Objects of a container that may name others, as one page of its listing shows them: name, of a version
    ``with_version``, and a text that differs after each write. ``next_after``: as in ListPage. ``listed``:
    how many objects the page lists, including those that name nothing. ``total``: how many the container has;
    None if the store does not tell."""

    objects: tuple[tuple[str, str], ...]
    next_after: str | None = None
    listed: int = 0
    total: int | None = None


#: in no name and no version
_BEFORE_VERSION = "\0"


def with_version(name: str, version: str) -> str:
    """Join the name of an object and the id of a version; the latter is empty if there are none."""
    return f"{name}{_BEFORE_VERSION}{version}" if version else name


def name_and_version(listed: str) -> tuple[str, str]:
    """Split what ``with_version`` returned."""
    name, _, version = listed.partition(_BEFORE_VERSION)
    return name, version


def is_incomplete(listed: int, total: int | None) -> bool:
    """Return whether a listing clearly has less than the store counts; what is written meanwhile makes them
    differ a little. Nothing at all is believed only of a store that counts."""
    return not listed if total is None else listed * 10 < total * 9


class Manifests(Protocol):
    """The stored manifests of one mapping: of a large object, its segments in Swift as JSON.

    With ``native_large_objects``, ``get`` returns what the large object at the store consists of, in the same
    form and with local containers; ``put`` and ``delete`` do nothing, and ``has_any`` returns False."""

    def put(self, name: str, manifest: bytes) -> None:
        """Store or replace the JSON unchanged. Raises BadDigest."""
        ...

    def get(self, name: str) -> bytes:
        """Raises NotFound; UnexpectedAnswer for bytes that are neither a manifest nor proved."""
        ...

    def delete(self, name: str) -> None:
        """Delete the stored manifest, if there is one."""
        ...

    def has_any(self) -> bool:
        """Whether any manifest is stored for this mapping."""
        ...


class LargeObjects(Protocol):
    """A store's own large objects. A manifest names segments, which are objects in containers of the same
    account; reading the object reads them. Containers and names of segments are the store's own; ``name`` is
    one of the mapping's.

    A dynamic large object is written by put_object with the mark ``x-object-manifest``.
    """

    @property
    def limits(self) -> PartLimits:
        """Sizes and number of the segments of an SLO."""
        ...

    def segments(self, container: str, needed: ObjectMeta | None = None) -> Bucket:
        """The container for segments of a local container, with names as they are there. It is created when
        something is first written. Sends no request.

        ``needed``: the metadata of a large object that needs the segments, with its marks. What is written
        through this bucket and expires by its age lives longer than that object's copy."""
        ...

    def remote(self, container: str, needed: ObjectMeta | None = None) -> Bucket:
        """A container of the store, with names as they are; ``needed`` as for ``segments``. Sends no
        request."""
        ...

    def put_static(self, name: str, segments: Sequence[Segment], options: PutOptions) -> PutResult:
        """Write the manifest of an SLO; ``options.size`` and ``md5`` are ignored. The ETag is that of all
        segments together (``Manifest.joined_etag``).

        Raises PreconditionFailed; SegmentChanged if the store has no such segments."""
        ...

    def manifest(self, name: str) -> Manifest:
        """What the large object consists of now; for a DLO, what a listing shows. Raises NotFound if it is
        none, and ObjectRefused for one that no mapping writes: nested, or with ranges."""
        ...

    def reveal(self, name: str) -> bool:
        """Have the store show a DLO that it says is missing, because the container of its segments is: create
        that container. Returns whether it was one."""
        ...

    def containers(self) -> Sequence[str]:
        """All containers of the account, sorted. Raises AccessDenied, UnexpectedAnswer."""
        ...

    def list_manifests(self, container: str, after: str) -> ManifestPage:
        """The objects of a page of any container that may name others: SLOs, and whatever is empty, such as
        DLOs and symlinks; each version is one. Raises AccessDenied; NotFound for a container that
        is missing."""
        ...

    def named_by(self, container: str, name: str) -> Named:
        """What an object that ``list_manifests`` has shown names now; nothing if it is there no more. Raises
        UnexpectedAnswer for a manifest that is not the one that is stored."""
        ...
