"""Which of two versions another Swift has in the end: at one that takes the X-Timestamp of clients, and at
one that ignores it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator

import pytest

from conformance.samples import OnceBody, read, sample
from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.config.secret import Secret
from s3_sync.errors import NotFound, PreconditionFailed
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import Bucket, ListQuery
from s3_sync.providers.swift.provider import SwiftProvider
from servers.raw_swift import RawSwift
from servers.server import AnyServer
from servers.swift import SwiftCluster
from servers.swift_spec import TESTER2
from servers.timely import TimelySwift

LARGE = 200_000


@pytest.fixture(scope="module", params=["takes X-Timestamp", "ignores X-Timestamp"])
def cluster(
    request: pytest.FixtureRequest, start_server: Callable[[AnyServer], AnyServer], swift: SwiftCluster
) -> SwiftCluster:
    return start_server(TimelySwift()) if request.param.startswith("takes") else swift


@pytest.fixture
def takes_timestamps(cluster: SwiftCluster) -> bool:
    return isinstance(cluster, TimelySwift)


@pytest.fixture
def bucket(cluster: SwiftCluster, container_name: str) -> Iterator[Bucket]:
    provider = SwiftProvider(
        SwiftCredentials(
            provider="swift",
            endpoint=cluster.auth_url,
            identity=TESTER2.name,
            secret=Secret(TESTER2.key),
        ),
        connections=2,
    )
    yield provider.bucket(container_name, KeyNamer.plain())
    provider.close()


@pytest.fixture
def client(cluster: SwiftCluster) -> RawSwift:
    return RawSwift(cluster, TESTER2.name)


def ago(seconds: float) -> Timestamp:
    return Timestamp.from_seconds(time.time() - seconds)


def put(bucket: Bucket, data: bytes, version: Timestamp, **options: object) -> None:
    meta = ObjectMeta().marked(swift_timestamp=version.internal)
    md5 = hashlib.md5(data).hexdigest()
    bucket.put_object("o", OnceBody(data), PutOptions(len(data), meta, md5, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [5, LARGE])
def test_older_version_replaces_a_newer_one_only_where_timestamps_are_ignored(
    bucket: Bucket, takes_timestamps: bool, size: int
) -> None:
    put(bucket, b"new", ago(10))
    if takes_timestamps:
        with pytest.raises(PreconditionFailed):
            put(bucket, sample(size), ago(20))
        with pytest.raises(PreconditionFailed):
            bucket.delete_object("o", ago(20))
        assert read(bucket, "o") == b"new"
        assert bucket.head_object("o").x_timestamp == bucket.head_object("o").meta.swift_timestamp
    else:  # the handler of rows compares marks, before it sends anything
        put(bucket, sample(size), ago(20))
        assert read(bucket, "o") == sample(size)
    assert bucket.delete_object("o", ago(0))
    assert bucket.list_objects(ListQuery()).objects == ()


@pytest.mark.parametrize("size", [0, 5, LARGE])
def test_object_that_a_client_deleted_there_is_sent_again(
    bucket: Bucket, client: RawSwift, size: int
) -> None:
    version = ago(3600)
    for _ in range(2):
        put(bucket, sample(size), version, if_absent=True)
        assert read(bucket, "o") == sample(size)
        assert bucket.head_object("o").meta.swift_timestamp == version
        client.delete(bucket.name, "o")
    bucket.delete_object("o", ago(0))
    put(bucket, sample(size), version, if_absent=True)


def test_object_whose_copy_has_expired_is_sent_again(bucket: Bucket, client: RawSwift) -> None:
    """No expirer runs here: the expired copy is still on disk."""
    version = ago(3600)
    put(bucket, b"first", version)
    client.post(bucket.name, "o", {"X-Delete-After": "1"})
    while client.ask("HEAD", bucket.name, "o").status != 404:
        time.sleep(0.1)
    put(bucket, b"second", version, if_absent=True)
    assert read(bucket, "o") == b"second"


def test_write_replaces_what_was_seen_and_nothing_younger(
    bucket: Bucket, client: RawSwift, takes_timestamps: bool
) -> None:
    put(bucket, b"first", ago(3600))
    client.put(bucket.name, "o", b"a client's")
    seen = bucket.head_object("o")
    assert (seen.meta.swift_timestamp, seen.version()) == (None, seen.x_timestamp)
    put(bucket, b"second", ago(3600), replaces=seen.x_timestamp)
    assert read(bucket, "o") == b"second"
    if takes_timestamps:
        with pytest.raises(PreconditionFailed):
            put(bucket, b"late", ago(3600), replaces=ago(3500))
        assert read(bucket, "o") == b"second"


def test_metadata_of_an_old_version_replaces_what_a_client_has_posted(
    bucket: Bucket, client: RawSwift
) -> None:
    put(bucket, b"first", ago(3600))
    client.post(bucket.name, "o", {"X-Object-Meta-Colour": "red"})
    meta = ObjectMeta(user={"colour": "Blue"}).marked(swift_timestamp=ago(3600).internal)
    bucket.post_object("o", meta)
    found = bucket.head_object("o").meta
    assert (found.user, found.swift_timestamp) == (meta.user, meta.swift_timestamp)


def test_delete_of_a_copy_that_was_written_again_needs_no_younger_delete(
    bucket: Bucket, client: RawSwift
) -> None:
    """The copy is marked as older than the delete, whatever its X-Timestamp."""
    client.put_container(bucket.name)
    client.put(bucket.name, "o", b"a client's")
    put(bucket, b"ours", ago(3600), replaces=bucket.head_object("o").x_timestamp)
    assert bucket.delete_object("o", ago(1800))
    with pytest.raises(NotFound):
        bucket.head_object("o")


def test_marks_of_another_object_count_for_nothing(bucket: Bucket, client: RawSwift) -> None:
    put(bucket, b"data", ago(3600))
    client.request("COPY", bucket.name, "o", headers={"Destination": f"{bucket.name}/copy"})
    assert client.request("HEAD", bucket.name, "copy").headers["x-object-meta-swift-timestamp"]
    copied = bucket.head_object("copy")
    assert (copied.meta.marks, copied.version()) == ({}, copied.x_timestamp)


def test_body_that_cannot_be_rewound_creates_its_container(bucket: Bucket) -> None:
    put(bucket, sample(LARGE), ago(0))
    assert read(bucket, "o") == sample(LARGE)
