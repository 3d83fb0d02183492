"""The values that describe an object."""

from __future__ import annotations

import pytest

from s3_sync.model.objects import ByteRange, ObjectMeta, is_md5
from s3_sync.model.outcomes import Kind, Outcome
from s3_sync.model.timestamps import Timestamp


@pytest.mark.parametrize(
    ("etag", "expected"),
    [
        ("d41d8cd98f00b204e9800998ecf8427e", True),
        ("d41d8cd98f00b204e9800998ecf8427e-2", False),
        ("D41D8CD98F00B204E9800998ECF8427E", False),
        ("d41d8cd98f00b204e9800998ecf8427", False),
        ("d41d8cd98f00b204e9800998ecf8427e\n", False),
        ("", False),
    ],
)
def test_is_md5_accepts_only_32_lower_case_hex_digits(etag: str, expected: bool) -> None:
    assert is_md5(etag) is expected


def test_byte_range_header_is_open_if_it_has_no_end() -> None:
    assert ByteRange(0, 9).header == "bytes=0-9"
    assert ByteRange(5).header == "bytes=5-"


def test_content_type_without_header_is_octet_stream() -> None:
    assert ObjectMeta().content_type == "application/octet-stream"
    assert ObjectMeta({"content-type": "a/b"}).content_type == "a/b"


def test_marked_adds_and_replaces_marks_in_a_new_value() -> None:
    meta = ObjectMeta({"expires": "0"}, {"a": "b"}, {"x-delete-at": "1", "swift-etag": "old"})
    marked = meta.marked(swift_etag="new", swift_timestamp="1402464677.04188_0000000000000001")
    assert marked.marks == {
        "x-delete-at": "1",
        "swift-etag": "new",
        "swift-timestamp": "1402464677.04188_0000000000000001",
    }
    assert (marked.headers, marked.user) == (meta.headers, meta.user)
    assert marked.swift_timestamp == Timestamp(140246467704188, 1)
    assert meta.marks["swift-etag"] == "old"


@pytest.mark.parametrize("marks", [{}, {"swift-timestamp": "rubbish"}, {"swift-timestamp": ""}])
def test_swift_timestamp_of_missing_or_malformed_mark_is_none(marks: dict[str, str]) -> None:
    assert ObjectMeta(marks=marks).swift_timestamp is None


@pytest.mark.parametrize("kind", list(Kind))
def test_outcome_is_settled_unless_pending_or_failed(kind: Kind) -> None:
    assert Outcome(kind).settled is (kind not in (Kind.PENDING, Kind.FAILED))
