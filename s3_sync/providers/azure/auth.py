"""Authorizes requests: by an account key, by a shared access signature, or by a token.

Source: "Authorize with Shared Key"; "Delegate access with shared access signatures"; "Authorize with
Microsoft Entra ID".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

from s3_sync.errors import CredentialsRefused
from s3_sync.providers.object_headers import Header

#: headers whose values are signed, in this order
_STANDARD = (
    "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
    "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Request:
    """``path``: quoted, as it is sent. ``query``: names and values, not quoted. ``size``: bytes of the
    body."""

    method: str
    path: str
    query: Sequence[tuple[str, str]]
    headers: Sequence[Header]
    size: int


class Authorizer(Protocol):
    """``query``: to be appended to every request's, quoted; empty for none."""

    query: str

    def headers(self, request: Request) -> list[Header]:
        """Return the headers that authorize a request. Raises CredentialsRefused, RemoteUnavailable."""
        ...

    def renew(self) -> bool:
        """The service has refused a request with 401: return whether another try may succeed."""
        ...


class SharedKey:
    """Signs with an account key, in Base64. Thread-safe."""

    query = ""

    def __init__(self, account: str, key: str) -> None:
        self._account = account
        self._key = _decoded(key)

    def headers(self, request: Request) -> list[Header]:
        if self._key is None:
            raise CredentialsRefused("the account key is not Base64")
        text = string_to_sign(self._account, request).encode("utf-8")
        signature = base64.b64encode(hmac.new(self._key, text, hashlib.sha256).digest()).decode("ascii")
        return [("Authorization", f"SharedKey {self._account}:{signature}")]

    def renew(self) -> bool:
        return False


class SharedAccess:
    """Appends a shared access signature, which somebody else has signed, to the query."""

    def __init__(self, token: str) -> None:
        self.query = token.strip().lstrip("?&")

    def headers(self, request: Request) -> list[Header]:
        return []

    def renew(self) -> bool:
        return False


class Bearer:
    """Sends a token. ``token``: returns the current one; ``discard``: makes the next one a new one."""

    query = ""

    def __init__(self, token: Callable[[], str], discard: Callable[[], None]) -> None:
        self._token = token
        self._discard = discard

    def headers(self, request: Request) -> list[Header]:
        return [("Authorization", f"Bearer {self._token()}")]

    def renew(self) -> bool:
        self._discard()
        return True


def _decoded(key: str) -> bytes | None:
    try:
        return base64.b64decode(key, validate=True)
    except ValueError:
        return None


def string_to_sign(account: str, request: Request) -> str:
    """What is signed, in the form of version 2015-02-21 and later: no Content-Length for an empty body."""
    values = {name.lower(): value.strip() for name, value in request.headers}
    values["content-length"] = str(request.size) if request.size else ""
    lines = [request.method, *(values.get(name, "") for name in _STANDARD)]
    own = [(name, value) for name, value in values.items() if name.startswith("x-ms-")]
    lines += [f"{name}:{value}" for name, value in sorted(own, key=_service_order)]
    resource = f"/{account}{request.path}"
    parameters = sorted((name.lower(), value) for name, value in request.query)
    return "\n".join([*lines, resource, *(f"{name}:{value}" for name, value in parameters)])


def _service_order(header: Header) -> str:
    """The order in which the service sorts headers is that of .NET's words, not of characters: hyphens do not
    count, and an underscore comes before digits. (The page says only "lexicographically"; all SDKs sort
    so.)"""
    return header[0].replace("-", "").replace("_", " ")


def signature_of(sas: str) -> str:
    """The secret part of a shared access signature, as it may be quoted in messages."""
    parts = (part.partition("=") for part in sas.split("&"))
    return next((unquote(value) for name, _, value in parts if name.strip("?") == "sig"), "")
