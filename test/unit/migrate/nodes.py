"""The migrators of several nodes in one process, over a source and a Swift in memory; their state files are
real."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from s3_sync.cluster.client_writer import ClientWriter
from s3_sync.cluster.guarded_delete import GuardedDelete
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.settings import Mapping, MigrationOptions, Profile, Settings
from s3_sync.daemon.task_pool import TaskPool
from s3_sync.errors import RemoteUnavailable
from s3_sync.migrate.app import DELETES_SCHEMA
from s3_sync.migrate.container_migration import ContainerMigration
from s3_sync.migrate.division import Share
from s3_sync.migrate.ownership import ClientObjects
from s3_sync.migrate.services import Context
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import GetOptions, ObjectInfo, ObjectMeta, PutOptions
from s3_sync.providers.base import GetResult, ListPage, ListQuery
from s3_sync.providers.memory import MemoryProvider
from s3_sync.providers.open_object import OpenObject
from s3_sync.providers.wrappers.rate_limits import MappingLimiter
from s3_sync.runtime.concurrency import SerialPool
from s3_sync.runtime.stats import Stats
from s3_sync.state.controls import Controls
from s3_sync.state.held_deletes import HeldDeletesLedger
from s3_sync.state.journal_file import JournalFile
from s3_sync.state.migration_failures import MigrationFailures
from s3_sync.state.migration_status import MigrationStatuses
from s3_sync.state.segment_cleanups import SegmentCleanups
from s3_sync.streams.reader import Body, BytesBody
from unit.migrate.shared_cluster import CONTAINER, Client, FakeClock, LocalCluster

ACCOUNT, BUCKET = "AUTH_a", "bucket"
POLL_INTERVAL = 5.0


class Source:
    """A bucket, and its provider. ``point`` is called before each request, with its method and name; what it
    returns replaces the answer. ``read``: the names of the GETs, in order."""

    name = BUCKET

    def __init__(self, clock: FakeClock, page: int = 1000) -> None:
        self.provider = MemoryProvider(clock=clock.now)
        self.provider.create_bucket(BUCKET)
        self.inner = self.provider.bucket(BUCKET, KeyNamer.source(""))
        self.clock_offset = self.inner.clock_offset
        self.features, self.limits = self.inner.features, self.inner.limits
        self.clock = clock
        self.page = page
        self.read: list[str] = []
        #: the next GET breaks off in the middle
        self.cut = False
        self.point: Callable[[str, str], Any] = lambda method, name: None

    def put(self, name: str, data: bytes, user: dict[str, str] | None = None) -> None:
        self.clock.tick()
        meta = ObjectMeta(user=user or {})
        self.inner.put_object(name, BytesBody(data), PutOptions(len(data), meta))

    def post(self, name: str, user: dict[str, str]) -> None:
        self.clock.tick()
        self.inner.post_object(name, ObjectMeta(user=user))

    def delete(self, name: str) -> None:
        self.clock.tick()
        self.inner.delete_object(name)

    def head_bucket(self, name: str) -> dict[str, str]:
        self.point("HEAD", "")
        return self.provider.head_bucket(name)

    def list_objects(self, query: ListQuery) -> ListPage:
        instead: ListPage | None = self.point("LIST", query.start_after)
        limit = min(query.limit, self.page)
        asked = ListQuery(query.prefix, query.start_after, query.delimiter, limit)
        return self.inner.list_objects(asked) if instead is None else instead

    def head_object(self, name: str) -> ObjectInfo:
        self.point("HEAD", name)
        return self.inner.head_object(name)

    def get_object(self, name: str, options: GetOptions | None = None) -> GetResult:
        self.read.append(name)
        self.point("GET", name)
        found, cut, self.cut = self.inner.get_object(name), self.cut, False
        return OpenObject(found.info, None, CutBody(found.body)) if cut else found


class CutBody(BytesBody):
    """Half of a body comes."""

    def __init__(self, body: Body) -> None:
        data = body.read()
        super().__init__(data[: len(data) // 2])
        self.length = len(data)

    def read(self, size: int = -1) -> bytes:
        data = super().read(size)
        if not data:
            raise RemoteUnavailable("the connection broke")
        return data


class QueuePool(SerialPool):
    """What is spawned runs one by one, whenever ``run`` is called; when ``size`` wait, the first runs."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._waiting: list[Callable[[], object]] = []

    def spawn(self, function: Callable[[], object]) -> None:
        self._waiting.append(function)
        if len(self._waiting) > self.size:
            self.run()

    def run(self) -> None:
        if self._waiting:
            self._waiting.pop(0)()


