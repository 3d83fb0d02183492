"""Sends requests to the blob service of one account."""

from __future__ import annotations

import time
from collections.abc import Sequence
from email.utils import formatdate
from urllib.parse import quote

from s3_sync import __version__
from s3_sync.config.credentials.azure import AzureCredentials
from s3_sync.errors import RemoteUnavailable
from s3_sync.http.network import Network, Url
from s3_sync.http.pool import Response
from s3_sync.providers.azure.auth import (
    Authorizer,
    Bearer,
    Request,
    SharedAccess,
    SharedKey,
    signature_of,
)
from s3_sync.providers.azure.errors import is_from_azure, refusal, unexpected
from s3_sync.providers.azure.identity import token_cache
from s3_sync.providers.clock_skew import StoreClock
from s3_sync.providers.http_errors import translated
from s3_sync.providers.object_headers import Header
from s3_sync.streams.reader import Body
from s3_sync.streams.restartable import RestartableBody

USER_AGENT = f"swift-s3-sync/{__version__}"
#: of the protocol ("Versioning for Azure Storage"): the first one with the tier Cold
VERSION = "2021-12-02"
#: minimum bytes per read of an object that arrives fast, see ``Receiving``
_GATHER = 256 * 1024

Query = Sequence[tuple[str, str]]


class AzureTransport:
    """At most ``connections`` for reading and as many for writing, so that a thread that copies from one
    object to another cannot deadlock itself. Thread-safe.

    ``clock``: the service's, as its responses show it.
    """

    def __init__(self, credentials: AzureCredentials, network: Network, connections: int) -> None:
        account = credentials.storage_account
        url = Url.parse(account.endpoint)
        self.clock = StoreClock(credentials.store_id)
        self.checksum = credentials.azure_checksum
        self._base = url.path
        self._reads = network.pool(url.origin, connections, _GATHER)
        self._writes = network.pool(url.origin, connections)
        self._authorizer = _authorizer(credentials)
        sas = account.sas.reveal() if account.sas is not None else ""
        self._secrets = (sas, signature_of(sas))

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        headers: Sequence[Header] = (),
        body: Body | bytes | None = None,
        size: int | None = None,
    ) -> Response:
        """Send a request and return the response to a success (2xx), which the caller must close.

        ``path``: ``/container/blob``, unquoted; empty for the account itself. ``size``: bytes of the body, by
        default its length. A token that is refused is renewed, and the request sent again, unless bytes of
        the body have been read and it cannot be rewound. Raises the errors of ``refusal``, and whatever
        ``body.read`` raises.
        """
        what = f"{method} {path or 'the account'}"
        watched = body if body is None or isinstance(body, bytes) else RestartableBody(body)
        if size is None:
            size = 0 if body is None else len(body) if isinstance(body, bytes) else body.length or 0
        own = [("x-ms-date", formatdate(usegmt=True)), ("x-ms-version", VERSION), *headers]
        quoted = self._base + quote(path, safe="/") or "/"
        request = Request(method, quoted, query, own, size)
        with translated(what):
            response = self._send(request, watched)
            if response.status == 401 and self._authorizer.renew():
                if isinstance(watched, RestartableBody) and not watched.restart():
                    why = "the token was refused, and the body cannot be sent again"
                    raise RemoteUnavailable(f"{what}: {why}", status=401) from refusal(
                        what, response, self._secrets
                    )
                response.close()
                response = self._send(request, watched)
        if not 200 <= response.status < 300:
            raise refusal(what, response, self._secrets)
        if not is_from_azure(response.headers):
            with response:
                reason = "a response without a request ID; is a proxy or a portal in between?"
                raise unexpected(what, response.status, reason)
        return response

    def close(self) -> None:
        self._reads.close()
        self._writes.close()

    def _send(self, request: Request, body: RestartableBody | bytes | None) -> Response:
        parameters = [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in request.query]
        query = "&".join(filter(None, [*parameters, self._authorizer.query]))
        reads = request.method in ("GET", "HEAD")
        headers = [("User-Agent", USER_AGENT), *request.headers, *self._authorizer.headers(request)]
        if reads:  # the bytes must arrive as they are stored
            headers.append(("Accept-Encoding", "identity"))
        sent = time.time()
        response = (self._reads if reads else self._writes).request(
            request.method,
            request.path + (f"?{query}" if query else ""),
            headers,
            body,
            length=request.size if body is not None else None,
        )
        self.clock.record(response.headers.get("date") or "", sent)
        return response


def _authorizer(credentials: AzureCredentials) -> Authorizer:
    account = credentials.storage_account
    if account.key is not None:
        return SharedKey(account.name, account.key.reveal())
    if account.sas is not None:
        return SharedAccess(account.sas.reveal())
    tokens = token_cache(credentials)
    return Bearer(tokens.token, tokens.discard)
