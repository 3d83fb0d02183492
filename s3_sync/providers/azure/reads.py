"""Reads the blobs of one container. Source: "Get Blob", "Get Blob Properties"."""

from __future__ import annotations

from functools import partial

from s3_sync.http.message import Headers
from s3_sync.http.pool import Response
from s3_sync.model.objects import GetOptions, ObjectInfo
from s3_sync.providers.azure.headers import object_info
from s3_sync.providers.azure.transport import AzureTransport
from s3_sync.providers.object_headers import (
    Extent,
    check_object,
    content_length,
    get_headers,
    read_extent,
    same_version,
)
from s3_sync.providers.open_object import OpenBody, OpenObject


class Reader:
    """Reads one container. Takes keys; ``name`` is the name in the result."""

    def __init__(self, transport: AzureTransport, container: str) -> None:
        self._transport = transport
        self._container = container

    def head(self, name: str, key: str) -> ObjectInfo:
        return self.headers_of(name, key)[0]

    def headers_of(self, name: str, key: str) -> tuple[ObjectInfo, Headers]:
        """An object, as by ``head``, and the headers that say so. Raises NotFound."""
        path = f"/{self._container}/{key}"
        what = f"HEAD {path}"
        with self._transport.request("HEAD", path) as response:
            headers = response.headers
        check_object(what, response)
        return object_info(name, headers, content_length(what, headers)), headers

    def get(self, name: str, key: str, options: GetOptions) -> OpenObject:
        path = f"/{self._container}/{key}"
        response, extent = self._open(path, options)
        length, byte_range, size = extent
        info = object_info(name, response.headers, size)
        reopen = partial(self._reopen, path, GetOptions(options.byte_range, info.etag), extent)
        return OpenObject(info, byte_range, OpenBody(f"GET {path}", response, length, reopen))

    def _open(self, path: str, options: GetOptions) -> tuple[Response, Extent]:
        what = f"GET {path}"
        response = self._transport.request("GET", path, headers=get_headers(options))
        try:
            check_object(what, response)
            return response, read_extent(what, response, options.byte_range)
        except BaseException:
            response.close()
            raise

    def _reopen(self, path: str, options: GetOptions, extent: Extent) -> Response:
        return same_version(path, self._open(path, options), options, extent)
