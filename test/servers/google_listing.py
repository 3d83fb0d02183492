"""Listings of the fake Google: of objects, in both versions, and of uploads in parts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from urllib.parse import quote
from xml.sax.saxutils import escape

from servers.google_store import GoogleStore, Refusal


def listing(store: GoogleStore, bucket: str, query: Mapping[str, str]) -> str:
    """The content of a ListBucketResult."""
    version_2 = query.get("list-type") == "2"
    wrong = {"marker"} if version_2 else {"start-after", "continuation-token", "fetch-owner"}
    if wrong & query.keys() or query.get("list-type", "2") != "2":
        raise Refusal(400, "InvalidArgument")
    write = _writer(query)
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    start = query.get("continuation-token") or query.get("start-after") or query.get("marker", "")
    limit = min(int(query.get("max-keys", 1000)), 1000)
    objects, entries, groups, last, count, more = store.bucket(bucket).objects, [], [], "", 0, False
    behind = [key for key in list(objects) if key > start and key.startswith(prefix)]
    for key in sorted(behind):  # by code points, as UTF-8 is
        head, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
        group = prefix + head + delimiter if found else ""
        if group and group in (last, start):
            continue
        if count == limit:
            more = True
            break
        count, last = count + 1, group or key
        if group:
            groups.append(f"<CommonPrefixes><Prefix>{write(group)}</Prefix></CommonPrefixes>")
            continue
        each = objects[key]
        entries.append(
            f"<Contents><Key>{write(key)}</Key><Generation>{each.generation}</Generation><MetaGeneration>1"
            f'</MetaGeneration><LastModified>{stamp(each.modified)}</LastModified><ETag>"{each.etag}"</ETag>'
            f"<Size>{len(each.data)}</Size></Contents>"
        )
    head = (
        f"<Name>{bucket}</Name><Prefix>{write(prefix)}</Prefix><IsTruncated>{str(more).lower()}</IsTruncated>"
    )
    if "encoding-type" in query:
        head += "<EncodingType>url</EncodingType>"
    if version_2:
        head += f"<KeyCount>{count}</KeyCount>"
    if more:
        name = "NextContinuationToken" if version_2 else "NextMarker"
        head += f"<{name}>{write(last)}</{name}>"
    return head + "".join(entries + groups)


def uploads_listing(store: GoogleStore, bucket: str, query: Mapping[str, str]) -> str:
    """The content of a ListMultipartUploadsResult."""
    write, prefix = _writer(query), query.get("prefix", "")
    start = query.get("key-marker", ""), query.get("upload-id-marker", "")
    limit = min(int(query.get("max-uploads", 1000)), 1000)
    uploads = store.bucket(bucket).uploads
    found = sorted((upload.key, upload_id) for upload_id, upload in uploads.items())
    found = [each for each in found if each[0].startswith(prefix) and each > start]
    page = found[:limit]
    entries = "".join(
        f"<Upload><Key>{write(key)}</Key><UploadId>{upload_id}</UploadId><StorageClass>STANDARD</StorageClass>"
        f"<Initiated>{stamp(uploads[upload_id].begun)}</Initiated></Upload>"
        for key, upload_id in page
    )
    head = f"<Bucket>{bucket}</Bucket><IsTruncated>{str(len(found) > limit).lower()}</IsTruncated>"
    if "encoding-type" in query:
        head += "<EncodingType>url</EncodingType>"
    if len(found) > limit:
        key, upload_id = page[-1]
        head += (
            f"<NextKeyMarker>{write(key)}</NextKeyMarker><NextUploadIdMarker>{upload_id}</NextUploadIdMarker>"
        )
    return head + entries


def stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03}Z"


def _writer(query: Mapping[str, str]) -> Callable[[str], str]:
    kind = query.get("encoding-type")
    if kind not in (None, "url"):
        raise Refusal(400, "InvalidArgument", "encoding-type")
    return (lambda text: quote(text, safe="/")) if kind else escape
