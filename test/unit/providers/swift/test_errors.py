"""Each status of a Swift server becomes the right error, in one line without secrets."""

from __future__ import annotations

import pytest

from s3_sync.errors import (
    AccessDenied,
    BadDigest,
    CredentialsRefused,
    InvalidRequest,
    NotFound,
    NotSupported,
    PreconditionFailed,
    QuotaExceeded,
    RemoteError,
    RemoteUnavailable,
    Throttled,
    UnexpectedAnswer,
)
from s3_sync.providers.swift import errors
from s3_sync.providers.swift.errors import read_heartbeat, refusal
from servers.scripted import ScriptedServer, answer
from unit.providers.swift.test_auth import response

TEXT = "Content-Type: text/plain"
ID = "X-Trans-Id: tx1"


def error_of(answered: bytes, *, container: bool = False, secret: str = "") -> RemoteError:
    with ScriptedServer(answer(answered)) as server:
        return refusal("PUT /c/o", server.pool().request("GET", "/"), container=container, secret=secret)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("304 Not Modified", PreconditionFailed),
        ("400 Bad Request", InvalidRequest),
        ("401 Unauthorized", CredentialsRefused),
        ("403 Forbidden", AccessDenied),
        ("404 Not Found", NotFound),
        ("405 Method Not Allowed", NotSupported),
        ("408 Request Timeout", RemoteUnavailable),
        ("409 Conflict", PreconditionFailed),
        ("411 Length Required", InvalidRequest),
        ("412 Precondition Failed", PreconditionFailed),
        ("413 Request Entity Too Large", InvalidRequest),
        ("416 Requested Range Not Satisfiable", InvalidRequest),
        ("422 Unprocessable Entity", BadDigest),
        ("429 Too Many Requests", Throttled),
        ("498 Rate Limited", Throttled),
        ("499 Client Disconnect", RemoteUnavailable),
        ("500 Internal Error", RemoteUnavailable),
        ("501 Not Implemented", NotSupported),
        ("503 Service Unavailable", RemoteUnavailable),
        ("507 Insufficient Storage", RemoteUnavailable),
        ("301 Moved Permanently", UnexpectedAnswer),
    ],
)
def test_status_has_its_error_and_message(status: str, kind: type[RemoteError]) -> None:
    error = error_of(response(ID, status=status))
    assert type(error) is kind
    assert error.status == int(status[:3])
    if kind is not UnexpectedAnswer:
        assert str(error) == f"PUT /c/o: {status} (tx1)"


def test_503_with_retry_after_is_throttled() -> None:
    error = error_of(response(ID, "Retry-After: 7", status="503 Service Unavailable"))
    assert (type(error), error.retry_after) == (Throttled, 7.0)


def test_413_of_a_quota_is_quota_exceeded() -> None:
    error = error_of(response(ID, TEXT, status="413 Too Large", body=b"Upload exceeds quota."))
    assert type(error) is QuotaExceeded
    assert str(error) == "PUT /c/o: 413 Too Large Upload exceeds quota. (tx1)"


@pytest.mark.parametrize(
    ("body", "container", "code"),
    [
        (b"", True, "NoSuchBucket"),
        (b"", False, ""),
        (b"NoSuchBucket", False, "NoSuchBucket"),
        (b"NoSuchKey", False, ""),
    ],
)
def test_404_of_a_container_has_its_code(body: bytes, container: bool, code: str) -> None:
    assert error_of(response(ID, TEXT, status="404 No", body=body), container=container).code == code


def test_404_without_transaction_id_proves_nothing() -> None:
    assert type(error_of(response(TEXT, status="404 Not Found", body=b"nothing here"))) is UnexpectedAnswer


@pytest.mark.parametrize(
    ("kind", "body", "quoted"),
    [
        (
            "text/html; charset=UTF-8",
            b"<html><h1>Bad Request</h1><p>No  such\nthing.</p></html>",
            " No such thing.",
        ),
        ("text/html; charset=UTF-8", b"<html><h1></h1><p> </p></html>", ""),
        ("text/plain", b"", ""),
        ("application/json", b'{"error": {"message": ""}}', ""),
        ("application/json", b'{"error": {"message": null}}', ""),
        ("text/plain", "naïve".encode(), " naïve"),
        ("text/plain", b"\xff", " \N{REPLACEMENT CHARACTER}"),
        ("application/json", b'{"error": {"message": "Invalid user"}}', " Invalid user"),
        ("application/json", b'{"error": "text"}', ""),
        ("application/json", b"[", ""),
        ("application/json", b"[" * 20_000, ""),
        ("application/octet-stream", b"\0\1", ""),
        ("text/plain", b"x" * 100_000, " " + "x" * 200),
    ],
)
def test_message_of_the_server_is_quoted_in_one_line(kind: str, body: bytes, quoted: str) -> None:
    error = error_of(response(ID, f"Content-Type: {kind}", status="400 Bad", body=body))
    assert str(error) == f"PUT /c/o: 400 Bad{quoted} (tx1)"


@pytest.mark.parametrize("before", [0, 190, 199])
def test_secret_is_masked_wherever_the_server_repeats_it(before: int) -> None:
    body = b"x" * before + b"the secret"
    error = error_of(response(ID, TEXT, status="400 the secret", body=body), secret="the secret")
    assert "the" not in str(error)
    moved = error_of(response(ID, "Location: /?t=the secret", status="302 Found"), secret="the secret")
    assert "redirected to /?t=***" in str(moved)


class TestHeartbeat:
    def read(self, body: bytes) -> tuple[int, str]:
        head = b"HTTP/1.1 202 Accepted\r\nX-Trans-Id: tx\r\nContent-Length: %d\r\n\r\n" % len(body)
        with ScriptedServer(answer(head + body)) as server:
            return read_heartbeat("PUT /c/o", server.pool().request("PUT", "/c/o"))

    def test_result_follows_white_space(self) -> None:
        body = b" \r\n" * 100 + b'{"Response Status": "201 Created", "Etag": "abc"}'
        assert self.read(body) == (201, "abc")

    @pytest.mark.parametrize("body", [b"", b" ", b"[" * 20_000, b'{"Response Status": []}', b"[1]"])
    def test_other_documents_are_no_result(self, body: bytes) -> None:
        with pytest.raises(UnexpectedAnswer, match="not a result of slo"):
            self.read(body)

    def test_result_that_never_comes_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(errors, "_MAX_HEARTBEAT", 1000)
        with pytest.raises(RemoteUnavailable, match="does not come to its end"):
            self.read(b" " * 100_000)
        monkeypatch.setattr(errors, "_MAX_HEARTBEAT", 10**9)
        monkeypatch.setattr(errors, "_MAX_HEARTBEAT_TIME", -1.0)
        with pytest.raises(RemoteUnavailable, match="does not come to its end"):
            self.read(b" " * 100_000)
