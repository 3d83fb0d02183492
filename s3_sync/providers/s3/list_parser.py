"""Parses listings of objects and of uploads, and DeleteObjects results, in place of the SDK, and rejects all
other documents.

The SDK consults its service description for every field of every key: most of the CPU time of a listing,
during which a proxy serves no other request. And it takes any document without keys for an empty listing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from botocore.utils import parse_timestamp

from s3_sync.providers.s3.lenient_xml import Document, Element, Unreadable, local_name, read

#: key, upload id and start
OpenUpload = tuple[str, str, float]
#: key of the deleted keys in the result of ``take_deletes``
DELETED = "DeletedKeys"
#: the body that is left for the SDK to parse
_EMPTY_LISTING = b"<ListBucketResult/>"


class InvalidDate(Unreadable, ValueError):
    """A malformed date. A ValueError, too, as the SDK raises for one in an object's headers."""


def read_date(text: str) -> datetime:
    """Parse a date of S3. Raises InvalidDate."""
    if text[4:5] == "-" and text.endswith("Z"):
        try:
            return datetime.fromisoformat(f"{text[:-1]}+00:00")
        except ValueError:
            pass  # a number of decimals that this Python does not support
    try:
        found: datetime = parse_timestamp(text)
    except (ValueError, OverflowError, RuntimeError) as error:
        raise InvalidDate(f"not a date: {text[:100]!r}") from error
    return found


def take_listing(response_dict: Any, customized_response_dict: Any, **_: Any) -> None:
    """A ``before-parse`` handler: parses a listing into the SDK's result.

    Raises Unreadable for a document that is neither a listing nor an error.
    """
    if response_dict["status_code"] >= 300:
        return
    document = read(response_dict["body"])
    if local_name(document.root) == "Error":
        return
    document.must_be("ListBucketResult")
    customized_response_dict.update(_listing(document))
    response_dict["body"] = _EMPTY_LISTING


def take_deletes(response_dict: Any, customized_response_dict: Any, **_: Any) -> None:
    """A ``before-parse`` handler of DeleteObjects. Raises Unreadable for a document that is neither its
    result nor an error: the SDK would take any page for a result without errors."""
    if response_dict["status_code"] >= 300:
        return
    document = read(response_dict["body"])
    if local_name(document.root) == "Error":
        return
    document.must_be("DeleteResult")
    customized_response_dict["Errors"] = [
        {local_name(child): document.text(child) for child in element}
        for element in document.root
        if local_name(element) == "Error"
    ]
    deleted = (child for element in document.root if local_name(element) == "Deleted" for child in element)
    customized_response_dict[DELETED] = {
        document.text(child) for child in deleted if local_name(child) == "Key"
    }
    response_dict["body"] = b"<DeleteResult/>"


def _listing(document: Document) -> dict[str, Any]:
    objects: list[dict[str, Any]] = []
    prefixes: list[dict[str, str]] = []
    found: dict[str, Any] = {"Contents": objects, "CommonPrefixes": prefixes}
    namespace = document.root.tag.removesuffix("ListBucketResult")
    contents = f"{namespace}Contents"
    tags = tuple(namespace + name for name in ("Key", "Size", "LastModified", "ETag", "StorageClass"))
    for child in document.root:
        if child.tag == contents:
            objects.append(_object(document, child, tags))
            continue
        name = local_name(child)
        if name == "CommonPrefixes":
            texts = [document.text(part) for part in child if local_name(part) == "Prefix"]
            prefixes += [{"Prefix": text} for text in texts]
        elif name in ("IsTruncated", "KeyCount", "NextContinuationToken", "NextMarker", "EncodingType"):
            found[name] = document.text(child)
    found["IsTruncated"] = is_truncated(found.get("IsTruncated", ""))
    return found


def is_truncated(text: str) -> bool:
    """Parse IsTruncated. Raises Unreadable if it is missing or malformed: the listing may be incomplete."""
    word = text.strip().lower()
    if word not in ("true", "false"):
        raise Unreadable(f"IsTruncated is {text[:40]!r}")
    return word == "true"


def _object(document: Document, element: Element, tags: Sequence[str]) -> dict[str, Any]:
    """An entry. Each element is searched for, in C, which costs less than a loop over all of them."""
    restored = document.restored
    key, size, date, etag, storage_class = map(element.findtext, tags)
    if not key or size is None:
        raise Unreadable(f"an entry without Key or Size: {(key or '')[:40]!r}")
    found: dict[str, Any] = {"Key": restored(key), "Size": _size(size)}
    if date is not None:
        found["LastModified"] = read_date(date)
    if etag is not None:
        found["ETag"] = restored(etag)
    if storage_class is not None:
        found["StorageClass"] = storage_class
    return found


def _size(text: str) -> int:
    if not text.strip().isdecimal():
        raise Unreadable(f"Size is {text[:40]!r}")
    return int(text)


def take_uploads(response_dict: Any, customized_response_dict: Any, **_: Any) -> None:
    """A ``before-parse`` handler of ListMultipartUploads: parses the uploads into the SDK's result.

    Raises Unreadable for a document that is neither its result nor an error.
    """
    if response_dict["status_code"] >= 300:
        return
    document = read(response_dict["body"])
    if local_name(document.root) == "Error":
        return
    document.must_be("ListMultipartUploadsResult")
    texts = {local_name(child): document.text(child) for child in document.root}
    is_encoded = texts.get("EncodingType") == "url"
    entries = (child for child in document.root if local_name(child) == "Upload")
    found = (_upload(document, entry, is_encoded) for entry in entries)
    marker = texts.get("NextKeyMarker", "")
    customized_response_dict.update(
        Uploads=[upload for upload in found if upload is not None],
        EncodingType=texts.get("EncodingType", ""),
        IsTruncated=texts.get("IsTruncated", "").strip().lower() == "true",
        NextKeyMarker=unquote_plus(marker) if is_encoded else marker,
        NextUploadIdMarker=texts.get("NextUploadIdMarker", ""),
    )
    response_dict["body"] = b"<ListMultipartUploadsResult/>"


def _upload(document: Document, entry: Element, is_encoded: bool) -> OpenUpload | None:
    texts = {local_name(child): document.text(child) for child in entry}
    key, upload_id = texts.get("Key", ""), texts.get("UploadId", "")
    if not key or not upload_id:
        return None
    try:
        begun = read_date(texts.get("Initiated", "")).timestamp()
    except InvalidDate:
        begun = 0.0
    return unquote_plus(key) if is_encoded else key, upload_id, begun
