"""Tokens of Microsoft Entra ID for the identity that Azure gives this machine, or its workload.

The only module that imports ``azure.identity``, and only when it is used. Source: "Authorize with Microsoft
Entra ID" (the scope); azure-identity's ``ManagedIdentityCredential`` and ``WorkloadIdentityCredential``.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from typing import Any

from s3_sync.config.credentials.azure import AzureCredentials
from s3_sync.errors import CredentialsRefused, RemoteUnavailable

STORAGE_SCOPE = "https://storage.azure.com/.default"
#: seconds before its expiry at which a token is renewed; those of machines last 24 hours
MARGIN = 300.0
#: seconds after which a renewal that failed is tried again while the current token is valid
_PAUSE = 60.0
#: seconds for each answer; the library waits for minutes, and asks up to six times
_TIMEOUT = 10.0
_LIBRARIES, _SILENT = ("azure", "msal"), logging.CRITICAL + 1
#: what can be sent in a header
_TOKEN = re.compile(r"[!-~]{1,65536}")
#: what the library raises for answers of another form
_MALFORMED = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)


class TokenCache:
    """The current token. ``request`` returns a new one and its expiry, in seconds since the epoch.
    Thread-safe: one thread renews it while the others wait."""

    def __init__(
        self, request: Callable[[], tuple[str, float]], clock: Callable[[], float] = time.time
    ) -> None:
        self._request = request
        self._clock = clock
        self._lock = threading.Lock()
        self._value = ""
        self._expires = 0.0
        self._renew_at = 0.0

    def token(self) -> str:
        """Raises CredentialsRefused, RemoteUnavailable."""
        with self._lock:
            now = self._clock()
            if now >= self._renew_at:
                try:
                    self._value, self._expires = self._request()
                    self._renew_at = max(now, self._expires - MARGIN)
                except (CredentialsRefused, RemoteUnavailable):
                    if now >= self._expires:
                        raise
                    self._renew_at = min(self._expires, now + _PAUSE)
            return self._value

    def discard(self) -> None:
        with self._lock:
            self._renew_at = self._expires = 0.0


def token_cache(credentials: AzureCredentials, scope: str = STORAGE_SCOPE) -> TokenCache:
    """Return the tokens for an ``azure_login``."""
    source = _source(credentials)

    def request() -> tuple[str, float]:
        from azure.core.exceptions import AzureError, ClientAuthenticationError

        try:
            found = source.get_token(scope)
            value, expires = found.token, float(found.expires_on)
        except ClientAuthenticationError as error:
            raise CredentialsRefused(f"log in at Azure: {_first_line(error)}") from error
        except (FileNotFoundError, IsADirectoryError, PermissionError, UnicodeError) as error:
            # the file with the token of the workload, which is read each time
            raise CredentialsRefused(f"log in at Azure: {_first_line(error)}") from error
        except (AzureError, OSError, *_MALFORMED) as error:
            raise RemoteUnavailable(f"log in at Azure: {_first_line(error)}") from error
        if not isinstance(value, str) or not _TOKEN.fullmatch(value):
            raise RemoteUnavailable("log in at Azure: the answer has no token")
        return value, expires

    return TokenCache(request)


def _source(credentials: AzureCredentials) -> Any:
    from azure.identity import ManagedIdentityCredential, WorkloadIdentityCredential

    for library in _LIBRARIES:  # their messages quote answers, and with them tokens; the errors are ours
        logging.getLogger(library).setLevel(_SILENT)
    client: dict[str, Any] = {"read_timeout": _TIMEOUT}
    if credentials.client_id:
        client["client_id"] = credentials.client_id
    if credentials.azure_login == "managed_identity":
        return ManagedIdentityCredential(**client)
    if credentials.tenant_id:
        client["tenant_id"] = credentials.tenant_id
    if credentials.https_proxy:
        client["proxies"] = {"https": credentials.https_proxy}
    try:
        return WorkloadIdentityCredential(authority=credentials.cloud.authority, **client)
    except ValueError as error:  # neither the configuration nor the environment says whose it is
        raise CredentialsRefused(f"log in at Azure: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
