"""Tokens of an identity: kept, renewed in time, and asked for at the machine's own service."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from s3_sync.config.credentials.azure import AzureCredentials
from s3_sync.errors import CredentialsRefused, RemoteError, RemoteUnavailable
from s3_sync.providers.azure.identity import MARGIN, TokenCache, token_cache
from servers.in_process import InProcessServer


class TestTokenCache:
    @pytest.fixture
    def now(self) -> list[float]:
        return [1000.0]

    def cache(self, now: list[float], answers: list[Any]) -> TokenCache:
        def request() -> tuple[str, float]:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer, now[0] + 3600

        return TokenCache(request, lambda: now[0])

    def test_token_is_kept_until_shortly_before_its_end(self, now: list[float]) -> None:
        cache = self.cache(now, ["one", "two"])
        assert [cache.token(), cache.token()] == ["one", "one"]
        now[0] += 3600 - MARGIN - 1
        assert cache.token() == "one"
        now[0] += 2
        assert cache.token() == "two"

    def test_valid_token_outlives_a_failed_renewal(self, now: list[float]) -> None:
        cache = self.cache(now, ["one", RemoteUnavailable("down"), CredentialsRefused("no")])
        cache.token()
        now[0] += 3600 - MARGIN + 1
        assert [cache.token(), cache.token()] == ["one", "one"]
        now[0] += MARGIN
        with pytest.raises(CredentialsRefused):
            cache.token()

    def test_discarded_token_is_not_used_again(self, now: list[float]) -> None:
        cache = self.cache(now, ["one", "two"])
        cache.token()
        cache.discard()
        assert cache.token() == "two"


Answer = Callable[[BaseHTTPRequestHandler], tuple[int, Any]]


class Damaged(str):
    """A body that is sent as it is."""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Answer]]:
    """The service at which a machine in Azure asks for its tokens; the answer it gives."""
    answers: list[Answer] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers[0](self)
            data = str(body).encode() if isinstance(body, Damaged) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with InProcessServer(Handler) as server:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", server.endpoint)
        yield answers


def managed(**changes: Any) -> AzureCredentials:
    return AzureCredentials(
        provider="azure", identity="lab", azure_login="managed_identity", client_id="the-client", **changes
    )


def test_managed_identity_asks_the_machine_for_a_token(machine: list[Answer]) -> None:
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> tuple[int, Any]:
        asked.append(handler.path)
        assert handler.headers["Metadata"] == "true"
        expires = str(int(time.time()) + 3600)
        return 200, {
            "access_token": "t0ken", "expires_on": expires, "expires_in": "3600",
            "resource": "https://storage.azure.com", "token_type": "Bearer",
        }  # fmt: skip

    machine.append(answer)
    cache = token_cache(managed())
    assert [cache.token(), cache.token()] == ["t0ken", "t0ken"]
    assert len(asked) == 1
    assert "storage.azure.com" in asked[0]
    assert "the-client" in asked[0]


def test_machine_without_an_identity_is_refused_in_one_line(machine: list[Answer]) -> None:
    machine.append(lambda _: (400, {"error": "invalid_request", "error_description": "Identity not found"}))
    with pytest.raises(RemoteError) as refusal:
        token_cache(managed()).token()
    assert isinstance(refusal.value, CredentialsRefused)
    assert "\n" not in str(refusal.value)


def test_workload_identity_logs_in_at_its_cloud_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr("azure.identity.WorkloadIdentityCredential", lambda **options: given.update(options))
    lab = AzureCredentials(
        provider="azure", identity="lab", azure_login="workload_identity", client_id="c", tenant_id="t",
        azure_cloud="usgov", https_proxy="http://proxy:3128",
    )  # fmt: skip
    token_cache(lab)
    assert given == {
        "authority": "login.microsoftonline.us",
        "client_id": "c",
        "read_timeout": 10.0,
        "tenant_id": "t",
        "proxies": {"https": "http://proxy:3128"},
    }


def test_workload_identity_without_its_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    lab = AzureCredentials(provider="azure", identity="lab", azure_login="workload_identity")
    with pytest.raises(CredentialsRefused, match="log in at Azure"):
        token_cache(lab)


@pytest.mark.parametrize("damage", ["gone", "directory", "binary"])
def test_token_file_of_a_workload_that_cannot_be_read_means_no_credentials(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "token"
    if damage == "directory":
        path.mkdir()
    elif damage == "binary":
        path.write_bytes(b"\xff\xfe")
    for name in ("TENANT_ID", "CLIENT_ID", "FEDERATED_TOKEN_FILE"):
        monkeypatch.setenv(f"AZURE_{name}", str(path) if "FILE" in name else "lab")
    lab = AzureCredentials(provider="azure", identity="lab", azure_login="workload_identity")
    with pytest.raises(CredentialsRefused, match="^log in at Azure: "):
        token_cache(lab).token()


def test_answer_that_is_cut_off_is_quoted_nowhere(
    machine: list[Answer], caplog: pytest.LogCaptureFixture
) -> None:
    machine.append(lambda _: (200, Damaged('{"access_token": "t0ken", ')))
    with pytest.raises(RemoteError) as refusal:
        token_cache(managed()).token()
    assert "t0ken" not in str(refusal.value) + caplog.text


def test_service_that_hangs_is_waited_for_a_short_time(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr("azure.identity.ManagedIdentityCredential", lambda **options: given.update(options))
    token_cache(managed())
    assert given["read_timeout"] <= 10.0
