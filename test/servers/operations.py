"""What the APIs of stores call the requests that a FaultProxy saw."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs

from faults.proxy import Call, FaultProxy

#: of an object of Google's, at the beginning of its description
_NAME = re.compile(rb'"name": ?("(?:[^"\\]|\\.)*")')


def operation(call: Call) -> str:
    """The name of the operation of S3's API, which is Google's XML API, too."""
    method, query = call.method, parse_qs(call.query, keep_blank_values=True)
    on_bucket = "/" not in call.path.strip("/")
    if method == "POST" and "delete" in query:
        return "DeleteObjects"
    if method == "POST":
        return "CreateMultipartUpload" if "uploads" in query else "CompleteMultipartUpload"
    if method == "DELETE":
        return "AbortMultipartUpload" if "uploadId" in query else "DeleteObject"
    if method == "PUT" and "partNumber" in query:
        return "UploadPartCopy" if "x-amz-copy-source" in call.headers else "UploadPart"
    if method == "PUT":
        return "CopyObject" if "x-amz-copy-source" in call.headers else "PutObject"
    if method == "HEAD":
        return "HeadBucket" if on_bucket else "HeadObject"
    if on_bucket:
        return "ListMultipartUploads" if "uploads" in query else "ListObjects"
    return "GetObject"


@contextmanager
def counting(proxy: FaultProxy) -> Iterator[Counter[str]]:
    """How often each operation came inside the `with` block; known at its end."""
    counter: Counter[str] = Counter()
    before = len(proxy.calls())
    yield counter
    counter.update(operation(call) for call in proxy.calls(since=before))


@contextmanager
def counting_each(proxy: FaultProxy) -> Iterator[defaultdict[str, Counter[str]]]:
    """How often each operation came inside the `with` block, by bucket; known at its end."""
    counters: defaultdict[str, Counter[str]] = defaultdict(Counter)
    before = len(proxy.calls())
    yield counters
    for call in proxy.calls(since=before):
        counters[call.path.split("/")[1]][operation(call)] += 1


def azure_operation(call: Call) -> str:
    """The name of the operation of the blob service's API."""
    method, query = call.method, parse_qs(call.query, keep_blank_values=True)
    if "/" not in call.path.strip("/"):
        return "ListBlobs" if "list" in query.get("comp", ()) else "Container"
    if method != "PUT":
        return {"HEAD": "GetBlobProperties", "GET": "GetBlob", "DELETE": "DeleteBlob"}[method]
    comp = query.get("comp", [""])[0]
    return {
        "": "PutBlob",
        "block": "PutBlock",
        "blocklist": "PutBlockList",
        "properties": "SetBlobProperties",
        "metadata": "SetBlobMetadata",
        "tier": "SetBlobTier",
    }[comp]


def azure_block(call: Call) -> str:
    """Which block of its blob a request is about, without the part of its ID that each attempt has for
    itself; empty for none."""
    (identity,) = parse_qs(call.query).get("blockid", [""])
    return base64.b64decode(identity)[-8:].hex()


def gcs_operation(call: Call) -> str:
    """Google's JSON API has methods of resources; what its upload sessions take has names of ours."""
    method, query = call.method, parse_qs(call.query, keep_blank_values=True)
    if "upload_id" in query:
        if method == "DELETE":
            return "EndSession"
        return "AskSession" if call.headers["content-range"].startswith("bytes */") else "PutChunk"
    if call.path.startswith("/upload/"):
        return "StartSession" if query["uploadType"] == ["resumable"] else "InsertObject"
    if not call.path.startswith(f"/storage/v1/b/{gcs_bucket(call)}/o"):
        return "Bucket"
    if not gcs_key(call):
        return "ListObjects"
    if method == "GET":
        return "ReadObject" if query.get("alt") == ["media"] else "GetObject"
    return {"PATCH": "PatchObject", "DELETE": "DeleteObject"}[method]


def gcs_bucket(call: Call) -> str:
    return call.path.partition("/b/")[2].partition("/")[0]


def gcs_key(call: Call) -> str:
    """The key of a request: that of a new object is in the description, not in the path; empty for none."""
    if call.path.startswith("/upload/"):
        found = _NAME.search(call.beginning)
        return json.loads(found[1]) if found else ""
    return call.path.partition("/o/")[2]
