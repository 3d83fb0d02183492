"""Access tokens of Google. The only module that imports google-auth.

The library reads the credentials, signs and builds the requests; they go over our own connections, so that
proxies, TLS and time-outs are those of every other request. Its own retries sleep, which would stop a whole
proxy: whatever could be retried is raised here, and does not reach the library.

Sources: Google Cloud documentation, "How Application Default Credentials works", "Workload Identity
Federation"; Cloud Storage documentation, "Cloud Storage OAuth 2.0 scopes".
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from google.auth import aws, compute_engine, exceptions, identity_pool, impersonated_credentials
from google.oauth2 import credentials as user_credentials
from google.oauth2 import service_account

from s3_sync.config.credentials.gcs import GcsCredentials
from s3_sync.errors import CredentialsRefused, RemoteUnavailable, Throttled, UnexpectedAnswer
from s3_sync.http.network import Network, Url
from s3_sync.http.pool import ConnectionPool, HttpError
from s3_sync.http.retry_after import retry_after_seconds
from s3_sync.providers.gcs.errors import USER_AGENT
from s3_sync.providers.token_session import Clock
from s3_sync.streams.small_files import parse_json, read_file

#: what rules and metadata of buckets need; roles limit what the account may do with it
SCOPES = ("https://www.googleapis.com/auth/devstorage.full_control",)
_MAX_FILE = 64 * 1024
_MAX_REPLY = 1024 * 1024
_MAX_MESSAGE = 300
#: the metadata server of a machine at Google; never reached through a proxy
_METADATA_HOSTS = frozenset({"metadata.google.internal", "169.254.169.254"})
#: a signed token: an answer may quote the one that it refuses
_SIGNED = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*")
#: what can be sent in a header
_TOKEN = re.compile(r"[!-~]{1,16384}")
_KINDS: Mapping[str, Callable[..., Any]] = {
    "service_account": service_account.Credentials.from_service_account_info,
    "authorized_user": user_credentials.Credentials.from_authorized_user_info,
    "impersonated_service_account": (
        impersonated_credentials.Credentials.from_impersonated_service_account_info
    ),
}


@dataclass(frozen=True, slots=True)
class AccessToken:
    """See ``token_session.Token``. ``began``: when it was requested, by the login's clock."""

    value: str = field(repr=False)
    began: float
    life: float = math.inf
    account: str = ""

    @property
    def expires(self) -> float:
        return self.began + self.life


class GoogleLogin:
    """See ``token_session.Login``. The credentials are read at each login, so that a new key takes effect."""

    def __init__(self, credentials: GcsCredentials, network: Network, clock: Clock = time.monotonic) -> None:
        self._credentials = credentials
        self._clock = clock
        self._sender = _Sender(network)

    def log_in(self) -> AccessToken:
        found, origin = self._find()
        began = self._clock()
        with _explained(f"login with {origin}"):
            built = _built(found)
            built.refresh(self._sender)
            value, expiry = built.token, built.expiry
            if not isinstance(value, str) or not _TOKEN.fullmatch(value):
                raise ValueError("no token")
            return AccessToken(value, began, _life(expiry))

    def project(self) -> str:
        """The project of the credentials; empty if they do not name one."""
        found, _ = self._find()
        named = (found or {}).get("project_id") or (found or {}).get("quota_project_id") or ""
        return named if isinstance(named, str) else ""

    def close(self) -> None:
        self._sender.close()

    def _find(self) -> tuple[dict[str, Any] | None, str]:
        """The credentials, None for those of the machine, and where they are. Raises CredentialsRefused."""
        secret = self._credentials.secret
        if secret is not None and self._credentials.key_path is None:
            return _parsed(secret.reveal(), "the configured credentials"), "the configured credentials"
        path = self._credentials.key_path or _default_file()
        if path is None:
            return None, (
                "the metadata server (no secret is configured, GOOGLE_APPLICATION_CREDENTIALS is not set,"
                " and gcloud has no credentials)"
            )
        if not os.path.isabs(path):  # it may be a secret instead of a path
            raise CredentialsRefused("the secret is neither JSON nor the absolute path of a file")
        try:
            return _parsed(read_file(path, _MAX_FILE), path), path
        except OSError as error:
            raise CredentialsRefused(f"the key file {path}: {error.strerror}") from None
        except ValueError as error:
            raise CredentialsRefused(f"the key file {path}: {error}") from None


