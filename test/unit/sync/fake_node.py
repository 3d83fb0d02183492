"""One node's daemon over a fake Swift and a bucket in memory; its state files are real."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from s3_sync.cluster.services import LocalObjects
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.settings import Mapping, Profile, Settings
from s3_sync.daemon.task_pool import TaskPool
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.wrappers.rate_limits import MappingLimiter
from s3_sync.runtime.concurrency import SerialPool
from s3_sync.runtime.stats import Stats
from s3_sync.state.checkpoint import StatusFiles
from s3_sync.state.controls import Controls
from s3_sync.state.journal import WAITING, Journal
from s3_sync.sync.container_crawl import ContainerCrawl, StepResult
from s3_sync.sync.services import Context
from unit.sync.cluster import FakeDb, FakeReplica, Swift, local_objects
from unit.sync.store import WatchedBucket

ACCOUNT, CONTAINER = "AUTH_a", "c"
NAMER = KeyNamer.hashed(ACCOUNT, CONTAINER)
SLACK = 3600.0
#: by then a row has been verified: rounds begin six times in a slack
VERIFIED = SLACK * 7 / 6
RETRY_PAUSE = 30.0
MAX_PAUSE = 3600.0


def mapping(**profile: Any) -> Mapping:
    return Mapping(ACCOUNT, CONTAINER, "bucket", S3Credentials(), Profile(**profile), NAMER)


def retry_pause(attempts: int) -> float:
    return min(MAX_PAUSE, RETRY_PAUSE * 2.0 ** min(attempts - 1, 20))


class LaterPool(SerialPool):
    """What is spawned runs when ``run`` is called. ``busy``: it is running."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], object]] = []
        self.busy = False

    def spawn(self, function: Callable[[], object]) -> None:
        self._waiting.append(function)

    def run(self) -> None:
        if self.busy:
            return
        self.busy = True
        try:
            while self._waiting:
                self._waiting.pop(0)()
        finally:
            self.busy = False


class Node:
    """``restart`` throws everything away but the files, as a crash does.

    ``clock`` and ``local`` are options: another clock than Swift's, another look at the cluster; ``pool``,
    that of rows; and ``lane``, the pool of the lane of large objects. What is in a LaterPool runs after each
    turn.
    """

    def __init__(
        self,
        swift: Swift,
        bucket: WatchedBucket,
        directory: Path,
        replicas: Sequence[FakeReplica] | None = None,
        **options: Any,
    ) -> None:
        self.swift, self.bucket, self.directory = swift, bucket, directory
        self.mapping: Mapping = options.pop("mapping", mapping())
        if replicas is None:
            db = FakeDb("db")
            swift.dbs.append(db)
            replicas = [FakeReplica(db)]
        self.replicas_here = list(replicas)
        #: of a sharded container, as its shards do not know it
        self.versioned = False
        #: whether its shards are known
        self.sharded = False
        self.clock: Any = options.pop("clock", swift.clock)
        self.local: LocalObjects = options.pop("local", None) or local_objects(swift)
        self.options: dict[str, Any] = {"items_chunk": 10, **options}
        self.the_gate = MappingLimiter("mapping")
        directory.mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self) -> None:
        once = self.options.get("once", False)
        settings = Settings(
            devices="/srv/node",
            status_dir=str(self.directory),
            mappings=(self.mapping,),
            verification_slack_seconds=self.options.get("slack", SLACK),
            items_chunk=self.options["items_chunk"],
        )
        self.journal = Journal(str(self.directory / "journal"), retry_pause)
        self.journal._db.execute("PRAGMA synchronous = OFF")  # what is lost here is a process, not a machine
        workers: SerialPool = self.options.get("pool") or SerialPool()
        workers.size = self.options.get("workers", 2)
        stop = threading.Event()
        self.context = Context(
            settings=settings,
            clock=self.clock,
            workers=workers,
            parts=SerialPool(),
            large=TaskPool(self.options.get("lane") or SerialPool(), SerialPool(), stop),
            brokers=cast(Any, self),
            local=self.local,
            registry=cast(Any, self),
            journal=self.journal,
            statuses=StatusFiles(str(self.directory), self.journal.uuid, settings.mappings),
            controls=Controls(str(self.directory), self.clock.now, poll_interval=0.0),
            stats=Stats(None),
            once=once,
            stop=stop,
        )
        self.crawl = ContainerCrawl(self.context, self.mapping)

    def restart(self, **changed: Any) -> None:
        self.journal.close()
        if "mapping" in changed:
            self.mapping = changed.pop("mapping")
        self.options.update(changed)
        if isinstance(self.options.get("lane"), LaterPool):
            self.options["lane"] = LaterPool()
        self.start()

    def edit(self, **profile: Any) -> None:
        """Another policy, and the restart that it takes."""
        self.restart(mapping=replace(self.mapping, profile=Profile(**profile)))

    # LocalDatabases and Registry

    def replicas(self, account: str, container: str) -> list[FakeReplica]:
        return list(self.replicas_here)

    def is_sharded(self, account: str, container: str) -> bool:
        return self.sharded

    def is_versioned(self, account: str, container: str) -> bool:
        return self.versioned

    def open_bucket(self, mapping: Mapping) -> WatchedBucket:
        return self.bucket

    def limiter(self, mapping: Mapping) -> MappingLimiter:
        return self.the_gate

    # Turns

    def step(self) -> StepResult:
        step = self.crawl.step()
        self.run_lane()
        return step

    def run_lane(self) -> None:
        if isinstance(lane := self.options.get("lane"), LaterPool):
            lane.run()

    def settle(self, turns: int = 500) -> int:
        """Turns until there is nothing left that can be done now; how many it took."""
        for turn in range(1, turns + 1):
            step = self.step()
            waiting = self.journal.due_objects(self.crawl.key, self.clock.now(), 1, WAITING)
            if not (step.has_more or step.delay or waiting):
                return turn
            self.clock.sleep(step.delay)
        raise AssertionError(f"still busy after {turns} turns")

    def later(self, seconds: float) -> int:
        self.clock.sleep(seconds)
        return self.settle()

    def unsettled(self) -> dict[str, str]:
        """name -> reason of everything in the journal."""
        return {entry.name: entry.reason for entry in self.journal.unsettled(self.crawl.key, 10**6)}

    def tally(self) -> dict[str, int]:
        services = self.crawl._services
        if services is None:
            return {}
        assert services.tally.scanned == sum(services.tally.kinds.values())
        return {kind.value: count for kind, count in services.tally.kinds.items() if count}
