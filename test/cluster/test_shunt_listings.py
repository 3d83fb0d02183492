"""Listings of a mapped container, against those of a container that really holds it all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4
from xml.etree import ElementTree

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from swift.common.utils import Timestamp
from swift.container.backend import ContainerBroker

from faults.proxy import Exchange, FaultProxy, answers, cut_short
from s3_sync.listing.query import ListingQuery
from servers.pair import Store
from servers.raw_swift import Answer, RawSwift
from servers.shunted import Archive, Shunted
from servers.swift import SwiftCluster
from servers.swift_archive import SwiftArchive
from servers.swift_spec import TESTER2
from unit.listing.oracle import expected, parameters

#: around the slash and beyond it; no two that differ only in "/" and "0", which Swift's own `path` confuses
NAMES = [
    *("a", "a!", "a-b", "a/", "a/1", "a/2", "a/b/1", "a/b/2", "a/b/", "a//x", "aa", "a.b/1"),
    *("b/1", "b/2/x", "b/2/y", "b/3", "c", "d/e/f/g", "d/e/h", "e+f", "e f", "%2F", "/", "//", "/x"),
    *("\u00fc", "\u00fc/1", "z\uffef", "z\U0001f600", "z\U0001f600/1", "z\U0001f600/2", "zz/1"),
]
LOCAL = set(NAMES[::3]) | set(NAMES[1::6])
REMOTE = set(NAMES) - LOCAL | set(NAMES[::6])


@dataclass
class World:
    """``archive`` holds LOCAL and REMOTE; ``plain``, without a mapping, all of it."""

    archive: Archive
    plain: str

    def ask(self, query: dict[str, str] | str = "", **headers: str) -> tuple[Answer, Answer]:
        """What the two say: ours, and Swift's."""
        text = query if isinstance(query, str) else urlencode(query)
        swift = self.archive.swift
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        ours = swift.ask("GET", self.archive.container, query=text, headers=sent)
        return ours, swift.ask("GET", self.plain, query=text, headers=sent)


def names(answer: Answer) -> list[str]:
    assert answer.status == 200, answer
    return [record.get("name") or record["subdir"] for record in json.loads(answer.body)]


@pytest.fixture(scope="module", params=["s3api", "moto_store", "swift"])
def world(request: pytest.FixtureRequest, shunted: Shunted) -> World:
    store: Any = request.getfixturevalue(request.param)
    is_swift = isinstance(store, SwiftCluster)
    archive = SwiftArchive(shunted, store) if is_swift else Archive(shunted, store)
    plain = f"plain-{uuid4().hex[:12]}"
    archive.swift.put_container(plain)
    for name in NAMES:
        archive.swift.put(plain, name, b"x")
        if name in LOCAL:
            archive.swift.put(archive.container, name, b"x")
        if name in REMOTE:
            archive.store(name)
    return World(archive, plain)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=parameters(NAMES), limit=st.sampled_from(["", "1", "2", "7"]), reverse=st.booleans())
def test_any_listing_equals_that_of_a_plain_container(
    world: World, asked: dict[str, str], limit: str, reverse: bool
) -> None:
    query = {**asked, "limit": limit, "reverse": str(reverse), "format": "json"}
    ours, theirs = world.ask({name: value for name, value in query.items() if value or name == "path"})
    wanted = ListingQuery.from_request(asked, int(limit or 10_000), reverse)
    if wanted.level and reverse:
        assert ours.status == 200  # Swift leaves out directory markers then
        return
    assert names(ours) == expected(NAMES, wanted)
    assert names(ours) == names(theirs)


@pytest.mark.parametrize("query", ["", "delimiter=/", "reverse=true&limit=3&delimiter=/", "prefix=none"])
@pytest.mark.parametrize("accept", ["*/*", "text/plain", "application/json", "text/xml", "image/png"])
def test_listing_in_each_format_equals_that_of_a_plain_container(
    world: World, query: str, accept: str
) -> None:
    ours, theirs = world.ask(query, Accept=accept)
    assert ours.status == theirs.status
    for name in ("content-type", "vary", "accept-ranges"):
        assert ours.headers.get(name) == theirs.headers.get(name)
    kind = ours.headers["content-type"].partition(";")[0]
    if kind == "text/plain":
        assert ours.body == theirs.body
    elif kind == "text/xml":
        assert shape(ours) == shape(theirs)


def shape(answer: Answer) -> list[Any]:
    root = ElementTree.fromstring(answer.body)
    return [(line.tag, line.get("name"), line.findtext("name"), [part.tag for part in line]) for line in root]


@pytest.mark.parametrize(
    "query", ["limit=10001", "limit=abc", "limit=-1", "limit=0", "prefix=%ff", "format=json&limit=10000"]
)
def test_listing_with_unusual_query_is_answered_like_swift(world: World, query: str) -> None:
    ours, theirs = world.ask(query)
    assert ours.status == theirs.status
    if "json" not in query:
        assert ours.body == theirs.body


