"""A source whose times have not come yet: what a client writes here would count as older, and be lost."""

from __future__ import annotations

from typing import Any, cast

import pytest

from s3_sync.errors import ObjectRefused
from s3_sync.migrate.containers import Containers
from s3_sync.migrate.copying import Copied, CopyServices, ObjectCopier, Outcome
from s3_sync.migrate.decide import Action
from s3_sync.migrate.large.job import LargeServices
from s3_sync.migrate.large_copying import LargeCopier
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ListedObject, PutOptions
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import ListQuery
from s3_sync.providers.memory import MemoryProvider
from s3_sync.runtime.concurrency import SerialPool
from s3_sync.streams.reader import BytesBody
from s3_sync.transfer.restore import Limits
from unit.migrate.fake_local import FakeClock
from unit.migrate.world import World

HOUR = 3600.0


class Writer:
    """Notes what is written; has nothing."""

    def __init__(self) -> None:
        self.written: list[tuple[str, str]] = []

    def put_object(self, container: str, name: str, body: Any, headers: dict[str, str]) -> str:
        self.written.append((name, headers["x-timestamp"]))
        return headers.get("etag", "")

    def find(self, container: str, name: str) -> None:
        return None


class Source:
    """One object, which a store with another clock has written."""

    def __init__(self, ahead: float) -> None:
        self.clock = FakeClock()
        self.writer = Writer()
        provider = MemoryProvider(clock=lambda: self.clock.time + ahead)
        provider.create_bucket("there")
        self.bucket = provider.bucket("there", KeyNamer.plain())
        self.bucket.put_object("o", BytesBody(b"x"), PutOptions(1))
        writer: Any = self.writer
        large = LargeServices(self.bucket, writer, Limits(10, 10, 10), SerialPool())
        services = CopyServices(self.bucket, writer, LargeCopier(large), lambda count: None, self.clock.now)
        self.copier = ObjectCopier(services, "here")

    @property
    def listed(self) -> ListedObject:
        return self.bucket.list_objects(ListQuery()).objects[0]

    def copy(self, action: Action = Action.COPY) -> Copied:
        return self.copier.copy(self.listed, action)


def test_object_is_copied_once_its_time_has_come() -> None:
    source = Source(ahead=HOUR)
    with pytest.raises(ObjectRefused) as refused:
        source.copy()
    assert refused.value.reason == "time_in_future"
    assert source.writer.written == []
    listed = Timestamp.from_seconds(source.listed.last_modified)
    source.clock.sleep(HOUR + 1)
    assert source.copy().outcome is Outcome.COPIED
    assert source.writer.written == [("o", listed.internal)]


def test_metadata_of_a_container_from_the_future_undoes_no_change_of_a_client(world: World) -> None:
    containers = Containers(cast(Any, world.local), world.source, world.mapping, world.clock)
    world.source.set("there", x_container_read=".r:*")
    containers.prepare("here")
    head = world.source.head_bucket
    ahead = Timestamp.from_seconds(world.clock.now() + HOUR).normal
    world.source.head_bucket = lambda name: {**head(name), "x-put-timestamp": ahead}  # type: ignore[method-assign]
    world.clock.sleep(10)
    here = world.local.stored["here"]
    here.headers["x-container-read"] = "test:owner"
    here.changed = Timestamp.from_seconds(world.clock.now())
    containers.prepare("here")
    assert here.headers["x-container-read"] == "test:owner"
    world.clock.sleep(HOUR)
    containers.prepare("here")
    assert here.headers["x-container-read"] == ".r:*"
