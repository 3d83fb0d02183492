"""What a large object consists of, read from what Swift has stored."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_sync.errors import LocalUnavailable, ObjectRefused
from s3_sync.largeobject.manifest import Manifest, Segment, read_manifest
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import BytesBody

A, B = hashlib.md5(b"A" * 1024).hexdigest(), hashlib.md5(b"B" * 1024).hexdigest()


def entry(**changes: Any) -> dict[str, Any]:
    return {"name": "/c/a/b", "bytes": 1024, "hash": A, "content_type": "x/y", **changes}


def parse(*entries: object) -> Manifest:
    return Manifest.parse(json.dumps(entries).encode())


def test_parse_stored_manifest_gives_segments_size_and_etag() -> None:
    raw = json.dumps(
        [entry(last_modified="2026-01-02T03:04:05.000000"), entry(name="/\u00e7/\u00fc", bytes=7, hash=B)]
    ).encode()
    manifest = Manifest.parse(raw)
    assert manifest.segments == (Segment("c", "a/b", 1024, A), Segment("\u00e7", "\u00fc", 7, B))
    assert manifest.segments[0].path == "/c/a/b"
    assert manifest.raw == raw
    assert manifest.size == 1031
    assert manifest.etag == hashlib.md5(raw).hexdigest()


def test_etags_of_manifest_are_digests_of_the_segment_md5s() -> None:
    manifest = parse(entry(), entry(hash=B))
    assert manifest.multipart_etag == "670b3279101b19eb8e1a7c4e4efb84db-2"
    assert manifest.joined_etag == hashlib.md5((A + B).encode()).hexdigest()


def test_to_put_gives_the_manifest_that_clients_send() -> None:
    assert json.loads(parse(entry()).to_put()) == [{"path": "/c/a/b", "size_bytes": 1024, "etag": A}]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sub_slo": True}, "slo_nested"),
        ({"range": "0-9"}, "slo_range"),
        ({"data": "aGVsbG8="}, "slo_data"),
        ({"hash": None}, "slo_malformed"),
        ({"hash": "no md5"}, "slo_malformed"),
        ({"bytes": None}, "slo_malformed"),
        ({"bytes": -1}, "slo_malformed"),
        ({"bytes": "12"}, "slo_malformed"),
        ({"bytes": True}, "slo_malformed"),
        ({"name": None}, "slo_malformed"),
        ({"name": "/only-a-container"}, "slo_malformed"),
        ({"name": "/c/"}, "slo_malformed"),
    ],
)
def test_parse_unsupported_segment_is_refused_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ObjectRefused) as refusal:
        parse(entry(), entry(**changes))
    assert refusal.value.reason == reason
    assert "segment 2" in str(refusal.value)


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1]", b"[", b"\xff"])
def test_parse_anything_else_is_refused_as_malformed(raw: bytes) -> None:
    with pytest.raises(ObjectRefused) as refusal:
        Manifest.parse(raw)
    assert refusal.value.reason == "slo_malformed"


@pytest.mark.parametrize("field", ["name", "hash", "bytes"])
def test_parse_segment_without_a_field_is_refused_as_malformed(field: str) -> None:
    with pytest.raises(ObjectRefused) as refusal:
        parse({key: value for key, value in entry().items() if key != field})
    assert refusal.value.reason == "slo_malformed"


def test_from_listing_gives_a_manifest_that_parse_reads_back() -> None:
    manifest = Manifest.from_listing("c", [{"name": "p/\u00fc", "bytes": 3, "hash": A, "last_modified": "t"}])
    assert manifest.segments == (Segment("c", "p/\u00fc", 3, A),)
    assert Manifest.parse(manifest.raw) == manifest
    assert Manifest.from_listing("c", []).raw == b"[]"


@pytest.mark.parametrize("field", [{"slo_etag": B}, {"hash": f"{A}; slo_etag={B}"}])
def test_from_listing_with_a_large_object_is_refused_as_nested(field: dict[str, Any]) -> None:
    with pytest.raises(ObjectRefused) as refusal:
        Manifest.from_listing("c", [{"name": "s", "bytes": 3, "hash": A, **field}])
    assert refusal.value.reason == "dlo_nested"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["name", "bytes", "hash", "range", "data", "sub_slo"]), inner)
    ),
)


@given(json_values)
@settings(deadline=None)
def test_parse_any_json_gives_a_manifest_or_is_refused(value: Any) -> None:
    raw = json.dumps(value).encode()
    reason = ""
    try:
        assert len(Manifest.parse(raw).segments) == len(value)
    except ObjectRefused as refusal:
        reason = refusal.reason
    assert reason in ("", "slo_malformed", "slo_data", "slo_nested", "slo_range")


class TestReadManifest:
    def test_bytes_with_the_expected_md5_are_returned(self) -> None:
        assert read_manifest(BytesBody(b"[]"), md5_hex(b"[]"), 2) == b"[]"

    def test_bytes_with_another_md5_raise_local_unavailable(self) -> None:
        """It is no property of the object: another read may succeed."""
        with pytest.raises(LocalUnavailable):
            read_manifest(BytesBody(b"{}"), md5_hex(b"[]"), 2)

    def test_more_bytes_than_the_limit_are_refused_as_too_large(self) -> None:
        with pytest.raises(ObjectRefused, match="too large"):
            read_manifest(BytesBody(b"[1]"), md5_hex(b"[1]"), 2)
