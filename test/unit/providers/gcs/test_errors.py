"""Error documents of the API that lack something."""

from __future__ import annotations

import json
from typing import Any

import pytest

from s3_sync import errors
from s3_sync.http.message import Framing, Head, Headers
from s3_sync.http.pool import Response
from s3_sync.providers.gcs.errors import refusal


class _Text:
    """A connection that holds nothing but this text."""

    def __init__(self, text: bytes) -> None:
        self._text = text

    def read(self, size: int) -> bytes:
        found, self._text = self._text[:size], self._text[size:]
        return found

    def close(self) -> None:
        pass


def answer(status: int, error: Any) -> Response:
    text = json.dumps({"error": error}).encode()
    head = Head(status, "", 1, Headers([("content-type", "application/json")]))
    return Response(head, Framing(len(text), False, True), _Text(text), lambda *_: None)  # type: ignore[arg-type]


@pytest.mark.parametrize("message", [{}, {"message": ""}, {"message": None}, {"message": " "}])
def test_document_without_a_text_is_known_by_its_reason(message: dict[str, Any]) -> None:
    found = refusal("GET b/o", answer(403, {"errors": [{"reason": "quotaExceeded"}], **message}))
    assert type(found) is errors.QuotaExceeded
    assert str(found) == "GET b/o: 403 quotaExceeded"


@pytest.mark.parametrize("details", [{}, {"errors": []}, {"errors": [{}]}, {"errors": [{"reason": None}]}])
def test_document_without_a_reason_is_known_by_its_text(details: dict[str, Any]) -> None:
    found = refusal("GET b/o", answer(403, {"message": "no right", **details}))
    assert type(found) is errors.AccessDenied
    assert (str(found), found.code) == ("GET b/o: 403 no right", "")


@pytest.mark.parametrize("error", [None, "text", [], {}, {"message": None}])
def test_404_without_text_and_reason_proves_no_absence(error: Any) -> None:
    assert type(refusal("GET b/o", answer(404, error))) is errors.UnexpectedAnswer
