"""What landed where: every object of the container beside its key in the bucket."""

from __future__ import annotations

from dataclasses import dataclass
from email.header import decode_header, make_header
from typing import Any
from urllib.parse import unquote

import swiftclient
from botocore.exceptions import ClientError

COMPARED = ("content-type", "content-encoding", "content-disposition", "cache-control")


@dataclass(frozen=True)
class Landed:
    name: str
    key: str
    size: int
    bytes_agree: bool
    meta_agrees: bool


def compare(swift: swiftclient.Connection, container: str, s3: Any, bucket: str, prefix: str) -> list[Landed]:
    """Ask both sides, by their own clients, about every object that Swift lists."""
    _, listing = swift.get_container(container, full_listing=True)
    return [_landed(swift, container, s3, bucket, prefix + entry["name"], entry["name"]) for entry in listing]


def keys(s3: Any, bucket: str, prefix: str) -> set[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {entry["Key"] for page in pages for entry in page.get("Contents", ())}


def _landed(
    swift: swiftclient.Connection, container: str, s3: Any, bucket: str, key: str, name: str
) -> Landed:
    local = swift.head_object(container, name)
    size = int(local["content-length"])
    try:
        remote = s3.head_object(Bucket=bucket, Key=key)
    except ClientError:
        return Landed(name, "(missing)", size, False, False)
    same_bytes = remote["ETag"].strip('"') == local["etag"] and remote["ContentLength"] == size
    headers = {field: remote.get(field.title().replace("-", "")) for field in COMPARED}
    here = {field: local.get(field) for field in COMPARED}
    user_here = {
        k[len("x-object-meta-") :]: unquote(v) for k, v in local.items() if k.startswith("x-object-meta-")
    }
    user_there = {k: _decoded(v) for k, v in remote["Metadata"].items() if not k.startswith(("swift-", "x-"))}
    return Landed(name, key, size, same_bytes, headers == here and user_here == user_there)


def _decoded(value: str) -> str:
    return str(make_header(decode_header(value)))
