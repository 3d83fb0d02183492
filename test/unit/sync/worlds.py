"""One node, or three, over one Swift and one bucket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from s3_sync.errors import (
    RemoteError,
)
from s3_sync.model.segment_names import SegmentNamer
from unit.sync.cluster import FakeDb, FakeReplica, Swift
from unit.sync.fake_node import NAMER, Node
from unit.sync.store import WatchedBucket


class World:
    """One node unless said otherwise."""

    def __init__(
        self, tmp_path: Path, conditional: bool = True, like_swift: bool = False, **options: Any
    ) -> None:
        self.swift = Swift()
        now = self.swift.clock.now
        names = SegmentNamer("c", "bucket") if like_swift else None
        self.bucket = WatchedBucket(NAMER, now, conditional=conditional, swift=names)
        self.node = Node(self.swift, self.bucket, tmp_path / "status", **options)

    @property
    def db(self) -> FakeDb:
        return self.swift.dbs[0]

    def fill(self, count: int, start: int = 0) -> list[str]:
        names = [f"o{number:05d}" for number in range(start, start + count)]
        for name in names:
            self.swift.put(name, name.encode())
        return names

    def converged(self) -> bool:
        return self.bucket.content() == self.swift.content()

    def fail(self, error: RemoteError | None, methods: str = "head put post delete list") -> None:
        """From now on, or no longer."""
        self.bucket.before = lambda method, name: error if method in methods.split() else None

    def fail_names(self, error: RemoteError, *names: str) -> None:
        self.bucket.before = lambda method, name: error if name in names and method != "list" else None


class Three:
    """Three nodes with a replica each."""

    def __init__(
        self, tmp_path: Path, conditional: bool = True, like_swift: bool = False, **options: Any
    ) -> None:
        self.swift = Swift()
        now = self.swift.clock.now
        names = SegmentNamer("c", "bucket") if like_swift else None
        self.bucket = WatchedBucket(NAMER, now, conditional=conditional, swift=names)
        self.swift.dbs += [FakeDb(f"db{number}") for number in range(3)]
        self.nodes = [
            Node(self.swift, self.bucket, tmp_path / str(number), [FakeReplica(db, number, 3)], **options)
            for number, db in enumerate(self.swift.dbs)
        ]

    def converged(self) -> bool:
        return self.bucket.content() == self.swift.content()
