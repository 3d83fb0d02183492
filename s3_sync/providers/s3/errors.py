"""Everything that can go wrong with an S3 request, translated into ``s3_sync.errors`` in one place.

Codes: Amazon S3 API Reference, "Error responses". A code that is not known here, and an answer without
one, is judged by its status. Messages repeat what the store said, never a header or a credential.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError as Urllib3Error

from s3_sync.errors import (
    AccessDenied,
    Archived,
    BadDigest,
    ClockSkewed,
    CredentialsRefused,
    InvalidRequest,
    NotFound,
    NotSupported,
    PreconditionFailed,
    RemoteError,
    RemoteUnavailable,
    SyncError,
    Throttled,
    UnexpectedAnswer,
)
from s3_sync.http.pool import HttpError
from s3_sync.model.timestamps import parse_http_date
from s3_sync.providers.s3.lenient_xml import Unreadable, local_name, read

_CODES: dict[type[RemoteError], frozenset[str]] = {
    NotFound: frozenset({"NoSuchKey", "NoSuchBucket", "NoSuchUpload", "NoSuchVersion"}),
    AccessDenied: frozenset({"AccessDenied", "AuthorizationHeaderMalformed"}),
    ClockSkewed: frozenset({"RequestTimeTooSkewed", "RequestExpired"}),
    CredentialsRefused: frozenset(
        {
            "ExpiredToken",
            "InvalidAccessKeyId",
            "InvalidToken",
            "SignatureDoesNotMatch",
            "TokenRefreshRequired",
        }
    ),
    BadDigest: frozenset(
        {"BadDigest", "InvalidPart", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"}
    ),
    Throttled: frozenset(
        {
            "BandwidthLimitExceeded",
            "KMS.ThrottlingException",
            "RequestLimitExceeded",
            "SlowDown",
            "Throttling",
            "ThrottlingException",
            "TooManyRequests",
        }
    ),
    RemoteUnavailable: frozenset(
        {
            "ConditionalRequestConflict",
            "IncompleteBody",
            "InternalError",
            "OperationAborted",
            "RequestTimeout",
            "ServiceUnavailable",
        }
    ),
    Archived: frozenset({"InvalidObjectState"}),
    NotSupported: frozenset({"NotImplemented", "MethodNotAllowed"}),
    PreconditionFailed: frozenset({"PreconditionFailed", "NotModified"}),
}
_BY_CODE = {code: kind for kind, codes in _CODES.items() for code in codes}
#: a redirect with a word of S3's means a wrong region or endpoint: nothing is wrong with the object
_BY_STATUS: dict[int, type[RemoteError]] = {
    301: AccessDenied,
    304: PreconditionFailed,
    307: RemoteUnavailable,
    308: AccessDenied,
    401: AccessDenied,
    403: AccessDenied,
    404: NotFound,
    405: NotSupported,
    408: RemoteUnavailable,
    412: PreconditionFailed,
    429: Throttled,
    501: NotSupported,
}
_NO_HEADERS: Mapping[str, str] = {}
#: what names of headers begin with that only object stores send
_STORES_OWN = ("x-amz", "x-goog-", "x-guploader")
#: characters of a message that come from the store, and from us: keys can be long
_MAX_MESSAGE = 300
#: a Retry-After of more than thirty years is none
_SECONDS = re.compile(r"[0-9]{1,9}")
_MAX_WHAT = 150


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn what the SDK or the HTTP client raises inside into errors whose text begins with ``what``."""
    try:
        yield
    except SyncError:
        raise
    except ClientError as error:
        raise from_client_error(what, error) from error
    except (BotoCoreError, ResponseParserError, Urllib3Error, HttpError) as error:
        raise _from_transport(what, error) from error


@contextmanager
def understood(what: str) -> Iterator[None]:
    """The same for what the SDK reads out of an answer: of a number that is none it makes a ValueError."""
    try:
        with translated(what):
            yield
    except ValueError as error:
        raise RemoteUnavailable(f"{_short(what)}: the answer makes no sense: {error}") from error


def from_answer(
    what: str, status: int, code: str, message: str, headers: Mapping[str, str] = _NO_HEADERS
) -> RemoteError:
    """The error for an answer with this status and, where there was a body, S3's code and message.

    ``headers`` by lower-case name.
    """
    if not code and (odd := _what_is_odd(status, headers)):
        return UnexpectedAnswer(f"{_short(what)}: {status}: {odd}", status=status)
    seconds = _seconds(headers.get("retry-after"))
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status)
    if kind is None:
        kind = RemoteUnavailable if status >= 500 else InvalidRequest
    if kind is RemoteUnavailable and seconds is not None:
        kind = Throttled
    if code == "InvalidRequest" and "copy source is larger" in message:
        kind = NotSupported
    said = " ".join(word for word in (str(status), code, message[:_MAX_MESSAGE]) if word)
    return kind(f"{_short(what)}: {said}", status=status, code=code, retry_after=seconds)


