"""One object of the provider in memory, and how it is described."""

from __future__ import annotations

from dataclasses import dataclass

from s3_sync.model.objects import ListedObject, ObjectInfo, ObjectMeta, is_md5

ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of the provider in memory. Times: seconds since the epoch."""

    data: bytes
    etag: str
    meta: ObjectMeta
    modified: float
    storage_class: str
    #: since when and until when a retrieved object can be read
    readable: tuple[float, float] | None = None

    def is_archived(self, now: float) -> bool:
        readable = self.readable
        return self.storage_class in ARCHIVES and not (readable and readable[0] <= now < readable[1])

    def is_being_retrieved(self, now: float) -> bool:
        return self.readable is not None and now < self.readable[0]

    def info(self, name: str, now: float) -> ObjectInfo:
        mark = self.meta.marks.get("swift-etag", "")
        md5 = next((text for text in (mark, self.etag) if is_md5(text)), None)
        size, modified, archived = len(self.data), self.modified, self.is_archived(now)
        return ObjectInfo(
            name, size, self.etag, md5, modified, self.storage_class, archived, meta=self.meta,
            retrieving=self.is_being_retrieved(now),
            retrieved_until=self.readable[1] if self.readable and not archived else None,
        )  # fmt: skip

    def listed(self, name: str) -> ListedObject:
        return ListedObject(name, len(self.data), self.etag, self.modified, self.storage_class)