def test_listing_shows_the_locations_of_each_object(world: World) -> None:
    archive = world.archive
    ours, _ = world.ask("format=json")
    where = {record["name"]: record.get("content_location") for record in json.loads(ours.body)}
    remote = archive.location
    for name in NAMES:
        both = [remote, "swift"] if name in LOCAL else [remote]
        assert where[name] == (both if name in REMOTE else None)


def test_head_and_object_count_cover_local_objects_only(world: World) -> None:
    head = world.archive.ask("HEAD")
    ours, _ = world.ask()
    for answer in (head, ours):
        assert answer.headers["x-container-object-count"] == str(len(LOCAL))
    local = world.archive.ask("GET", query="format=plain", X_Cloud_Sync_Shunt_Bypass="1")
    assert sorted(local.body.decode().splitlines()) == sorted(LOCAL)


@pytest.mark.parametrize(
    "asked",
    [{}, {"Delimiter": "/"}, {"Prefix": "a", "Delimiter": "/"}, {"StartAfter": "b/2"}, {"Delimiter": "/b"}],
    ids=str,
)
def test_s3_listing_has_local_and_archived_objects(
    world: World, shunted: Shunted, asked: dict[str, str]
) -> None:
    client = shunted.s3_client()
    query = ListingQuery(asked.get("Prefix", ""), asked.get("Delimiter", ""), asked.get("StartAfter", ""))
    older = {"Marker" if name == "StartAfter" else name: value for name, value in asked.items()}
    for operation, options in (("list_objects_v2", asked), ("list_objects", older)):
        pages = client.get_paginator(operation).paginate(
            Bucket=world.archive.container, PaginationConfig={"PageSize": 4}, **options
        )
        found: list[str] = []
        for page in pages:
            lines = [line["Key"] for line in page.get("Contents", ())]
            found += sorted(lines + [line["Prefix"] for line in page.get("CommonPrefixes", ())])
        assert found == expected(NAMES, query), operation


def test_full_listing_of_swiftclient_has_all_pages(world: World, shunted: Shunted) -> None:
    connection = shunted.client()
    for query in ({"limit": 5}, {"limit": 1, "prefix": "a"}, {"limit": 2, "delimiter": "/"}):
        _, records = connection.get_container(world.archive.container, full_listing=True, **query)
        wanted = ListingQuery(str(query.get("prefix", "")), str(query.get("delimiter", "")))
        assert [record.get("name") or record["subdir"] for record in records] == expected(NAMES, wanted)


def test_listing_entry_describes_the_newer_of_object_and_copy(new_archive: Callable[..., Archive]) -> None:
    archive = new_archive()
    archive.swift.put(archive.container, "local", b"1")
    archive.store("remote", b"123", ContentType="text/plain")
    archive.store("local", b"1")
    records = {line["name"]: line for line in json.loads(archive.ask("GET", query="format=json").body)}
    local = records["local"]
    head = archive.ask("HEAD", "local")
    assert (local["bytes"], local["hash"]) == (1, head.headers["etag"])
    remote = records["remote"]
    assert (remote["bytes"], remote["content_type"]) == (3, "application/octet-stream")
    assert remote["hash"] == archive.get("remote").headers["etag"]
    archive.store("local", b"12")
    (record,) = json.loads(archive.ask("GET", query="format=json&prefix=local").body)
    assert record["bytes"] == 2


def test_listing_has_no_stored_manifests_with_any_prefix(new_archive: Callable[..., Archive]) -> None:
    for prefix in (None, "", "archive"):
        archive = new_archive(**({} if prefix is None else {"custom_prefix": prefix}))
        root = archive.prefix if prefix is None else f"{prefix}/" if prefix else ""
        manifest = (
            archive.manifest_key("x") if prefix is None else f"{root}.manifests/{'0' * 64}.swift_slo_manifest"
        )
        for key, body in ((f"{root}large", b"x" * 100), (manifest, b"[]")):
            archive.s3.put_object(Bucket=archive.bucket, Key=key, Body=body)
        for query in ("", "delimiter=/", "prefix=.", "reverse=1"):
            answer = archive.ask("GET", query=query)
            assert answer.body == (b"" if "prefix" in query else b"large\n")
        (record,) = json.loads(archive.ask("GET", query="format=json").body)
        assert record["bytes"] == 100


def portal(exchange: Exchange) -> None:
    exchange.say(200, {"Content-Type": "text/html"}, b"<html><body>Log in first</body></html>")


def empty(exchange: Exchange) -> None:
    exchange.say(200, {}, b"")


