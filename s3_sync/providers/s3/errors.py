"""Translates all errors of S3 requests into ``s3_sync.errors``.

Codes: Amazon S3 API Reference, "Error responses". An unknown code, or a response without one, is mapped by
its status. Messages quote the store's message, never a header or a credential."""

from __future__ import annotations

import re
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
    ObjectLocked,
    PreconditionFailed,
    QuotaExceeded,
    RemoteError,
    RemoteUnavailable,
    SyncError,
    Throttled,
    UnexpectedAnswer,
)
from s3_sync.http.pool import HttpError
from s3_sync.http.retry_after import retry_after_seconds
from s3_sync.providers.http_errors import BY_STATUS, NO_SUCH_BUCKET, shortened
from s3_sync.providers.s3.lenient_xml import Unreadable, local_name, read

_CODES: dict[type[RemoteError], frozenset[str]] = {
    NotFound: frozenset({"NoSuchKey", NO_SUCH_BUCKET, "NoSuchUpload", "NoSuchVersion"}),
    AccessDenied: frozenset({"AccessDenied", "AuthorizationHeaderMalformed"}),
    ClockSkewed: frozenset({"RequestTimeTooSkewed", "RequestExpired"}),
    # of Ceph and others, of MinIO, and of stores with a cap on costs
    QuotaExceeded: frozenset(
        {
            "InsufficientCapacity",
            "QuotaExceeded",
            "StorageCapExceeded",
            "XMinioAdminBucketQuotaExceeded",
            "XMinioStorageFull",
        }
    ),
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
    Archived: frozenset({"InvalidObjectState", "ObjectNotInActiveTierError"}),
    # a 503, but for hours: only another tier helps
    InvalidRequest: frozenset({"GlacierExpeditedRetrievalNotAvailable"}),
    # those of Cloudflare R2, Dell ECS, Google, Alibaba and IBM, which has them for single keys of a
    # DeleteObjects, too; other stores have a code for many things and a message, or a status
    ObjectLocked: frozenset(
        {
            "FileImmutable",
            "ObjectLockedByBucketPolicy",
            "ObjectUnderActiveHold",
            "ObjectUnderRetention",
            "RetentionPolicyNotMet",
            "UnavailableForLegalReasons",
        }
    ),
    NotSupported: frozenset({"NotImplemented", "MethodNotAllowed"}),
    PreconditionFailed: frozenset({"PreconditionFailed", "NotModified"}),
}
_BY_CODE = {code: kind for kind, codes in _CODES.items() for code in codes}
_BY_STATUS: dict[int, type[RemoteError]] = {
    **BY_STATUS,
    # a redirect with an S3 error code means a wrong region or endpoint, not a problem of the object
    301: AccessDenied,
    307: RemoteUnavailable,
    308: AccessDenied,
    401: AccessDenied,
    451: ObjectLocked,  # IBM Cloud Object Storage, "Delete a protected object using Immutable Object Storage"
    507: QuotaExceeded,
}
#: messages of Amazon and Versity, of Ceph, of MinIO, and of Google's JSON API, whose codes are those of other
#: refusals
_LOCKED = re.compile(
    "(protected|forbidden) by object lock|is worm protected|subject to bucket's retention policy",
    re.IGNORECASE,
)
#: a refusal by IAM, whose message quotes names, which anybody may have chosen
_BY_POLICY = "is not authorized to perform"
_NO_HEADERS: Mapping[str, str] = {}
#: prefixes of header names that only object stores send
_STORE_HEADERS = ("x-amz", "x-goog-", "x-guploader")
#: maximum characters quoted of a message from the store, and of a place that it redirects to
_MAX_MESSAGE, _MAX_PLACE = 300, 150


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Translate exceptions of the SDK and the HTTP client into errors whose message begins with ``what``."""
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
    """As ``translated``, for responses that the SDK parses: it raises ValueError for a malformed number."""
    try:
        with translated(what):
            yield
    except ValueError as error:
        raise RemoteUnavailable(f"{shortened(what)}: malformed response: {error}") from error


def from_answer(
    what: str, status: int, code: str, message: str, headers: Mapping[str, str] = _NO_HEADERS
) -> RemoteError:
    """The error for a response with this status and, if it had a body, S3's code and message.

    ``headers`` by lower-case name.
    """
    if not code and (reason := _reason_to_doubt(status, headers)):
        return UnexpectedAnswer(f"{shortened(what)}: {status}: {reason}", status=status)
    seconds = retry_after_seconds(headers.get("retry-after"))
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status)
    if kind is None:
        kind = RemoteUnavailable if status >= 500 else InvalidRequest
    if kind is RemoteUnavailable and seconds is not None:
        kind = Throttled
    if kind in (AccessDenied, InvalidRequest) and _LOCKED.search(message) and _BY_POLICY not in message:
        kind = ObjectLocked
    if code == "InvalidRequest" and "copy source is larger" in message:
        kind = NotSupported
    detail = " ".join(word for word in (str(status), code, message[:_MAX_MESSAGE]) if word)
    return kind(f"{shortened(what)}: {detail}", status=status, code=code, retry_after=seconds)


def unexpected(
    what: str, why: str, endpoint: str, status: int, headers: Mapping[str, str] = _NO_HEADERS
) -> UnexpectedAnswer:
    """The error for a response that does not prove that the request succeeded."""
    kind = headers.get("content-type", "")[:60] or "no type"
    length = headers.get("content-length", "")[:20]
    size = f"{int(length):,} bytes" if length.isdecimal() else "unknown length"
    text = f"unexpected response: {why} ({status}, {kind}, {size})"
    return UnexpectedAnswer(
        f"{shortened(what)}: {text}; is a proxy or a portal in front of {endpoint}?", status=status
    )


def without_object(error: NotFound, if_match: str | None) -> NotFound | PreconditionFailed:
    """Translate NoSuchKey, the store's error for a write with If-Match when no object exists."""
    if if_match is None or error.code in (NO_SUCH_BUCKET, "NoSuchUpload"):
        return error
    return PreconditionFailed(str(error), status=error.status, code=error.code)


