"""Clients get only those headers of a copy that Swift keeps with an object."""

from __future__ import annotations

from typing import Any

import pytest
from swift.common.constraints import MAX_META_COUNT

from s3_sync.errors import InvalidRequest
from s3_sync.model.objects import ObjectInfo, ObjectMeta
from s3_sync.shunt.headers import answer_headers, is_expired, stored_headers


def info(**meta: Any) -> ObjectInfo:
    return ObjectInfo("o", 3, "etag", "md5", 1_600_000_000.5, meta=ObjectMeta(**meta))


def test_stored_headers_leaves_out_values_that_would_end_a_header() -> None:
    headers = stored_headers(
        ObjectMeta(
            {"content-type": "a/b", "content-disposition": "x\r\nX-Container-Sysmeta-Y: z"},
            {"fine": "ü", "split": "a\nb", "nul": "\0", "bad name": "v", "x:y": "v", "": "v"},
        )
    )
    assert headers == {"content-type": "a/b", "x-object-meta-fine": "ü", "x-object-meta-": "v"}


def test_headers_have_encoded_metadata_names() -> None:
    """Swift's S3 API stores ``foo_bar`` as ``foo=5fbar``; other names with ``=`` are legal in Swift, too."""
    meta = {"foo=5fbar": "1", "a=b": "2"}
    headers = {"x-object-meta-foo=5fbar": "1", "x-object-meta-a=b": "2"}
    assert stored_headers(ObjectMeta(user=meta)) == {"content-type": "application/octet-stream", **headers}
    given = {name.lower(): value for name, value in answer_headers(info(user=meta), "abc", large=False)}
    assert given.items() >= headers.items()


def test_answer_headers_unfolds_an_etag_with_line_breaks() -> None:
    """A store may fold its headers (RFC 9112 section 5.2)."""
    folded = ObjectInfo("o", 3, "a\r\n b", meta=ObjectMeta())
    assert ("Etag", "a b") in answer_headers(folded, folded.etag, False)


@pytest.mark.parametrize(
    ("stored", "given"),
    [
        ("text/plain;swift_bytes=7", "text/plain"),
        ("text/plain; SWIFT_x=7 ; charset=utf-8", "text/plain; charset=utf-8"),
        ("text/plain", "text/plain"),
    ],
)
def test_stored_headers_drops_swift_parameters_of_the_content_type(stored: str, given: str) -> None:
    assert stored_headers(ObjectMeta({"content-type": stored}))["content-type"] == given


def test_answer_headers_hides_marks() -> None:
    headers = dict(
        answer_headers(
            info(marks={"swift-timestamp": "1500000000.00001", "swift-etag": "x", "combined-etag": "y"}),
            "abc",
            large=False,
        )
    )
    assert headers == {
        "Content-Type": "application/octet-stream",
        "Etag": "abc",
        "Last-Modified": "Fri, 14 Jul 2017 02:40:01 GMT",
        "X-Timestamp": "1500000000.00001",
        "Accept-Ranges": "bytes",
    }


def test_answer_headers_of_too_much_metadata_raises_invalid_request() -> None:
    """An HTTP client gives up after a hundred header lines."""
    user = {str(number): "v" for number in range(MAX_META_COUNT + 1)}
    with pytest.raises(InvalidRequest):
        answer_headers(info(user=user), "abc", large=False)
    del user["0"]
    assert len(answer_headers(info(user=user), "abc", large=False)) > MAX_META_COUNT


def test_answer_headers_without_marks_has_the_time_of_the_copy() -> None:
    headers = dict(answer_headers(info(), "abc", large=False))
    assert headers["X-Timestamp"] == "1600000000.50000"
    assert headers["Last-Modified"] == "Sun, 13 Sep 2020 12:26:41 GMT"


def test_answer_headers_of_large_objects_tells_slo_from_dlo() -> None:
    static = dict(answer_headers(info(), "abc-2", large=True))
    assert (static["Etag"], static["X-Static-Large-Object"]) == ('"abc-2"', "True")
    dynamic = dict(answer_headers(info(marks={"x-object-manifest": "c/ü"}), "abc", large=True))
    assert dynamic["X-Object-Manifest"] == "c/%C3%BC"
    assert "X-Static-Large-Object" not in dynamic


@pytest.mark.parametrize(
    ("mark", "expired"), [("100", True), ("101", False), ("", False), ("soon", False), ("-5", False)]
)
def test_is_expired_only_with_a_valid_time_that_has_passed(mark: str, expired: bool) -> None:
    assert is_expired(info(marks={"x-delete-at": mark}), now=100.0) is expired
