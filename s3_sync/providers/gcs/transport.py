"""Sends requests to Google's JSON API with the session's token."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from s3_sync.config.credentials.gcs import GcsCredentials
from s3_sync.http.network import Network, Url
from s3_sync.http.pool import ConnectionPool, Response
from s3_sync.providers.clock_skew import StoreClock
from s3_sync.providers.gcs.errors import USER_AGENT, refusal, unexpected
from s3_sync.providers.gcs.login import AccessToken
from s3_sync.providers.http_errors import translated
from s3_sync.providers.token_session import Session
from s3_sync.streams.small_files import parse_json

Header = tuple[str, str]
Query = Mapping[str, str]
#: maximum bytes of a document; a page of a listing has up to a thousand objects with 8 KiB of metadata
_MAX_DOCUMENT = 64 * 1024 * 1024
_NONE: Query = {}


class GcsTransport:
    """At most ``connections`` for reading and as many for all else, so that a thread that copies from one
    object to another cannot deadlock itself. Thread-safe.

    ``clock``: the store's, as its responses show it.
    """

    def __init__(
        self, credentials: GcsCredentials, session: Session[AccessToken], network: Network, connections: int
    ) -> None:
        self.clock = StoreClock(credentials.store_id)
        self._session = session
        self._url = Url.parse(credentials.service)
        self._reading = network.pool(self._url.origin, connections)
        self._writing = network.pool(self._url.origin, connections)

    def document(
        self,
        what: str,
        method: str,
        path: str,
        query: Query = _NONE,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Send a request, with ``body`` as JSON, and return the JSON object of its response; an empty one for
        a response without a body. Raises the errors of ``refusal``, UnexpectedAnswer."""
        data = None if body is None else encoded(body)
        headers = () if body is None else (("Content-Type", "application/json; charset=UTF-8"),)
        return self.read_document(what, self.request(what, method, path, query, headers, data))

    def request(
        self,
        what: str,
        method: str,
        path: str,
        query: Query = _NONE,
        headers: Sequence[Header] = (),
        body: bytes | None = None,
    ) -> Response:
        """Send a request, and return the response to a success (2xx), which the caller must close.

        ``path``: quoted, below the endpoint. A token that is refused is renewed, and the request sent again.
        """
        target = f"{self._url.path}{path}" + (f"?{urlencode(query)}" if query else "")
        with translated(what):
            token = self._session.token()
            response = self._send(method, target, (*headers, _authorization(token)), body)
            if response.status == 401 and not self._session.is_denial(token):
                error = refusal(what, response, token.value)
                renewed = self._session.renew(token, 401)
                if renewed is token:
                    raise error
                token = renewed
                response = self._send(method, target, (*headers, _authorization(token)), body)
                if response.status == 401:
                    self._session.note_denial(token)
        if not 200 <= response.status < 300:
            raise refusal(what, response, token.value)
        return response

    def session_request(
        self, what: str, method: str, target: str, headers: Sequence[Header], body: bytes
    ) -> Response:
        """Send a request of an upload session, whose target is its authorization, and return any response,
        which the caller must close."""
        with translated(what):
            return self._send(method, target, headers, body)

    def read_document(self, what: str, response: Response) -> dict[str, Any]:
        """Read the JSON object of a response, and close it. Raises UnexpectedAnswer."""
        with translated(what), response:
            data = response.read_all(_MAX_DOCUMENT)
        try:
            found = parse_json(data) if data else {}
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise unexpected(what, response, "not a JSON object")
        return found

    def close(self) -> None:
        self._reading.close()
        self._writing.close()
        self._session.close()

    def _send(self, method: str, target: str, headers: Sequence[Header], body: bytes | None) -> Response:
        sent = [("User-Agent", USER_AGENT), *headers]
        if not any(name == "Accept-Encoding" for name, _ in headers):
            sent.append(("Accept-Encoding", "identity"))
        pool = self._pool(method, target)
        began = time.time()
        response = pool.request(method, target, sent, body)
        self.clock.record(response.headers.get("date") or "", began)
        return response

    def _pool(self, method: str, target: str) -> ConnectionPool:
        return self._reading if method == "GET" and "alt=media" in target else self._writing


def bucket_path(bucket: str) -> str:
    return f"/storage/v1/b/{quote(bucket, safe='')}"


def object_path(bucket: str, key: str) -> str:
    """The path of an object; its name is one segment (documentation, "Encoding URI path parts")."""
    return f"{bucket_path(bucket)}/o/{quote(key, safe='')}"


def upload_path(bucket: str) -> str:
    return f"/upload/storage/v1/b/{quote(bucket, safe='')}/o"


def encoded(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode("utf-8")


def _authorization(token: AccessToken) -> Header:
    return "Authorization", f"Bearer {token.value}"
