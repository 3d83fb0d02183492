"""How one logs in: TempAuth's version 1.

Each login names a token, how long it lasts, and the account's storage URL.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote

from s3_sync import __version__
from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.errors import AccessDenied, CredentialsRefused, RemoteError, UnexpectedAnswer
from s3_sync.http.pool import Response
from s3_sync.providers.swift.errors import refusal, translated
from s3_sync.providers.swift.network import Network, Url

USER_AGENT = f"swift-s3-sync/{__version__}"
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Token:
    """``storage``: the URL of the account. ``expires``: by the clock of the login, infinite if unknown."""

    value: str = field(repr=False)
    storage: Url
    expires: float = math.inf
    #: seconds from the request for the token to its expiry
    life: float = math.inf


class Login(Protocol):
    def log_in(self) -> Token:
        """Request a token. Raises CredentialsRefused and any other RemoteError."""
        ...

    def close(self) -> None: ...


class TempAuth:
    """Version 1: ``GET`` of the endpoint with user and key in headers: TempAuth, SWAuth, Ceph."""

    def __init__(
        self, credentials: SwiftCredentials, network: Network, clock: Clock = time.monotonic
    ) -> None:
        assert credentials.endpoint is not None
        assert credentials.identity is not None
        assert credentials.secret is not None
        self._credentials = credentials
        self._url = Url.parse(credentials.endpoint)
        self._clock = clock
        self._pool = network.pool(self._url.origin, 1)

    def log_in(self) -> Token:
        what, secret = f"login at {self._url}", self._credentials.secret
        assert secret is not None
        headers = [
            ("User-Agent", USER_AGENT),
            ("X-Auth-User", self._credentials.identity or ""),
            ("X-Auth-Key", secret.reveal()),
        ]
        began = self._clock()
        with translated(what), self._pool.request("GET", self._url.path or "/", headers) as response:
            if not 200 <= response.status < 300:
                raise _login_error(what, refusal(what, response, container=False, secret=secret.reveal()))
            response.drain()
        value = response.headers.get("x-auth-token")
        storage = response.headers.get("x-storage-url")
        if not value or not storage:
            raise UnexpectedAnswer(f"{what}: {response.status} without X-Auth-Token and X-Storage-Url")
        life = _life(response)
        return Token(value, storage_url(what, storage, self._credentials), began + life, life)

    def close(self) -> None:
        self._pool.close()


def _login_error(what: str, error: RemoteError) -> RemoteError:
    """The error of a login: whatever is forbidden, the credentials are refused."""
    if isinstance(error, AccessDenied):
        return CredentialsRefused(str(error), status=error.status)
    return error


def _life(response: Response) -> float:
    """The seconds that a token lasts, from X-Auth-Token-Expires, which not every server sends."""
    text = response.headers.get("x-auth-token-expires") or ""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 12 else math.inf


def storage_url(what: str, text: str, credentials: SwiftCredentials) -> Url:
    """Parse the storage URL of a login, and replace its account by ``remote_account``.

    Raises UnexpectedAnswer.
    """
    try:
        url = Url.parse(text)
    except ValueError as error:
        raise UnexpectedAnswer(f"{what}: storage URL {text[:100]!r}: {error}") from error
    if credentials.remote_account is None:
        return url
    segments = url.path.split("/")
    version = next((place for place, segment in enumerate(segments) if segment in ("v1", "v1.0")), None)
    kept = segments[:-1] if version is None else segments[: version + 1]
    return Url(url.origin, "/".join([*kept, quote(credentials.remote_account, safe="")]))
