"""One name in Swift and in a bucket, and a handler between them."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

from s3_sync.cluster.guarded_delete import GuardedDelete
from s3_sync.cluster.services import LocalObjects
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.model.outcomes import Outcome
from s3_sync.model.rows import Row
from s3_sync.providers.base import ListQuery
from s3_sync.streams.reader import BytesBody
from s3_sync.sync.rows.handler import RowHandler
from s3_sync.sync.rows.remote_state import ListedState, Presumption, RemoteState
from s3_sync.transfer.upload_session import TransferContext
from unit.sync.cluster import Swift
from unit.sync.fake_node import NAMER, mapping
from unit.sync.store import WatchedBucket
from unit.transfer.segments import FakeLedger, FakeSegments

NAME = "o/ü"


class World:
    """One name in Swift and in the bucket."""

    def __init__(self, conditional: bool = True, **profile: Any) -> None:
        self.swift = Swift()
        self.bucket = WatchedBucket(NAMER, self.swift.clock.now, conditional=conditional)
        self.counted: list[int] = []
        self.segments = FakeSegments()
        swift, segments = cast(Any, self.swift), cast(Any, self.segments)
        self.ledger = FakeLedger()
        self.handler = RowHandler(
            mapping(**profile),
            TransferContext(self.bucket, self.counted.append, ledger=self.ledger),
            LocalObjects(swift, swift, segments, GuardedDelete(swift, swift), swift, swift, swift),
            self.swift.clock.now,
        )

    def later(self, seconds: float = 10.0) -> None:
        self.swift.clock.sleep(seconds)

    def view(self, kind: str) -> RemoteState:
        """``listed`` is what a listing shows now; the rest is what the caller believes."""
        if kind == "listed":
            page = self.bucket.inner.list_objects(ListQuery())
            return ListedState(next((info for info in page.objects if info.name == NAME), None))
        return Presumption(kind)

    def handle(self, row: Row | None = None, view: RemoteState = Presumption.UNKNOWN) -> Outcome:
        self.bucket.calls.clear()
        self.swift.heads.clear()
        self.swift.reads.clear()
        return self.handler.handle(row or self.swift.row(NAME), view)

    def store(self, data: bytes, **marks: str) -> None:
        """Something is in the bucket already, written by whom it may concern."""
        meta = ObjectMeta({"content-type": "text/plain"}).marked(**marks)
        self.bucket.inner.put_object(NAME, BytesBody(data), PutOptions(len(data), meta))

    @property
    def costs(self) -> Counter[str]:
        return Counter(method for method, _ in self.bucket.calls)

    @property
    def stored(self) -> bytes | None:
        return self.bucket.content().get(NAME)


def reasons(outcome: Outcome) -> tuple[str, str]:
    return outcome.kind.value, outcome.reason
