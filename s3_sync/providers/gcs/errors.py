"""Translates the responses and network errors of Google's JSON API into ``s3_sync.errors``.

Source: Cloud Storage documentation, "HTTP status and error codes for JSON": an error is a document with
``error.message`` and ``error.errors[0].reason``. Messages quote both and the request ID, never a header of
ours.
"""

from __future__ import annotations

import re

from s3_sync import __version__
from s3_sync.errors import (
    AccessDenied,
    BadDigest,
    InvalidRequest,
    ObjectLocked,
    QuotaExceeded,
    RemoteError,
    RemoteUnavailable,
    Throttled,
    UnexpectedAnswer,
)
from s3_sync.http.message import Headers
from s3_sync.http.pool import Response
from s3_sync.http.retry_after import retry_after_seconds
from s3_sync.providers.http_errors import BY_STATUS, NO_SUCH_BUCKET, first_bytes, shortened
from s3_sync.streams.small_files import parse_json

USER_AGENT = f"swift-s3-sync/{__version__}"
_BY_REASON: dict[str, type[RemoteError]] = {
    # a 429 or a 403
    "rateLimitExceeded": Throttled,
    "userRateLimitExceeded": Throttled,
    "quotaExceeded": QuotaExceeded,
    "dailyLimitExceeded": QuotaExceeded,
    "retentionPolicyNotMet": ObjectLocked,
    "objectUnderActiveHold": ObjectLocked,
    "backendError": RemoteUnavailable,
}
_LOCKED = re.compile("retention policy|retention period|active (temporary|event-based) hold", re.IGNORECASE)
_WRONG_DIGEST = re.compile(r"Provided (MD5|CRC32C)\b.*match", re.IGNORECASE | re.DOTALL)
_NO_BUCKET = "the specified bucket does not exist"
#: maximum bytes read of the body of an error, and characters quoted of it
_MAX_ERROR = 64 * 1024
_MAX_REASON, _MAX_MESSAGE, _MAX_ID, _MAX_WHAT = 60, 300, 80, 150


def refusal(what: str, response: Response, secret: str = "") -> RemoteError:
    """Return the error for any response but a success, and close the response. ``secret``: masked where the
    server quotes it."""
    status = response.status
    with response:
        reason, message = _read(response)
    if 300 <= status < 400 and status != 304:
        return unexpected(what, response, "redirected; redirects are not followed: check the endpoint")
    if status == 404 and not reason and not message:
        return unexpected(what, response, "not the API's document, which does not prove absence")
    seconds = retry_after_seconds(response.headers.get("retry-after"))
    place = what.partition(" ")[2]  # the text may quote it, and a user has chosen the name
    kind = _kind(status, reason, message.replace(place, "") if place else message)
    if status == 503 and seconds is not None:
        kind = Throttled
    code = _code(status, reason, message)
    told = [_masked(word, secret) for word in (reason, message, _request_id(response.headers))]
    text = " ".join(word for word in (str(status), told[0][:_MAX_REASON], told[1][:_MAX_MESSAGE]) if word)
    request_id = f" ({told[2][:_MAX_ID]})" if told[2] else ""
    return kind(f"{shortened(what)}: {text}{request_id}", status=status, code=code, retry_after=seconds)


def unexpected(what: str, response: Response, why: str) -> UnexpectedAnswer:
    """Return the error for a response that does not show whether the request succeeded."""
    kind = (response.headers.get("content-type") or "no type")[:60]
    text = f"{shortened(what)}: {response.status}, {kind}: {why}; is a proxy or a portal in between?"
    return UnexpectedAnswer(text, status=response.status)


def _kind(status: int, reason: str, message: str) -> type[RemoteError]:
    kind = _BY_REASON.get(reason) or BY_STATUS.get(status)
    if kind is None:
        kind = RemoteUnavailable if status >= 500 else InvalidRequest
    if kind is AccessDenied and _LOCKED.search(message):
        return ObjectLocked
    if kind is InvalidRequest and _WRONG_DIGEST.search(message):
        return BadDigest
    return kind


def _code(status: int, reason: str, message: str) -> str:
    # not anywhere in the text, which may name an object
    if status == 404 and message.lower().startswith(_NO_BUCKET):
        return NO_SUCH_BUCKET
    return reason[:_MAX_REASON]


def _read(response: Response) -> tuple[str, str]:
    """Reason and message of an error document; two empty strings for anything else."""
    try:
        error = parse_json(first_bytes(response, _MAX_ERROR))["error"]
        message = " ".join(str(error.get("message") or "").split())
        details = error.get("errors") or [{}]
        return str(details[0].get("reason") or ""), message
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return "", ""


def _request_id(headers: Headers) -> str:
    return headers.get("x-guploader-uploadid") or ""


def _masked(text: str, secret: str) -> str:
    return text.replace(secret, "***") if secret else text
