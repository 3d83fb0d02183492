"""Translates the blob service's error responses into ``s3_sync.errors``.

Source: "Blob service error codes", "Common REST API error codes", "Status and error codes". The code is in
the header x-ms-error-code, and in the XML of the body, which a HEAD does not have. Messages quote the
service's text and its request ID, never a header of ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from urllib.parse import unquote
from xml.etree import ElementTree

from s3_sync.errors import (
    Archived,
    BadDigest,
    ClockSkewed,
    CredentialsRefused,
    InvalidRequest,
    NotFound,
    NotSupported,
    ObjectLocked,
    PreconditionFailed,
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

NO_SUCH_BLOCKS = "InvalidBlockList"
_CODES: dict[type[RemoteError], frozenset[str]] = {
    CredentialsRefused: frozenset(
        {
            "AccountIsDisabled",
            "AuthenticationFailed",
            "InvalidAuthenticationInfo",
            "KeyBasedAuthenticationNotPermitted",
            "NoAuthenticationInformation",
        }
    ),
    QuotaExceeded: frozenset({"AccountLimitExceeded", "InsufficientStorage"}),
    BadDigest: frozenset({"Crc64Mismatch", "Md5Mismatch"}),
    Throttled: frozenset({"ServerBusy", "TooManyRequests"}),
    Archived: frozenset({"BlobArchived", "BlobBeingRehydrated", "BlobNotRehydrated"}),
    ObjectLocked: frozenset(
        {
            "BlobImmutableDueToLegalHold",
            "BlobImmutableDueToPolicy",
            "LeaseAlreadyPresent",
            "LeaseIdMissing",
            "LeaseIdMismatchWithBlobOperation",
        }
    ),
    PreconditionFailed: frozenset({"BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet"}),
    RemoteUnavailable: frozenset(
        {
            "ContainerBeingDeleted",
            "ContainerDisabled",
            "InternalError",
            "OperationTimedOut",
            "PendingCopyOperation",
            "AccountBeingCreated",
        }
    ),
    NotSupported: frozenset({"UnsupportedHttpVerb", "UnsupportedHeader", "UnsupportedQueryParameter"}),
}
#: of a 404; nothing else proves absence
_MISSING = frozenset({"BlobNotFound", "ContainerNotFound", "ResourceNotFound"})
_BY_CODE = {code: kind for kind, codes in _CODES.items() for code in codes}
_REQUEST_ID = "x-ms-request-id"
#: what AuthenticationFailed says of a request whose x-ms-date is more than 15 minutes off
_OLD_DATE = re.compile("date header (too old|out of range)|request date header", re.IGNORECASE)
#: maximum bytes read of the body of an error, and characters quoted of it
_MAX_ERROR, _MAX_MESSAGE, _MAX_PLACE, _MAX_CODE, _MAX_ID = 16 * 1024, 200, 150, 80, 80


def refusal(what: str, response: Response, secrets: Sequence[str] = ()) -> RemoteError:
    """Return the error for any response but a success, and close the response. ``secrets``: masked wherever
    the response quotes them."""
    headers, status = response.headers, response.status
    with response:
        code, text = _parse(response)
    hidden = partial(_masked, secrets=secrets)
    code, text = hidden(headers.get("x-ms-error-code") or code)[:_MAX_CODE], hidden(text)
    if status not in BY_STATUS and status < 400:
        place = hidden(headers.get("location") or "an unnamed location")[:_MAX_PLACE]
        return unexpected(what, status, f"redirected to {place}; redirects are not followed: check the URL")
    kind = _kind(status, code)
    if status == 404 and (kind is InvalidRequest or not is_from_azure(headers)):
        reason = "not the service's answer for what is missing, which does not prove absence"
        return unexpected(what, status, f"{code} {reason}; is a proxy or a portal in between?".lstrip())
    seconds = retry_after_seconds(headers.get("retry-after"))
    if kind is RemoteUnavailable and (seconds is not None or status == 503):
        kind = Throttled
    if kind is CredentialsRefused and _OLD_DATE.search(text):
        kind = ClockSkewed
    words = " ".join(word for word in (str(status), code, text[:_MAX_MESSAGE]) if word)
    request_id = hidden(headers.get(_REQUEST_ID) or "")[:_MAX_ID]
    message = f"{shortened(what)}: {words}" + (f" ({request_id})" if request_id else "")
    if code == "ContainerNotFound":
        code = NO_SUCH_BUCKET
    return kind(message, status=status, code=code, retry_after=seconds)


def unexpected(what: str, status: int, reason: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(f"{shortened(what)}: {status}: {reason}", status=status)


def is_from_azure(headers: Headers) -> bool:
    """Whether the response has what every response of the service has."""
    return _REQUEST_ID in headers


def _kind(status: int, code: str) -> type[RemoteError]:
    if status == 404:
        return NotFound if code in _MISSING else _BY_CODE.get(code, InvalidRequest)
    kind = _BY_CODE.get(code) or BY_STATUS.get(status)
    return kind or (RemoteUnavailable if status >= 500 else InvalidRequest)


def _masked(text: str, secrets: Sequence[str]) -> str:
    """The text without these secrets, whichever of their characters are percent-encoded in it."""
    for secret in filter(None, secrets):
        characters = (
            each if each.isalnum() else f"(?:{re.escape(each)}|%{ord(each):02x})" for each in unquote(secret)
        )
        text = re.sub("".join(characters), "***", text, flags=re.IGNORECASE)
    return text


def _parse(response: Response) -> tuple[str, str]:
    """The code and the message of an error document, on one line; of another document, two empty texts."""
    try:
        document = ElementTree.fromstring(first_bytes(response, _MAX_ERROR))
    except (ElementTree.ParseError, ValueError):
        return "", ""
    found = {child.tag: " ".join((child.text or "").split()) for child in document}
    message = found.get("Message", "").partition(" RequestId:")[0]
    detail = found.get("AuthenticationErrorDetail", "")
    return found.get("Code", ""), f"{message} {detail}".strip()
