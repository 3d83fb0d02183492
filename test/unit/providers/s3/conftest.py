"""A provider in front of a scripted store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.credentials.s3_dialects import CLONE, Dialect
from s3_sync.config.secret import Secret
from s3_sync.providers.s3.provider import S3Provider
from servers.scripted_s3 import ScriptedS3

Open = Callable[..., S3Provider]


@pytest.fixture
def store() -> Iterator[ScriptedS3]:
    with ScriptedS3() as server:
        yield server


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[str], list[str]]:
    """``logged(text)``: the messages at INFO or above with this text, so far."""
    caplog.set_level(logging.INFO, "s3-sync")

    def messages(text: str) -> list[str]:
        return [message for record in caplog.records if text in (message := record.getMessage())]

    return messages


@pytest.fixture
def open_provider(store: ScriptedS3) -> Iterator[Open]:
    """``open_provider(dialect=..., direct=..., region=...)``: the others are those of S3Credentials."""
    opened: list[S3Provider] = []

    def build(*, dialect: Dialect = CLONE, direct: bool | None = None, **changes: Any) -> S3Provider:
        fields: dict[str, Any] = {"endpoint": store.endpoint, "identity": "AKID", "secret": Secret("sesame")}
        credentials = S3Credentials(**(fields | changes))
        opened.append(S3Provider(credentials, connections=2, dialect=dialect, direct=direct))
        return opened[-1]

    yield build
    for provider in opened:
        provider.close()
