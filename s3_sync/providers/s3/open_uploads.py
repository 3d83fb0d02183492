"""Lists the open multipart uploads of a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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
        with understood(f"list the uploads of {bucket}"):
            result = account.client.list_multipart_uploads(**parameters, **markers)
        yield from result["Uploads"]
        following = {name: result[f"Next{name}"] for name in ("KeyMarker", "UploadIdMarker")}
        following = {name: text for name, text in following.items() if text}
        if not result["IsTruncated"] or not following or following == markers:
            return
        markers = following
