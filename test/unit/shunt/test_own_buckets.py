"""Buckets of strangers that have the name of a client's container."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.settings import Mapping as Migration
from s3_sync.config.settings import MigrationOptions, Profile
from s3_sync.errors import AccessDenied, NotFound, RemoteUnavailable
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import PutOptions
from s3_sync.providers.base import BucketEntry, ListQuery
from s3_sync.providers.memory import MemoryProvider
from s3_sync.providers.registry import Registry
from s3_sync.shunt.migrating_containers import MigratingContainers
from s3_sync.shunt.own_buckets import KNOWN_FOR, OwnBuckets
from s3_sync.shunt.source_bucket import SourceBucket
from s3_sync.streams.reader import BytesBody


class Store(MemoryProvider):
    """Each bucket is readable for everybody; ``own``: those that the account lists."""

    def __init__(self) -> None:
        super().__init__()
        self.own: list[str] = []
        self.listings = 0
        self.fails = self.denied = False

    def head_bucket(self, name: str) -> Mapping[str, str]:
        if self.denied:
            raise AccessDenied("a stranger's")
        return super().head_bucket(name)

    def list_buckets(self) -> Iterator[BucketEntry]:
        self.listings += 1
        if self.fails:
            raise RemoteUnavailable("no answer")
        return iter([BucketEntry(name) for name in self.own])


class World:
    def __init__(self) -> None:
        self.store, self.time = Store(), 100.0
        self.registry = Registry(retries=None, build=lambda *_: self.store)
        self.own = OwnBuckets(self.registry, lambda: self.time)
        self.mapping = Migration(
            "AUTH_a",
            "/*",
            "",
            S3Credentials(),
            Profile(retain_local=False),
            KeyNamer.plain(),
            migration=MigrationOptions(),
        ).of_container("photos")
        self.store.create_bucket("photos")
        inner = self.store.bucket("photos", KeyNamer.plain())
        inner.put_object("o", BytesBody(b"x"), PutOptions(1))
        self.bucket = SourceBucket(self.own.guarded(inner, self.mapping), "", may_be_missing=True)

    def shows(self) -> bool:
        if self.bucket.list_objects(ListQuery()).objects:
            self.bucket.head_object("o")
            self.bucket.get_object("o").close()
            return True
        for read in (self.bucket.head_object, self.bucket.get_object):
            with pytest.raises(NotFound) as missing:
                read("o")
            assert (missing.value.status, missing.value.code) == (404, "")  # of an object, not of the bucket
        return False


@pytest.fixture
def world() -> World:
    return World()


def test_bucket_of_a_stranger_is_as_if_it_was_not_there(world: World) -> None:
    assert not world.shows()
    servers: Any = None
    log: Any = None
    assert MigratingContainers(world.registry, servers, log).source_headers(world.mapping) is None
    world.store.denied = True
    world.time += KNOWN_FOR
    assert not world.shows()
    assert world.store.listings == 3


def test_bucket_that_is_missing_costs_no_listing_and_a_new_one_is_found_at_once(world: World) -> None:
    inner = world.store.bucket("photos", KeyNamer.plain())
    inner.delete_object("o")
    world.store.delete_bucket("photos")
    assert not world.shows()
    assert world.store.listings == 0
    world.store.own.append("photos")
    world.store.create_bucket("photos")
    inner.put_object("o", BytesBody(b"x"), PutOptions(1))
    assert world.shows()
    world.time += KNOWN_FOR - 1
    assert world.shows()
    assert world.store.listings == 1


def test_buckets_that_cannot_be_listed_are_an_error_not_an_absence(world: World) -> None:
    world.store.fails = True
    with pytest.raises(RemoteUnavailable):
        world.shows()
