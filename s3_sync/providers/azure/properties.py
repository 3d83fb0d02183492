"""Changes of a blob that move no bytes: its properties and metadata, and its access tier.

Source: "Set Blob Properties", "Set Blob Metadata", "Set Blob Tier"; "Blob rehydration from the archive tier".
"""

from __future__ import annotations

from s3_sync.errors import Archived, PreconditionFailed, RemoteError
from s3_sync.model.objects import ObjectInfo, ObjectMeta
from s3_sync.providers.azure.headers import (
    CONTENT_MD5,
    hex_of,
    meta_headers,
    property_headers,
)
from s3_sync.providers.azure.reads import Reader
from s3_sync.providers.azure.transport import AzureTransport
from s3_sync.providers.base import Retrieval
from s3_sync.providers.object_headers import Header, unquoted, write_conditions

#: the fastest retrieval
_EXPEDITED = "Expedited"


class PropertyWriter:
    """Changes blobs of one container. Takes keys."""

    def __init__(self, transport: AzureTransport, container: str, reader: Reader) -> None:
        self._transport = transport
        self._container = container
        self._reader = reader

    def replace(self, name: str, key: str, meta: ObjectMeta, if_match: str | None) -> None:
        """Replace all metadata. That takes two requests, each on the condition that nobody has changed the
        blob since. The metadata, in which the version is, comes last: after a failure in between, a
        comparison finds the difference. Raises Archived, PreconditionFailed."""
        new = meta_headers(meta)
        info, headers = self._reader.headers_of(name, key)
        if if_match is not None and info.etag != if_match:
            raise PreconditionFailed(f"{name} has ETag {info.etag}, expected {if_match}", status=412)
        if info.archived:
            raise Archived(f"{name} is in the archive tier", code="BlobArchived")
        etag = info.etag
        # a property that is not sent is removed
        md5 = hex_of(headers.get(CONTENT_MD5) or headers.get("content-md5", "") or "")
        wanted = property_headers(meta, md5)
        if wanted != property_headers(info.meta, md5):
            etag = self._put(key, "properties", wanted, etag)
        self._put(key, "metadata", new, etag)

    def rehydrate(self, info: ObjectInfo, key: str, tier: str, priority: str) -> Retrieval:
        """Move a blob, which a HEAD has just shown, from the archive tier to ``tier`` (empty: Hot)."""
        if info.retrieving:
            return Retrieval.RUNNING
        if not info.archived:
            return Retrieval.READABLE
        headers = [
            ("x-ms-access-tier", tier or "Hot"),
            ("x-ms-rehydrate-priority", "High" if priority == _EXPEDITED else "Standard"),
        ]
        path = f"/{self._container}/{key}"
        try:
            self._transport.request("PUT", path, query=[("comp", "tier")], headers=headers).drain()
        except RemoteError as error:
            if error.code != "BlobBeingRehydrated":
                raise
            return Retrieval.RUNNING
        return Retrieval.BEGUN

    def _put(self, key: str, what: str, headers: list[Header], etag: str) -> str:
        response = self._transport.request(
            "PUT",
            f"/{self._container}/{key}",
            query=[("comp", what)],
            headers=[*headers, *write_conditions(etag, False)],
        )
        response.drain()
        return unquoted(response.headers.get("etag", "") or "") or etag
