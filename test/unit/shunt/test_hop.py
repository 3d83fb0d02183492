"""Requests from another Swift's daemon or shunt: two clusters that show each other's objects must not ask in
circles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from swift.common.swob import HTTPNotFound
from swift.common.swob import Request as SwobRequest

from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import PutOptions
from s3_sync.providers.base import Provider
from s3_sync.providers.memory import MemoryProvider
from s3_sync.providers.memory_swift import MemorySwift
from s3_sync.providers.swift.transport import HOP
from s3_sync.shunt.middleware import CloudShunt
from s3_sync.streams.reader import BytesBody

MAPPING = {
    "account": "AUTH_a",
    "container": "c",
    "aws_bucket": "b",
    "custom_prefix": "",
    "aws_identity": "test:tester",
    "aws_secret": "key",
    "merge_namespaces": True,
}


def status_of(directory: Path, headers: dict[str, str], provider: Provider, **mapping: Any) -> int:
    """The status of a GET for an object that only the store has."""
    provider.create_bucket("b")
    stored = provider.bucket("b", KeyNamer.literal(""))
    for key in ("o", "c/o", "AUTH_a/c/o"):
        stored.put_object(key, BytesBody(b"x"), PutOptions(1))
    path = directory / "sync.json"
    path.write_text(json.dumps({"containers": [MAPPING | mapping]}))
    shunt = CloudShunt(HTTPNotFound(), {"conf_file": str(path)}, lambda *_: provider)
    status, _, body = SwobRequest.blank("/v1/AUTH_a/c/o", headers=headers).call_application(shunt)
    list(body)
    return int(status.split(" ")[0])


@pytest.mark.parametrize("hop", [{}, dict([HOP])])
def test_request_with_the_mark_of_another_swift_is_for_the_cluster_alone_unless_the_store_is_none(
    tmp_path: Path, hop: dict[str, str]
) -> None:
    swift = {"protocol": "swift", "aws_endpoint": "http://127.0.0.1:9/auth/v1.0"}
    assert status_of(tmp_path, hop, MemorySwift(), **swift) == (404 if hop else 200)
    assert status_of(tmp_path, hop, MemoryProvider(), aws_endpoint="http://127.0.0.1:9") == 200