def _default_file() -> str | None:
    """The file of the application default credentials; None: there is none."""
    if named := os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return named
    folder = os.environ.get("CLOUDSDK_CONFIG") or os.path.expanduser("~/.config/gcloud")
    path = os.path.join(folder, "application_default_credentials.json")
    return path if os.path.isfile(path) else None


def _parsed(text: str | bytes, origin: str) -> dict[str, Any]:
    try:
        found = parse_json(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise CredentialsRefused(f"{origin}: not JSON credentials of Google")
    return found


def _built(found: dict[str, Any] | None) -> Any:
    if found is None:
        build_for_machine: Any = compute_engine.Credentials
        return build_for_machine(scopes=SCOPES)
    kind = found.get("type")
    if kind == "external_account":
        of_aws = found.get("subject_token_type") == "urn:ietf:params:aws:token-type:aws4_request"
        return (aws if of_aws else identity_pool).Credentials.from_info(found, scopes=SCOPES)
    build = _KINDS.get(str(kind))
    if build is None:
        raise CredentialsRefused(f"credentials of type {str(kind)[:40]!r} are not supported")
    return build(found, scopes=SCOPES)


def _life(expiry: datetime | None) -> float:
    """Seconds from now to the expiry, which the library states in UTC, without a time zone."""
    if expiry is None:
        return math.inf
    return expiry.replace(tzinfo=timezone.utc).timestamp() - time.time()


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Translate what the library raises; for documents of a wrong form these are built-in exceptions, too."""
    try:
        yield
    except (RemoteUnavailable, Throttled) as error:
        text = f"{what}: {error}"
        raise type(error)(text, status=error.status, retry_after=error.retry_after) from error
    except exceptions.GoogleAuthError as error:
        text = _SIGNED.sub("***", str(error.args[0] if error.args else error))[:_MAX_MESSAGE]
        kind = RemoteUnavailable if error.retryable else CredentialsRefused
        raise kind(f"{what}: {text}") from None
    except OSError as error:  # of a file with the token of another provider, which is read each time
        raise CredentialsRefused(f"{what}: {error.filename or 'a file'}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        # a document may hold a key: the text of the exception is not shown
        raise CredentialsRefused(f"{what}: not usable ({type(error).__name__})") from None


@dataclass(frozen=True, slots=True)
class _Reply:
    """What the library reads of a response."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class _Sender:
    """Sends the library's requests (``google.auth.transport.Request``)."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._pools: dict[tuple[Any, bool], ConnectionPool] = {}

    def __call__(
        self, url: str, method: str = "GET", body: Any = None, headers: Any = None, **_: object
    ) -> _Reply:
        place, query = url.partition("?")[::2]
        parsed = Url.parse(place)
        what = f"{method} {place}"
        sent = [("User-Agent", USER_AGENT)]
        sent += [
            (name, value) for name, value in (headers or {}).items() if name.lower() != "accept-encoding"
        ]
        data = body.encode("utf-8") if isinstance(body, str) else body
        target = (parsed.path or "/") + (f"?{query}" if query else "")
        try:
            with self._pool(parsed).request(method, target, sent, data) as response:
                content = response.read_all(_MAX_REPLY)
        except HttpError as error:
            raise RemoteUnavailable(f"{what}: {error}") from error
        self._check(what, method, response.status, response.headers.get("content-type") or "")
        if response.status in (408, 429) or response.status >= 500:
            after = retry_after_seconds(response.headers.get("retry-after"))
            kind = Throttled if response.status == 429 else RemoteUnavailable
            raise kind(f"{what}: {response.status}", status=response.status, retry_after=after)
        return _Reply(response.status, dict(reversed(response.headers.items())), content)

    def _check(self, what: str, method: str, status: int, kind: str) -> None:
        """Raise UnexpectedAnswer for a document that does not come from a token service."""
        if 300 <= status < 400 or (method == "POST" and "html" in kind and status < 500):
            why = "is a proxy or a portal in between?"
            raise UnexpectedAnswer(f"{what}: {status}, {kind[:60] or 'no type'}; {why}", status=status)

    def _pool(self, url: Url) -> ConnectionPool:
        of_machine = url.origin.host in _METADATA_HOSTS | {
            (os.environ.get("GCE_METADATA_HOST") or "").partition(":")[0]
        }
        key = url.origin, of_machine
        if key not in self._pools:
            self._pools[key] = self._network.pool(url.origin, 1, direct=of_machine)
        return self._pools[key]

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()
