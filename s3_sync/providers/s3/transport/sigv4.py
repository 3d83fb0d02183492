"""AWS Signature Version 4 in the Authorization header, for requests that we send without the SDK.

Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)". Each request is signed
when it is sent, a retry too: a signature is valid for 15 minutes around the server's time.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
#: values of x-amz-content-sha256 for bodies whose hash is not part of the signature
UNSIGNED = "UNSIGNED-PAYLOAD"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_CHUNKS_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
#: intermediaries may change these (Google's do so with Accept-Encoding); the connection pool adds Expect
#: after signing
_NOT_SIGNED = frozenset({"accept-encoding", "connection", "expect", "transfer-encoding", "user-agent"})

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Keys:
    """The signing keys at one moment; ``token``: of temporary credentials."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Signature:
    """The headers of a signed request, and the values from which chunk signatures are derived."""

    headers: list[Header]
    value: str
    timestamp: str
    scope: str
    key: bytes = field(repr=False)


class Signer:
    """Signs requests for one region. Thread-safe.

    ``keys`` is called for each request, so that refreshed credentials apply at once; ``clock`` returns
    seconds since the epoch."""

    def __init__(
        self, keys: Callable[[], Keys], region: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._keys = keys
        self._region = region
        self._clock = clock
        #: the last derived key, and its inputs: it is valid for a day
        self._derived: tuple[tuple[str, str], bytes] | None = None

    def sign(self, method: str, host: str, target: str, headers: Sequence[Header], payload: str) -> Signature:
        """Sign a request.

        ``target``: path and query, quoted as sent. ``headers``: all other headers sent, without Host.
        ``payload``: hexadecimal SHA-256 of the body, or one of the constants above.
        """
        keys = self._keys()
        timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock()))
        signed: list[Header] = [*headers, ("x-amz-content-sha256", payload), ("x-amz-date", timestamp)]
        if keys.token:
            signed.append(("x-amz-security-token", keys.token))
        scope = f"{timestamp[:8]}/{self._region}/s3/aws4_request"
        canonical, names = canonical_request(method, host, target, signed, payload)
        key = self._key(keys.secret_key, timestamp[:8])
        digest = hashlib.sha256(canonical.encode("utf-8")).hexdigest()
        value = _mac(key, f"{ALGORITHM}\n{timestamp}\n{scope}\n{digest}").hex()
        credential = f"{keys.access_key}/{scope}"
        authorization = f"{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={value}"
        signed.append(("Authorization", authorization))
        return Signature(signed, value, timestamp, scope, key)

    def _key(self, secret: str, date: str) -> bytes:
        derived = self._derived
        if derived is not None and derived[0] == (secret, date):
            return derived[1]
        key = ("AWS4" + secret).encode("utf-8")
        for part in (date, self._region, "s3", "aws4_request"):
            key = _mac(key, part)
        self._derived = ((secret, date), key)
        return key


def canonical_request(
    method: str, host: str, target: str, headers: Sequence[Header], payload: str
) -> tuple[str, str]:
    """The canonical request, and the list of signed headers."""
    path, _, query = target.partition("?")
    values: dict[str, list[str]] = {"host": [host]}
    for name, value in headers:
        if (lower := name.lower()) not in _NOT_SIGNED:
            values.setdefault(lower, []).append(" ".join(value.split()))
    lines = [f"{name}:{','.join(values[name])}\n" for name in sorted(values)]
    names = ";".join(sorted(values))
    pairs = sorted(pair.partition("=") for pair in query.split("&")) if query else []
    parameters = "&".join(f"{name}={value}" for name, _, value in pairs)
    return f"{method}\n{path}\n{parameters}\n{''.join(lines)}\n{names}\n{payload}", names


def quoted_key(key: str) -> str:
    """The key for a path: all but unreserved characters and ``/`` percent-encoded, once."""
    return quote(key, safe="/-._~")


def chunk_signature(signature: Signature, previous: str, data: bytes) -> str:
    """The signature of one chunk of a SIGNED_CHUNKS body; ``previous``: that of the chunk before, initially
    ``signature.value``."""
    digest = hashlib.sha256(data).hexdigest()
    scope = f"{signature.timestamp}\n{signature.scope}\n{previous}"
    return _mac(signature.key, f"{ALGORITHM}-PAYLOAD\n{scope}\n{EMPTY_SHA256}\n{digest}").hex()


def trailer_signature(signature: Signature, previous: str, trailer: bytes) -> str:
    """The signature of the trailing header lines (``name:value\\n`` each) after the last chunk."""
    digest = hashlib.sha256(trailer).hexdigest()
    scope = f"{signature.timestamp}\n{signature.scope}\n{previous}"
    return _mac(signature.key, f"{ALGORITHM}-TRAILER\n{scope}\n{digest}").hex()


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode("utf-8"), "sha256")
