"""Lists the open multipart uploads of a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from s3_sync.providers.s3.client import Account
from s3_sync.providers.s3.errors import understood
from s3_sync.providers.s3.list_parser import OpenUpload


def open_uploads(account: Account, bucket: str, prefix: str) -> Iterator[OpenUpload]:
    """All open uploads with this key prefix. Unusable entries are skipped, so that the others are found."""
    parameters: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
    if account.dialect.encodes_listings:
        parameters["EncodingType"] = "url"  # unlike for objects, the SDK neither requests nor decodes it
    markers: dict[str, str] = {}
    while True:
        result = _page(account, parameters | markers)
        yield from _with_real_keys(account, parameters, result)
        following = {name: result[f"Next{name}"] for name in ("KeyMarker", "UploadIdMarker")}
        following = {name: text for name, text in following.items() if text}
        if not result["IsTruncated"] or not following or following == markers:
            return
        markers = following


def _page(account: Account, parameters: dict[str, Any]) -> Any:
    with understood(f"list the uploads of {parameters['Bucket']}"):
        return account.client.list_multipart_uploads(**parameters)


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
