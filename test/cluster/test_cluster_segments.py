"""Segments of large objects, read from a real Swift of three nodes."""

from __future__ import annotations

import hashlib

import pytest
import swiftclient

from s3_sync.cluster.segments import ManifestSegments, SegmentReader
from s3_sync.errors import SegmentChanged
from s3_sync.largeobject.manifest import Segment
from s3_sync.model.objects import ByteRange
from s3_sync.streams.reader import read_all
from servers.local import Local

BODY = bytes(n * 13 % 256 for n in range(200_000))


@pytest.fixture
def client(local: Local, container_name: str) -> swiftclient.Connection:
    """Its container is in the policy that is not the default."""
    connection = local.cluster.client()
    connection.put_container(container_name, headers={"X-Storage-Policy": "silver"})
    return connection


@pytest.fixture
def segments(local: Local, container_name: str) -> ManifestSegments:
    allowed = [f"{container_name}-other"]
    return SegmentReader(local.reader, local.newest, local.client).of(local.account, container_name, allowed)


def segment(container: str, name: str, body: bytes) -> Segment:
    return Segment(container, name, len(body), hashlib.md5(body).hexdigest())


def read(segments: ManifestSegments, wanted: Segment, byte_range: ByteRange | None = None) -> bytes:
    with segments.open(wanted, byte_range) as found:
        return read_all(found.body)


def test_open_segment_returns_all_bytes_or_the_byte_range(
    client: swiftclient.Connection, segments: ManifestSegments, container_name: str
) -> None:
    client.put_object(container_name, "a/\u00fc", BODY)
    wanted = segment(container_name, "a/\u00fc", BODY)
    assert read(segments, wanted) == BODY
    assert read(segments, wanted, ByteRange(5, 70_000)) == BODY[5:70_001]


def test_open_of_missing_segment_raises_segment_changed(
    client: swiftclient.Connection, segments: ManifestSegments, container_name: str
) -> None:
    with pytest.raises(SegmentChanged, match="does not exist"):
        segments.open(segment(f"{container_name}-other", "a", BODY))
    with pytest.raises(SegmentChanged, match="missing"):
        segments.open(segment(container_name, "a", BODY))
    client.put_object(container_name, "a", BODY)
    client.delete_object(container_name, "a")
    with pytest.raises(SegmentChanged, match="missing"):
        segments.open(segment(container_name, "a", BODY))


@pytest.mark.parametrize("byte_range", [None, ByteRange(0, 99), ByteRange(150_000, 199_999)])
def test_open_of_segment_unlike_the_manifest_raises_segment_changed(
    client: swiftclient.Connection,
    segments: ManifestSegments,
    container_name: str,
    byte_range: ByteRange | None,
) -> None:
    for other in (BODY[::-1], BODY[:1000], b""):
        client.put_object(container_name, "a", other)
        with pytest.raises(SegmentChanged):
            segments.open(segment(container_name, "a", BODY), byte_range)


@pytest.mark.parametrize("byte_range", [None, ByteRange(150_000, 199_999)])
def test_open_segment_skips_a_replica_with_an_older_version(
    local: Local,
    client: swiftclient.Connection,
    segments: ManifestSegments,
    container_name: str,
    byte_range: ByteRange | None,
) -> None:
    """Each node in turn has an older and shorter version, and answers."""
    for node in (1, 2, 3):
        name = f"o{node}"
        client.put_object(container_name, name, b"old")
        local.cluster.stop_node(node)
        try:
            client.put_object(container_name, name, BODY)
        finally:
            local.cluster.start_node(node)
        for _ in range(3):
            expected = BODY if byte_range is None else BODY[150_000:]
            assert read(segments, segment(container_name, name, BODY), byte_range) == expected


def test_dynamic_manifest_has_only_segments_with_the_exact_prefix(
    client: swiftclient.Connection, segments: ManifestSegments, container_name: str
) -> None:
    bodies = {f"p %41/\u00fc{number}": b"%d" % number * 10 for number in range(3)}
    for name, body in {**bodies, "p %41/u": b"x", "p A/\u00fc9": b"x"}.items():
        client.put_object(container_name, name, body)
    manifest = segments.dynamic(f"{container_name}/p %41/\u00fc")
    assert manifest.segments == tuple(segment(container_name, *item) for item in bodies.items())
    assert segments.dynamic(f"{container_name}/nothing").segments == ()
    assert segments.dynamic(f"{container_name}-other/").segments == ()


def test_dynamic_manifest_has_segments_of_all_listing_pages(
    monkeypatch: pytest.MonkeyPatch,
    client: swiftclient.Connection,
    segments: ManifestSegments,
    container_name: str,
) -> None:
    monkeypatch.setattr("s3_sync.cluster.client._PAGE", 2)
    for number in range(5):
        client.put_object(container_name, f"s&{number}", b"x")
    names = [each.name for each in segments.dynamic(f"{container_name}/s&").segments]
    assert names == [f"s&{number}" for number in range(5)]
