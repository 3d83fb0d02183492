"""What each answer of the service means."""

from __future__ import annotations

import pytest

from s3_sync import errors
from s3_sync.http.message import Framing, Head, Headers
from s3_sync.http.pool import Response
from s3_sync.providers.azure.errors import refusal


def answer(status: int, code: str = "", message: str = "", **headers: str) -> Response:
    named = [(name.replace("_", "-").lower(), value) for name, value in headers.items()]
    if code:
        named.append(("x-ms-error-code", code))
    text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    head = Head(status, "", 1, Headers(named))
    return Response(head, Framing(len(text), False, True), _Text(text), lambda *_: None)  # type: ignore[arg-type]


class _Text:
    """A connection that holds nothing but this text."""

    def __init__(self, text: bytes) -> None:
        self._text = text

    def read(self, size: int) -> bytes:
        found, self._text = self._text[:size], self._text[size:]
        return found

    def close(self) -> None:
        pass


ID = {"x_ms_request_id": "r1"}


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (304, "ConditionNotMet", errors.PreconditionFailed),
        (400, "Md5Mismatch", errors.BadDigest),
        (400, "Crc64Mismatch", errors.BadDigest),
        (400, "InvalidMetadata", errors.InvalidRequest),
        (400, "MetadataTooLarge", errors.InvalidRequest),
        (401, "InvalidAuthenticationInfo", errors.CredentialsRefused),
        (403, "AuthenticationFailed", errors.CredentialsRefused),
        (403, "KeyBasedAuthenticationNotPermitted", errors.CredentialsRefused),
        (403, "AuthorizationPermissionMismatch", errors.AccessDenied),
        (403, "AccountIsDisabled", errors.CredentialsRefused),
        (404, "BlobNotFound", errors.NotFound),
        (404, "ContainerNotFound", errors.NotFound),
        (409, "BlobAlreadyExists", errors.PreconditionFailed),
        (409, "BlobArchived", errors.Archived),
        (409, "BlobBeingRehydrated", errors.Archived),
        (409, "BlobImmutableDueToPolicy", errors.ObjectLocked),
        (409, "ContainerBeingDeleted", errors.RemoteUnavailable),
        (409, "InvalidBlobType", errors.InvalidRequest),
        (412, "ConditionNotMet", errors.PreconditionFailed),
        (412, "LeaseIdMissing", errors.ObjectLocked),
        (416, "InvalidRange", errors.InvalidRequest),
        (429, "", errors.Throttled),
        (500, "InternalError", errors.RemoteUnavailable),
        (500, "OperationTimedOut", errors.RemoteUnavailable),
        (503, "ServerBusy", errors.Throttled),
        (503, "", errors.Throttled),
        (502, "", errors.RemoteUnavailable),
    ],
)
def test_answer_is_the_error_that_it_means(status: int, code: str, kind: type[errors.RemoteError]) -> None:
    found = refusal("PUT /c/o", answer(status, code, "why &amp; how RequestId:1 Time:now", **ID))
    assert type(found) is kind
    assert found.status == status
    text = " ".join(filter(None, (str(status), code, "why & how")))
    assert str(found) == f"PUT /c/o: {text} (r1)"


def test_answer_without_a_text_is_known_by_its_code() -> None:
    found = refusal("PUT /c/o", answer(403, "AuthorizationPermissionMismatch", **ID))
    assert type(found) is errors.AccessDenied
    assert str(found) == "PUT /c/o: 403 AuthorizationPermissionMismatch (r1)"


def test_secret_in_a_message_is_masked_before_it_is_cut() -> None:
    message = "x" * 190 + "the-secret-signature"
    found = refusal("GET /c", answer(403, "AuthenticationFailed", message, **ID), ["the-secret-signature"])
    assert "the-secret" not in str(found)
    assert "***" in str(found)


def test_absence_is_believed_of_the_service_only() -> None:
    assert type(refusal("HEAD /c/o", answer(404))) is errors.UnexpectedAnswer
    page = answer(302, location="http://portal/")
    assert "portal" in str(refusal("GET /c/o", page))


def test_pause_of_a_throttled_request_is_kept() -> None:
    assert refusal("GET /c", answer(503, "ServerBusy", Retry_After="9", **ID)).retry_after == 9.0


def test_clock_that_is_wrong_is_told_from_a_wrong_key() -> None:
    old = refusal("GET /c", answer(403, "AuthenticationFailed", "Request date header too old", **ID))
    assert isinstance(old, errors.ClockSkewed)
