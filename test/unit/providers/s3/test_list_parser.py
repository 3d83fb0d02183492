"""Listings as stores write them, read with and without the SDK's own eyes."""

from __future__ import annotations

from typing import Any

import pytest

from s3_sync.providers.s3.lenient_xml import Unreadable
from s3_sync.providers.s3.list_parser import read_date, take_listing

KEYS = """<Contents><Key>a%2Fb</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>
<ETag>&quot;e1&quot;</ETag><Size>5</Size><StorageClass>GLACIER</StorageClass><Owner><ID>x</ID></Owner></Contents>
<Contents><Size>0</Size><Key> \u00fc &amp;</Key></Contents>"""


@pytest.mark.parametrize(
    "namespace", ["", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"', ' xmlns="urn:x"']
)
def test_take_listing_returns_objects_prefixes_and_truncation(namespace: str) -> None:
    rest = "<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes><IsTruncated>true</IsTruncated>"
    answer = f"<ListBucketResult{namespace}><Name>b</Name>{KEYS}{rest}</ListBucketResult>"
    response, found = read(answer.encode())
    assert found == {
        "Contents": [
            {
                "Key": "a%2Fb",
                "LastModified": read_date("2026-01-02T03:04:05.000Z"),
                "ETag": '"e1"',
                "Size": 5,
                "StorageClass": "GLACIER",
            },
            {"Size": 0, "Key": " \u00fc &"},
        ],
        "CommonPrefixes": [{"Prefix": "p/"}],
        "IsTruncated": True,
    }
    assert response == b"<ListBucketResult/>"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b"<Error><Code>NoSuchBucket</Code></Error>"),
        (503, b"<html>"),
        (200, b"<Error><Code>SlowDown</Code></Error>"),
    ],
)
def test_take_listing_leaves_errors_to_the_sdk(status: int, body: bytes) -> None:
    assert read(body, status) == (body, {})


def _page(entry: str, truncated: str = "<IsTruncated>false</IsTruncated>") -> bytes:
    return f"<ListBucketResult>{truncated}<Contents>{entry}</Contents></ListBucketResult>".encode()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not XML"),
        (b"<html><body>Log in<br></body></html>", "not XML"),
        (b"<html><body>Log in</body></html>", "'html'"),
        (b"<ListAllMyBucketsResult/>", "'ListAllMyBucketsResult', not 'ListBucketResult'"),
        (b"<ListBucketResult/>", "IsTruncated is ''"),
        (
            _page("<Key>a</Key><Size>1</Size>", "<IsTruncated>perhaps</IsTruncated>"),
            "IsTruncated is 'perhaps'",
        ),
        (_page("<Key>a</Key><Size>1</Size>", ""), "IsTruncated is ''"),
        (_page("<Key>a</Key>"), "without Key or Size: 'a'"),
        (_page("<Size>1</Size>"), "without Key or Size"),
        (_page("<Key/><Size>1</Size>"), "without Key or Size"),
        (_page("<Key>a</Key><Size>many</Size>"), "Size is 'many'"),
        (_page("<Key>a</Key><Size>-1</Size>"), "Size is '-1'"),
        (_page("<Key>a</Key><Size>1</Size><LastModified>soon</LastModified>"), "not a date"),
        (_page("<Key>a&#xd800;</Key><Size>1</Size>"), "not XML"),
        (_page("<Key>a</Key><Size>1</Size>")[:-30], "not XML"),
        (b"\xff" + _page("<Key>a</Key><Size>1</Size>"), "not XML"),
    ],
)
def test_take_listing_of_invalid_document_raises_unreadable(body: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        read(body)


ODD = "\x01\x07\x1f\ufffe\uffff\r"


@pytest.mark.parametrize(
    "written", [ODD, "".join(f"&#x{ord(each):X};" for each in ODD), "&#1;\x07\x1f\ufffe\uffff\r"]
)
def test_take_listing_reads_keys_with_characters_invalid_in_xml(written: str) -> None:
    body = (
        f"<ListBucketResult><StartAfter>{written}</StartAfter><IsTruncated>true</IsTruncated>"
        f"<NextContinuationToken>{written}</NextContinuationToken><Prefix>{written}</Prefix>"
        f"<Contents><Key>a{written}\uf8ff&amp;</Key><Size>1</Size></Contents>"
        f"<CommonPrefixes><Prefix>b{written}/</Prefix></CommonPrefixes></ListBucketResult>"
    )
    found = read(body.encode())[1]
    assert found["Contents"] == [{"Key": f"a{ODD}\uf8ff&", "Size": 1}]
    assert found["CommonPrefixes"] == [{"Prefix": f"b{ODD}/"}]
    assert found["NextContinuationToken"] == ODD


def test_take_listing_ignores_carriage_returns_at_ends_of_lines() -> None:
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>', "<ListBucketResult>", " <IsTruncated>false</IsTruncated>",
        " <Contents>", "  <Key>a\rb</Key>", "  <Size>1</Size>", " </Contents>", "</ListBucketResult>", "",
    ]  # fmt: skip
    assert read("\r\n".join(lines).encode())[1]["Contents"] == [{"Key": "a\rb", "Size": 1}]


def read(body: bytes, status: int = 200) -> tuple[bytes, dict[str, Any]]:
    response: dict[str, Any] = {"status_code": status, "body": body}
    found: dict[str, Any] = {}
    take_listing(response_dict=response, customized_response_dict=found, operation_model=None)
    return response["body"], found


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-02T03:04:05.000Z", 1767323045.0),
        ("2026-01-02T03:04:05Z", 1767323045.0),
        ("2026-01-02T03:04:05.6789Z", 1767323045.6789),
        ("2026-01-02T03:04:05.123456789Z", 1767323045.123456),
        ("2026-01-02T05:04:05+02:00", 1767323045.0),
        ("Fri, 02 Jan 2026 03:04:05 GMT", 1767323045.0),
        ("1767323045", 1767323045.0),
    ],
)
def test_read_date_in_any_format_returns_its_time(text: str, seconds: float) -> None:
    assert read_date(text).timestamp() == seconds


def test_read_date_invalid_month_raises_value_error() -> None:
    with pytest.raises(ValueError, match="2026-13"):
        read_date("2026-13-02T03:04:05Z")
