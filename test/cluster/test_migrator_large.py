"""Objects that are large, or cannot be proved by an MD5, copied from real S3 stores into a real Swift."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from s3_sync.cluster.client_writer import ClientWriter
from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.secret import Secret
from s3_sync.migrate.large.job import LargeServices
from s3_sync.migrate.large_copying import LargeCopier
from s3_sync.model.keys import KeyNamer
from s3_sync.model.migration import OWNER, SOURCE_ETAG, source_version
from s3_sync.model.objects import ObjectInfo
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import Bucket
from s3_sync.providers.s3.provider import S3Provider
from s3_sync.runtime.concurrency import SerialPool
from s3_sync.transfer.restore import Limits
from servers.local import Local
from servers.migrator import Migration, Migrator, S3Migration, SwiftMigration
from servers.pair import Store
from servers.raw_swift import RawSwift
from servers.swift import SwiftCluster

PART = 5 * 1024 * 1024
A, B, C = bytes(range(256)) * (PART // 256), b"b" * (PART + 1), b"the end"


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@pytest.fixture(scope="module")
def local(swift: SwiftCluster) -> Iterator[Local]:
    with Local(swift) as local:
        yield local


def upload(s3: Any, bucket: str, name: str, *parts: bytes) -> None:
    where = {"Bucket": bucket, "Key": name}
    upload = s3.create_multipart_upload(**where)["UploadId"]
    done = [
        {
            "PartNumber": number,
            "ETag": s3.upload_part(**where, UploadId=upload, PartNumber=number, Body=part)["ETag"],
        }
        for number, part in enumerate(parts, 1)
    ]
    s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": done})


class Migrated:
    """A bucket of a store, and the container that it is copied into."""

    def __init__(self, local: Local, store: Store, max_object: int = 100 * PART) -> None:
        self.swift = RawSwift(local.cluster)
        self.container = f"large-{uuid4().hex[:12]}"
        self.segments = f"{self.container}_segments"
        self.swift.put_container(self.container)
        self.s3 = store.client()
        self.bucket = f"large-{uuid4().hex[:12]}"
        self.s3.create_bucket(Bucket=self.bucket)
        credentials = S3Credentials(
            identity=store.identity, secret=Secret(store.secret), endpoint=store.endpoint
        )
        self.provider = S3Provider(credentials, connections=4)
        self.source: Bucket = self.provider.bucket(self.bucket, KeyNamer.plain())
        self.writer = ClientWriter(local.client, local.account)
        limits = Limits(max_object, max_segments=1000, segment_size=PART)
        self.copier = LargeCopier(LargeServices(self.source, self.writer, limits, SerialPool()))

    def copy(self, name: str) -> tuple[ObjectInfo, Timestamp]:
        info = self.source.head_object(name)
        version = source_version(0.0, info.last_modified)
        assert self.copier.is_large(info)
        headers = {"content-type": "text/x", "x-object-meta-color": "blue", OWNER: version.internal}
        assert self.copier.copy(self.container, info, version, headers) == info.size
        return info, version

    def close(self) -> None:
        self.provider.close()


@pytest.fixture(params=["s3api", "moto"])
def migrated(request: pytest.FixtureRequest, local: Local) -> Iterator[Migrated]:
    """s3api tells parts, moto does not."""
    name = "s3api" if request.param == "s3api" else "moto_store"
    migrated = Migrated(local, request.getfixturevalue(name))
    yield migrated
    migrated.close()


def test_object_in_parts_becomes_an_slo_as_slo_itself_would_store_it(migrated: Migrated) -> None:
    upload(migrated.s3, migrated.bucket, "a/b", A, B, C)
    info, version = migrated.copy("a/b")
    swift, container = migrated.swift, migrated.container
    found = swift.request("GET", container, "a/b")
    assert found.body == A + B + C
    assert found.headers["x-timestamp"] == version.normal
    assert (found.headers["content-type"], found.headers["x-object-meta-color"]) == ("text/x", "blue")
    assert swift.request("GET", container, "a/b", headers={"Range": f"bytes={PART - 2}-{PART + 1}"}).body == (
        A[-2:] + B[:2]
    )
    (row,) = json.loads(swift.request("GET", container, query="format=json").body)
    raw = swift.request("GET", container, "a/b", query="multipart-manifest=get")
    assert (row["bytes"], row["hash"]) == (info.size, md5(raw.body))
    assert row["slo_etag"] == found.headers["etag"]
    assert row["content_type"] == "text/x"
    stored = migrated.writer.stored(container, "a/b")
    assert stored is not None
    assert stored.headers[SOURCE_ETAG] == info.etag
    assert stored.headers[OWNER] == version.internal
    swift.request("DELETE", container, "a/b", query="multipart-manifest=delete")
    assert swift.names(migrated.segments) == []


def test_segments_have_the_names_of_earlier_migrations(migrated: Migrated) -> None:
    upload(migrated.s3, migrated.bucket, "a/b", A, A, C)
    info, version = migrated.copy("a/b")
    base = f"a/b/{version.normal}/{info.size}/{PART}"
    assert migrated.swift.names(migrated.segments) == [f"{base}/{number:08d}" for number in (1, 2, 3)]


@pytest.fixture
def run(swift: SwiftCluster, tmp_path: Path) -> Iterator[Callable[[Migration], Migrator]]:
    """``run(migration)``: one pass of a daemon that ends with the test."""
    made: list[Migrator] = []

    def run(migration: Migration) -> Migrator:
        time.sleep(1.0 - time.time() % 1.0)  # Swift's S3 API rounds times up, and these have to come first
        if not made:
            made.append(Migrator(swift, tmp_path / "migrator", [migration.entry]))
        done = made[0].once()
        assert (done.returncode, done.stderr) == (0, ""), made[0].log_text()
        return made[0]

    yield run
    for each in made:
        each.stop()


def moved(migrator: Migrator) -> int:
    (entry,) = migrator.statuses()
    return int(entry["status"]["moved_count"])


def test_daemon_migrates_parts_once_and_replaces_their_segments(
    swift: SwiftCluster, s3api: Store, run: Callable[[Migration], Migrator]
) -> None:
    migration = S3Migration(swift, s3api)
    segments = f"{migration.container}_segments"
    upload(migration.s3, migration.bucket, "a/b", A, C)
    assert moved(run(migration)) == 1
    assert migration.swift.request("GET", migration.container, "a/b").body == A + C
    before = migration.swift.names(segments)
    assert moved(run(migration)) == 0
    assert (migration.swift.names(segments), len(before)) == (before, 2)
    upload(migration.s3, migration.bucket, "a/b", A, B, C)
    assert moved(run(migration)) == 1
    assert migration.swift.request("GET", migration.container, "a/b").body == A + B + C
    after = migration.swift.names(segments)
    assert (len(after), set(after) & set(before)) == (3, set())


def test_daemon_migrates_large_objects_of_swift_once(
    swift: SwiftCluster, run: Callable[[Migration], Migrator]
) -> None:
    migration = SwiftMigration(swift)
    source, bucket, segments = migration.source, migration.bucket, f"{migration.bucket}_segments"
    source.put_container(segments)
    source.put(segments, "s/1", C)
    entry = {"path": f"/{segments}/s/1", "etag": md5(C), "size_bytes": len(C)}
    source.request("PUT", bucket, "slo", query="multipart-manifest=put", body=json.dumps([entry]).encode())
    source.put(bucket, "dlo", b"", {"X-Object-Manifest": f"{segments}/s/"})
    source.put(bucket, "link", b"", {"X-Symlink-Target": f"{bucket}/slo"})
    assert moved(run(migration)) == 3
    for name in ("slo", "dlo", "link"):
        assert migration.swift.request("GET", migration.container, name).body == C
    assert moved(run(migration)) == 0
