"""An account into which every bucket is migrated: listings, clients' own containers, and clients of S3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from servers.live_migration import Live
from servers.migrator import S3Migration, SwiftMigration
from servers.pair import Store
from servers.raw_swift import RawSwift
from servers.shunted import Shunted
from servers.swift import SwiftCluster
from servers.swift_spec import ADMIN, READER, TESTER2


class World:
    """The account of `admin:admin`, which no other test lists, and two buckets that are its sources."""

    def __init__(self, cluster: Shunted, migration: Any) -> None:
        self.prefix = f"w{uuid4().hex[:8]}-"
        migration.entry |= {"aws_bucket": "/*"}
        migration.entry.pop("container")
        self.live = Live(cluster, migration, ADMIN.name)
        self.swift = self.live.swift

    def name(self, text: str) -> str:
        return f"{self.prefix}{text}"

    def create(self, *names: str) -> None:
        """At the source."""
        for name in names:
            if isinstance(self.live.migration, SwiftMigration):
                self.live.migration.source.put_container(self.name(name))
            else:
                self.live.migration.s3.create_bucket(Bucket=self.name(name))

    def store(self, container: str, name: str, body: bytes = b"x") -> None:
        if isinstance(self.live.migration, SwiftMigration):
            self.live.migration.source.put(self.name(container), name, body)
        else:
            self.live.migration.s3.put_object(Bucket=self.name(container), Key=name, Body=body)

    def listed(self, query: str = "") -> list[dict[str, Any]]:
        """What a listing of the names with our prefix shows, without the prefix."""
        query = query if "prefix=" in query else f"{query}&prefix={self.prefix}"
        found = json.loads(self.swift.request("GET", "", query=f"format=json&{query}").body)
        return [{**each, **self._short(each)} for each in found]

    def _short(self, entry: dict[str, Any]) -> dict[str, str]:
        key = "subdir" if "subdir" in entry else "name"
        return {key: entry[key].removeprefix(self.prefix)}

    def names(self, query: str = "") -> list[str]:
        return [entry.get("name") or f"{entry['subdir']}*" for entry in self.listed(query)]


@pytest.fixture(params=["swift", "s3"])
def world(
    request: pytest.FixtureRequest, shunted: Shunted, swift: SwiftCluster, moto_store: Store
) -> Iterator[World]:
    if request.param == "s3":
        migration: Any = S3Migration(shunted, moto_store)
    else:
        migration = SwiftMigration(shunted, RawSwift(swift, TESTER2.name))
    world = World(shunted, migration)
    yield world
    shunted.end_migration(world.live.entry)


def test_listing_of_the_account_has_both_sides_and_takes_all_parameters(world: World) -> None:
    world.create("a-1", "a-2", "both", "z")
    world.store("z", "o", b"12345")
    for name in ("both", "here"):
        world.swift.put_container(world.name(name))
    p = world.prefix
    assert world.names() == ["a-1", "a-2", "both", "here", "z"]
    assert world.names("limit=2") == ["a-1", "a-2"]
    assert world.names(f"marker={p}a-2") == ["both", "here", "z"]
    assert world.names(f"marker={p}a-2&end_marker={p}z") == ["both", "here"]
    assert world.names("reverse=true&limit=3") == ["z", "here", "both"]
    assert world.names(f"reverse=true&marker={p}here") == ["both", "a-2", "a-1"]
    assert world.names(f"prefix={p}a&delimiter=-") == ["a-*"]
    assert world.names(f"prefix={p}&delimiter=-") == ["a-*", "both", "here", "z"]
    assert world.names(f"prefix={p}&delimiter=-&reverse=true&limit=3") == ["z", "here", "both"]
    assert world.names(f"prefix={p}&delimiter=-&marker={p}a-") == ["both", "here", "z"]
    places = {entry["name"]: len(entry.get("content_location", ())) for entry in world.listed()}
    assert places == {"a-1": 1, "a-2": 1, "both": 2, "here": 0, "z": 1}
    assert all({"count", "bytes", "last_modified"} <= set(entry) for entry in world.listed())
    plain = world.swift.request("GET", "", query=f"prefix={p}&limit=2")
    assert plain.body.decode() == f"{p}a-1\n{p}a-2\n"
    xml = world.swift.request("GET", "", query=f"prefix={p}a-1&format=xml").body
    assert f"<container><name>{p}a-1</name><count>0</count><bytes>0</bytes>".encode() in xml
    assert world.swift.ask("GET", "", query=f"prefix={p}no").status in (200, 204)


def test_account_of_others_is_not_listed(world: World) -> None:
    world.create("a")
    other = RawSwift(world.swift.cluster, READER.name, world.swift.account)
    assert other.ask("GET", "").status == 403
    other.token = ""
    assert other.ask("GET", "").status == 401


def test_container_of_a_client_needs_no_bucket(world: World) -> None:
    name = world.name("own+ü!")  # no bucket has such a name
    for own in (name, world.name("own")):
        world.swift.put_container(own)
        world.swift.put(own, "o")
        assert world.swift.request("GET", own).body == b"o\n"
        assert world.swift.ask("GET", own, "absent").status == 404
        assert world.swift.ask("DELETE", own, "absent").status == 404
        world.swift.delete(own, "o")
        assert world.swift.ask("DELETE", own).status == 204
    assert world.swift.ask("PUT", world.name("nowhere"), "o").status == 404


def test_container_that_a_client_has_deleted_is_not_listed(world: World) -> None:
    world.create("gone", "stays")
    assert world.swift.ask("DELETE", world.name("gone")).status == 204
    assert world.names() == ["stays"]
    assert world.swift.ask("GET", world.name("gone")).status == 404


def test_clients_of_s3api_see_and_use_what_is_not_migrated(world: World) -> None:
    world.create("bucket", "other", "third")
    world.store("bucket", "o", b"body")
    s3 = world.live.cluster.s3_client(ADMIN.name)
    found = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert {world.name(name) for name in ("bucket", "other")} <= set(found)
    bucket = world.name("bucket")
    assert s3.get_object(Bucket=bucket, Key="o")["Body"].read() == b"body"
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["o"]
    s3.put_object(Bucket=world.name("other"), Key="new", Body=b"new")
    assert s3.get_object(Bucket=world.name("other"), Key="new")["Body"].read() == b"new"
    s3.head_bucket(Bucket=world.name("third"))
    s3.delete_object(Bucket=bucket, Key="o")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket) or world.live.is_swift is False
