"""Objects at the source of a migration: which are shown, and what becomes of those that clients read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from swift.common.swob import Request as SwobRequest
from swift.common.swob import Response

from s3_sync.cluster.newest import Deleted, LocalState, Unknown
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.settings import Mapping, MigrationOptions, Profile
from s3_sync.errors import LocalChanged
from s3_sync.model.keys import KeyNamer
from s3_sync.model.migration import OWNER
from s3_sync.model.objects import Link, ListedObject, ObjectInfo, ObjectMeta, PutOptions
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import ListPage, ListQuery
from s3_sync.providers.memory import MemoryProvider
from s3_sync.shunt.deleted_names import ShownBucket
from s3_sync.shunt.manifest_cache import LargeObjects
from s3_sync.shunt.mapping_table import MappedContainer
from s3_sync.shunt.migrated_objects import can_migrate, version_at_source
from s3_sync.shunt.request import LocalResponse, RemoteLookup, Request
from s3_sync.shunt.restores import Restores
from s3_sync.shunt.source_bucket import SourceBucket
from s3_sync.streams.reader import BytesBody
from unit.shunt.migrated import Log

WRITTEN, LATER = Timestamp.parse("1500000000.12345"), Timestamp.parse("1600000000.00000")
PLAIN = ObjectInfo("o", 1, md5="a" * 32, meta=ObjectMeta(), x_timestamp=WRITTEN)


class World:
    """A bucket ``c`` that is migrated to a container of that name, and a cluster without objects."""

    def __init__(self, **options: Any) -> None:
        self.provider = MemoryProvider()
        self.provider.create_bucket("c")
        namer = KeyNamer.source("")
        migration = MigrationOptions(**options)
        mapping = Mapping("AUTH_a", "c", "c", S3Credentials(), Profile(), namer, migration=migration)
        self.inner = self.provider.bucket("c", namer)
        self.bucket = SourceBucket(self.inner, migration.prefix, may_be_missing=False)
        self.target = MappedContainer(mapping, self.bucket)
        self.put: list[SwobRequest] = []
        self.state: LocalState = Unknown()
        self.exists = True

    def store(self, name: str, **meta: Any) -> None:
        self.inner.put_object(name, BytesBody(b"x"), PutOptions(1, ObjectMeta(**meta)))

    # as NewestState, MigratingContainers and the rest of a pipeline

    def of(self, *place: str) -> LocalState:
        return self.state

    def require(self, lookup: RemoteLookup) -> None:
        if not self.exists:
            raise LocalChanged("gone")

    def app(self, environ: Any, start_response: Any) -> Any:
        request = SwobRequest(environ)
        if request.method == "PUT":
            self.put.append(request)
        status = 201 if request.method == "PUT" else 404
        return Response(status=status, body=request.body[:0])(environ, start_response)

    def restore(self, info: ObjectInfo) -> None:
        this: Any = self
        log: Any = Log()
        environ = SwobRequest.blank("/v1/AUTH_a/c/o").environ
        request = Request(environ, self.app, self.app, self.target, "AUTH_a", "c", "o")
        lookup = RemoteLookup(
            request, LocalResponse(Response(status=404), environ), self.target, "c", "o", LATER, {}
        )
        Restores(this, this, LargeObjects(), lambda: 100, log, this).run(lookup, info)


def test_restored_object_has_the_sources_time_and_the_mark_of_a_migration() -> None:
    world = World()
    world.store("o", user={"a": "b"})
    info = world.bucket.head_object("o")
    world.restore(info)
    (request,) = world.put
    version = version_at_source(world.bucket, info).internal
    assert [request.headers[name] for name in ("X-Timestamp", OWNER, "If-None-Match")] == [
        version,
        version,
        "*",
    ]


def test_what_a_client_has_deleted_since_is_not_restored() -> None:
    world = World()
    world.provider.clock = lambda: WRITTEN.seconds
    world.store("o")
    world.state = Deleted(WRITTEN.next_time())
    with pytest.raises(LocalChanged):
        world.restore(world.bucket.head_object("o"))
    assert world.put == []


def test_object_of_the_next_second_is_not_restored_yet() -> None:
    world = World()
    this: Any = world
    log: Any = Log()
    restores = Restores(this, this, LargeObjects(), lambda: 100, log, this)
    info = replace(PLAIN, x_timestamp=None, last_modified=time.time() + 100)
    lookup: Any = type("Lookup", (), {"target": world.target})
    assert restores.begin(lookup, info, True) is None


def test_nothing_is_restored_into_a_container_that_is_gone() -> None:
    world = World()
    world.store("o")
    world.exists = False
    with pytest.raises(LocalChanged):
        world.restore(world.bucket.head_object("o"))
    assert world.put == []


def test_only_what_a_migration_would_write_alike_is_restored() -> None:
    target = World().target
    slo = replace(PLAIN, md5=None, meta=ObjectMeta(marks={"x-static-large-object": "True"}))
    renamed = replace(target, mapping=replace(target.mapping, container="d"))
    assert [can_migrate(target, info) for info in (PLAIN, slo)] == [True, True]
    assert [can_migrate(renamed, info) for info in (PLAIN, slo)] == [True, False]
    dlo = replace(PLAIN, meta=ObjectMeta(marks={"x-object-manifest": "s/"}))
    parts = replace(PLAIN, md5=None, x_timestamp=None)
    link = replace(PLAIN, meta=ObjectMeta(link=Link("c", "o")))
    assert [can_migrate(target, info) for info in (dlo, parts, link)] == [False] * 3


def test_object_that_is_too_young_is_not_restored() -> None:
    target = World(older_than=100).target
    ages = (50, 150)
    infos = [replace(PLAIN, x_timestamp=Timestamp.from_seconds(time.time() - age)) for age in ages]
    assert [can_migrate(target, info) for info in infos] == [False, True]


def test_version_has_the_fraction_that_the_listing_tells() -> None:
    class Bucket:
        def list_objects(self, query: ListQuery) -> ListPage:
            return ListPage((ListedObject("o", 1, last_modified=1500000000.5),))

    bucket: Any = Bucket()
    told = replace(PLAIN, x_timestamp=None, last_modified=1500000001.0)
    assert version_at_source(bucket, told).seconds == 1500000000.5
    assert version_at_source(bucket, replace(told, name="other")).seconds == 1500000001.0
    assert version_at_source(bucket, PLAIN) == WRITTEN


def test_marks_of_copies_are_dropped_and_expiry_stays() -> None:
    world = World()
    marks = {"swift-timestamp": "1.00000", "x-object-manifest": "a/b", "x-delete-at": "9999999999"}
    world.store("o", marks=marks, user={"k": "v"})
    for info in (world.bucket.head_object("o"), world.bucket.get_object("o").info):
        assert (info.meta.marks, info.meta.user) == ({"x-delete-at": "9999999999"}, {"k": "v"})


PREFIX_CASES = [
    ("", "", ["a/b", "a/bc/d"]),
    ("a", "", ["a/b", "a/bc/d"]),
    ("a/bc", "", ["a/bc/d"]),
    ("b", "", []),
    ("", "/", ["a/"]),
    ("a/", "/", ["a/b", "a/bc/"]),
]


@pytest.mark.parametrize(("prefix", "delimiter", "expected"), PREFIX_CASES)
def test_only_names_with_the_prefix_are_listed(prefix: str, delimiter: str, expected: list[str]) -> None:
    world = World(prefix="a/b")
    for name in ("a", "a/a/x", "a/b", "a/bc/d", "a/c", "b"):
        world.store(name)
    assert list(walk(world.bucket, prefix, delimiter)) == expected


def walk(bucket: Any, prefix: str, delimiter: str) -> Iterator[str]:
    after: str | None = ""
    while after is not None:
        page = bucket.list_objects(ListQuery(prefix, after, delimiter, 1))
        yield from sorted([*(each.name for each in page.objects), *page.prefixes])
        after = page.next_after


class Deletes:
    """As DeletedNames."""

    exists = True

    def __init__(self, *names: str) -> None:
        self.names = names

    def between(self, first: str, last: str) -> dict[str, Timestamp]:
        never_sooner = Timestamp.from_seconds(4e9)
        return {name: never_sooner for name in self.names if first <= name <= last}


def test_names_with_a_delete_on_record_are_not_listed_nor_groups_of_them() -> None:
    world = World()
    for name in ("a", "b/1", "b/2", "c/1", "d"):
        world.store(name)
    deleted: Any = Deletes("a", "b/1", "c/1")
    shown = ShownBucket(world.bucket, deleted)
    assert list(walk(shown, "", "")) == ["b/2", "d"]
    assert list(walk(shown, "", "/")) == ["b/", "d"]
    assert list(walk(shown, "c/", "/")) == []
    deleted.exists = False
    assert list(walk(shown, "", "/")) == ["a", "b/", "c/", "d"]


def test_object_that_is_younger_than_its_delete_is_listed() -> None:
    world = World()
    world.store("o")
    deletes: Any = Deletes()
    deletes.between = lambda *_: {"o": Timestamp.parse("1000000000.00000")}
    assert list(walk(ShownBucket(world.bucket, deletes), "", "")) == ["o"]
