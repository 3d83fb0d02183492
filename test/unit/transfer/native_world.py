"""A mapping to another Swift, in memory."""

from __future__ import annotations

from collections import Counter
from typing import Any

from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.model.segment_names import SegmentNamer
from s3_sync.providers.base import ListQuery, WriteOptions
from s3_sync.providers.memory_swift import MemoryContainer, MemorySwift
from s3_sync.providers.store_limits import Limits
from s3_sync.providers.wrappers.instrument import InstrumentedBucket, Observer
from s3_sync.streams.reader import BytesBody
from s3_sync.transfer.decide import Decision, decide
from s3_sync.transfer.large_object import LargeObject, read_large_object
from s3_sync.transfer.large_upload import upload_large
from s3_sync.transfer.native_plan import NativeOptions, with_plan
from s3_sync.transfer.upload_session import Precondition, TransferContext
from unit.transfer.local_file import content
from unit.transfer.segments import FakeLedger, FakeSegments, Opened, Threads

LIMITS = Limits(max_put=1000, max_copy=1000, min_part=1, max_part=1000, max_parts=2000)
NEW = Precondition(if_absent=True)


class World:
    """Container ``c`` is mapped to ``b``; with ``account``, each container to one of its own."""

    def __init__(self, limits: Limits = LIMITS, *, account: bool = False, **options: Any) -> None:
        self.swift = MemorySwift(limits=limits)
        namer = SegmentNamer("c", "b-c", "b-") if account else SegmentNamer("c", "b")
        self.inner: MemoryContainer = self.swift.bucket(
            namer.bucket, KeyNamer.plain(), WriteOptions(segments=namer)
        )
        self.observer = Observer("swift")
        self.bucket = InstrumentedBucket(self.inner, self.observer)
        self.local = FakeSegments()
        self.ledger = FakeLedger()
        self.counted: list[int] = []
        self.context = TransferContext(self.bucket, self.counted.append, parts=Threads(4), ledger=self.ledger)
        self.options = NativeOptions(has_rows=account, **options)

    def read(self, opened: Opened) -> LargeObject:
        opened.body.rewind()
        return with_plan(read_large_object(opened, self.local), self.bucket, self.options)

    def send(self, opened: Opened, precondition: Precondition = NEW) -> LargeObject:
        large = self.read(opened)
        upload_large(self.context, large, precondition)
        assert self.local.open_now == 0
        return large

    def again(self, opened: Opened) -> LargeObject:
        """Over what is there."""
        return self.send(opened, Precondition(if_match=self.inner.head_object(opened.info.name).etag))

    def decision(self, opened: Opened) -> Decision:
        large = self.read(opened)
        return decide(large.info, self.inner.head_object(large.info.name), large.matches_stored)

    def puts(self) -> Counter[str]:
        """Requests since the last time."""
        operations, self.observer.operations = self.observer.operations, {}
        # "other": the store's limits, which are asked for once
        counts = {name: sum(each.buckets) for name, each in operations.items() if name != "other"}
        return Counter(counts)

    def at(self, container: str, name: str) -> bytes:
        return content(self.swift.bucket(container, KeyNamer.plain()), name)

    def store(self, container: str, name: str, data: bytes, **marks: str) -> None:
        """As another daemon, or a client there, has written it."""
        meta = ObjectMeta().marked(**marks)
        self.swift.bucket(container, KeyNamer.plain()).put_object(
            name, BytesBody(data), PutOptions(len(data), meta)
        )

    def names(self, container: str) -> list[str]:
        """Everything in a container of the store; nothing if there is none."""
        page = self.swift.bucket(container, KeyNamer.plain()).list_objects
        return [each.name for each in page(ListQuery()).objects] if self._has(container) else []

    def _has(self, container: str) -> bool:
        return container in [each.name for each in self.swift.list_buckets()]


def two(world: World, container: str = "c_segments") -> list[dict[str, Any]]:
    return [world.local.put("s/1", b"A" * 20, container), world.local.put("s/ü", b"B" * 30, container)]
