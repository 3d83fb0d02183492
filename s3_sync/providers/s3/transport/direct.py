"""The transport without the SDK: signed requests over pooled connections."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from dataclasses import dataclass
from urllib.parse import quote

from s3_sync.errors import RemoteError, RemoteUnavailable
from s3_sync.http.pool import CONTINUE_WAIT, ConnectionPool, Origin, Receiving, Response
from s3_sync.providers.s3.client import Account, Address
from s3_sync.providers.s3.errors import from_body, translated
from s3_sync.providers.s3.headers import lower_names
from s3_sync.providers.s3.transport.aws_chunked import AwsChunkedBody
from s3_sync.providers.s3.transport.base import (
    Content,
    ObjectRequest,
    ObjectResponse,
    PartOf,
    Receipt,
    Upload,
)
from s3_sync.providers.s3.transport.sigv4 import (
    EMPTY_SHA256,
    SIGNED_CHUNKS,
    SIGNED_CHUNKS_TRAILER,
    UNSIGNED,
    UNSIGNED_TRAILER,
    Header,
    Signer,
    quoted_key,
)
from s3_sync.streams.reader import Body

log = logging.getLogger("s3-sync")

#: bodies larger than this many bytes are sent with ``Expect: 100-continue``
EXPECT_ABOVE = 1024 * 1024
#: maximum bytes read of an error document
_MAX_ERROR = 64 * 1024
#: minimum bytes per read of an object that arrives fast, see ``Receiving``
_GATHER = 256 * 1024


@dataclass(slots=True)
class _Route:
    """The state shared by all requests to one bucket."""

    address: Address
    signer: Signer
    writing: ConnectionPool
    reading: ConnectionPool


class DirectTransport:
    """Signs and sends requests itself. Connections are pooled by origin, at most ``connections`` to each for
    reading and as many for writing, so that a thread that copies from one object to another cannot deadlock
    itself."""

    def __init__(self, account: Account, *, connections: int) -> None:
        self.has_trailers = account.dialect.trailing_checksums
        self._account = account
        self._connections = connections
        self._lock = threading.Lock()
        self._routes: dict[str, _Route] = {}
        self._pools: dict[tuple[Origin, int], ConnectionPool] = {}

    def send(self, upload: Upload, content: Content) -> Receipt:
        with translated(upload.what):
            route = self._routes.get(upload.bucket) or self._new_route(upload.bucket)
            target = route.address.prefix + quoted_key(upload.key) + _query(upload.part)
            headers, body, length = self._signed(route, target, upload, content)
            wait = CONTINUE_WAIT if length > EXPECT_ABOVE else 0.0
            with route.writing.request(
                "PUT", target, headers, body, length=length, continue_wait=wait
            ) as response:
                if 200 <= response.status < 300:
                    response.drain()
                    return Receipt(response.status, lower_names(response.headers.items()))
                error = self._error(upload.what, response)
            if error.code == "XAmzContentSHA256Mismatch" and content.checksum:
                # the store compared the placeholder in x-amz-content-sha256 with the hash of the body
                self._stop_trailers(upload.bucket)
                raise RemoteUnavailable(f"{error}: trailing checksums are not supported", status=error.status)
            raise error

    def _stop_trailers(self, bucket: str) -> None:
        if self.has_trailers:
            self.has_trailers = False
            log.info("%s: the store does not support trailing checksums, sending Content-MD5", bucket)

    def fetch(self, request: ObjectRequest) -> ObjectResponse:
        with translated(request.what):
            route = self._routes.get(request.bucket) or self._new_route(request.bucket)
            target = route.address.prefix + quoted_key(request.key)
            if request.part is not None:
                target += f"?partNumber={request.part}"
            method, authority = request.method, route.address.origin.authority
            # the bytes must arrive as they are stored
            coding = "gzip" if self._account.dialect.unpacks_gzip else "identity"
            headers = [*self._account.headers, ("Accept-Encoding", coding), *request.headers]
            signature = route.signer.sign(method, authority, target, headers, EMPTY_SHA256)
            sent = time.time()
            response = route.reading.request(method, target, signature.headers)
            self._account.clock.record(response.headers.get("date") or "", sent)
            if 200 <= response.status < 300:
                return ObjectResponse(response.status, lower_names(response.headers.items()), response)
            with response:
                raise self._error(request.what, response)

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()

    def _error(self, what: str, response: Response) -> RemoteError:
        document = _read_some(response, _MAX_ERROR)
        error = from_body(what, response.status, document, lower_names(response.headers.items()))
        self._account.note_refusal(error.code)
        return error

    def _signed(
        self, route: _Route, target: str, upload: Upload, content: Content
    ) -> tuple[list[Header], bytes | Body, int]:
        origin, data = route.address.origin, content.data
        headers: list[Header] = [*self._account.headers, *upload.headers, *content.headers]
        chunks_signed = False
        if isinstance(data, bytes):
            # TLS protects the integrity of the body
            payload = UNSIGNED if origin.tls else hashlib.sha256(data).hexdigest()
        elif origin.tls or self._account.dialect.unsigned_over_http:
            payload = UNSIGNED_TRAILER if content.checksum else UNSIGNED
        else:
            chunks_signed = True
            payload = SIGNED_CHUNKS_TRAILER if content.checksum else SIGNED_CHUNKS
        if payload not in (UNSIGNED_TRAILER, SIGNED_CHUNKS, SIGNED_CHUNKS_TRAILER):
            signature = route.signer.sign("PUT", origin.authority, target, headers, payload)
            return signature.headers, data, content.size
        assert not isinstance(data, bytes)
        headers = _chunked_headers(headers, content)
        signature = route.signer.sign("PUT", origin.authority, target, headers, payload)
        body = AwsChunkedBody(data, content.size, content.checksum, signature if chunks_signed else None)
        assert body.length is not None
        return signature.headers, body, body.length

    def _new_route(self, bucket: str) -> _Route:
        address = self._account.address(bucket)
        with self._lock:
            signer = Signer(self._account.keys, address.region)
            writing, reading = self._pool(address.origin, 1), self._pool(address.origin, _GATHER)
            return self._routes.setdefault(bucket, _Route(address, signer, writing, reading))

    def _pool(self, origin: Origin, gather: int) -> ConnectionPool:
        pool = self._pools.get((origin, gather))
        if pool is None:
            pool = self._pools[origin, gather] = ConnectionPool(
                origin,
                size=self._connections,
                timeouts=self._account.timeouts,
                tls_context=self._account.tls_context,
                proxy=self._account.proxy(origin),
                receiving=Receiving(gather=gather),
            )
        return pool


def _read_some(response: Response, limit: int) -> bytes:
    pieces: list[bytes] = []
    while limit > 0 and (piece := response.read(limit)):
        pieces.append(piece)
        limit -= len(piece)
    return b"".join(pieces)


def _query(part: PartOf | None) -> str:
    return f"?partNumber={part.number}&uploadId={quote(part.upload_id, safe='-._~')}" if part else ""


def _chunked_headers(headers: list[Header], content: Content) -> list[Header]:
    """The headers of an aws-chunked body. The coding is added to Content-Encoding; the store removes it."""
    coding = next((value for name, value in headers if name.lower() == "content-encoding"), None)
    chunked = [header for header in headers if header[0].lower() != "content-encoding"]
    chunked.append(("content-encoding", f"aws-chunked,{coding}" if coding else "aws-chunked"))
    chunked.append(("x-amz-decoded-content-length", str(content.size)))
    if content.checksum:
        chunked.append(("x-amz-trailer", f"x-amz-checksum-{content.checksum}"))
    return chunked
