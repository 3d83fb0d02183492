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


def test_a_manifest_as_swift_stores_it() -> None:
    raw = json.dumps(
        [entry(last_modified="2026-01-02T03:04:05.000000"), entry(name="/\u00e7/\u00fc", bytes=7, hash=B)]
    ).encode()
    manifest = Manifest.parse(raw)
    assert manifest.segments == (Segment("c", "a/b", 1024, A), Segment("\u00e7", "\u00fc", 7, B))
    assert manifest.segments[0].path == "/c/a/b"
    assert manifest.raw == raw
    assert manifest.size == 1031
    assert manifest.etag == hashlib.md5(raw).hexdigest()


def test_etags() -> None:
    manifest = parse(entry(), entry(hash=B))
    assert manifest.multipart_etag == "670b3279101b19eb8e1a7c4e4efb84db-2"
    assert manifest.joined_etag == hashlib.md5((A + B).encode()).hexdigest()


def test_what_clients_send() -> None:
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
def test_what_cannot_be_copied_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ObjectRefused) as refusal:
        parse(entry(), entry(**changes))
    assert refusal.value.reason == reason
    assert "segment 2" in str(refusal.value)


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1]", b"[", b"\xff"])
def test_what_is_no_manifest(raw: bytes) -> None:
    with pytest.raises(ObjectRefused) as refusal:
        Manifest.parse(raw)
    assert refusal.value.reason == "slo_malformed"


@pytest.mark.parametrize("field", ["name", "hash", "bytes"])
def test_missing_fields(field: str) -> None:
    with pytest.raises(ObjectRefused) as refusal:
        parse({key: value for key, value in entry().items() if key != field})
    assert refusal.value.reason == "slo_malformed"


def test_a_listing() -> None:
    manifest = Manifest.from_listing("c", [{"name": "p/\u00fc", "bytes": 3, "hash": A, "last_modified": "t"}])
    assert manifest.segments == (Segment("c", "p/\u00fc", 3, A),)
    assert Manifest.parse(manifest.raw) == manifest
    assert Manifest.from_listing("c", []).raw == b"[]"


@pytest.mark.parametrize("field", [{"slo_etag": B}, {"hash": f"{A}; slo_etag={B}"}])
def test_a_large_object_among_the_segments_of_another(field: dict[str, Any]) -> None:
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
def test_any_json_is_a_manifest_or_refused(value: Any) -> None:
    raw = json.dumps(value).encode()
    reason = ""
    try:
        assert len(Manifest.parse(raw).segments) == len(value)
    except ObjectRefused as refusal:
        reason = refusal.reason
    assert reason in ("", "slo_malformed", "slo_data", "slo_nested", "slo_range")


class TestReading:
    def test_what_was_written(self) -> None:
        assert read_manifest(BytesBody(b"[]"), md5_hex(b"[]"), 2) == b"[]"

    def test_something_else_of_the_same_length(self) -> None:
        """Another read tells; it is no property of the object."""
        with pytest.raises(LocalUnavailable):
            read_manifest(BytesBody(b"{}"), md5_hex(b"[]"), 2)

    def test_too_much(self) -> None:
        with pytest.raises(ObjectRefused, match="too large"):
            read_manifest(BytesBody(b"[1]"), md5_hex(b"[1]"), 2)
