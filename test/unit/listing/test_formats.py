"""Byte for byte what Swift writes."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from swift.common.middleware.listing_formats import container_to_xml, listing_to_text

from s3_sync.listing.formats import FORMATS

RECORDS: list[dict[str, Any]] = [
    {
        "name": name,
        "hash": "0cc175b9c0f1b6a831c399e269772661",
        "bytes": 1,
        "content_type": 'text/plain; a="<&>\'"',
        "last_modified": "2026-01-02T03:04:05.678900",
        "content_location": ["AWS S3;bucket", "swift"],
        "slo_etag": '"x"',
    }
    for name in ("a", "<&>\"'", "t\ta\n\r", "gr\u00fcn", "\U0001f600", " ")
]
RECORDS += [{"subdir": name, "content_location": ["x"]} for name in ("a/", "<\"'&>/", "\u00fc\n/")]


@pytest.mark.parametrize("records", [RECORDS, []])
def test_every_format_equals_what_swift_writes(records: list[dict[str, Any]]) -> None:
    container = "\u00fc <&\"'>"
    ours = {name: write(records, container) for name, write in FORMATS.items()}
    assert ours["application/json"] == json.dumps(records).encode()
    assert ours["text/plain"] == listing_to_text(records)
    xml = container_to_xml(copy.deepcopy(records), container)
    assert ours["application/xml"] == xml
    assert ours["text/xml"] == xml
