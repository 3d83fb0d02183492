"""Logins at TempAuth, and what every login makes of the storage URL."""

from __future__ import annotations

import math
from typing import Any

import pytest

from s3_sync.config.secret import Secret
from s3_sync.errors import ConfigError, CredentialsRefused, RemoteUnavailable, Throttled, UnexpectedAnswer
from s3_sync.http.network import Network
from s3_sync.http.pool import Timeouts
from s3_sync.providers.swift.auth import TempAuth, Token, login_for, storage_url
from servers.fake_swift import KEY, FakeSwift
from servers.scripted import Script, ScriptedServer, Wire, answer
from unit.providers.swift.conftest import TIMEOUTS, Clock, swift_credentials

STORAGE = "X-Storage-Url: http://127.0.0.1:1/v1/AUTH_test"


def response(*lines: str, status: str = "200 OK", body: bytes = b"") -> bytes:
    head = [f"HTTP/1.1 {status}", *lines, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(head).encode() + body


def log_in(endpoint: str, *, timeouts: Timeouts = TIMEOUTS, **changes: Any) -> Token:
    credentials = swift_credentials(endpoint=endpoint, **changes)
    login = login_for(credentials, Network(credentials, timeouts))
    try:
        return login.log_in()
    finally:
        login.close()


def log_in_at(script: Script, **options: Any) -> Token:
    with ScriptedServer(script) as server:
        return log_in(f"http://127.0.0.1:{server.port}/auth/v1.0", **options)


class TestTempAuth:
    def test_login_sends_user_and_key_and_reads_token_account_and_life(
        self, fake: FakeSwift, clock: Clock
    ) -> None:
        fake.life = 300.9
        credentials = swift_credentials(endpoint=fake.auth_url)
        login = TempAuth(credentials, Network(credentials, TIMEOUTS), clock)
        token = login.log_in()
        login.close()
        assert token == Token("tk-1-secret", token.storage, 1000.0, 300.0)
        assert str(token.storage) == f"{fake.url}/v1/AUTH_test"
        assert token.expires == 1300.0
        assert "secret" not in repr(token)

    @pytest.mark.parametrize("written", ["", "X-Auth-Token-Expires: soon", "X-Auth-Token-Expires: -1"])
    def test_life_that_is_not_told_is_unlimited(self, written: str) -> None:
        lines = [line for line in ("X-Auth-Token: tk", STORAGE, written) if line]
        assert log_in_at(answer(response(*lines))).life == math.inf

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_https_proxy_is_refused_with_its_key(self, scheme: str) -> None:
        credentials = swift_credentials(endpoint="http://h/auth/v1.0", **{f"{scheme}_proxy": "https://p:1"})
        with pytest.raises(ConfigError, match=f"{scheme}_proxy: https proxies are not supported"):
            Network(credentials)

    def test_unreadable_ca_bundle_is_refused_with_its_key(self) -> None:
        credentials = swift_credentials(endpoint="https://h/auth/v1.0", ca_bundle="/nowhere/ca.pem")
        with pytest.raises(ConfigError, match="ca_bundle: cannot read /nowhere/ca.pem"):
            Network(credentials)


class TestBadService:
    @pytest.mark.parametrize(
        ("answered", "error", "text"),
        [
            (response(status="401 Unauthorized"), CredentialsRefused, "401 Unauthorized"),
            (response(status="403 Forbidden"), CredentialsRefused, "403 Forbidden"),
            (response(status="400 Bad Request"), CredentialsRefused, "400 Bad Request"),
            (response("X-Trans-Id: tx1", status="404 Not Found"), UnexpectedAnswer, "is the endpoint right"),
            (response(status="404 Not Found"), UnexpectedAnswer, "without a transaction ID"),
            (response(status="500 Oops"), RemoteUnavailable, "500 Oops"),
            (response("Retry-After: 7", status="503 Busy"), Throttled, "503 Busy"),
            (
                response("Location: https://evil.example.org/auth", status="302 Found"),
                UnexpectedAnswer,
                "302: redirected to https://evil.example.org/auth; redirects are not followed",
            ),
            (response("X-Auth-Token: tk", "X-Trans-Id: t"), UnexpectedAnswer, "200 without X-Storage-Url"),
            (response(STORAGE), UnexpectedAnswer, "without a valid token"),
            (response(STORAGE, "X-Auth-Token: a b"), UnexpectedAnswer, "without a valid token"),
            (response(body=b"<html>hello</html>"), UnexpectedAnswer, "200 without X-Storage-Url"),
            (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", RemoteUnavailable, "malformed response"),
            (b"", RemoteUnavailable, "closed the connection"),
        ],
    )
    def test_odd_answer_is_one_clear_line(self, answered: bytes, error: type, text: str) -> None:
        with pytest.raises(error, match=text) as failed:
            log_in_at(answer(answered))
        assert type(failed.value) is error
        assert str(failed.value).startswith("login at http://127.0.0.1:")
        assert "\n" not in str(failed.value)
        assert KEY not in str(failed.value)

    def test_redirect_is_not_followed(self) -> None:
        with ScriptedServer(answer(response("X-Auth-Token: tk", STORAGE))) as other:
            place = f"Location: http://127.0.0.1:{other.port}/"
            with pytest.raises(UnexpectedAnswer):
                log_in_at(answer(response(place, status="301 Moved")))
            assert other.accepted == 0

    @pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nX-Auth"])
    def test_service_that_hangs_is_given_up_after_the_read_timeout(self, sent: bytes) -> None:
        def script(wire: Wire) -> None:
            wire.request()
            wire.send(sent)
            wire.sock.recv(1)  # until the client gives up

        with pytest.raises(RemoteUnavailable, match="timed out"):
            log_in_at(script, timeouts=Timeouts(5.0, 0.2, 5.0))

    def test_service_that_is_not_there_is_named(self) -> None:
        with pytest.raises(RemoteUnavailable, match="login at http://127.0.0.1:1/auth: cannot connect"):
            log_in("http://127.0.0.1:1/auth")

    def test_secret_that_no_header_can_hold_is_no_traceback(self, fake: FakeSwift) -> None:
        with pytest.raises(CredentialsRefused, match="401"):
            log_in(fake.auth_url, secret=Secret("ü\x7f\x1b"))


class TestStorageUrl:
    @pytest.mark.parametrize(
        ("url", "account", "expected"),
        [
            ("https://h:8080/v1/AUTH_a", "AUTH_b", "https://h:8080/v1/AUTH_b"),
            ("https://h/v1/AUTH_a/", "AUTH_b", "https://h/v1/AUTH_b"),
            ("https://h/swift/v1/AUTH_a", "a/b ü", "https://h/swift/v1/a%2Fb%20%C3%BC"),
            ("https://h/swift/v1", "AUTH_b", "https://h/swift/v1/AUTH_b"),
            ("https://h/v1/behind/v1.0/AUTH_a", "AUTH_b", "https://h/v1/behind/v1.0/AUTH_b"),
            ("https://h/objects/AUTH_a", "AUTH_b", "https://h/objects/AUTH_b"),
            ("https://[::1]:8080/v1/AUTH_v1", "AUTH_b", "https://[::1]:8080/v1/AUTH_b"),
            ("https://h/v1/AUTH_a", None, "https://h/v1/AUTH_a"),
        ],
    )
    def test_remote_account_replaces_the_account_alone(
        self, url: str, account: str | None, expected: str
    ) -> None:
        credentials = swift_credentials(endpoint="https://h/auth", remote_account=account)
        assert str(storage_url("login", url, credentials)) == expected

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "/v1/AUTH_a",
            "ftp://h/v1/a",
            "file:///etc/passwd",
            "http://h:0x1/v1/a",
            "http://h/v1/a b",
            "http:///v1",
        ],
    )
    def test_url_that_is_none_of_http_is_refused(self, url: str) -> None:
        with pytest.raises(UnexpectedAnswer, match="login: storage URL "):
            storage_url("login", url, swift_credentials(endpoint="http://h/auth"))

    def test_unencrypted_store_behind_an_encrypted_login_is_refused(self) -> None:
        with pytest.raises(
            CredentialsRefused, match="login: the storage URL is http://h/v1/a: .*storage_scheme"
        ):
            storage_url("login", "http://h/v1/a", swift_credentials(endpoint="https://h/auth"))

    @pytest.mark.parametrize(
        ("scheme", "url", "expected"),
        [
            ("https", "http://h/v1/a", "https://h/v1/a"),
            ("https", "http://h:80/v1/a", "https://h/v1/a"),
            ("https", "http://h:8080/v1/a", "https://h:8080/v1/a"),
            ("https", "https://h/v1/a", "https://h/v1/a"),
            ("http", "http://h/v1/a", "http://h/v1/a"),
            ("http", "https://h/v1/a", "http://h/v1/a"),
        ],
    )
    def test_storage_scheme_overrides_the_one_of_the_url(self, scheme: Any, url: str, expected: str) -> None:
        credentials = swift_credentials(endpoint="https://h/auth", storage_scheme=scheme)
        assert str(storage_url("login", url, credentials)) == expected

    def test_encrypted_store_behind_an_unencrypted_login_is_used(self) -> None:
        url = storage_url("login", "https://h/v1/a", swift_credentials(endpoint="http://h/auth"))
        assert str(url) == "https://h/v1/a"
