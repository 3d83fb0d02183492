"""The account: containers as buckets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from s3_sync.errors import NotFound, UnexpectedAnswer
from s3_sync.providers.registry import build_provider
from s3_sync.providers.swift.provider import SwiftProvider
from servers.fake_swift import FakeSwift
from servers.scripted import ScriptedServer, answer
from unit.providers.swift.conftest import swift_credentials
from unit.providers.swift.test_auth import response
from unit.providers.swift.test_transport import login_at

JSON = ("X-Trans-Id: tx", "Content-Type: application/json")


@pytest.fixture
def provider(fake: FakeSwift) -> Iterator[SwiftProvider]:
    built = build_provider(swift_credentials(endpoint=fake.auth_url), 4)
    assert isinstance(built, SwiftProvider)
    yield built
    built.close()


def list_at(*pages: bytes) -> tuple[list[tuple[str, float]], list[str]]:
    """The listed containers, and the targets of the requests."""
    with ScriptedServer(answer(*pages)) as store, ScriptedServer(answer(login_at(store))) as service:
        provider = SwiftProvider(swift_credentials(endpoint=f"http://127.0.0.1:{service.port}/auth"))
        try:
            found = [(entry.name, entry.created) for entry in provider.list_buckets()]
        finally:
            provider.close()
        store.wait_for_results(1)
        return found, [head.decode().split(" ")[1] for head, _ in store.results[0]]


def test_container_is_created_once_and_then_found(provider: SwiftProvider, fake: FakeSwift) -> None:
    with pytest.raises(NotFound):
        provider.head_bucket("a ü")
    provider.create_bucket("a ü")
    provider.create_bucket("a ü")
    provider.head_bucket("a ü")
    assert "a ü" in fake.containers


def test_listing_is_read_until_a_page_is_empty() -> None:
    pages = (
        '[{"name": "a", "last_modified": "2001-02-03T04:05:06.700000"}, {"name": "ü&"}]',
        '[{"name": "ü/", "last_modified": "nonsense"}]',
        "[]",
    )
    found, targets = list_at(*(response(*JSON, body=page.encode()) for page in pages))
    assert found == [("a", 981173106.7), ("ü&", 0.0), ("ü/", 0.0)]
    start = "/v1/AUTH_%C3%BC?format=json&marker="
    assert targets == [start, f"{start}%C3%BC%26", f"{start}%C3%BC%2F"]


def test_listing_without_content_is_empty() -> None:
    empty = b"HTTP/1.1 204 No Content\r\nX-Trans-Id: tx\r\n\r\n"
    assert list_at(empty)[0] == []


@pytest.mark.parametrize(
    "body", [b"<html>", b'{"a": 1}', b"[1]", b'[{"nam": 1}]', b'[{"name": 1}]', b'["x"]', b"7", b"[" * 20_000]
)
def test_document_that_is_no_listing_is_refused(body: bytes) -> None:
    with pytest.raises(UnexpectedAnswer, match="not a listing"):
        list_at(response(*JSON, body=body))


def test_listing_that_makes_no_progress_is_refused() -> None:
    page = response(*JSON, body=b'[{"name": "a"}]')
    with pytest.raises(UnexpectedAnswer, match="out of order"):
        list_at(page, page, page)
