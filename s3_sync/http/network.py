"""How the servers of one set of credentials are reached: TLS, proxies and timeouts."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from s3_sync.config.credentials.base import Credentials
from s3_sync.errors import ConfigError, Problem
from s3_sync.http.pool import ConnectionPool, Origin, Proxy, Receiving, Timeouts
from s3_sync.http.proxy_url import parse_proxy

_CONNECT_TIMEOUT = 10.0
_PRINTABLE = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Url:
    """``path``: quoted, without a slash at its end."""

    origin: Origin
    path: str

    @classmethod
    def parse(cls, text: str) -> Url:
        """Parse an http or https URL without a query. Raises ValueError."""
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname or not _PRINTABLE.fullmatch(text):
            raise ValueError("not an http or https URL")
        tls = parts.scheme == "https"
        return cls(Origin(parts.hostname, parts.port or (443 if tls else 80), tls), parts.path.rstrip("/"))

    def with_tls(self, tls: bool) -> Url:
        """Return the same URL with the other scheme; a default port becomes the other one's."""
        origin = self.origin
        ports = {80: 443, 443: 80}
        port = origin.port if origin.tls == tls else ports.get(origin.port, origin.port)
        return Url(Origin(origin.host, port, tls), self.path)

    def __str__(self) -> str:
        return f"{'https' if self.origin.tls else 'http'}://{self.origin.authority}{self.path}"


class Network:
    """Builds the connection pools for one set of credentials."""

    def __init__(self, credentials: Credentials, timeouts: Timeouts | None = None) -> None:
        """Raises ConfigError for a CA bundle that cannot be read, and for an https proxy."""
        self.timeouts = timeouts or Timeouts(connect=_CONNECT_TIMEOUT, read=credentials.read_timeout)
        self._credentials = credentials
        # it costs 30 ms of CPU, which plain http does not need
        needs_tls = credentials.ca_bundle or (credentials.endpoint or "").startswith("https:")
        self._tls_context = _tls_context(credentials) if needs_tls else None
        self._proxies = {
            False: _proxy("http_proxy", credentials.http_proxy),
            True: _proxy("https_proxy", credentials.https_proxy),
        }

    def pool(self, origin: Origin, size: int, gather: int = 1, *, direct: bool = False) -> ConnectionPool:
        """Return a new pool of at most ``size`` connections, without a proxy if ``direct``. ``gather``: see
        ``Receiving``."""
        if origin.tls and self._tls_context is None:
            self._tls_context = _tls_context(self._credentials)
        return ConnectionPool(
            origin,
            size=size,
            timeouts=self.timeouts,
            tls_context=self._tls_context if origin.tls else None,
            proxy=None if direct else self._proxies[origin.tls],
            receiving=Receiving(gather=gather),
        )


def _tls_context(credentials: Credentials) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=credentials.ca_bundle)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError([Problem("ca_bundle", f"cannot read {credentials.ca_bundle}: {error}")]) from error
    if not credentials.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _proxy(key: str, url: str | None) -> Proxy | None:
    try:
        return parse_proxy(url) if url else None
    except ValueError as error:
        raise ConfigError([Problem(key, str(error))]) from error