def has_store_headers(headers: Mapping[str, str]) -> bool:
    """Whether the headers show that an object store sent the response. Not every store sends such."""
    return any(name.startswith(_STORE_HEADERS) for name in headers)


def is_html_page(headers: Mapping[str, str]) -> bool:
    """Whether the response is an HTML page without headers of an object store."""
    return "html" in headers.get("content-type", "") and not has_store_headers(headers)


def _page(headers: Mapping[str, str]) -> str:
    """The content type of a document that no store sends; empty where a store may have sent it."""
    kind = headers.get("content-type", "")
    return "" if "xml" in kind or has_store_headers(headers) else kind[:60]


def _reason_to_doubt(status: int, headers: Mapping[str, str]) -> str:
    """Why a response without an S3 error code is not believed; empty: it is."""
    if 200 <= status < 300:
        return "not a response to this request"
    if 300 <= status < 400 and status != 304:
        place = headers.get("location", "")[:_MAX_PLACE] or "an unnamed location"
        return f"redirected to {place}; redirects are not followed: check endpoint and region"
    if status == 404 and (kind := _page(headers)):
        return f"a page ({kind}), which does not prove absence; is a proxy or a portal in between?"
    return ""


def from_client_error(what: str, error: ClientError) -> RemoteError:
    """Translate the SDK's exception for an error response."""
    metadata = error.response.get("ResponseMetadata", {})
    status = metadata.get("HTTPStatusCode", 0)
    detail = error.response.get("Error", {})
    code = str(detail.get("Code") or "")
    if len(code) == 3 and code.isdecimal():  # the SDK's code for a response without a body
        status, code = status or int(code), ""
    return from_answer(what, status, code, detail.get("Message") or "", metadata.get("HTTPHeaders", {}))


def from_body(what: str, status: int, body: bytes, headers: Mapping[str, str] = _NO_HEADERS) -> RemoteError:
    """The error for an error response with this body: S3's XML, or anything else, or empty."""
    code, message = parse_error(body)
    return from_answer(what, status, code, message, headers)


def parse_error(body: bytes) -> tuple[str, str]:
    """Parse code and message of S3's ``<Error>`` document; two empty strings for any other body."""
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
    text = f"{shortened(what)}: {str(error)[:_MAX_MESSAGE]}"
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
