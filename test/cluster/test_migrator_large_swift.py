"""SLOs, DLOs and symlinks of one real Swift account, copied into another as what they are."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Iterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from s3_sync.cluster.client_writer import ClientWriter
from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.config.secret import Secret
from s3_sync.errors import ObjectRefused, SegmentChanged
from s3_sync.migrate.headers import object_headers, version_of
from s3_sync.migrate.large.job import LargeServices
from s3_sync.migrate.large_copying import LargeCopier
from s3_sync.model.keys import KeyNamer
from s3_sync.model.migration import OWNER
from s3_sync.model.objects import GetOptions, ListedObject
from s3_sync.providers.base import ListQuery
from s3_sync.providers.swift.provider import SwiftProvider
from s3_sync.runtime.concurrency import SerialPool
from s3_sync.transfer.restore import Limits
from servers.local import Local
from servers.raw_swift import RawSwift
from servers.swift import SwiftCluster
from servers.swift_spec import TESTER2

A, B, C = b"a" * 1000, b"b" * 2000, b"c" * 30


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@pytest.fixture(scope="module")
def local(swift: SwiftCluster) -> Iterator[Local]:
    with Local(swift) as local:
        yield local


@pytest.fixture(scope="module")
def provider(swift: SwiftCluster) -> Iterator[SwiftProvider]:
    secret = Secret(TESTER2.key)
    provider = SwiftProvider(
        SwiftCredentials(provider="swift", endpoint=swift.auth_url, identity=TESTER2.name, secret=secret),
        connections=4,
    )
    yield provider
    provider.close()


class Migrated:
    """A container of another account with some segments, and the one that it is copied into. ``name``: of
    both, but for a renamed one."""

    def __init__(self, local: Local, provider: SwiftProvider, renamed: bool = False) -> None:
        self.there, self.here = RawSwift(local.cluster, TESTER2.name), RawSwift(local.cluster)
        self.bucket = f"large-{uuid4().hex[:12]}-\u00fc"
        self.segments = f"{self.bucket}_segments"
        self.container = f"renamed-{self.bucket}" if renamed else self.bucket
        for container in (self.bucket, self.segments):
            self.there.put_container(container)
        self.here.put_container(self.container)
        for name, data in (("s/1", A), ("s/2 %41", B), ("s/3", C)):
            self.there.put(self.segments, name, data, {"X-Object-Meta-Of": name.partition(" ")[0]})
        self.writer = ClientWriter(local.client, local.account)
        self.source = provider.bucket(self.bucket, KeyNamer.plain())
        self.new_pass()

    def new_pass(self, allowed: Collection[str] = ()) -> None:
        limits = Limits(max_object=2**30, max_segments=1000, segment_size=2**20)
        self.copier = LargeCopier(
            LargeServices(self.source, self.writer, limits, SerialPool(), allowed=allowed)
        )

    def entry(self, name: str, data: bytes, **more: Any) -> dict[str, Any]:
        return {"path": f"/{self.segments}/{name}", "etag": md5(data), "size_bytes": len(data), **more}

    def put_slo(self, name: str, *entries: dict[str, Any], container: str = "", **headers: str) -> None:
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        query, body = "multipart-manifest=put", json.dumps(entries).encode()
        self.there.request("PUT", container or self.bucket, name, query=query, body=body, headers=sent)

    def put_dlo(self, name: str, prefix: str, body: bytes = b"", container: str = "") -> None:
        target = quote(f"{container or self.segments}/{prefix}")
        self.there.put(self.bucket, name, body, {"X-Object-Manifest": target, "X-Object-Meta-Of": name})

    def copy(self, name: str) -> int:
        """As the migrator does."""
        with self.source.get_object(name, GetOptions(stored=True)) as found:
            info = found.info
        assert self.copier.is_large(info)
        version = version_of(None, info)
        return self.copier.copy(self.container, info, version, object_headers(info, version))

    def check(self, *names: str) -> None:
        """A client sees the same on both sides."""
        for name in names:
            here = self.here.request("GET", self.container, name)
            there = self.there.request("GET", self.bucket, name)
            assert here.body == there.body, name
            same = ("etag", "content-type", "x-timestamp", "x-object-meta-of", "x-static-large-object")
            assert {key: here.headers.get(key) for key in same} == {
                key: there.headers.get(key) for key in same
            }
            part = {"Range": "bytes=5-1500"}
            if len(there.body) > 5:
                partial = self.there.request("GET", self.bucket, name, headers=part).body
                assert self.here.request("GET", self.container, name, headers=part).body == partial

    def listed(self, name: str) -> ListedObject:
        (found,) = self.source.list_objects(ListQuery(prefix=name, limit=1)).objects
        return found

    def rows(self, swift: RawSwift, container: str) -> list[tuple[str, int, str, str]]:
        rows = json.loads(swift.request("GET", container, query="format=json").body)
        return [(each["name"], each["bytes"], each["hash"], each["content_type"]) for each in rows]


@pytest.fixture
def migrated(local: Local, provider: SwiftProvider) -> Migrated:
    return Migrated(local, provider)


def test_slo_with_ranges_data_and_slos_is_the_same_byte_for_byte(migrated: Migrated) -> None:
    inner = [migrated.entry("s/1", A), migrated.entry("s/3", C)]
    migrated.put_slo("inner", *inner, container=migrated.segments)
    middle = [{"path": f"/{migrated.segments}/inner"}, migrated.entry("s/2 %41", B, range="10-1009")]
    migrated.put_slo("middle", *middle)
    data = {"data": base64.b64encode(b"inside").decode()}
    outer = [{"path": f"/{migrated.bucket}/middle", "range": "500-1500"}, data, migrated.entry("s/3", C)]
    migrated.put_slo("outer", *outer, Content_Type="text/x", X_Object_Meta_Of="outer")
    copied = migrated.copy("outer")
    migrated.check("outer", "middle")
    manifests = sum(size for name, size, *_ in [])
    assert copied >= len(A + B + C) + manifests
    query = "multipart-manifest=get"
    raw = migrated.here.request("GET", migrated.container, "outer", query=query).body
    assert raw == migrated.there.request("GET", migrated.bucket, "outer", query=query).body
    assert migrated.rows(migrated.here, migrated.segments) == migrated.rows(migrated.there, migrated.segments)
    assert migrated.rows(migrated.here, migrated.bucket) == migrated.rows(migrated.there, migrated.bucket)
    segment = migrated.writer.stored(migrated.segments, "s/1")
    assert segment is not None
    assert segment.headers[OWNER] == segment.timestamp.internal


def test_segments_that_are_here_are_not_copied_again(migrated: Migrated) -> None:
    migrated.put_slo("slo", migrated.entry("s/1", A), migrated.entry("s/3", C))
    migrated.here.put_container(migrated.segments)
    migrated.here.put(migrated.segments, "s/1", A)
    before = migrated.here.request("HEAD", migrated.segments, "s/1").headers["x-timestamp"]
    assert migrated.copy("slo") < len(A)
    migrated.check("slo")
    assert migrated.here.request("HEAD", migrated.segments, "s/1").headers["x-timestamp"] == before


def test_another_newer_segment_here_is_kept_and_reported(migrated: Migrated) -> None:
    migrated.put_slo("slo", migrated.entry("s/1", A))
    migrated.here.put_container(migrated.segments)
    migrated.here.put(migrated.segments, "s/1", b"a client's")
    with pytest.raises(ObjectRefused, match="newer here") as refused:
        migrated.copy("slo")
    assert refused.value.reason == "segment_conflict"
    assert migrated.here.request("GET", migrated.segments, "s/1").body == b"a client's"
    assert migrated.here.names(migrated.container) == []


def test_slo_whose_segment_has_changed_is_not_written(migrated: Migrated) -> None:
    migrated.put_slo("slo", migrated.entry("s/1", A), migrated.entry("s/3", C))
    migrated.there.put(migrated.segments, "s/3", b"other")
    with pytest.raises(SegmentChanged):
        migrated.copy("slo")
    assert migrated.here.names(migrated.container) == []


def test_segments_elsewhere_need_to_be_allowed(migrated: Migrated) -> None:
    elsewhere = f"elsewhere-{uuid4().hex[:12]}"
    migrated.there.put_container(elsewhere)
    migrated.there.put(elsewhere, "s", A)
    entry = {"path": f"/{elsewhere}/s", "etag": md5(A), "size_bytes": len(A)}
    migrated.put_slo("slo", entry)
    migrated.put_dlo("dlo", "s", container=elsewhere)
    for name in ("slo", "dlo"):
        with pytest.raises(ObjectRefused, match=elsewhere) as refused:
            migrated.copy(name)
        assert refused.value.reason == "segments_elsewhere"
    migrated.new_pass(allowed=[elsewhere])
    migrated.copy("slo")
    migrated.copy("dlo")
    migrated.check("slo", "dlo")


def test_dlos_come_after_their_segments_which_are_copied_once(migrated: Migrated) -> None:
    migrated.put_dlo("dlo", "s/", b"own")
    migrated.put_dlo("twin", "s/")
    assert migrated.copy("dlo") == len(A + B + C) + 3
    assert migrated.copy("twin") == 0
    migrated.check("dlo", "twin")
    query = "multipart-manifest=get"
    own = migrated.here.request("GET", migrated.container, "dlo", query=query)
    assert (own.body, own.headers["x-object-manifest"]) == (b"own", quote(f"{migrated.segments}/s/"))


def test_dlo_below_its_own_prefix_and_dlos_in_dlos(migrated: Migrated) -> None:
    migrated.there.put(migrated.bucket, "self/1", A)
    migrated.put_dlo("self", "self", container=migrated.bucket)
    migrated.put_dlo("ring/a", "ring/", container=migrated.bucket)
    migrated.put_dlo("ring/b", "ring/", b"b", container=migrated.bucket)
    migrated.there.put(migrated.bucket, "ring/c", C)
    migrated.copy("self")
    migrated.copy("ring/a")
    names = migrated.there.names(migrated.bucket)
    assert migrated.here.names(migrated.container) == names
    migrated.check("self", "ring/a", "ring/b")


def test_links_stay_links_and_static_ones_need_no_target_yet(migrated: Migrated) -> None:
    migrated.there.put(migrated.bucket, "target", A)
    for name, more in (("soft", {}), ("static", {"X-Symlink-Target-Etag": md5(A)})):
        headers = {"X-Symlink-Target": quote(f"{migrated.bucket}/target"), **more}
        migrated.there.put(migrated.bucket, name, b"", headers)
        assert migrated.copy(name) == 0
    migrated.put_dlo("target", "s/")
    here = [
        migrated.here.request("HEAD", migrated.container, each, query="symlink=get")
        for each in ("soft", "static")
    ]
    there = [
        migrated.there.request("HEAD", migrated.bucket, each, query="symlink=get")
        for each in ("soft", "static")
    ]
    for mine, yours in zip(here, there, strict=True):
        keys = [
            key
            for key in yours.headers
            if key.startswith("x-symlink") or key in ("x-timestamp", "content-type")
        ]
        assert {key: mine.headers.get(key) for key in keys} == {key: yours.headers[key] for key in keys}
    assert migrated.rows(migrated.here, migrated.container) == [
        row for row in migrated.rows(migrated.there, migrated.bucket) if row[0] != "target"
    ]


def test_containers_named_after_the_bucket_follow_the_local_name(
    local: Local, provider: SwiftProvider
) -> None:
    migrated = Migrated(local, provider, renamed=True)
    migrated.there.put(migrated.bucket, "own", C)
    own = {"path": f"/{migrated.bucket}/own", "etag": md5(C), "size_bytes": len(C)}
    migrated.put_slo("slo", migrated.entry("s/1", A), own)
    migrated.put_dlo("dlo", "s/")
    migrated.copy("slo")
    migrated.copy("dlo")
    migrated.check("slo", "dlo")
    containers = [
        row["name"] for row in json.loads(migrated.here.request("GET", "", query="format=json").body)
    ]
    assert not {migrated.bucket, migrated.segments} & set(containers)
    for name in ("slo", "dlo"):
        migrated.copier.check_same(migrated.container, migrated.listed(name))


def test_equal_times_and_other_etags_are_the_same_only_for_the_same_manifest(migrated: Migrated) -> None:
    migrated.put_slo("slo", migrated.entry("s/1", A))
    migrated.put_dlo("dlo", "s/")
    for name in ("slo", "dlo"):
        migrated.copy(name)
        migrated.copier.check_same(migrated.container, migrated.listed(name))
    migrated.put_slo("slo", migrated.entry("s/3", C))
    migrated.put_dlo("dlo", "s/1")
    for name in ("slo", "dlo"):
        with pytest.raises(ObjectRefused, match="ETag") as refused:
            migrated.copier.check_same(migrated.container, migrated.listed(name))
        assert refused.value.reason == "mismatching_etag"
