"""Listings as stores write them, read with and without the SDK's own eyes."""

from __future__ import annotations

from typing import Any

import pytest

from s3_sync.providers.s3.contents import read_date, take_objects

KEYS = """<Contents><Key>a%2Fb</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>
<ETag>&quot;e1&quot;</ETag><Size>5</Size><StorageClass>GLACIER</StorageClass><Owner><ID>x</ID></Owner></Contents>
<Contents><Size>0</Size><Key> \u00fc &amp;</Key></Contents>"""


@pytest.mark.parametrize(
    "namespace", ["", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"', ' xmlns="urn:x"']
)
def test_objects(namespace: str) -> None:
    rest = "<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes><IsTruncated>true</IsTruncated>"
    answer = f"<ListBucketResult{namespace}><Name>b</Name>{KEYS}{rest}</ListBucketResult>"
    response, found = read(answer.encode())
    assert found["Contents"] == [
        {
            "Key": "a%2Fb",
            "LastModified": read_date("2026-01-02T03:04:05.000Z"),
            "ETag": '"e1"',
            "Size": 5,
            "StorageClass": "GLACIER",
        },
        {"Size": 0, "Key": " \u00fc &"},
    ]
    assert b"Contents" not in response
    for part in (b"IsTruncated", b"p/", b"Name"):
        assert part in response


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<ListBucketResult/>"),
        (200, b"<ListBucketResult><Contents>"),
        (200, b"<R><Contents><Size>many</Size></Contents></R>"),
        (200, b"<R><Contents><LastModified>soon</LastModified></Contents></R>"),
        (200, b""),
        (404, b"<Error><Code>NoSuchBucket</Code></Error>"),
    ],
)
def test_what_is_left_to_the_sdk(status: int, body: bytes) -> None:
    assert read(body, status) == (body, {})


def read(body: bytes, status: int = 200) -> tuple[bytes, dict[str, Any]]:
    response: dict[str, Any] = {"status_code": status, "body": body}
    found: dict[str, Any] = {}
    take_objects(response_dict=response, customized_response_dict=found, operation_model=None)
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
def test_dates(text: str, seconds: float) -> None:
    assert read_date(text).timestamp() == seconds


def test_a_date_that_is_none() -> None:
    with pytest.raises(ValueError, match="2026-13"):
        read_date("2026-13-02T03:04:05Z")
