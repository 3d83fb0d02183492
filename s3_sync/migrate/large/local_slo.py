"""Writes SLOs into the local cluster, as slo itself stores them: the migrator's requests do not pass it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from s3_sync.cluster.client_writer import ClientWriter
from s3_sync.largeobject.manifest import Segment
from s3_sync.largeobject.stored_slo import StoredSlo
from s3_sync.streams.reader import BytesBody

#: the ETag that a container's listing shows (``swift.common.request_helpers``)
ROW_ETAG = "x-object-sysmeta-container-update-override-etag"
#: the ETag that s3api shows (``swift.common.middleware.s3api.s3response``)
S3_ETAG = "x-object-sysmeta-s3api-etag"


def manifest_of(segments: Iterable[Segment]) -> StoredSlo:
    """Return the manifest of whole, plain segments. The same segments always make the same bytes."""
    entries = [{"name": each.path, "bytes": each.size, "hash": each.md5} for each in segments]
    return StoredSlo.parse(json.dumps(entries).encode("ascii"))


def put_manifest(
    writer: ClientWriter,
    place: tuple[str, str],
    manifest: StoredSlo,
    headers: Mapping[str, str],
    s3_etag: str = "",
) -> None:
    """Write the manifest of an SLO whose segments are all there. ``place``: container and name. ``headers``:
    of the object. ``s3_etag``: what clients of Swift's S3 API are to see as its ETag.

    Source: ``swift.common.middleware.slo``, ``handle_multipart_put``. Raises what ``put_object`` raises.
    """
    content_type = headers.get("content-type", "application/octet-stream")
    sent = {
        **headers,
        "content-type": f"{content_type};swift_bytes={manifest.size}",
        "etag": manifest.md5,
        "x-static-large-object": "True",
        "x-object-sysmeta-slo-etag": manifest.etag,
        "x-object-sysmeta-slo-size": str(manifest.size),
    }
    shown = manifest.md5
    if s3_etag:
        sent[S3_ETAG] = s3_etag
        shown += f"; s3_etag={s3_etag}"
    sent[ROW_ETAG] = f"{shown}; slo_etag={manifest.etag}"
    writer.put_object(*place, BytesBody(manifest.raw), sent)
