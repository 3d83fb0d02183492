"""What S3 calls the requests that a FaultProxy saw."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs

from faults.proxy import Call, FaultProxy


def operation(call: Call) -> str:
    """The name of the operation of S3's API."""
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