def unexpected(
    what: str, why: str, endpoint: str, status: int, headers: Mapping[str, str] = _NO_HEADERS
) -> UnexpectedAnswer:
    """The error for an answer that does not prove what it should."""
    kind = headers.get("content-type", "")[:60] or "no type"
    length = headers.get("content-length", "")[:20]
    size = f"{int(length):,} bytes" if length.isdecimal() else "of unknown length"
    text = f"the answer is not the store's: {why} ({status}, {kind}, {size})"
    return UnexpectedAnswer(
        f"{_short(what)}: {text}; is a proxy or a portal in the way of {endpoint}?", status=status
    )


def is_stores_own(headers: Mapping[str, str]) -> bool:
    """Whether a header says that an object store has answered. Not every store sends one."""
    return any(name.startswith(_STORES_OWN) for name in headers)


def is_a_page(headers: Mapping[str, str]) -> bool:
    """Whether what came is for people, and nothing says that an object store has sent it."""
    return "html" in headers.get("content-type", "") and not is_stores_own(headers)


def _page(headers: Mapping[str, str]) -> str:
    """The type of a document that is no store's; empty where it may be one's."""
    kind = headers.get("content-type", "")
    return "" if "xml" in kind or is_stores_own(headers) else kind[:60]


def _what_is_odd(status: int, headers: Mapping[str, str]) -> str:
    """What keeps an answer without a word of S3's from being believed; empty: nothing."""
    if 200 <= status < 300:
        return "no answer to this request"
    if 300 <= status < 400 and status != 304:
        place = headers.get("location", "")[:_MAX_WHAT] or "another place, without saying which"
        return f"redirected to {place}; redirects are not followed: are endpoint and region right?"
    if status == 404 and (kind := _page(headers)):
        return f"a page ({kind}), which cannot know what is there; is a proxy or a portal in the way?"
    return ""


def from_client_error(what: str, error: ClientError) -> RemoteError:
    """The SDK's exception for an answer that is an error."""
    metadata = error.response.get("ResponseMetadata", {})
    status = metadata.get("HTTPStatusCode", 0)
    detail = error.response.get("Error", {})
    code = str(detail.get("Code") or "")
    if len(code) == 3 and code.isdecimal():  # the SDK's word for an answer without a body
        status, code = status or int(code), ""
    return from_answer(what, status, code, detail.get("Message") or "", metadata.get("HTTPHeaders", {}))


def from_body(what: str, status: int, body: bytes, headers: Mapping[str, str] = _NO_HEADERS) -> RemoteError:
    """An error answer of which only the bytes are known: S3's XML, or anything else, or nothing."""
    code, message = parse_error(body)
    return from_answer(what, status, code, message, headers)


def parse_error(body: bytes) -> tuple[str, str]:
    """Code and message of S3's ``<Error>`` document; two empty strings for any other body."""
    try:
        document = read(body)
    except Unreadable:
        return "", ""
    if local_name(document.root) != "Error":
        return "", ""
    found = {local_name(child): document.text(child).strip() for child in document.root}
    return found.get("Code", ""), found.get("Message", "")


def _from_transport(what: str, error: Exception) -> SyncError:
    cause = getattr(error, "kwargs", {}).get("error")
    if isinstance(cause, SyncError):  # raised by a body that the SDK was reading
        return cause
    text = f"{_short(what)}: {str(error)[:_MAX_MESSAGE]}"
    if isinstance(
        error,
        (
            CredentialRetrievalError,
            NoCredentialsError,
            PartialCredentialsError,
            ProfileNotFound,
            TokenRetrievalError,
        ),
    ):
        return CredentialsRefused(text)
    if isinstance(error, ParamValidationError):
        return InvalidRequest(text)
    if isinstance(error, Unreadable):
        return UnexpectedAnswer(text)
    return RemoteUnavailable(text)


def _short(what: str) -> str:
    return what if len(what) <= _MAX_WHAT else f"{what[:_MAX_WHAT]}..."


def _seconds(retry_after: str | None) -> float | None:
    """The value of Retry-After (RFC 9110 section 10.2.3): seconds, or a date."""
    text = (retry_after or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        return max(0.0, parse_http_date(text) - time.time())
    except ValueError:
        return None
