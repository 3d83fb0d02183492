"""One object of the provider in memory: how it is described and read, and when it is listed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from s3_sync.errors import InvalidRequest, NotSupported, PreconditionFailed
from s3_sync.largeobject.manifest import Segment
from s3_sync.model.objects import ByteRange, ListedObject, ObjectInfo, ObjectMeta, is_md5
from s3_sync.streams.reader import BytesBody

ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of the provider in memory. Times: seconds since the epoch.

    ``segments``: of an SLO; ``below``: container and prefix of the segments of a DLO. ``whole``: size of all
    segments together, where that is known."""

    data: bytes
    etag: str
    meta: ObjectMeta
    modified: float
    storage_class: str
    #: since when and until when a retrieved object can be read
    readable: tuple[float, float] | None = None
    expires: int | None = None
    segments: tuple[Segment, ...] | None = None
    below: tuple[str, str] | None = None
    whole: int | None = None
    #: sizes of the parts of a multipart upload
    parts: tuple[int, ...] = ()

    @property
    def is_large(self) -> bool:
        return self.segments is not None or self.below is not None

    @property
    def size(self) -> int:
        return len(self.data) if self.whole is None else self.whole

    @property
    def bound_etag(self) -> str:
        """The ETag that a static link to this object names; if that is a static link itself, its target's."""
        return (self.meta.link and self.meta.link.etag) or self.etag

    def is_archived(self, now: float) -> bool:
        readable = self.readable
        return self.storage_class in ARCHIVES and not (readable and readable[0] <= now < readable[1])

    def is_being_retrieved(self, now: float) -> bool:
        return self.readable is not None and now < self.readable[0]

    def range_of(self, part: int) -> ByteRange:
        """The bytes of a part. Raises NotSupported for an object that was not uploaded in parts,
        InvalidRequest for a part that it does not have."""
        if not self.parts:
            raise NotSupported("the object was not uploaded in parts")
        if not 1 <= part <= len(self.parts):
            raise InvalidRequest(f"no part {part}", status=416, code="InvalidPartNumber")
        first = sum(self.parts[: part - 1])
        return ByteRange(first, first + self.parts[part - 1] - 1)

    def info(self, name: str, now: float) -> ObjectInfo:
        mark = self.meta.marks.get("swift-etag", "")
        md5 = next((text for text in (mark, self.etag) if is_md5(text)), None) if not self.is_large else None
        size, modified, archived = self.size, self.modified, self.is_archived(now)
        return ObjectInfo(
            name, size, self.etag, md5, modified, self.storage_class, archived, meta=self.meta,
            retrieving=self.is_being_retrieved(now),
            retrieved_until=self.readable[1] if self.readable and not archived else None,
            expires=self.expires,
        )  # fmt: skip

    def listed(self, name: str) -> ListedObject:
        link = self.meta.link
        return ListedObject(name, self.size, self.etag, self.modified, self.storage_class, link)


class MemoryBody(BytesBody):
    """Can be rewound only while the same version is stored."""

    def __init__(self, data: bytes, check_same: Callable[[], None]) -> None:
        super().__init__(data)
        self._check_same = check_same

    def rewind(self) -> None:
        self._check_same()
        super().rewind()


def condition_failed(status: int) -> PreconditionFailed:
    return PreconditionFailed("the condition does not hold", status=status, code="PreconditionFailed")
