"""Large objects of a mapping that moves: one daemon, run again and again with ``--once``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from s3_sync.model.keys import KeyNamer
from s3_sync.model.segment_names import SegmentNamer
from s3_sync.sync.lifecycle.segment_cleanup import CleanupLedger
from unit.sync.cluster import Swift
from unit.sync.fake_node import NAMER, Node, mapping
from unit.sync.store import WatchedBucket

A, B, C = "/c_segments/1", "/c_segments/2", "/c_segments/3"
ONE, TWO = b"A" * 20, b"B" * 30


class World:
    """A mapping that moves; segments are in a container of their own. ``native``: to another Swift."""

    def __init__(
        self, directory: Path, conditional: bool = True, native: bool = False, **profile: Any
    ) -> None:
        self.swift = Swift()
        namer, segments = (KeyNamer.plain(), SegmentNamer("c", "bucket")) if native else (NAMER, None)
        self.bucket = WatchedBucket(namer, self.swift.clock.now, conditional=conditional, swift=segments)
        options = {"retain_local": False, **profile}
        self.node = Node(self.swift, self.bucket, directory, mapping=mapping(**options), once=True)
        self.events: list[tuple[str, str]] = []
        self.swift.meanwhile = lambda what, name: self.events.append((what, name))

    def two(self, first: str = A, second: str = B) -> list[str]:
        self.swift.put(first, ONE)
        self.swift.put(second, TWO)
        return [name if name.startswith("/") else f"/c/{name}" for name in (first, second)]

    def run(self) -> None:
        """As a new process with ``--once`` does."""
        self.node.restart()
        self.bucket.calls.clear()
        self.events.clear()
        self.node.settle()

    def after(self, method: str, act: Callable[[], object]) -> None:
        """``act`` every time, after such a call to the store."""

        def fault(called: str, name: str) -> None:
            if called == method:
                act()

        self.bucket.after = fault

    @property
    def costs(self) -> Counter[str]:
        return Counter(method for method, _ in self.bucket.calls if method != "list")

    @property
    def here(self) -> list[str]:
        return sorted(self.swift.everything())

    @property
    def deletes(self) -> list[str]:
        return [name for what, name in self.events if what == "deletes"]

    @property
    def waiting(self) -> int:
        return len(CleanupLedger(self.node.journal.departures, self.node.crawl.key).pending())
