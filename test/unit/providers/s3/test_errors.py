"""One place decides what an answer means."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)

from s3_sync import errors
from s3_sync.http.pool import HttpError
from s3_sync.providers.s3.errors import from_answer, from_body, from_client_error, parse_error, translated


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "NoSuchKey", errors.NotFound),
        (404, "NoSuchBucket", errors.NotFound),
        (404, "NoSuchUpload", errors.NotFound),
        (404, "", errors.NotFound),
        (403, "AccessDenied", errors.AccessDenied),
        (403, "", errors.AccessDenied),
        (401, "", errors.AccessDenied),
        (403, "SignatureDoesNotMatch", errors.CredentialsRefused),
        (403, "RequestTimeTooSkewed", errors.ClockSkewed),
        (400, "ExpiredToken", errors.CredentialsRefused),
        (403, "InvalidAccessKeyId", errors.CredentialsRefused),
        (301, "PermanentRedirect", errors.AccessDenied),
        (412, "PreconditionFailed", errors.PreconditionFailed),
        (304, "", errors.PreconditionFailed),
        (400, "BadDigest", errors.BadDigest),
        (400, "InvalidPart", errors.BadDigest),
        (400, "XAmzContentChecksumMismatch", errors.BadDigest),
        (403, "QuotaExceeded", errors.QuotaExceeded),
        (400, "XMinioAdminBucketQuotaExceeded", errors.QuotaExceeded),
        (507, "XMinioStorageFull", errors.QuotaExceeded),
        (507, "", errors.QuotaExceeded),
        (503, "SlowDown", errors.Throttled),
        (429, "", errors.Throttled),
        (200, "SlowDown", errors.Throttled),
        (503, "ServiceUnavailable", errors.RemoteUnavailable),
        (500, "InternalError", errors.RemoteUnavailable),
        (200, "InternalError", errors.RemoteUnavailable),
        (502, "", errors.RemoteUnavailable),
        (400, "RequestTimeout", errors.RemoteUnavailable),
        (409, "ConditionalRequestConflict", errors.RemoteUnavailable),
        (409, "OperationAborted", errors.RemoteUnavailable),
        (307, "TemporaryRedirect", errors.RemoteUnavailable),
        (501, "NotImplemented", errors.NotSupported),
        (405, "MethodNotAllowed", errors.NotSupported),
        (403, "InvalidObjectState", errors.Archived),
        (403, "ObjectNotInActiveTierError", errors.Archived),
        (403, "RetentionPolicyNotMet", errors.ObjectLocked),
        (403, "ObjectUnderActiveHold", errors.ObjectLocked),
        (409, "ObjectUnderRetention", errors.ObjectLocked),
        (409, "ObjectLockedByBucketPolicy", errors.ObjectLocked),
        (409, "FileImmutable", errors.ObjectLocked),
        (451, "UnavailableForLegalReasons", errors.ObjectLocked),
        (451, "", errors.ObjectLocked),
        (503, "GlacierExpeditedRetrievalNotAvailable", errors.InvalidRequest),
        (400, "InvalidArgument", errors.InvalidRequest),
        (416, "InvalidRange", errors.InvalidRequest),
        (409, "BucketNotEmpty", errors.InvalidRequest),
        (418, "NeverHeardOf", errors.InvalidRequest),
        (599, "NeverHeardOf", errors.RemoteUnavailable),
        (308, "PermanentRedirect", errors.AccessDenied),
        (301, "", errors.UnexpectedAnswer),
        (302, "", errors.UnexpectedAnswer),
        (307, "", errors.UnexpectedAnswer),
        (308, "", errors.UnexpectedAnswer),
        (200, "", errors.UnexpectedAnswer),
        (202, "", errors.UnexpectedAnswer),
    ],
)
def test_from_answer_maps_status_and_code_to_an_error(
    status: int, code: str, kind: type[errors.RemoteError]
) -> None:
    error = from_answer("PUT b/k", status, code, "as it is")
    assert type(error) is kind
    assert (error.status, error.code) == (status, code)


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        # Amazon, Ceph, MinIO; Versity has the first one, too
        (403, "AccessDenied", "Access Denied because object protected by object lock.", errors.ObjectLocked),
        (403, "AccessDenied", "forbidden by object lock", errors.ObjectLocked),
        (400, "InvalidRequest", "Object is WORM protected and cannot be overwritten", errors.ObjectLocked),
        (
            403,
            "AccessDenied",
            "Object 'b/k' is subject to bucket's retention policy or object retention and cannot be deleted",
            errors.ObjectLocked,
        ),
        (403, "AccessDenied", "Access Denied", errors.AccessDenied),
        (
            403,
            "AccessDenied",
            "User: me is not authorized to perform: s3:DeleteObject on resource: forbidden by object lock",
            errors.AccessDenied,
        ),
        (403, "SignatureDoesNotMatch", "forbidden by object lock", errors.CredentialsRefused),
        (400, "InvalidRequest", "Missing required header", errors.InvalidRequest),
    ],
)
def test_from_answer_tells_object_lock_by_the_message(
    status: int, code: str, message: str, kind: type[errors.RemoteError]
) -> None:
    assert type(from_answer("DELETE b/k", status, code, message)) is kind


def test_from_answer_too_large_copy_source_is_not_supported() -> None:
    message = (
        "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120"
    )
    assert type(from_answer("COPY", 400, "InvalidRequest", message)) is errors.NotSupported


def test_from_answer_reads_retry_after_as_seconds_or_date() -> None:
    error = from_answer("PUT", 503, "ServiceUnavailable", "", {"retry-after": "17"})
    assert type(error) is errors.Throttled
    assert error.retry_after == 17.0
    dated = from_answer("PUT", 429, "", "", {"retry-after": formatdate(time.time() + 60, usegmt=True)})
    assert dated.retry_after == pytest.approx(60, abs=3)
    for written, seconds in ((formatdate(0, usegmt=True), 0.0), ("soon", None)):
        error = from_answer("PUT", 503, "SlowDown", "", {"retry-after": written})
        assert error.retry_after == seconds


XML = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    "<Error{namespace}><Code>NoSuchKey</Code><Message>The &lt;key&gt; is gr\u00fcn</Message>"
    "<AWSAccessKeyId>AKID</AWSAccessKeyId><StringToSign>secret things</StringToSign></Error>"
)


@pytest.mark.parametrize("namespace", ["", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'])
def test_from_body_error_document_gives_code_and_message(namespace: str) -> None:
    body = XML.format(namespace=namespace).encode()
    assert parse_error(body) == ("NoSuchKey", "The <key> is gr\u00fcn")
    error = from_body("PUT b/k", 404, body)
    assert type(error) is errors.NotFound
    assert str(error) == "PUT b/k: 404 NoSuchKey The <key> is gr\u00fcn"


@pytest.mark.parametrize("message", ["", "<Message/>", "<Message></Message>", "<Message>\n </Message>"])
def test_error_document_without_a_text_is_known_by_its_code(message: str) -> None:
    body = f"<Error><Code>AccessDenied</Code>{message}</Error>".encode()
    assert parse_error(body) == ("AccessDenied", "")
    error = from_body("PUT b/k", 403, body)
    assert type(error) is errors.AccessDenied
    assert str(error) == "PUT b/k: 403 AccessDenied"


@pytest.mark.parametrize("detail", [{}, {"Message": ""}, {"Message": None}])
def test_error_of_the_sdk_without_a_text_is_known_by_its_code(detail: dict[str, Any]) -> None:
    response: Any = {
        "Error": {"Code": "AccessDenied", **detail},
        "ResponseMetadata": {"HTTPStatusCode": 403, "HTTPHeaders": {}},
    }
    error = from_client_error("PUT b/k", ClientError(response, "PutObject"))
    assert type(error) is errors.AccessDenied
    assert str(error) == "PUT b/k: 403 AccessDenied"


@pytest.mark.parametrize(
    "body", [b"", b"<html>no</html>", b"\x00\xff", b"<Error>", b"<Error/>", b"<Other><Code>X</Code></Other>"]
)
def test_from_body_other_document_follows_the_status(body: bytes) -> None:
    assert parse_error(body) == ("", "")
    assert type(from_body("PUT", 503, body)) is errors.RemoteUnavailable


def test_from_answer_long_key_does_not_hide_the_reason() -> None:
    text = str(from_answer("PUT b/" + "k" * 1024, 500, "InternalError", "m" * 5000))
    assert len(text) < 600
    assert "500 InternalError mmm" in text


def client_error(status: int, code: str, headers: dict[str, str] | None = None) -> ClientError:
    response = {
        "Error": {"Code": code, "Message": "as it is"},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers or {}},
    }
    return ClientError(response, "HeadObject")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (client_error(404, "404"), errors.NotFound),
        (client_error(404, "NoSuchBucket"), errors.NotFound),
        (client_error(503, "SlowDown", {"retry-after": "3"}), errors.Throttled),
        (EndpointConnectionError(endpoint_url="http://x"), errors.RemoteUnavailable),
        (ReadTimeoutError(endpoint_url="http://x"), errors.RemoteUnavailable),
        (HttpError("no answer", True), errors.RemoteUnavailable),
        (NoCredentialsError(), errors.CredentialsRefused),
        (ParamValidationError(report="bad bucket name"), errors.InvalidRequest),
        (HTTPClientError(error=errors.BadDigest("short")), errors.BadDigest),
        (HTTPClientError(error=errors.LocalUnavailable("gone")), errors.LocalUnavailable),
        (HTTPClientError(error=RuntimeError("what")), errors.RemoteUnavailable),
        (errors.LocalChanged("moved on"), errors.LocalChanged),
    ],
)
def test_translated_maps_each_exception_to_an_error(raised: Exception, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught, translated("HEAD b/k"):
        raise raised
    assert type(caught.value) is kind


def test_translated_passes_an_unrelated_exception() -> None:
    with pytest.raises(ZeroDivisionError), translated("HEAD b/k"):
        raise ZeroDivisionError


def test_translated_error_of_a_head_has_a_status_and_no_code() -> None:
    with pytest.raises(errors.NotFound) as caught, translated("HEAD b/k"):
        raise client_error(404, "404")
    assert (caught.value.status, caught.value.code) == (404, "")
