"""What the headers of an object at another Swift tell, where clients can write the same headers."""

from __future__ import annotations

import hashlib

import pytest

from s3_sync.http.message import Headers
from s3_sync.model.copies import copy_mark
from s3_sync.model.objects import ObjectInfo
from s3_sync.model.segment_names import SegmentNamer
from s3_sync.providers.swift.headers import Place, object_info

PLACE = Place("copies", "o")
MD5, OTHER = (hashlib.md5(text).hexdigest() for text in (b"these bytes", b"others"))
MARK = "X-Object-Meta-"


def described(segments: SegmentNamer | None = None, **headers: str) -> ObjectInfo:
    """``headers`` with underscores."""
    given = {"ETag": MD5, "X-Timestamp": "1500000000.00000"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lower = [(name.lower(), value) for name, value in given.items()]
    return object_info("o", PLACE, Headers(lower), 5, segments)


@pytest.mark.parametrize(("seconds", "counts"), [(0, True), (86400, True), (86401, False), (10**9, False)])
def test_mark_of_a_version_from_after_the_object_was_written_counts_for_nothing(
    seconds: int, counts: bool
) -> None:
    """Otherwise nothing that comes later could replace or delete the object."""
    marks = {
        f"{MARK}Swift-Copy": copy_mark(PLACE.container, PLACE.key, "01234567"),
        f"{MARK}Swift-Timestamp": f"{1_500_000_000 + seconds}.00000",
    }
    assert (described(**marks).meta.swift_timestamp is not None) is counts


def test_md5_is_that_of_the_bytes_whatever_a_mark_says() -> None:
    forged = {f"{MARK}Swift-Etag": OTHER}
    assert described(**forged).md5 == MD5
    assert described(**forged, ETag=f'"{MD5}-3"').md5 == OTHER
    assert described(**forged, X_Static_Large_Object="True").md5 is None
    assert described(**forged, X_Object_Manifest="copies_segments/p").md5 is None


@pytest.mark.parametrize(
    ("namer", "native", "marked", "expected"),
    [
        (SegmentNamer("c", "copies"), "copies_segments/p", "parts/p", "parts/p"),
        (SegmentNamer("c", "copies"), "copies_segments/p", "parts/q", "c_segments/p"),
        (SegmentNamer("c", "copies"), "copies%2Bsegments/p%25", "", "c+segments/p%"),
        (SegmentNamer("c", "copies"), "copies/p", "c/p", "c/p"),
        (SegmentNamer("c", "copies"), "secret/p", "c/p", "/p"),
        (SegmentNamer("c", "dr-c", "dr-"), "/dr-d/p", "d/p", "d/p"),
        (SegmentNamer("c", "dr-c", "dr-"), "dr-d/p", "c/p", "d/p"),
        (SegmentNamer("c", "dr-c", "dr-"), "secret/p", "c/p", "/p"),
    ],
)
def test_dlo_is_one_of_the_segments_that_it_has_there(
    namer: SegmentNamer, native: str, marked: str, expected: str
) -> None:
    marks = {f"{MARK}X-Object-Manifest": marked} if marked else {}
    assert described(namer, X_Object_Manifest=native, **marks).meta.marks["x-object-manifest"] == expected
