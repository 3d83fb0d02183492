"""Whether an object is restored while a client reads it."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import Any

import pytest
from swift.common.swob import Request as SwobRequest
from swift.common.swob import Response

from s3_sync.cluster.newest import Deleted, LocalState, Present, Unknown
from s3_sync.cluster.rings import Node
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.settings import Mapping, MigrationOptions, Profile
from s3_sync.errors import LocalUnavailable, ObjectRefused
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.memory import MemoryProvider
from s3_sync.runtime.concurrency import SerialPool
from s3_sync.shunt import restores
from s3_sync.shunt.manifest_cache import LargeObjects
from s3_sync.shunt.mapping_table import MappedContainer
from s3_sync.shunt.request import LocalResponse, RemoteLookup, Request
from s3_sync.shunt.restores import Restores
from s3_sync.streams.reader import BytesBody

WRITTEN = Timestamp.parse("1500000000.00000")
ASKED = Timestamp.parse("1700000000.00000")
BODY = b"archived"


class LogOfShunt(logging.LoggerAdapter[logging.Logger]):
    """What of Swift's logger is used."""

    thread_locals = ("tx", "ip")

    def __init__(self) -> None:
        super().__init__(logging.getLogger("shunt"), {})
        self.counted: list[str] = []

    def increment(self, metric: str) -> None:
        self.counted.append(metric)


class LaterPool(SerialPool):
    """Runs nothing before ``run``."""

    size = 2

    def __init__(self) -> None:
        self.waiting: list[Any] = []

    def spawn(self, function: Any) -> None:
        self.waiting.append(function)

    def run(self) -> None:
        while self.waiting:
            self.waiting.pop(0)()


class World:
    def __init__(self) -> None:
        self.state: LocalState | Exception = Unknown()
        self.pool = LaterPool()
        self.log = LogOfShunt()
        self.put: dict[str, bytes] = {}
        self.status = 201
        self.restores = Restores(self.pool, self, LargeObjects(), lambda: 100, self.log, None)  # type: ignore[arg-type]
        self.profile = Profile(restore_object=True, propagate_delete=True)
        provider = MemoryProvider()
        provider.create_bucket("b")
        self.bucket = provider.bucket("b", KeyNamer.hashed("AUTH_a", "c"))
        self.store("o", BODY)

    def store(self, name: str, data: bytes) -> None:
        meta = ObjectMeta(marks={"swift-timestamp": WRITTEN.internal})
        self.bucket.put_object(name, BytesBody(data), PutOptions(len(data), meta))

    def of(self, account: str, container: str, name: str) -> LocalState:
        """As NewestState."""
        if isinstance(self.state, Exception):
            raise self.state
        return self.state

    def app(self, environ: Any, start_response: Any) -> Any:
        request = SwobRequest(environ)
        if request.method == "PUT":
            assert request.headers["X-Timestamp"] == ASKED.internal
            self.put[request.path_info] = request.body
        return Response(status=self.status)(environ, start_response)

    def lookup(self, name: str = "o") -> RemoteLookup:
        namer = KeyNamer.hashed("AUTH_a", "c")
        mapping = Mapping("AUTH_a", "c", "b", S3Credentials(), self.profile, namer)
        target = MappedContainer(mapping, self.bucket)
        environ = SwobRequest.blank(f"/v1/AUTH_a/c/{name}").environ
        request = Request(environ, self.app, self.app, target, "AUTH_a", "c", name)
        missing = LocalResponse(Response(status=404), environ)
        return RemoteLookup(request, missing, target, "c", name, ASKED, {})

    def read(self, name: str = "o", data: bytes = BODY) -> bool:
        """Read the object as a client; return whether a restore was begun with it."""
        body = self.restores.begin(self.lookup(name), self.bucket.head_object(name), True)
        if body is None:
            return False
        body.feed(data)
        body.close_feed()
        return True

    def restored(self, **read: Any) -> bool:
        self.put.clear()
        begun = self.read(**read)
        self.pool.run()
        return begun and self.put == {"/v1/AUTH_a/c/o": BODY}


@pytest.fixture
def world() -> World:
    return World()


def present(expired: bool = False) -> Present:
    return Present(WRITTEN, WRITTEN, 0, {}, expired, Node("127.0.0.1", 1, "d"))


