"""Lists the open multipart uploads of a bucket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from s3_sync.errors import NotFound, RemoteUnavailable
from s3_sync.providers.s3.client import Account
from s3_sync.providers.s3.errors import understood
from s3_sync.providers.s3.lenient_xml import NOT_XML
from s3_sync.providers.s3.list_parser import OpenUpload

#: maximum uploads in a response
_FULL_PAGE = 1000
#: the first character behind each range of those that XML cannot hold
_ALLOWED = "\t\r \ue000\U00010000"
#: a page without uploads
_NO_UPLOADS: Mapping[str, Any] = {
    "Uploads": [],
    "EncodingType": "",
    "IsTruncated": False,
    "NextKeyMarker": "",
    "NextUploadIdMarker": "",
}


def open_uploads(account: Account, bucket: str, prefix: str) -> Iterator[OpenUpload]:
    """All open uploads with this key prefix. Unusable entries are skipped, so that the others are found.

    Some stores, Swift's S3 API among them, fail with status 500 if their response would echo a character that
    XML cannot hold: in the prefix, in a marker, or in the last key of a page. So no prefix that is sent has
    one, and a failed page is requested again one upload at a time. A key with such a character then hides
    others that continue the same text with one: raises RemoteUnavailable if it may hide those with
    ``prefix``.
    """
    parameters: dict[str, Any] = {"Bucket": bucket, "Prefix": NOT_XML.split(prefix, maxsplit=1)[0]}
    if account.dialect.encodes_listings:
        parameters["EncodingType"] = "url"  # unlike for objects, the SDK neither requests nor decodes it
    markers: dict[str, str] = {}
    size = _FULL_PAGE
    seen = [markers]
    while True:
        try:
            limit = {"MaxUploads": size} if size < _FULL_PAGE else {}
            result = _page(account, parameters | markers | limit)
        except RemoteUnavailable as error:
            allowed = _allowed(markers)
            is_hidden = allowed != markers and markers["KeyMarker"] < prefix < allowed["KeyMarker"]
            if error.status != 500 or is_hidden or (size, markers) == (1, allowed):
                raise
            size, markers = 1, allowed
            continue
        uploads = _with_real_keys(account, parameters, result)
        yield from (upload for upload in uploads if upload[0].startswith(prefix))
        markers = _following(result)
        if not result["IsTruncated"] or not markers or markers in seen:
            return
        seen.append(markers)
        size = min(2 * size, _FULL_PAGE)


def _page(account: Account, parameters: dict[str, Any]) -> Any:
    try:
        with understood(f"list the uploads of {parameters['Bucket']}"):
            return account.client.list_multipart_uploads(**parameters)
    except NotFound as error:
        if error.code != "NoSuchUpload":
            raise
        return _NO_UPLOADS  # rclone's answer for a bucket that has never had one


def _with_real_keys(account: Account, parameters: dict[str, Any], result: Any) -> list[OpenUpload]:
    """The uploads of a page of a store that may have encoded the keys without saying so, as Ceph does.

    It has if it finds one of them by the prefix that is the key decoded: that is no prefix of the key as
    listed.
    """
    uploads: list[OpenUpload] = result["Uploads"]
    odd = next((key for key, _, _ in uploads if unquote(key) != key), None)
    if odd is None or result["EncodingType"] or "EncodingType" not in parameters:
        return uploads
    found = _page(account, parameters | {"Prefix": unquote(odd), "MaxUploads": 1})["Uploads"]
    if odd not in {key for key, _, _ in found}:
        return uploads
    return [(unquote(key), upload_id, begun) for key, upload_id, begun in uploads]


def _following(result: Any) -> dict[str, str]:
    """The markers of the next page. Pages of one upload may have none."""
    if not result["NextKeyMarker"] and result["Uploads"]:
        key, upload_id, _ = result["Uploads"][-1]
        return {"KeyMarker": key, "UploadIdMarker": upload_id}
    markers = {name: result[f"Next{name}"] for name in ("KeyMarker", "UploadIdMarker")}
    return {name: text for name, text in markers.items() if text}


def _allowed(markers: dict[str, str]) -> dict[str, str]:
    """The first markers behind these that XML can hold."""
    key = markers.get("KeyMarker", "")
    found = NOT_XML.search(key)
    if found is None:
        return markers
    return {"KeyMarker": key[: found.start()] + next(each for each in _ALLOWED if each > found[0])}
