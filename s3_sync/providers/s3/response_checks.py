"""Whether a document that the SDK is about to read is the answer to what it has asked.

The SDK reads any document as the one that it expects, and finds nothing in it: a page of a portal then says
that nothing went wrong. So the root has to be the right one. docs/answers.md has the table.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from xml.etree import ElementTree

from s3_sync.providers.s3.errors import is_a_page, unexpected
from s3_sync.providers.s3.lenient_xml import local_name

#: roots of the documents that answer these operations; an ``Error`` is for the SDK
_ROOTS = {
    "CompleteMultipartUpload": ("CompleteMultipartUploadResult",),
    "CopyObject": ("CopyObjectResult",),
    # rclone serve s3 has the second one
    "CreateMultipartUpload": ("InitiateMultipartUploadResult", "InitiateMultipartUpload"),
    # some stores take the request for a listing, which is dealt with where it is read
    "GetBucketLifecycleConfiguration": ("LifecycleConfiguration", "ListBucketResult"),
    "ListBuckets": ("ListAllMyBucketsResult",),
    "UploadPartCopy": ("CopyPartResult",),
}
#: operations whose answers have no document, and are no page either
_WITHOUT = ("CreateBucket", "HeadBucket", "PutBucketLifecycleConfiguration")
#: operations whose answers are judged by status and headers
_UNREAD = ("AbortMultipartUpload", "DeleteObject", "PutObject", "UploadPart")


def watch_answers(events: Any, endpoint: str, *, follow_regions: bool) -> None:
    """Register with the SDK's client. ``follow_regions``: whether buckets may be in another region, where the
    SDK may follow them."""
    for operation, roots in _ROOTS.items():
        # spelled so, it is called before the SDK's own for s3.*
        events.register(f"before-parse.*.{operation}", partial(_check_root, roots, endpoint))
    for operation in _WITHOUT:
        events.register(f"before-parse.*.{operation}", partial(_check_no_page, endpoint))
    for operation in _UNREAD:
        events.register(f"before-parse.*.{operation}", _drop_page)
    # its own question where a bucket is would be redirected again, and again
    events.register("before-call.s3.HeadBucket" if follow_regions else "before-call.s3", _stay_here)


def _check_root(
    roots: tuple[str, ...], endpoint: str, response_dict: Any, operation_model: Any, **_: Any
) -> ElementTree.Element | None:
    """The document, if there is to be one. Raises UnexpectedAnswer."""
    status, headers, body = _answer(response_dict)
    if not 200 <= status < 300:
        return None
    if not body and operation_model.name == "UploadPartCopy" and headers.get("etag"):
        return None  # the store took it for a part without bytes, which is dealt with where it was asked
    document = _parsed(body)
    root = "" if document is None else local_name(document)
    if root == "Error":
        return None
    if root not in roots:
        why = f"{f'a {root[:40]!r}' if root else 'no document'} instead of a {roots[0]}"
        raise unexpected(operation_model.name, why, endpoint, status, headers)
    return document


def _check_no_page(endpoint: str, response_dict: Any, operation_model: Any, **_: Any) -> None:
    """Raises UnexpectedAnswer."""
    status, headers, body = _answer(response_dict)
    if 200 <= status < 300 and (is_a_page(headers) or b"<html" in body[:1000].lower()):
        raise unexpected(operation_model.name, "a page", endpoint, status, headers)


def _drop_page(response_dict: Any, **_: Any) -> None:
    """The SDK takes any page for an internal error."""
    if not 200 <= response_dict["status_code"] < 300 or not response_dict["body"]:
        return
    document = _parsed(response_dict["body"])
    if document is None or local_name(document) != "Error":
        response_dict["body"] = b""


def _parsed(document: bytes) -> ElementTree.Element | None:
    try:
        return ElementTree.fromstring(document)
    except (ElementTree.ParseError, ValueError):
        return None


def _answer(response_dict: Any) -> tuple[int, dict[str, str], bytes]:
    headers = {name.lower(): value for name, value in response_dict["headers"].items()}
    return response_dict["status_code"], headers, response_dict["body"]


def _stay_here(context: dict[str, Any], **_: Any) -> None:
    """Have the SDK take a redirect for an answer."""
    context.setdefault("s3_redirect", {})["redirected"] = True
