"""Signature version 4 as the fake Google checks it: from the document, not with the product's signer."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from urllib.parse import quote, unquote

from servers.google_store import Refusal

#: Google's frontend changes this header before anything looks at it
FRONTEND = {"accept-encoding": "identity,gzip(gfe)"}
#: seconds by which the clock of a client may be off
SKEW = 900
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<date>\d{8})/(?P<region>[^/]+)/s3/aws4_request, ?"
    r"SignedHeaders=(?P<signed>[a-z0-9;_.=!#$%&'*+^`|~-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


def check(method: str, target: str, headers: Mapping[str, str], access_key: str, secret_key: str) -> None:
    """Raise Refusal unless the request is signed with this key. ``headers`` by lower-case name."""
    found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if found is None:
        raise Refusal(403, "AccessDenied", "no signature of version 4")
    if found["key"] != access_key:
        raise Refusal(403, "InvalidAccessKeyId")
    date = headers.get("x-amz-date", "")
    _check_time(date)
    seen = {**headers, **FRONTEND}
    signed = found["signed"].split(";")
    missing = {name for name in headers if name.startswith("x-amz-")} - set(signed)
    if missing or "host" not in signed:
        raise Refusal(403, "AccessDenied", f"not signed: {sorted(missing)}")
    canonical = "\n".join(
        (
            method,
            target.partition("?")[0],
            _query(target.partition("?")[2]),
            *(f"{name}:{' '.join(seen.get(name, '').split())}" for name in signed),
            "",
            found["signed"],
            headers.get("x-amz-content-sha256", ""),
        )
    )
    scope = f"{found['date']}/{found['region']}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{secret_key}".encode()
    for part in (found["date"], found["region"], "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    if not hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), found["signature"]):
        raise Refusal(403, "SignatureDoesNotMatch", canonical)


def _check_time(date: str) -> None:
    try:
        sent = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        raise Refusal(403, "AccessDenied", "no x-amz-date") from None
    if abs(sent - time.time()) > SKEW:
        raise Refusal(403, "RequestTimeTooSkewed")


def _query(query: str) -> str:
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    return "&".join(sorted(f"{_quoted(name)}={_quoted(value)}" for name, _, value in pairs))


def _quoted(text: str) -> str:
    return quote(unquote(text), safe="-._~")
