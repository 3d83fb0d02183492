"""Checks that a document is the response to the SDK's request, before the SDK parses it.

The SDK parses any document as the one that it expects, and finds nothing in it: the page of a portal would
then mean success. So the root element must be the right one. docs/answers.md has the table."""

from __future__ import annotations

from functools import partial
from typing import Any
from xml.etree import ElementTree

from s3_sync.providers.s3.errors import is_html_page, unexpected
from s3_sync.providers.s3.lenient_xml import local_name

#: root elements of the response documents; ``Error`` is left to the SDK
_ROOTS = {
    "CompleteMultipartUpload": ("CompleteMultipartUploadResult",),
    "CopyObject": ("CopyObjectResult",),
    # the second one is rclone's
    "CreateMultipartUpload": ("InitiateMultipartUploadResult", "InitiateMultipartUpload"),
    # some stores treat the request as a listing, which ``lifecycle`` handles
    "GetBucketLifecycleConfiguration": ("LifecycleConfiguration", "ListBucketResult"),
    "ListBuckets": ("ListAllMyBucketsResult",),
    "UploadPartCopy": ("CopyPartResult",),
}
#: operations whose responses have no document, and must not be a page
_NO_DOCUMENT = ("CreateBucket", "HeadBucket", "PutBucketLifecycleConfiguration", "RestoreObject")
#: operations whose responses are judged by status and headers
_BODY_IGNORED = ("AbortMultipartUpload", "DeleteObject", "PutObject", "UploadPart")


def register_checks(events: Any, endpoint: str, *, follow_regions: bool) -> None:
    """Register the checks with the SDK's client. ``follow_regions``: buckets may be in other regions, to
    which the SDK may follow redirects."""
    events.register("before-parse.*.GetBucketLifecycleConfiguration", _empty_listing)
    for operation, roots in _ROOTS.items():
        # this spelling runs before the SDK's own handler for s3.*
        events.register(f"before-parse.*.{operation}", partial(_check_root, roots, endpoint))
    for operation in _NO_DOCUMENT:
        events.register(f"before-parse.*.{operation}", partial(_check_no_page, endpoint))
    for operation in _BODY_IGNORED:
        events.register(f"before-parse.*.{operation}", _drop_page)
    # the SDK's own look-up of a bucket's region would be redirected over and over
    events.register("before-call.s3.HeadBucket" if follow_regions else "before-call.s3", _forbid_redirect)


def _empty_listing(response_dict: Any, **_: Any) -> None:
    """Empty a listing, which some stores return for any GET of a bucket: its names may not be valid XML."""
    if b"<ListBucketResult" in response_dict["body"][:1000]:
        response_dict["body"] = b"<ListBucketResult/>"


def _check_root(
    roots: tuple[str, ...], endpoint: str, response_dict: Any, operation_model: Any, **_: Any
) -> ElementTree.Element | None:
    """Parse the document, if there must be one. Raises UnexpectedAnswer."""
    status, headers, body = _response(response_dict)
    if not 200 <= status < 300:
        return None
    if not body and operation_model.name == "UploadPartCopy" and headers.get("etag"):
        return None  # the store treated it as UploadPart without bytes, which ``multipart`` handles
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
    status, headers, body = _response(response_dict)
    if 200 <= status < 300 and (is_html_page(headers) or b"<html" in body[:1000].lower()):
        raise unexpected(operation_model.name, "a page", endpoint, status, headers)


def _drop_page(response_dict: Any, **_: Any) -> None:
    """Drop any document but an error from a success: the SDK would take it for an internal error."""
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


def _response(response_dict: Any) -> tuple[int, dict[str, str], bytes]:
    headers = {name.lower(): value for name, value in response_dict["headers"].items()}
    return response_dict["status_code"], headers, response_dict["body"]


def _forbid_redirect(context: dict[str, Any], **_: Any) -> None:
    """Keep the SDK from following a redirect to another region."""
    context.setdefault("s3_redirect", {})["redirected"] = True