@pytest.mark.parametrize(
    "state",
    [
        Unknown(),
        Deleted(WRITTEN.after()),  # ours: it was moved
        Deleted(Timestamp(WRITTEN.raw - 1)),  # a client's, of something older
        present(expired=True),
    ],
    ids=str,
)
def test_object_without_a_newer_local_state_is_restored(world: World, state: LocalState) -> None:
    world.state = state
    assert world.restored()
    assert world.log.counted == ["restores.done"]


@pytest.mark.parametrize(
    "state",
    [
        present(),
        Deleted(ASKED),
        Deleted(ASKED.after()),
        Deleted(Timestamp(WRITTEN.raw + 1)),  # a client's, on its way to the store
    ],
    ids=str,
)
def test_object_with_a_newer_local_state_is_not_restored(world: World, state: LocalState) -> None:
    world.state = state
    assert not world.restored()
    assert world.log.counted == ["restores.superseded"]
    world.state = Unknown()
    assert world.restored()  # nothing failed, so the next reader may


def test_object_is_restored_despite_a_delete_that_is_not_propagated(world: World) -> None:
    world.profile = replace(world.profile, propagate_delete=False)
    world.state = Deleted(Timestamp(WRITTEN.raw + 1))
    assert world.restored()


def test_restore_without_a_majority_fails_and_is_not_retried_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.state = LocalUnavailable("no majority")
    assert not world.restored()
    assert world.log.counted == ["restores.failed"]
    world.state = Unknown()
    assert not world.restored()  # it is left alone for a while
    monkeypatch.setattr(restores, "_RETRY_AFTER", -1.0)
    world.restores._failed.clear()
    assert world.restored()


@pytest.mark.parametrize("status", [202, 409, 412])
def test_restore_refused_by_a_newer_object_counts_as_superseded(world: World, status: int) -> None:
    world.status = status
    world.restored()
    assert world.log.counted == ["restores.superseded"]


@pytest.mark.parametrize("status", [422, 413, 503])
def test_restore_refused_by_the_cluster_counts_as_failed(world: World, status: int) -> None:
    world.status = status
    world.restored()
    assert world.log.counted == ["restores.failed"]


def test_unexpected_error_is_logged_and_counts_as_failed(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.state = KeyError("defect")
    assert not world.restored()
    assert world.log.counted == ["restores.failed"]
    assert "KeyError" in caplog.text


def test_restore_is_abandoned_when_the_client_disconnects(world: World) -> None:
    assert not world.restored(data=BODY[:3])
    assert world.log.counted == ["restores.abandoned"]
    assert world.restored()


def test_restores_are_limited_to_one_per_object_and_to_the_pool_size(world: World) -> None:
    for name in ("p", "q"):
        world.store(name, BODY)
    assert world.read()
    assert not world.read()
    assert world.read("p")
    assert not world.read("q")
    assert world.log.counted == ["restores.busy"]
    world.pool.run()
    assert len(world.put) == 2
    assert world.read("q")


def test_object_locked_by_another_worker_is_not_restored(world: World) -> None:
    class Taken:
        def incr(self, key: str, time: int) -> int:
            return 2

    lookup = world.lookup()
    lookup.environ["swift.cache"] = Taken()
    body = world.restores.begin(lookup, world.bucket.head_object("o"), True)
    assert body is not None
    world.pool.run()
    body.feed(BODY)  # it is too late, and does no harm
    assert world.put == {}
    assert world.log.counted == ["restores.busy"]


def test_read_of_a_range_restores_the_whole_object_from_the_store(world: World) -> None:
    body = world.restores.begin(world.lookup(), world.bucket.head_object("o"), False)
    assert body is not None
    assert not world.read()  # it is being restored
    world.pool.run()
    assert world.put == {"/v1/AUTH_a/c/o": BODY}
    assert world.log.counted == ["restores.done"]


def test_object_from_the_future_is_not_restored_from_the_source_of_a_migration(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client's write would count as older until then."""
    monkeypatch.setattr(restores, "is_on_record", lambda *_: False)
    provider: Any = world.bucket._provider
    provider.clock = lambda: time.time() + 3600
    world.bucket.put_object("o", BytesBody(BODY), PutOptions(len(BODY)))
    lookup = world.lookup()
    mapping = replace(lookup.target.mapping, migration=MigrationOptions())
    lookup = replace(lookup, target=replace(lookup.target, mapping=mapping))
    with pytest.raises(ObjectRefused) as refused:
        world.restores.run(lookup, world.bucket.head_object("o"))
    assert (refused.value.reason, world.put) == ("time_in_future", {})