class TestOutage:
    @pytest.fixture
    def proxy(self, s3api: Store) -> Iterator[FaultProxy]:
        with FaultProxy.before(s3api.endpoint) as proxy:
            yield proxy

    def test_listing_with_failing_store_is_503_or_marked_local_only(
        self, new_archive: Callable[..., Archive], s3api: Store, proxy: FaultProxy, shunted: Shunted
    ) -> None:
        s3 = shunted.s3_client()
        store = s3api.behind(proxy.endpoint)
        whole, part = new_archive(store), new_archive(store, retain_local=True)
        for archive in (whole, part):
            archive.swift.put(archive.container, "here", b"x")
            archive.store("there")
        for fault in (answers(503, "SlowDown"), answers(403, "AccessDenied"), cut_short, portal, empty):
            proxy.when(fault, method="GET", times=4)  # the S3 client tries twice
            failed = whole.ask("GET")
            assert failed.status == 503
            assert "retry-after" in failed.headers
            got = part.ask("GET")
            assert (got.status, got.body) == (200, b"here\n")
            assert got.headers["x-cloud-sync-shunt-listing"] == "local-only"
            with pytest.raises(ClientError) as error:
                s3.list_objects_v2(Bucket=part.container)
            assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        for archive in (whole, part):
            answer = archive.ask("GET")
            assert (answer.status, answer.body) == (200, b"here\nthere\n")
            assert "x-cloud-sync-shunt-listing" not in answer.headers

    def test_listing_with_missing_bucket_is_503(self, new_archive: Callable[..., Archive]) -> None:
        archive = new_archive()
        archive.s3.delete_bucket(Bucket=archive.bucket)
        assert archive.ask("GET").status == 503


class TestListingRights:
    def test_listing_without_read_right_is_refused_without_remote_request(
        self, new_archive: Callable[..., Archive], s3api: Store, shunted: Shunted
    ) -> None:
        with FaultProxy.before(s3api.endpoint) as proxy:
            archive = new_archive(s3api.behind(proxy.endpoint))
            archive.store("there")
            account, container = archive.swift.account, archive.container
            reader = RawSwift(shunted, "test:tester3", account)
            stranger = RawSwift(shunted, "test2:tester2", account)
            for user in (reader, stranger):
                assert user.ask("GET", container).status == 403
            anonymous = {"X-Auth-Token": ""}
            assert stranger.ask("GET", container, headers=anonymous).status == 401
            assert proxy.calls() == []
            archive.swift.ask("POST", container, headers={"X-Container-Read": "test:tester3"})
            assert reader.ask("GET", container).body == b"there\n"
            assert stranger.ask("GET", container).status == 403
            archive.swift.ask("POST", container, headers={"X-Container-Read": ".r:*,.rlistings"})
            assert stranger.ask("GET", container, headers=anonymous).body == b"there\n"
            admin = RawSwift(shunted, "admin:admin", account)
            assert admin.ask("GET", container).body == b"there\n"
            assert len(proxy.calls()) == 3


def test_any_delimiter_works_with_a_store_that_knows_slashes_only(
    new_archive: Callable[..., Archive], rclone_store: Store
) -> None:
    archive = new_archive(rclone_store)
    here, there = ["x-1", "y", "z/1-2"], ["d/1", "d/2-3", "w-1", "x-2", "x-3", "z/1-1"]
    for name in here:
        archive.swift.put(archive.container, name)
    for name in there:
        archive.store(name)
    for asked in (
        {"delimiter": "-"},
        {"delimiter": "-1"},
        {"delimiter": "/"},
        {"path": "d"},
        {"reverse": "1"},
    ):
        wanted = ListingQuery.from_request(asked, reverse="reverse" in asked)
        answer = archive.ask("GET", query=urlencode({**asked, "format": "json"}))
        assert names(answer) == expected([*here, *there], wanted)


def fill(cluster: SwiftCluster, account: str, container: str, names: list[str]) -> None:
    """Rows for so many objects in no time; no object server has any of them."""
    (path,) = cluster.container_dir(1, container, account).glob("*.db")
    row = {"created_at": Timestamp.now().internal, "size": 1, "content_type": "text/plain"}
    row |= {"etag": "0" * 32, "deleted": 0, "storage_policy_index": 0}
    ContainerBroker(str(path), account=account, container=container).merge_items(
        [{"name": name, **row} for name in names]
    )


def test_listing_over_many_pages_of_both_sides_is_complete(
    new_archive: Callable[..., Archive], swift: SwiftCluster, shunted: Shunted
) -> None:
    archive = new_archive()
    everything = [f"d{number % 3}/{number:05}" for number in range(2400)]
    here, there = everything[::2], everything[1::2] + everything[:300:2]
    fill(shunted, archive.swift.account, archive.container, here)
    fill(swift, TESTER2.account, archive.bucket, [archive.prefix + name for name in there])
    for asked, limit, reverse in (
        ({}, 10_000, False),
        ({"marker": "d1/"}, 2000, False),
        ({"delimiter": "/"}, 10_000, False),
        ({"prefix": "d2/", "end_marker": "d2/01500"}, 10_000, False),
        ({}, 1100, True),
        ({"marker": "d2", "prefix": "d"}, 3, True),
    ):
        query = urlencode({**asked, "limit": limit, "reverse": reverse, "format": "json"})
        wanted = ListingQuery.from_request(asked, limit, reverse)
        assert names(archive.ask("GET", query=query)) == expected(everything, wanted)
