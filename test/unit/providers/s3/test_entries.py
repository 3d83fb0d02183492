"""Entries of a listing, and what is left for the SDK."""

from __future__ import annotations

import pytest
from botocore.utils import parse_timestamp

from s3_sync.providers.s3.client import read_date
from s3_sync.providers.s3.entries import take_entries

_SPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_DATE = "2026-01-02T03:04:05.678Z"


def document(contents: str, space: str = _SPACE, root: str = "ListBucketResult") -> bytes:
    return (
        f"<?xml version='1.0' encoding='UTF-8'?>\n<{root}{space}><Name>b</Name><KeyCount>1</KeyCount>"
        f"{contents}<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes></{root}>"
    ).encode()


def entry(key: str, size: str = "5", more: str = "") -> str:
    date = f"<LastModified>{_DATE}</LastModified>"
    return f"<Contents><Key>{key}</Key>{date}<ETag>&quot;e&quot;</ETag><Size>{size}</Size>{more}</Contents>"


@pytest.mark.parametrize("space", [_SPACE, ""])
def test_fields(space: str) -> None:
    more = "<StorageClass>GLACIER</StorageClass><Owner><ID>x</ID></Owner>"
    rest, (one, two) = take_entries(document(entry("ü &lt;") + entry(" a%2F ", more=more), space), read_date)
    usual = {"ETag": '"e"', "Size": 5, "LastModified": parse_timestamp(_DATE)}
    assert one == {"Key": "ü <", **usual}
    assert two == {"Key": " a%2F ", "StorageClass": "GLACIER", **usual}
    assert b"Contents" not in rest
    assert b"p/" in rest
    assert b"KeyCount" in rest


def test_no_date_and_no_etag() -> None:
    body = document("<Contents><Key/><Size>0</Size></Contents>")
    assert take_entries(body, read_date)[1] == [{"Key": "", "Size": 0}]


NOT_LISTINGS = [
    (b"", "no element found"),
    (b"<ListBucketResult>", "no element found"),
    (document(entry("a"), root="Error"), "a Error"),
    (document("<Contents><Size>1</Size></Contents>"), "without a key"),
    (document("<Contents><Key>a</Key></Contents>"), "without a key or a size"),
    (document(entry("a", size="many")), "many"),
    (document(entry("a").replace(_DATE, "yesterday")), "yesterday"),
]


@pytest.mark.parametrize(("body", "why"), NOT_LISTINGS)
def test_what_is_no_listing_is_left_for_the_sdk(body: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        take_entries(body, read_date)
