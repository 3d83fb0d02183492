"""What users who may write into a remote container, be it by way of a daemon, cannot have us read with our
rights to the whole account."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import pytest

from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.config.secret import Secret
from s3_sync.errors import InvalidRequest, ObjectRefused, PreconditionFailed
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ByteRange, GetOptions
from s3_sync.model.segment_names import SegmentNamer
from s3_sync.providers.base import Bucket, WriteOptions
from s3_sync.providers.swift.provider import SwiftProvider
from s3_sync.streams.reader import read_all
from servers.swift import SwiftCluster
from servers.swift_spec import TESTER2

SECRET = b"what only the owner of another container may read"


class Remote:
    """An account with the containers of two mappings: of the container ``c``, and of a whole account. In
    ``hidden`` there is something that belongs to neither."""

    def __init__(self, cluster: SwiftCluster, provider: SwiftProvider) -> None:
        self.name = f"copies-{uuid4().hex[:16]}"
        self.client = cluster.client(TESTER2.name)
        self.hidden = f"hidden-{self.name}"
        self.put(self.hidden, "secret", SECRET)
        self.put(f"{self.name}_segments", "p/1", b"a")
        self.put(self.name, "o", b"o")
        self._provider = provider

    def put(self, container: str, name: str, data: bytes = b"", **headers: str) -> None:
        self.client.put_container(container)
        given = {key.replace("_", "-"): value for key, value in headers.items()}
        self.client.put_object(container, name, data, headers=given)

    def dlo(self, target: str, **headers: str) -> None:
        self.put(self.name, "dlo", X_Object_Manifest=target, **headers)

    def bucket(self) -> Bucket:
        write = WriteOptions(segments=SegmentNamer("c", self.name))
        return self._provider.bucket(self.name, KeyNamer.plain(), write)

    def of_account(self) -> Bucket:
        write = WriteOptions(segments=SegmentNamer("", self.name, self.name))
        return self._provider.bucket(self.name, KeyNamer.plain(), write)


@pytest.fixture
def remote(swift: SwiftCluster) -> Iterator[Remote]:
    credentials = SwiftCredentials(
        provider="swift", endpoint=swift.auth_url, identity=TESTER2.name, secret=Secret(TESTER2.key)
    )
    with closing(SwiftProvider(credentials, connections=1)) as provider:
        yield Remote(swift, provider)


def read(bucket: Bucket, first: int | None = None, last: int | None = None) -> bytes:
    byte_range = None if first is None else ByteRange(first, last)
    with bucket.get_object("dlo", GetOptions(byte_range)) as found:
        return read_all(found.body)


def test_link_among_the_segments_of_a_dlo_has_no_bytes(remote: Remote) -> None:
    """Swift itself would give the target's bytes in place of those that follow the link."""
    container = f"{remote.name}_segments"
    remote.put(container, "p/2", X_Symlink_Target=f"{remote.hidden}/secret")
    remote.put(container, "p/3", b"." * 100)
    remote.dlo(f"{container}/p/")
    assert SECRET in remote.client.get_object(remote.name, "dlo")[1]
    bucket = remote.bucket()
    assert read(bucket) == b"a" + b"." * 100
    assert [read(bucket, 0, 0), read(bucket, 0, 2), read(bucket, 99)] == [b"a", b"a..", b".."]


def test_segment_that_became_a_link_is_noticed_while_the_dlo_is_read(remote: Remote) -> None:
    container = f"{remote.name}_segments"
    remote.put(container, "p/2", b"b" * len(SECRET))
    remote.dlo(f"{container}/p/")
    with remote.bucket().get_object("dlo") as found:
        remote.put(container, "p/2", X_Symlink_Target=f"{remote.hidden}/secret")
        assert found.body.read(1) == b"a"
        with pytest.raises(PreconditionFailed):
            found.body.read(100)


def test_segment_of_a_dlo_that_is_a_dlo_is_not_joined(remote: Remote) -> None:
    """Endlessly, where it is below its own prefix."""
    container = f"{remote.name}_segments"
    remote.put(container, "p/2", b"own", X_Object_Manifest=f"{container}/p/2")
    remote.dlo(f"{container}/p/")
    with pytest.raises(PreconditionFailed):
        read(remote.bucket())


def test_large_objects_of_segments_elsewhere_are_neither_read_nor_described(remote: Remote) -> None:
    remote.dlo(f"{remote.hidden}/s")
    for bucket in (remote.bucket(), remote.of_account()):
        with pytest.raises(InvalidRequest):
            read(bucket)
        with pytest.raises(ObjectRefused, match=remote.hidden):
            bucket.manifests.get("dlo")
        assert bucket.head_object("dlo").meta.marks["x-object-manifest"] == "/s"
    segments = f'[{{"path": "/{remote.hidden}/secret"}}]'
    remote.client.put_object(remote.name, "slo", segments, query_string="multipart-manifest=put")
    with pytest.raises(ObjectRefused, match=remote.hidden):
        remote.bucket().large_objects.manifest("slo")


def test_mark_of_a_dlo_does_not_hide_where_its_segments_are(remote: Remote) -> None:
    """Rights are checked in the container that it tells."""
    remote.put(f"{remote.name}other", "p/1", SECRET)
    remote.dlo(f"{remote.name}other/p/", X_Object_Meta_X_Object_Manifest="c/p/")
    assert remote.of_account().head_object("dlo").meta.marks["x-object-manifest"] == "other/p/"


def test_dlo_has_no_bytes_of_another_local_container(remote: Remote) -> None:
    """The segments of all of a mapping's containers are in one, with names that may begin alike."""
    container = f"{remote.name}_segments"
    remote.dlo(f"{container}/p/", X_Object_Meta_X_Object_Manifest="c/p/")
    remote.put(container, "p/0", b"0", X_Object_Meta_Swift_Source="c")
    assert read(remote.bucket()) == b"0a"
    remote.put(container, "p/2", SECRET, X_Object_Meta_Swift_Source="c_segments")
    with pytest.raises(InvalidRequest, match="c_segments"):
        read(remote.bucket())
