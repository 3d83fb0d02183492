"""Translates the blob service's error responses into ``s3_sync.errors``.

Source: "Blob service error codes", "Common REST API error codes", "Status and error codes". The code is in
the header x-ms-error-code, and in the XML of the body, which a HEAD does not have. Messages quote the
service's text and its request ID, never a header of ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
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
    NotFound: frozenset({"BlobNotFound", "ContainerNotFound", "ResourceNotFound"}),
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
            "InternalError",
            "OperationTimedOut",
            "PendingCopyOperation",
            "AccountBeingCreated",
        }
    ),
    NotSupported: frozenset({"UnsupportedHttpVerb", "UnsupportedHeader", "UnsupportedQueryParameter"}),
}
_BY_CODE = {code: kind for kind, codes in _CODES.items() for code in codes}
_REQUEST_ID = "x-ms-request-id"
#: what AuthenticationFailed says of a request whose x-ms-date is more than 15 minutes off
_OLD_DATE = re.compile("date header (too old|out of range)|request date header", re.IGNORECASE)
#: maximum bytes read of the body of an error, and characters quoted of it
_MAX_ERROR, _MAX_MESSAGE, _MAX_PLACE = 16 * 1024, 200, 150


def refusal(what: str, response: Response, secrets: Sequence[str] = ()) -> RemoteError:
    """Return the error for any response but a success, and close the response. ``secrets``: masked where the
    service quotes them."""
    headers, status = response.headers, response.status
    with response:
        code, text = _parse(response)
    code = headers.get("x-ms-error-code") or code
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    if status not in BY_STATUS and status < 400:
        place = (headers.get("location") or "an unnamed location")[:_MAX_PLACE]
        return unexpected(what, status, f"redirected to {place}; redirects are not followed: check the URL")
    if status == 404 and not is_from_azure(headers):
        reason = "without a request ID, which does not prove absence; is a proxy or a portal in between?"
        return unexpected(what, status, reason)
    seconds = retry_after_seconds(headers.get("retry-after"))
    kind = _BY_CODE.get(code) or BY_STATUS.get(status)
    if kind is None:
        kind = RemoteUnavailable if status >= 500 else InvalidRequest
    if kind is RemoteUnavailable and (seconds is not None or status == 503):
        kind = Throttled
    if kind is CredentialsRefused and _OLD_DATE.search(text):
        kind = ClockSkewed
    words = " ".join(word for word in (str(status), code, text[:_MAX_MESSAGE]) if word)
    message = f"{shortened(what)}: {words}{_request_id(headers)}"
    if code == "ContainerNotFound":
        code = NO_SUCH_BUCKET
    return kind(message, status=status, code=code, retry_after=seconds)


def unexpected(what: str, status: int, reason: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(f"{shortened(what)}: {status}: {reason}", status=status)


def is_from_azure(headers: Headers) -> bool:
    """Whether the response has what every response of the service has."""
    return _REQUEST_ID in headers


def _request_id(headers: Headers) -> str:
    value = headers.get(_REQUEST_ID)
    return f" ({value[:80]})" if value else ""


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
