"""How one logs in: what a login names, and TempAuth's version 1 of it.

``keystone`` has the other versions.
"""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass, field, replace
from urllib.parse import quote, unquote

from s3_sync import __version__
from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.errors import (
    AccessDenied,
    CredentialsRefused,
    InvalidRequest,
    NotFound,
    RemoteError,
    UnexpectedAnswer,
)
from s3_sync.http.network import Network, Url
from s3_sync.http.pool import Response
from s3_sync.providers.http_errors import translated
from s3_sync.providers.swift.errors import refusal
from s3_sync.providers.token_session import Clock, Login

USER_AGENT = f"swift-s3-sync/{__version__}"
#: a path segment that the account follows
_VERSION = re.compile(r"v1(\.0)?")
#: what can be sent in a header, and is all that tokens have
_TOKEN = re.compile(r"[!-~]{1,16384}")
#: how Keystone begins the message of a 404 of its own
_UNKNOWN = "Could not find "
_SECONDS = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class Token:
    """``storage``: the URL of the account. ``began``: when it was requested, by the login's clock. ``life``:
    seconds from then to its expiry; infinite if unknown."""

    value: str = field(repr=False)
    storage: Url
    began: float
    life: float = math.inf

    @property
    def expires(self) -> float:
        return self.began + self.life

    @property
    def account(self) -> str:
        return unquote(self.storage.path.rpartition("/")[2])


def login_for(credentials: SwiftCredentials, network: Network) -> Login[Token]:
    """Return the login for checked credentials. Imports Keystone's SDK if it is needed."""
    if not credentials.uses_keystone:
        return TempAuth(credentials, network)
    from s3_sync.providers.swift.keystone import Keystone

    return Keystone(credentials, network)


class TempAuth:
    """Version 1, which TempAuth, SWAuth and Ceph have: user and key in headers of a GET."""

    def __init__(
        self, credentials: SwiftCredentials, network: Network, clock: Clock = time.monotonic
    ) -> None:
        self._credentials = credentials
        self._url = Url.parse(credentials.auth_url)
        self._clock = clock
        self._pool = network.pool(self._url.origin, 1)

    def log_in(self) -> Token:
        what, secret = f"login at {self._url}", revealed(self._credentials)
        headers = [
            ("User-Agent", USER_AGENT),
            ("X-Auth-User", self._credentials.identity or ""),
            ("X-Auth-Key", secret),
        ]
        began = self._clock()
        with translated(what), self._pool.request("GET", self._url.path or "/", headers) as response:
            if not 200 <= response.status < 300:
                raise login_error(what, response, secret)
            response.drain()
        storage = response.headers.get("x-storage-url")
        if storage is None:
            raise UnexpectedAnswer(f"{what}: {response.status} without X-Storage-Url")
        value = token_value(what, response.headers.get("x-auth-token"))
        return Token(value, storage_url(what, storage, self._credentials), began, _life(response))

    def close(self) -> None:
        self._pool.close()


def revealed(credentials: SwiftCredentials) -> str:
    return credentials.secret.reveal() if credentials.secret is not None else ""


def login_error(what: str, response: Response, secret: str) -> RemoteError:
    """Return the error for a login that failed, and close the response.

    If the service refuses the request, the credentials or what they are for are wrong; so are they if
    Keystone does not know an application credential. Another missing path can be a wrong endpoint or the
    fault of a proxy in between: that is UnexpectedAnswer.
    """
    error = refusal(what, response, container=False, secret=secret)
    if isinstance(error, NotFound) and _UNKNOWN not in str(error):
        return UnexpectedAnswer(f"{error}; is the endpoint right?", status=error.status)
    if isinstance(error, (AccessDenied, InvalidRequest, NotFound)):
        return CredentialsRefused(str(error), status=error.status)
    return error


def token_value(what: str, text: str | None) -> str:
    """Return the token of a login. Raises UnexpectedAnswer without one that a header can hold."""
    if text is None or not _TOKEN.fullmatch(text):
        raise UnexpectedAnswer(f"{what}: a response without a valid token")
    return text


def storage_url(what: str, text: str, credentials: SwiftCredentials) -> Url:
    """Parse the storage URL of a login, and apply ``remote_account`` and ``storage_scheme``.

    The account follows the version in the path; whatever stands before it is kept. Ceph's URL may end with
    the version. Raises UnexpectedAnswer, and CredentialsRefused where an encrypted login names an unencrypted
    store.
    """
    try:
        url = Url.parse(text)
    except ValueError as error:
        raise UnexpectedAnswer(f"{what}: storage URL {text[:100]!r}: {error}") from error
    if credentials.remote_account is not None:
        segments = url.path.split("/")
        places = [place for place, segment in enumerate(segments) if _VERSION.fullmatch(segment)]
        kept = segments[: places[-1] + 1] if places else segments[:-1]
        url = replace(url, path="/".join([*kept, quote(credentials.remote_account, safe="")]))
    return _with_scheme(what, url, credentials)


def _with_scheme(what: str, url: Url, credentials: SwiftCredentials) -> Url:
    scheme = credentials.storage_scheme
    if scheme is not None:
        return url.with_tls(scheme == "https")
    if credentials.auth_url.startswith("https:") and not url.origin.tls:
        raise CredentialsRefused(
            f"{what}: the storage URL is {url}: tokens and objects would be sent unencrypted; set"
            " storage_scheme to https, or to http if that is intended"
        )
    return url


def _life(response: Response) -> float:
    """The seconds that a token lasts, from X-Auth-Token-Expires, which not every server sends."""
    text = response.headers.get("x-auth-token-expires") or ""
    return float(text) if _SECONDS.fullmatch(text) else math.inf
