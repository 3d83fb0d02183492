"""Writes symlinks to another Swift."""

from __future__ import annotations

from s3_sync.errors import LinkTargetMissing, NotFound, NotSupported, PreconditionFailed
from s3_sync.http.message import Headers
from s3_sync.model.headers import USER_PREFIX, is_true
from s3_sync.model.objects import Link, PutOptions, PutResult
from s3_sync.providers.object_headers import unquoted
from s3_sync.providers.swift.headers import Place
from s3_sync.providers.swift.links import ITSELF, Links
from s3_sync.providers.swift.reads import Reader
from s3_sync.providers.swift.transport import SwiftTransport
from s3_sync.providers.swift.writes import Writer
from s3_sync.streams.reader import BytesBody

_NO_LINKS = "this Swift has no symlinks"
_SLO_MARK, _DLO_MARK = f"{USER_PREFIX}swift-slo-etag", f"{USER_PREFIX}x-object-manifest"


class LinkWriter:
    """Writes the symlinks of one container."""

    def __init__(self, transport: SwiftTransport, writer: Writer, reader: Reader, links: Links) -> None:
        self._transport = transport
        self._writer = writer
        self._reader = reader
        self._links = links
        self._is_proved = False

    def put(self, key: str, link: Link, options: PutOptions) -> PutResult:
        """Store a link. Raises LinkTargetMissing, NotSupported, PreconditionFailed."""
        told = self._transport.info()
        if told and "symlink" not in told:
            raise NotSupported(_NO_LINKS)
        try:
            result = self._send(key, link, options, link.etag)
        except PreconditionFailed as error:
            if not link.etag or error.status != 409:
                raise
            bound = self._bound_etag(link)
            if bound == link.etag:
                raise  # the server has something newer
            result = self._send(key, link, options, bound)
        if not (told or self._is_proved):
            self._prove(key, options)
        return result

    def _send(self, key: str, link: Link, options: PutOptions, bound: str) -> PutResult:
        return self._writer.put(key, BytesBody(b""), options, self._links.headers(link, bound))

    def _bound_etag(self, link: Link) -> str:
        """Return the ETag that a link to the copy of this target must have here. Raises LinkTargetMissing if
        it is not the copy of what the link is bound to."""
        place = Place(*self._links.target(link))
        try:
            with self._transport.request("HEAD", place.path, query=ITSELF) as response:
                headers = response.headers
        except NotFound as error:
            raise LinkTargetMissing(f"{place.path} is not stored yet", status=409) from error
        bound = _etag_for_links(headers)
        manifest = headers.get("x-manifest-etag") or ""
        if bound == link.etag or (manifest and _is_copy_of(headers, link.etag)):
            return bound
        raise LinkTargetMissing(f"{place.path} has ETag {bound}, the link {link.etag}", status=409)

    def _prove(self, key: str, options: PutOptions) -> None:
        """Check that a server that tells nothing about itself has stored a link: without symlinks, it has
        stored an empty object. Raises NotSupported; PreconditionFailed if something else is there by now."""
        found = self._reader.head(key, key)
        if found.meta.link is None:
            if found.size or found.meta.swift_timestamp != options.meta.swift_timestamp:
                raise PreconditionFailed(f"{key} is not the link that was written", status=412)
            self._writer.delete(key, None)
            raise NotSupported(_NO_LINKS)
        self._is_proved = True


def _etag_for_links(headers: Headers) -> str:
    """Return the ETag that a static link to this object is compared with: of an SLO that of its manifest, of
    a static link the one that it is bound to."""
    names = ("x-symlink-target-etag", "x-manifest-etag", "etag")
    return unquoted(next((found for name in names if (found := headers.get(name))), ""))


def _is_copy_of(headers: Headers, etag: str) -> bool:
    """Whether a large object is the copy of one whose manifest has this ETag; of a DLO, whose manifest says
    nothing about its bytes, any."""
    if not is_true(headers.get("x-static-large-object") or ""):
        return False
    return headers.get(_SLO_MARK) == etag or _DLO_MARK in headers
