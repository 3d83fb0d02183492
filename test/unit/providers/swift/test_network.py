"""TLS and proxies, which hold for logins as for objects."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from s3_sync.errors import RemoteUnavailable
from s3_sync.providers.swift.auth import Token
from servers.certificate import write_certificate
from servers.connect_proxy import ConnectProxy
from servers.scripted import ScriptedServer, answer
from unit.providers.swift.test_auth import STORAGE, log_in, response
from unit.providers.swift.test_keystone import PROJECT, PUBLIC, v3_token

V1 = response("X-Auth-Token: tk", STORAGE.replace("http:", "https:"))
V3 = v3_token([PUBLIC | {"url": "https://h/v1/AUTH_p"}])
KINDS: list[tuple[bytes, dict[str, Any]]] = [(V1, {}), (V3, {"auth_type": "keystone_v3", **PROJECT})]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


def log_in_over_tls(certificate: Path, answered: bytes, **changes: Any) -> Token:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ScriptedServer(answer(answered), tls=context) as server:
        return log_in(f"https://localhost:{server.port}/x", **changes)


@pytest.mark.parametrize(("answered", "kind"), KINDS)
class TestNetwork:
    def test_certificate_is_checked_against_the_bundle(
        self, certificate: Path, answered: bytes, kind: Any
    ) -> None:
        assert log_in_over_tls(certificate, answered, ca_bundle=str(certificate), **kind).value == "tk"
        with pytest.raises(RemoteUnavailable, match="(?i)login at .*certificate"):
            log_in_over_tls(certificate, answered, **kind)

    def test_certificate_is_not_checked_without_verify_tls(
        self, certificate: Path, answered: bytes, kind: Any
    ) -> None:
        assert log_in_over_tls(certificate, answered, verify_tls=False, **kind).value == "tk"

    def test_http_proxy_gets_the_whole_url_and_its_password(
        self, certificate: Path, answered: bytes, kind: Any
    ) -> None:
        with ScriptedServer(answer(answered)) as proxy:
            url = f"http://me:pw@127.0.0.1:{proxy.port}"
            assert log_in("http://auth.test:81/x", http_proxy=url, **kind).value == "tk"
            proxy.wait_for_results(1)
            [[(head, _)]] = proxy.results
        lines = head.decode().split("\r\n")
        assert " http://auth.test:81/x" in lines[0]
        assert "Proxy-Authorization: Basic bWU6cHc=" in lines

    def test_https_proxy_opens_a_tunnel(self, certificate: Path, answered: bytes, kind: Any) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        with ScriptedServer(answer(answered), tls=context) as server:
            with ConnectProxy(("127.0.0.1", server.port), "Basic bWU6cHc=") as proxy:
                url = f"http://me:pw@127.0.0.1:{proxy.port}"
                token = log_in("https://localhost/x", https_proxy=url, ca_bundle=str(certificate), **kind)
            assert proxy.heads[0].startswith("CONNECT localhost:443")
        assert token.value == "tk"

    def test_proxies_of_the_environment_have_no_effect(
        self, certificate: Path, answered: bytes, kind: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        with ScriptedServer(answer(answered)) as server:
            assert log_in(f"http://127.0.0.1:{server.port}/x", **kind).value == "tk"
