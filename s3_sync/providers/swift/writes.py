"""Writes to one container of another Swift.

Each carries the X-Timestamp of the local object. A cluster that accepts it from clients (``gatekeeper`` with
``shunt_inbound_x_timestamp = false``) then orders the writes itself: one that is older than what is there is
refused, in whatever order they arrive. Other clusters ignore it.

What is refused like this can still be sent. The caller says what it has seen there and means to replace
(``PutOptions.replaces``), and the write gets the next X-Timestamp after that. Where nothing is to be seen, a
tombstone, or an object whose X-Delete-At has passed, may have a younger one, which nobody can ask for: then
the write is repeated without one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from s3_sync.errors import BadDigest, NotFound, PreconditionFailed, RemoteUnavailable, UnexpectedAnswer
from s3_sync.largeobject.manifest import Manifest, Segment, joined_etag
from s3_sync.model.lifetime import later
from s3_sync.model.objects import ObjectInfo, ObjectMeta, PutOptions, PutResult
from s3_sync.model.timestamps import Timestamp
from s3_sync.providers.base import WriteOptions
from s3_sync.providers.http_errors import NO_SUCH_BUCKET
from s3_sync.providers.object_headers import Header, unquoted, write_conditions
from s3_sync.providers.swift.errors import PostedToLink, read_heartbeat
from s3_sync.providers.swift.headers import TIMESTAMP, Place, delete_at_header, meta_headers
from s3_sync.providers.swift.transport import SwiftTransport
from s3_sync.streams.hashing import HashingBody, md5_hex
from s3_sync.streams.reader import CHUNK, Body, BytesBody
from s3_sync.streams.restartable import RestartableBody
from s3_sync.streams.verifying import ExactBody, read_exactly

log = logging.getLogger("s3-sync")

_MANIFEST, _HEARTBEAT = "multipart-manifest=put", "&heartbeat=on"
#: slo sends a HEAD for each segment, two at a time; for fewer it is not waited for longer than for any PUT
HEARTBEAT_FROM = 100


@dataclass(frozen=True, slots=True)
class _Upload:
    """``etag``: returns that of the object, once its bytes were sent. ``query``: of a manifest."""

    place: Place
    body: RestartableBody
    size: int
    headers: tuple[Header, ...]
    etag: Callable[[], str]
    query: str = ""


class Writer:
    """Writes to one container. ``head``: describes the object under a key; raises NotFound."""

    def __init__(
        self,
        transport: SwiftTransport,
        container: str,
        write: WriteOptions,
        head: Callable[[str], ObjectInfo],
    ) -> None:
        self._transport = transport
        self._container = container
        self._write = write
        self._head = head

    def put(self, key: str, body: Body, options: PutOptions, more: Sequence[Header] = ()) -> PutResult:
        """Store an object, with ``more`` headers. Creates the container if it is missing. Raises BadDigest,
        PreconditionFailed."""
        return self._put_version(self._upload(key, body, options, more), key, options)

    def put_manifest(self, key: str, segments: Sequence[Segment], options: PutOptions) -> PutResult:
        """Store the manifest of an SLO. Raises InvalidRequest with status 400 if the segments are not there.

        With ``heartbeat``, slo says from time to time that it is still checking them."""
        place = Place(self._container, key)
        etag = joined_etag(segment.md5 for segment in segments)
        body = Manifest(tuple(segments), b"").to_put()
        headers = meta_headers(place, options.meta, self._write, is_static=True)
        headers += self._delete_at(options.meta)
        headers += [("ETag", etag), ("Accept", "application/json")]
        headers += write_conditions(None, options.if_absent)
        query = _MANIFEST + (_HEARTBEAT if len(segments) >= HEARTBEAT_FROM else "")
        sent = RestartableBody(BytesBody(body))
        upload = _Upload(place, sent, len(body), tuple(headers), lambda: etag, query)
        return self._put_version(upload, key, options)

    def _put_version(self, upload: _Upload, key: str, options: PutOptions) -> PutResult:
        stamp = _later(options.meta.swift_timestamp, options.replaces)
        try:
            return self._put(upload, stamp)
        except PreconditionFailed:
            if stamp is None or not options.if_absent or self._exists(key):
                raise
            self._restart(upload, "a tombstone is in the way")
        return self._put(upload, None)

    def post(self, key: str, meta: ObjectMeta, current: ObjectInfo, is_static: bool = False) -> None:
        """Replace the metadata of ``current``, which a HEAD has just shown. ``is_static``: it is an SLO.

        A segment stays one, and lives no shorter for it than it did."""
        place = Place(self._container, key)
        expires = self._write.lifetime.delete_at(meta)
        if current.meta.is_segment and not meta.is_segment:
            meta = meta.marked(swift_source=current.meta.marks["swift-source"])
            expires = later(expires, current.expires)
        headers = meta_headers(place, meta, self._write, is_static=is_static)
        headers += delete_at_header(expires)
        headers += _stamped(_later(meta.swift_timestamp, current.x_timestamp))
        try:
            self._transport.request("POST", place.path, headers=headers).drain()
        except PostedToLink:
            if meta.link is None:
                raise
        else:
            if meta.link is not None:
                raise PreconditionFailed(f"{place.path} is no symlink any more", status=412)

    def post_container(self, headers: Mapping[str, str]) -> None:
        """Set headers of the container; those with an empty value are removed."""
        path, sent = f"/{self._container}", list(headers.items())
        try:
            self._transport.request("POST", path, headers=sent).drain()
        except NotFound:
            if not any(headers.values()):
                return  # there is nothing to remove
            self.create_container()
            self._transport.request("POST", path, headers=sent).drain()

    def delete(self, key: str, deleted_at: Timestamp | None) -> bool:
        """Delete an object. Returns False if there was none. Raises PreconditionFailed for one that is
        younger."""
        try:
            try:
                self._delete(key, deleted_at)
            except PreconditionFailed:
                if deleted_at is None:
                    raise
                current = self._head(key)
                version = current.version(self._transport.clock.offset)
                if version is None or version > deleted_at:
                    raise
                self._delete(key, _later(deleted_at, current.x_timestamp))
        except NotFound:
            return False
        return True

    def _delete(self, key: str, stamp: Timestamp | None) -> None:
        path = Place(self._container, key).path
        response = self._transport.request("DELETE", path, headers=_stamped(stamp))
        response.drain()
        if response.status != 204:
            raise UnexpectedAnswer(f"DELETE {path}: {response.status}", status=response.status)

    def _upload(self, key: str, body: Body, options: PutOptions, more: Sequence[Header]) -> _Upload:
        """The request, with a digest that the server checks. A small body is read now."""
        place = Place(self._container, key)
        headers = [*meta_headers(place, options.meta, self._write), *self._delete_at(options.meta), *more]
        md5, size = options.md5, options.size
        headers += write_conditions(None, options.if_absent)
        if size <= CHUNK:
            data = read_exactly(body, size, md5)
            md5 = md5 or md5_hex(data)
            body = BytesBody(data)
        else:
            body = ExactBody(body, size)
        if md5 is not None:
            headers.append(("ETag", md5))
        hashing = HashingBody(body, "md5")
        whole = RestartableBody(body if md5 is not None else hashing)
        return _Upload(place, whole, size, tuple(headers), lambda: md5 or hashing.digest.hexdigest())

    def _put(self, upload: _Upload, stamp: Timestamp | None) -> PutResult:
        try:
            return self._send(upload, stamp)
        except NotFound as error:
            if error.code != NO_SUCH_BUCKET:
                raise
            self.create_container()
            self._restart(upload, "the container was missing, and was created")
        return self._send(upload, stamp)

    def _send(self, upload: _Upload, stamp: Timestamp | None) -> PutResult:
        path = upload.place.path
        headers = [*upload.headers, *_stamped(stamp)]
        response = self._transport.request(
            "PUT", path, query=upload.query, headers=headers, body=upload.body, size=upload.size
        )
        if upload.query.endswith(_HEARTBEAT) and response.status == 202:
            status, etag = read_heartbeat(f"PUT {path}", response)
        else:
            response.drain()
            status, etag = response.status, unquoted(response.headers.get("etag", "") or "")
        if status == 202:
            raise PreconditionFailed(f"PUT {path}: 202: the server has something newer", status=status)
        if not etag or status != 201:
            raise UnexpectedAnswer(f"PUT {path}: {status} with ETag {etag[:40]!r}", status=status)
        if etag != (expected := upload.etag()):
            raise BadDigest(f"PUT {path}: the server's ETag is {etag[:40]}, not {expected}")
        return PutResult(etag)

    def create_container(self) -> None:
        """Create the container unless it exists. Raises InvalidRequest for a storage policy that the cluster
        does not have."""
        policy = self._write.storage_policy
        headers = [("X-Storage-Policy", policy)] if policy else []
        response = self._transport.request("PUT", f"/{self._container}", headers=headers)
        response.drain()
        if response.status == 201:
            log.info("created container %s%s", self._container, f" with policy {policy}" if policy else "")

    def _delete_at(self, meta: ObjectMeta) -> list[Header]:
        return delete_at_header(self._write.lifetime.delete_at(meta))

    def _exists(self, key: str) -> bool:
        try:
            self._head(key)
        except NotFound:
            return False
        return True

    @staticmethod
    def _restart(upload: _Upload, why: str) -> None:
        if not upload.body.restart():
            raise RemoteUnavailable(f"PUT {upload.place.path}: {why}; the body cannot be sent again")


def _later(version: Timestamp | None, than: Timestamp | None) -> Timestamp | None:
    """The X-Timestamp of a write of this version, which has to be later than that of what it replaces; None
    if the version is unknown."""
    if version is None or than is None:
        return version
    return max(version, than.next_time())


def _stamped(stamp: Timestamp | None) -> list[Header]:
    return [] if stamp is None else [(TIMESTAMP, stamp.internal)]
