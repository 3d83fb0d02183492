"""What Swift holds beside what landed in a bucket, each asked by a client that is not ours."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from email.header import decode_header, make_header
from typing import Any

from servers.raw_swift import RawSwift

HEADERS = {
    "content-type": "ContentType",
    "content-encoding": "ContentEncoding",
    "content-disposition": "ContentDisposition",
    "content-language": "ContentLanguage",
    "cache-control": "CacheControl",
    "expires": "ExpiresString",
}
MARKS = ("swift-timestamp", "swift-etag", "x-delete-at")
#: say what a large object was made of; their tests look at them
LARGE_MARKS = ("x-static-large-object", "swift-slo-etag", "x-object-manifest", "swift-source-dlo-etag")
_USER = "x-object-meta-"


@dataclass(frozen=True)
class Stored:
    """One object. ``user``: metadata without empty values, which some stores do not keep; names as S3 clients
    know them."""

    size: int
    md5: str
    headers: Mapping[str, str]
    user: Mapping[str, str]
    #: of Swift: what a mark at the remote has to say; of the bucket: what it does say
    marks: Mapping[str, str]


def key_prefix(account: str, container: str) -> str:
    """Where a mapping without a prefix of its own stores."""
    digest = hashlib.md5(f"{account}/{container}".encode()).hexdigest()
    return f"{int(digest, 16) % 16**6:x}/{account}/{container}/"


def in_swift(swift: RawSwift, container: str, name: str) -> Stored:
    answer = swift.request("GET", container, name)
    headers = answer.headers
    marks = {"swift-timestamp": headers["x-timestamp"]}
    if "x-delete-at" in headers:
        marks["x-delete-at"] = headers["x-delete-at"]
    return Stored(
        len(answer.body),
        hashlib.md5(answer.body).hexdigest(),
        {header: headers[header] for header in HEADERS if headers.get(header)},
        {
            key[len(_USER) :].replace("=5f", "_"): value
            for key, value in headers.items()
            if key.startswith(_USER) and value
        },
        marks,
    )


def in_bucket(s3: Any, bucket: str, key: str) -> Stored:
    answer = s3.get_object(Bucket=bucket, Key=key)
    headers = {header: answer.get(field, "") for header, field in HEADERS.items()}
    return stored(answer["Body"].read(), headers, answer["Metadata"])


def stored(body: bytes, headers: Mapping[str, str], metadata: Mapping[str, str]) -> Stored:
    """``headers``: by lower-case name. ``metadata``: user metadata and marks, as they were sent."""
    found = {name.lower(): decoded(value) for name, value in metadata.items()}
    return Stored(
        len(body),
        hashlib.md5(body).hexdigest(),
        {name: decoded(headers[name]) for name in HEADERS if headers.get(name)},
        {name: value for name, value in found.items() if name not in MARKS + LARGE_MARKS and value},
        {name: value for name, value in found.items() if name in MARKS},
    )


def keys(s3: Any, bucket: str) -> list[str]:
    """Every key of a bucket, in the store's order."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [entry["Key"] for page in pages for entry in page.get("Contents", ())]


def decoded(value: str) -> str:
    """A header's value, which may be in RFC 2047 words. Some stores send UTF-8; boto3 reads Latin-1."""
    if not value.isascii():
        value = value.encode("latin-1").decode("utf-8")
    return str(make_header(decode_header(value))) if "=?" in value else value
