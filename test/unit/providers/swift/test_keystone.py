"""Logins at Keystone: what is sent for each kind, and what is made of catalogue and token."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from s3_sync.config.secret import Secret
from s3_sync.errors import CredentialsRefused, RemoteError, RemoteUnavailable, UnexpectedAnswer
from s3_sync.http.pool import Timeouts
from servers.fake_swift import KEY, TENANT, FakeSwift
from servers.scripted import ScriptedServer, Wire, answer
from unit.providers.swift.test_auth import log_in, response

V2 = {"auth_type": "keystone_v2", "tenant_name": TENANT}
PROJECT = {"project_name": "lab", "project_domain_name": "d1", "user_domain_name": "d2"}
PUBLIC = {"interface": "public", "region_id": "north", "region": "north", "url": "http://h/v1/AUTH_p"}


def v3_token(endpoints: list[dict[str, str]], **changes: Any) -> bytes:
    catalogue = [{"type": "object-store", "id": "1", "name": "swift", "endpoints": endpoints}]
    token = {
        "methods": ["password"],
        "issued_at": "2001-02-03T04:00:00.000000Z",
        "expires_at": "2001-02-03T05:00:00.000000Z",
        "catalog": catalogue,
    }
    body = json.dumps({"token": token | changes}).encode()
    return response("X-Subject-Token: tk", "Content-Type: application/json", status="201 Created", body=body)


def log_in_v3(answered: bytes, **changes: Any) -> tuple[Any, str, Any]:
    """The token, and path and document of the request."""
    with ScriptedServer(answer(answered)) as server:
        fields = {"auth_type": "keystone_v3", **PROJECT} | changes
        token = log_in(f"http://127.0.0.1:{server.port}/identity", **fields)
        server.wait_for_results(1)
        [[(head, body)]] = server.results
    return token, head.decode().split(" ")[1], json.loads(body)


class TestVersion2:
    @pytest.mark.parametrize("path", ["", "/", "/v2.0", "/v2.0/"])
    def test_login_reads_token_and_endpoint_of_the_region(self, fake: FakeSwift, path: str) -> None:
        token = log_in(fake.url + path, region="north", **V2)
        assert token.value == "tk-1-secret"
        assert str(token.storage) == f"{fake.url}/v1/AUTH_test"
        assert token.life == fake.life

    def test_region_and_endpoint_type_choose_the_endpoint(self, fake: FakeSwift) -> None:
        south = log_in(fake.url, region="south", **V2)
        assert str(south.storage) == f"{fake.url}/v1/AUTH_test_south"
        internal = log_in(fake.url, region="north", endpoint_type="internal", **V2)
        assert internal.storage.origin.host == "localhost"

    def test_remote_account_replaces_the_account(self, fake: FakeSwift) -> None:
        token = log_in(fake.url, region="south", remote_account="AUTH_other", **V2)
        assert str(token.storage) == f"{fake.url}/v1/AUTH_other"

    def test_several_regions_without_a_choice_are_named(self, fake: FakeSwift) -> None:
        text = "the catalogue has public endpoints of object-store in north, south: set region"
        with pytest.raises(CredentialsRefused, match=text):
            log_in(fake.url, **V2)

    def test_unknown_region_is_named_with_the_interface(self, fake: FakeSwift) -> None:
        text = "no internal endpoint of object-store in region east, only in north, south"
        with pytest.raises(CredentialsRefused, match=text):
            log_in(fake.url, region="east", endpoint_type="internal", **V2)

    @pytest.mark.parametrize("changes", [{"secret": Secret("wrong")}, {"tenant_name": "other"}])
    def test_wrong_credentials_are_one_clear_line(self, fake: FakeSwift, changes: Any) -> None:
        with pytest.raises(CredentialsRefused) as refused:
            log_in(fake.url, **(V2 | changes))
        reason = "The request you have made requires authentication."
        assert str(refused.value) == f"login at {fake.url}/v2.0: 401 Unauthorized {reason} (tx-fake)"

    def test_keystone_without_version_2_is_named(self) -> None:
        missing = response("X-Openstack-Request-Id: r", status="404 No")
        text = "/v2.0: 404 .*is the endpoint right"
        with ScriptedServer(answer(missing)) as server, pytest.raises(UnexpectedAnswer, match=text):
            log_in(f"http://127.0.0.1:{server.port}", **V2)

    def test_issue_that_is_not_named_counts_from_now(self, fake: FakeSwift) -> None:
        def without_issue(handler: Any) -> None:
            token = {"id": "tk", "expires": "2999-01-01T00:00:00Z", "tenant": {"id": "t", "name": "lab"}}
            endpoint = {"region": "r", "publicURL": f"{fake.url}/v1/a"}
            catalogue = [{"type": "object-store", "endpoints": [endpoint]}]
            document = {"access": {"token": token, "serviceCatalog": catalogue}}
            handler.respond(200, json.dumps(document).encode())

        fake.faults.login = without_issue
        assert log_in(fake.url, **V2).life > 1e9


class TestVersion3:
    def test_password_is_scoped_to_the_project(self) -> None:
        token, path, sent = log_in_v3(v3_token([PUBLIC]))
        assert path == "/identity/v3/auth/tokens"
        user = {"name": "test:tester", "password": KEY, "domain": {"name": "d2"}}
        assert sent["auth"]["identity"] == {"methods": ["password"], "password": {"user": user}}
        assert sent["auth"]["scope"] == {"project": {"name": "lab", "domain": {"name": "d1"}}}
        assert (token.value, str(token.storage), token.life) == ("tk", "http://h/v1/AUTH_p", 3600.0)

    @pytest.mark.parametrize(
        ("changes", "identity"),
        [
            ({}, {"id": "test:tester"}),
            (
                {"user_name": "u", "user_domain_name": "d"},
                {"name": "test:tester", "user": {"name": "u", "domain": {"name": "d"}}},
            ),
        ],
    )
    def test_application_credential_is_named_by_id_or_by_name_and_user(
        self, changes: Any, identity: Any
    ) -> None:
        fields = dict.fromkeys(PROJECT) | {"auth_type": "keystone_v3_application_credential"} | changes
        _, _, sent = log_in_v3(v3_token([PUBLIC]), **fields)
        expected = {
            "methods": ["application_credential"],
            "application_credential": identity | {"secret": KEY},
        }
        assert sent == {"auth": {"identity": expected}}

    @pytest.mark.parametrize(
        ("answered", "text"),
        [
            (response(body=b"<html>"), "not a token of Keystone"),
            (response(body=b"[]"), "not a token of Keystone"),
            (response(body=b"7"), "not a token of Keystone"),
            (response(body=b"[" * 200_000), "not a token of Keystone"),
            (response(body=b'{"token": []}'), "not a token of Keystone"),
            (response("X-Subject-Token: a", body=b'{"token": 7}'), "not a token of Keystone"),
            (response("X-Subject-Token: a", body=b'{"token": {"catalog": 7}}'), "not a token of Keystone"),
            (v3_token([PUBLIC]).replace(b"X-Subject-Token", b"X-Nothing"), "not a token of Keystone"),
            (v3_token([PUBLIC]).replace(b": tk\r", b": t k\r"), "without a valid token"),
            (v3_token([PUBLIC], expires_at="tomorrow"), "not a token of Keystone"),
            (v3_token([PUBLIC | {"url": "gopher://h"}]), "storage URL 'gopher://h'"),
            (response("Location: http://evil/", status="307 Go"), "redirected to http://evil/"),
        ],
    )
    def test_odd_answer_is_one_clear_line(self, answered: bytes, text: str) -> None:
        with pytest.raises(UnexpectedAnswer, match=text) as failed:
            log_in_v3(answered)
        assert str(failed.value).startswith("login at http://127.0.0.1:")
        assert KEY not in str(failed.value)

    def test_service_that_hangs_is_given_up_after_the_read_timeout(self) -> None:
        def script(wire: Wire) -> None:
            wire.request()
            wire.sock.recv(1)

        fields = {"auth_type": "keystone_v3", "timeouts": Timeouts(5.0, 0.2, 5.0), **PROJECT}
        with ScriptedServer(script) as server, pytest.raises(RemoteUnavailable, match="timed out"):
            log_in(f"http://127.0.0.1:{server.port}", **fields)

    def test_document_without_end_is_given_up(self) -> None:
        def script(wire: Wire) -> None:
            wire.request()
            wire.send(b"HTTP/1.1 201 Created\r\nX-Subject-Token: tk\r\n\r\n")
            while True:
                wire.send(b" " * 65536)

        with ScriptedServer(script) as server, pytest.raises(RemoteUnavailable, match="too large"):
            log_in(f"http://127.0.0.1:{server.port}", auth_type="keystone_v3", **PROJECT)

    @pytest.mark.parametrize("catalogue", [[], [{"type": "image", "endpoints": [PUBLIC]}]])
    def test_catalogue_without_object_store_is_named(self, catalogue: Any) -> None:
        with pytest.raises(CredentialsRefused, match="the catalogue has no public endpoint of object-store$"):
            log_in_v3(v3_token([], catalog=catalogue))

    def test_nothing_of_a_login_is_in_errors_or_logs(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        log_in_v3(v3_token([PUBLIC]).replace(b": tk\r", b": the-token\r"))
        error = json.dumps({"error": {"message": f"wrong: {KEY}", "code": 401}}).encode()
        lines = ("Content-Type: application/json",)
        with pytest.raises(RemoteError, match=r"401 No wrong: \*\*\*"):
            log_in_v3(response(*lines, status="401 No", body=error))
        assert KEY not in caplog.text
        assert "the-token" not in caplog.text