class MigratorNode:
    """The migrator of one node. ``restart`` throws everything away but the files, as a crash does."""

    def __init__(
        self, cluster: LocalCluster, source: Source, directory: Path, share: Share | None, **options: Any
    ) -> None:
        self.cluster, self.source, self.directory = cluster, source, directory
        self.my_share = share
        self.clock: Any = options.pop("clock", cluster.clock)
        self.workers: SerialPool = options.pop("workers", None) or SerialPool()
        self.once = options.pop("once", False)
        self.chunk = options.pop("chunk", 10)
        self.mapping = Mapping(
            ACCOUNT, CONTAINER, BUCKET, S3Credentials(), Profile(), KeyNamer.source(""),
            migration=MigrationOptions(**options),
        )  # fmt: skip
        directory.mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self) -> None:
        settings = Settings(
            devices="", status_dir=str(self.directory), items_chunk=self.chunk, poll_interval=POLL_INTERVAL
        )
        stop = threading.Event()
        client: Any = Client(self.cluster)
        self.of = lambda account: ClientWriter(client, account)  # as Writers
        self.journal = JournalFile(str(self.directory / "deletes"), DELETES_SCHEMA)
        self.statuses = MigrationStatuses(str(self.directory / "status"), self.clock.now, interval=0.0)
        self.failures = MigrationFailures(str(self.directory / "failures"))
        self.context = Context(
            settings=settings,
            clock=self.clock,
            registry=cast(Any, self),
            controls=Controls(str(self.directory), self.clock.now, poll_interval=0.0),
            stats=Stats(None),
            once=self.once,
            stop=stop,
            client=client,
            newest=cast(Any, self.cluster),
            division=cast(Any, self),
            writers=cast(Any, self),
            removal=GuardedDelete(cast(Any, self.cluster), client),
            held=HeldDeletesLedger(self.journal),
            cleanups=SegmentCleanups(self.journal),
            clients=ClientObjects(),
            pages=SerialPool(),
            statuses=self.statuses,
            failures=self.failures,
            max_object=1 << 30,
            segment_size=1 << 20,
            workers=self.workers,
            parts=SerialPool(),
            large=TaskPool(SerialPool(), SerialPool(), stop),
        )
        self.job = ContainerMigration(self.context, self.mapping, BUCKET)

    def restart(self) -> None:
        self.close()
        self.start()

    # Division and Registry

    def share(self, account: str, bucket: str) -> Share | None:
        assert (account, bucket) == (ACCOUNT, BUCKET)
        return self.my_share

    def provider(self, credentials: object) -> Source:
        return self.source

    def limiter(self, mapping: Mapping) -> MappingLimiter:
        return MappingLimiter("")

    def open_bucket(self, mapping: Mapping) -> Source:
        return self.source

    # Turns

    def step(self) -> tuple[bool, float]:
        if isinstance(self.workers, QueuePool):
            self.workers.run()
        result = self.job.step()
        return result.has_more, result.delay

    def run_pass(self, steps: int = 2000) -> None:
        """Until the pass has ended, the clock moved on where it waits."""
        for _ in range(steps):
            has_more, delay = self.step()
            if not has_more and not delay:
                return
            self.clock.sleep(delay)
        raise AssertionError(f"no end after {steps} steps")

    def failed(self) -> dict[str, str]:
        """name -> reason."""
        return {each.name: each.reason for each in self.failures.page(self.mapping.journal_key)}

    def close(self) -> None:
        self.failures.close()
        self.journal.close()


def run_together(nodes: list[MigratorNode], steps: int = 20_000) -> None:
    """Passes of all, a step of each in turn, until each has ended one."""
    busy = list(nodes)
    until = {id(node): 0.0 for node in nodes}
    for _ in range(steps):
        for node in list(busy):
            if until[id(node)] > node.clock.now():
                continue
            has_more, delay = node.step()
            until[id(node)] = node.clock.now() + delay
            if not has_more and not delay:
                busy.remove(node)
        if not busy:
            return
        if all(until[id(node)] > node.clock.now() for node in busy):
            nodes[0].clock.sleep(1.0)
    raise AssertionError("no end")


def repeated(source: Source) -> int:
    """Downloads beyond the first of each object."""
    return sum(times - 1 for times in Counter(source.read).values())
