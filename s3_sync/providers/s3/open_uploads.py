"""Lists the multipart uploads that are open in a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from s3_sync.providers.s3.client import Account
from s3_sync.providers.s3.errors import understood
from s3_sync.providers.s3.list_parser import OpenUpload


def open_uploads(account: Account, bucket: str, prefix: str) -> Iterator[OpenUpload]:
    """Every upload whose key begins so. An entry that cannot be used is left out: the others are not less
    open for that."""
    parameters: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
    if account.dialect.encodes_listings:
        parameters["EncodingType"] = "url"  # unlike for objects, the SDK neither asks for it nor decodes
    markers: dict[str, str] = {}
    while True:
        with understood(f"list the uploads of {bucket}"):
            answer = account.client.list_multipart_uploads(**parameters, **markers)
        yield from answer["Uploads"]
        following = {name: answer[f"Next{name}"] for name in ("KeyMarker", "UploadIdMarker")}
        following = {name: text for name, text in following.items() if text}
        if not answer["IsTruncated"] or not following or following == markers:
            return
        markers = following
