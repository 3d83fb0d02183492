"""Upload sessions: an object arrives in chunks, one after the other.

Source: Cloud Storage documentation, "Perform resumable uploads". A session's URI authorizes its requests, so
no message quotes it. Chunks but the last are multiples of 256 KiB. After each the store says how many bytes
it has kept (308, ``Range``), which may be fewer than were sent; after a failure it is asked. The last request
carries the digests of the whole object (``X-Goog-Hash``), and the store refuses the object if they differ.
A session that is left behind holds no object, cannot be listed, and ends after a week.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from s3_sync.errors import (
    RemoteError,
    RemoteUnavailable,
    Throttled,
    UnexpectedAnswer,
)
from s3_sync.providers.gcs.errors import refusal, unexpected
from s3_sync.providers.gcs.resource import Digests
from s3_sync.providers.gcs.transport import GcsTransport, Header, encoded, upload_path
from s3_sync.runtime.backoff import exponential
from s3_sync.streams.hashing import new_digest
from s3_sync.streams.reader import Body
from s3_sync.streams.verifying import ExactBody

#: bytes of a request, which stay in memory until the store has kept them. Half of
#: that costs a fifth of the rate
CHUNK_SIZE = 16 * 1024 * 1024
#: consecutive failures without progress before the upload fails; fewer bytes than _STEP are none
_ATTEMPTS, _STEP = 5, 256 * 1024
_PERSISTED = re.compile(r"bytes=0-([0-9]{1,18})")
_TARGET = re.compile(r"/[!-~]+")
_COMPLETE, _INCOMPLETE = (200, 201), 308
_TRANSIENT = (408, 429)


class Session:
    """One session for an object of ``size`` bytes. ``document``: its description. Memory: up to two
    chunks."""

    def __init__(
        self,
        transport: GcsTransport,
        bucket: str,
        document: Mapping[str, Any],
        query: Mapping[str, str],
        size: int,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Starts the session. Raises PreconditionFailed, NotFound."""
        self._transport = transport
        self._what = f"PUT {bucket}/{document['name']}"
        self._size = size
        self._sleep = sleep
        self._backoff = exponential(0.5, 8.0, random.random)
        headers = [
            ("Content-Type", "application/json; charset=UTF-8"),
            ("X-Upload-Content-Length", str(size)),
        ]
        asked = {"uploadType": "resumable", **query}
        path = upload_path(bucket)
        response = transport.request(self._what, "POST", path, asked, headers, encoded(document))
        with response:
            response.drain()
        #: sent to our own endpoint, whatever host the URI names
        self._target = _target_of(response.headers.get("location") or "")
        if not self._target:
            raise unexpected(self._what, response, "no upload session")
        #: its ID, which is its authorization; the store's responses have it as their request ID
        self._secret = dict(parse_qsl(self._target.partition("?")[2])).get("upload_id", self._target)

    def send(self, body: Body, md5: str | None) -> tuple[dict[str, Any], Digests]:
        """Send all bytes; return the description of the object, and their digests. ``md5``: what they must
        hash to, which the store compares; None: it is computed here, which costs as much as all the rest.

        Raises BadDigest, PreconditionFailed; RemoteUnavailable if the session is lost."""
        try:
            return self._send(ExactBody(body, self._size), md5)
        except _SessionLost as error:
            raise RemoteUnavailable(str(error), status=error.status) from error
        except BaseException:
            with suppress(RemoteError):  # it would end by itself
                self._exchange("DELETE", (), b"")
            raise

    def _send(self, body: Body, md5: str | None) -> tuple[dict[str, Any], Digests]:
        crc32c, whole = new_digest("crc32c"), new_digest("md5") if md5 is None else _Known(md5)
        pending, kept, failures = b"", 0, 0
        while True:
            more = _read(body, min(CHUNK_SIZE, self._size - kept) - len(pending))
            crc32c.update(more)
            whole.update(more)
            pending = pending + more if pending else more
            hashes: tuple[Header, ...] = ()
            if kept + len(pending) == self._size:
                digests = Digests(whole.hexdigest(), crc32c.digest())
                hashes = (("X-Goog-Hash", digests.header),)
            try:
                found = self._put(kept, pending, hashes)
            except (RemoteUnavailable, Throttled) as error:
                found, failures = self._ask(error, failures + 1)
            if isinstance(found, dict):
                if not hashes:
                    raise UnexpectedAnswer(f"{self._what}: complete before all bytes were sent")
                return found, digests
            if not kept <= found <= kept + len(pending):
                raise RemoteUnavailable(f"{self._what}: the upload session has lost bytes")
            failures = failures + 1 if found - kept < min(_STEP, len(pending)) else 0
            if failures > _ATTEMPTS:
                raise RemoteUnavailable(f"{self._what}: the store keeps too few bytes of the upload session")
            pending, kept = pending[found - kept :], found

    def _put(self, first: int, data: bytes, hashes: tuple[Header, ...]) -> dict[str, Any] | int:
        span = f"bytes {first}-{first + len(data) - 1}/{self._size}"
        return self._exchange("PUT", (("Content-Range", span), *hashes), data)

    def _ask(self, error: RemoteError, failures: int) -> tuple[dict[str, Any] | int, int]:
        """Ask the store how many bytes it has kept, after a failure. Returns that, and the number of failures
        in a row."""
        while failures <= _ATTEMPTS:
            self._sleep(max(self._backoff(failures), min(error.retry_after or 0.0, 60.0)))
            try:
                return self._exchange("PUT", (("Content-Range", f"bytes */{self._size}"),), b""), failures
            except (RemoteUnavailable, Throttled) as again:
                error, failures = again, failures + 1
        raise error

    def _exchange(self, method: str, headers: tuple[Header, ...], data: bytes) -> dict[str, Any] | int:
        """Send a request of the session. Returns the description of a complete object, or how many bytes the
        store has kept."""
        response = self._transport.session_request(self._what, method, self._target, headers, data)
        if response.status in _COMPLETE:
            return self._transport.read_document(self._what, response)
        if response.status == _INCOMPLETE:
            with response:
                response.drain()
            kept = response.headers.get("range")
            if kept is None:
                return 0
            if (match := _PERSISTED.fullmatch(kept)) is None:
                raise unexpected(self._what, response, "an incomplete upload with another range")
            return int(match[1]) + 1
        if response.status in (404, 410):
            response.close()
            raise _SessionLost(f"{self._what}: the upload session is gone", status=response.status)
        error = refusal(self._what, response, self._secret)
        if response.status in _TRANSIENT and not isinstance(error, Throttled):
            raise RemoteUnavailable(str(error), status=error.status, retry_after=error.retry_after)
        raise error


class _Known:
    """The digest of bytes whose digest is known."""

    def __init__(self, md5: str) -> None:
        self._md5 = md5

    def update(self, data: bytes, /) -> None:
        """Nothing to compute."""

    def hexdigest(self) -> str:
        return self._md5


class _SessionLost(RemoteError):
    """The session ended; asking again is useless."""


def _target_of(location: str) -> str:
    """The path and the query of a session's URI; empty for what is none."""
    try:
        place = urlsplit(location)
    except ValueError:
        return ""
    target = f"{place.path}?{place.query}"
    return target if place.query and _TARGET.fullmatch(target) else ""


def _read(body: Body, size: int) -> bytes:
    """Read exactly ``size`` bytes, which may be 0; the body raises an error if there are fewer."""
    pieces: list[bytes] = []
    while size:
        pieces.append(body.read(size))
        size -= len(pieces[-1])
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
