"""Reads the objects of one container of another Swift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from s3_sync.errors import InvalidRequest, PreconditionFailed, RemoteUnavailable
from s3_sync.http.message import Headers
from s3_sync.http.pool import Response
from s3_sync.model.objects import ByteRange, GetOptions, ObjectInfo
from s3_sync.model.segment_names import SegmentNamer
from s3_sync.providers.object_headers import (
    Extent,
    Header,
    check_object,
    content_length,
    get_headers,
    read_extent,
    same_version,
)
from s3_sync.providers.open_object import OpenBody, OpenObject
from s3_sync.providers.swift.dynamic import DynamicReader
from s3_sync.providers.swift.headers import Place, object_info, stored_info
from s3_sync.providers.swift.links import ITSELF, Links, version_of
from s3_sync.providers.swift.transport import SwiftTransport

#: the query for an SLO's manifest, and a DLO's own bytes
_MANIFEST = "multipart-manifest=get&"


class Reader:
    """Reads one container, symlinks as what they are. Takes keys; ``name`` is the name in the result."""

    def __init__(
        self,
        transport: SwiftTransport,
        container: str,
        links: Links,
        segments: SegmentNamer | None = None,
    ) -> None:
        self._transport = transport
        self._container = container
        self._links = links
        self._segments = segments
        self._dynamic = DynamicReader(transport, segments or SegmentNamer("", container), self._open_segment)
        #: its objects are links to versions; as far as known
        self._has_versions = False

    def head(self, name: str, key: str) -> ObjectInfo:
        return self.headers_of(name, key)[0]

    def headers_of(self, name: str, key: str) -> tuple[ObjectInfo, Headers]:
        """An object, as by ``head``, and the headers that say so. Raises NotFound."""
        place = Place(self._container, key)
        what = f"HEAD {place.path}"
        with self._request("HEAD", place) as response:
            headers = response.headers
        check_object(what, response)
        target = headers.get("x-object-manifest")
        if target and headers.get("content-length") is None and (found := self._dynamic.describe(target)):
            headers = _described(headers, *found)
        return self._info(name, place, headers, content_length(what, headers)), headers

    def get(self, name: str, key: str, options: GetOptions) -> OpenObject:
        place = Place(self._container, key)
        if options.stored:
            return self._stored(name, place, options)
        response, extent = self._open(place, options)
        info = self._info(name, place, response.headers, extent[2])
        if target := response.headers.get("x-object-manifest"):
            response.close()
            return OpenObject(info, extent[1], self._dynamic.body(info, target, extent[1]))
        return self._opened(place, info, options, response, extent)

    def _stored(self, name: str, place: Place, options: GetOptions) -> OpenObject:
        response, extent = self._open(place, options)
        try:
            info = stored_info(name, response.headers, extent[2])
            if "x-static-large-object" in info.meta.marks:
                info = self._with_type(place, info)
        except BaseException:
            response.close()
            raise
        return self._opened(place, info, options, response, extent)

    def _with_type(self, place: Place, info: ObjectInfo) -> ObjectInfo:
        """``info`` with the Content-Type of an SLO, which slo replaces when it sends the manifest."""
        with self._request("HEAD", place) as response:
            whole = object_info(info.name, place, response.headers, 0, self._segments)
        if whole.x_timestamp != info.x_timestamp:
            raise PreconditionFailed(f"{place.path} was replaced meanwhile", status=412)
        headers = {**info.meta.headers, "content-type": whole.meta.content_type}
        return replace(info, meta=replace(info.meta, headers=headers))

    def _open_segment(self, container: str, name: str, byte_range: ByteRange | None) -> OpenObject:
        """Open a segment of a DLO. Raises PreconditionFailed if it is one itself."""
        reader = Reader(self._transport, container, self._links, self._segments)
        place, options = Place(container, name), GetOptions(byte_range)
        response, extent = reader._open(place, options)
        if "x-object-manifest" in response.headers:
            response.close()
            raise PreconditionFailed(f"segment {place.path} is a large object itself", status=412)
        info = reader._info(name, place, response.headers, extent[2])
        return reader._opened(place, info, options, response, extent)

    def _opened(
        self, place: Place, info: ObjectInfo, options: GetOptions, response: Response, extent: Extent
    ) -> OpenObject:
        length, byte_range, _ = extent
        same_version = GetOptions(options.byte_range, info.etag, stored=options.stored)
        reopen = partial(self._reopen, place, same_version, extent)
        return OpenObject(info, byte_range, OpenBody(f"GET {place.path}", response, length, reopen))

    def _open(self, place: Place, options: GetOptions) -> tuple[Response, Extent]:
        what = f"GET {place.path}"
        headers = get_headers(replace(options, stored=False))
        try:
            response = self._request("GET", place, headers, _MANIFEST if options.stored else "")
        except PreconditionFailed as error:
            if error.status != 409:
                raise
            # a segment of a large object is missing, or is another one
            raise RemoteUnavailable(str(error), status=409) from error
        try:
            check_object(what, response)
            return response, read_extent(what, response, options.byte_range)
        except BaseException:
            response.close()
            raise

    def _info(self, name: str, place: Place, headers: Headers, size: int) -> ObjectInfo:
        info = object_info(name, place, headers, size, self._segments)
        link = self._links.of_answer(dict(reversed(headers.items())))
        return info if link is None else replace(info, meta=replace(info.meta, link=link))

    def _request(self, method: str, place: Place, headers: Sequence[Header] = (), more: str = "") -> Response:
        """Request an object, or the link that it is. In a container with versions that takes two requests:
        conditions and ranges would be about the link to the version. ``more``: of the query."""
        if self._has_versions:
            query = more + self._version(place)
            return self._transport.request(method, place.path, query=query, headers=headers)
        try:
            response = self._transport.request(method, place.path, query=more + ITSELF, headers=headers)
        except (PreconditionFailed, InvalidRequest):
            if not headers or self._version(place) == ITSELF:
                raise
        else:
            if version_of(dict(response.headers.items())) is None:
                return response
            response.close()
        self._has_versions = True
        return self._request(method, place, headers, more)

    def _version(self, place: Place) -> str:
        """The query for the current version of an object."""
        with self._transport.request("HEAD", place.path, query=ITSELF) as response:
            return version_of(dict(response.headers.items())) or ITSELF

    def _reopen(self, place: Place, options: GetOptions, extent: Extent) -> Response:
        return same_version(place.path, self._open(place, options), options, extent)


def _described(headers: Headers, size: int, etag: str) -> Headers:
    """The headers of a DLO with the size and ETag that Swift tells of one that has fewer than 10,000
    segments."""
    kept = [(name, value) for name, value in headers.items() if name != "etag"]
    return Headers([*kept, ("etag", etag), ("content-length", str(size))])
