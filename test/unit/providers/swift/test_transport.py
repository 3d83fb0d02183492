"""Requests with a token that may be refused, against a fake Swift."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from s3_sync.config.secret import Secret
from s3_sync.errors import (
    AccessDenied,
    CredentialsRefused,
    NotFound,
    ObjectRefused,
    RemoteError,
    RemoteUnavailable,
    UnexpectedAnswer,
)
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.base import WriteOptions
from s3_sync.providers.swift import transport as transport_module
from s3_sync.providers.swift.bucket import SwiftBucket
from s3_sync.providers.swift.transport import EXPECT_FROM, SwiftTransport
from s3_sync.streams.reader import BytesBody
from servers.fake_swift import KEY, FakeSwift
from servers.scripted import ScriptedServer, Wire, answer
from unit.providers.swift.conftest import Clock, Open

LARGE = EXPECT_FROM + 1000


class Stream:
    """``size`` bytes that can be read once. ``meanwhile`` is called after each piece."""

    def __init__(self, size: int, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.length: int | None = size
        self.read_bytes = 0
        self._meanwhile = meanwhile

    def read(self, size: int = -1) -> bytes:
        piece = b"x" * min(size, (self.length or 0) - self.read_bytes, 16 * 1024)
        self.read_bytes += len(piece)
        self._meanwhile()
        return piece

    def rewind(self) -> None:
        raise io.UnsupportedOperation("read once")

    def close(self) -> None:
        pass


def login_at(store: ScriptedServer) -> bytes:
    """A login's response that names a scripted store."""
    url = f"http://127.0.0.1:{store.port}/v1/AUTH_%C3%BC"
    lines = ("X-Auth-Token: tk", f"X-Storage-Url: {url}", "Content-Length: 0")
    return "\r\n".join(("HTTP/1.1 200 OK", *lines, "", "")).encode()


def put(transport: SwiftTransport, name: str, body: Stream | BytesBody | bytes) -> None:
    transport.request("PUT", f"/c/{name}", body=body).drain()


class TestRequest:
    def test_request_carries_token_agent_headers_and_quoted_path(self, open_transport: Open) -> None:
        ok = b"HTTP/1.1 204 No Content\r\nX-Trans-Id: tx1\r\n\r\n"
        with ScriptedServer(answer(ok)) as store, ScriptedServer(answer(login_at(store))) as service:
            transport = open_transport(endpoint=f"http://127.0.0.1:{service.port}/auth/v1.0")
            transport.request("POST", "/c/a b/ü?%//", query="x=1", headers=[("X-One", "1")]).close()
            store.wait_for_results(1)
        [[(head, _)]] = store.results
        lines = head.decode().split("\r\n")
        assert lines[0] == "POST /v1/AUTH_%C3%BC/c/a%20b/%C3%BC%3F%25//?x=1 HTTP/1.1"
        assert lines[2].startswith("User-Agent: swift-s3-sync/")
        assert lines[3:] == ["X-Auth-Token: tk", "X-Cloud-Sync-Shunt-Hop: 1", "X-One: 1", "Content-Length: 0"]

    def test_missing_container_has_its_code(self, transport: SwiftTransport) -> None:
        for method, path, code in (
            ("PUT", "/other/o", "NoSuchBucket"),
            ("HEAD", "/other", "NoSuchBucket"),
            ("GET", "/c/o", ""),
        ):
            with pytest.raises(NotFound) as missing:
                transport.request(method, path, body=b"x" if method == "PUT" else None)
            assert missing.value.code == code

    def test_response_without_transaction_id_is_not_swifts(self, open_transport: Open) -> None:
        page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi"
        missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        store = ScriptedServer(answer(page), answer(missing))
        with store, ScriptedServer(answer(login_at(store))) as service:
            transport = open_transport(endpoint=f"http://127.0.0.1:{service.port}/auth/v1.0")
            for _ in range(2):
                with pytest.raises(UnexpectedAnswer, match="without a transaction ID"):
                    transport.request("GET", "/c/o")

    @pytest.mark.parametrize("status", ["200 OK", "302 Found", "404 Not Found", "409 Conflict", "500 Oops"])
    def test_token_that_comes_back_in_headers_is_in_no_error(self, open_transport: Open, status: str) -> None:
        names = ("X-Trans-Id", "Content-Type", "Location", "ETag", "Content-Range", "Last-Modified")
        head = "".join(f"{name}: tk-9876\r\n" for name in names)
        answered = f"HTTP/1.1 {status}\r\n{head}Content-Length: 0\r\n\r\n".encode()
        with ScriptedServer(answer(answered)) as store:
            login = login_at(store).replace(b"X-Auth-Token: tk", b"X-Auth-Token: tk-9876")
            with ScriptedServer(answer(login)) as service:
                transport = open_transport(endpoint=f"http://127.0.0.1:{service.port}/auth/v1.0")
                bucket = SwiftBucket(transport, "c", KeyNamer.plain(), WriteOptions())
                with pytest.raises(RemoteError) as caught:
                    bucket.get_object("o")
        assert "9876" not in str(caught.value)


class TestDots:
    """A proxy that resolves them lets users' names lead to what only our token may reach."""

    NAMES = ("../victim/o", "a/../o", "a/./o", "..", "a/..")

    def test_names_with_dots_are_names(self, fake: FakeSwift, transport: SwiftTransport) -> None:
        for name in self.NAMES:
            put(transport, name, name.encode())
            transport.request("GET", f"/c/{name}").close()
        assert len(fake.below_account()) == 2 * len(self.NAMES) + 1

    def test_nothing_is_sent_to_where_they_lead(self, fake: FakeSwift, transport: SwiftTransport) -> None:
        fake.containers.add("victim")
        put(transport, "o", b"bytes of somebody else")
        fake.faults.dots = True
        for name in self.NAMES:
            with pytest.raises(ObjectRefused, match="dots"):
                put(transport, name, b"x")
            with pytest.raises(NotFound):
                transport.request("GET", f"/c/{name}")
            with pytest.raises(ObjectRefused):
                transport.request("DELETE", f"/c/{name}")
        for name in ("a..b", "...", "a/.b/..c/o.", "%2E%2E/o"):
            put(transport, name, b"x")
        assert len(fake.below_account()) == 1 + 1 + 4

    def test_failure_to_find_out_is_tried_again(self, fake: FakeSwift, transport: SwiftTransport) -> None:
        fake.faults.forbidden.add("/.swift-s3-sync-nowhere/..")
        with pytest.raises(AccessDenied):
            put(transport, "a/../o", b"x")
        fake.faults.forbidden.clear()
        put(transport, "a/../o", b"x")

    @pytest.mark.parametrize("status", ["200 OK", "202 Accepted", "207 Multi-Status"])
    def test_delete_that_is_answered_by_anything_but_204_is_no_success(
        self, open_transport: Open, status: str
    ) -> None:
        answered = f"HTTP/1.1 {status}\r\nX-Trans-Id: tx\r\nContent-Length: 0\r\n\r\n".encode()
        with ScriptedServer(answer(answered)) as store, ScriptedServer(answer(login_at(store))) as service:
            transport = open_transport(endpoint=f"http://127.0.0.1:{service.port}/auth/v1.0")
            bucket = SwiftBucket(transport, "c", KeyNamer.plain(), WriteOptions())
            with pytest.raises(UnexpectedAnswer, match="DELETE /c/o: 2"):
                bucket.delete_object("o")


class TestPatience:
    def test_server_that_never_asks_for_bodies_is_waited_for_once(
        self, open_transport: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transport_module, "PATIENCE", 0.5)
        monkeypatch.setattr(transport_module, "CONTINUE_WAIT", 0.01)
        stored = b"HTTP/1.1 201 Created\r\nX-Trans-Id: tx1\r\nContent-Length: 0\r\n\r\n"
        waited: list[float] = []

        def script(wire: Wire) -> None:
            for _ in range(3):
                wire.head()
                began = time.monotonic()
                wire.body(LARGE)
                waited.append(time.monotonic() - began)
                wire.send(stored)

        with ScriptedServer(script) as store, ScriptedServer(answer(login_at(store))) as service:
            transport = open_transport(endpoint=f"http://127.0.0.1:{service.port}/auth/v1.0")
            for _ in range(3):
                put(transport, "o", Stream(LARGE))
        assert waited[0] > 0.4
        assert sum(waited[1:]) < waited[0]


class TestExpiry:
    def test_upload_of_20_seconds_succeeds_with_tokens_of_5(
        self, fake: FakeSwift, clock: Clock, transport: SwiftTransport
    ) -> None:
        fake.life = 5
        pieces = 10 * LARGE // (16 * 1024)

        def segment(name: str) -> None:
            put(transport, name, Stream(LARGE, lambda: clock.forward(20 / pieces)))

        for number in range(10):
            segment(f"segment {number}")
        put(transport, "manifest", b"[]")
        assert clock() >= 1020
        assert len(fake.objects) == 11
        assert [request.status for request in fake.below_account()] == [201] * 11  # none was refused
        assert 4 <= fake.logins <= 6

    @pytest.mark.parametrize("status", [401, 403])
    def test_revoked_token_is_renewed_and_costs_no_body(
        self, fake: FakeSwift, transport: SwiftTransport, status: int
    ) -> None:
        fake.faults.expired = status
        put(transport, "before", b"1")
        fake.revoke_all()
        body = Stream(LARGE)
        put(transport, "stream", body)
        refused, sent = fake.below_account("PUT")[1:]
        assert (refused.status, refused.received, refused.token) == (status, 0, 1)
        assert (sent.status, sent.received, sent.token) == (201, LARGE, 2)
        assert body.read_bytes == LARGE
        assert fake.logins == 2

    @pytest.mark.parametrize("status", [401, 403])
    def test_body_that_cannot_be_rewound_is_never_sent_twice(
        self, fake: FakeSwift, transport: SwiftTransport, status: int
    ) -> None:
        fake.faults.expired = status
        put(transport, "before", b"1")
        fake.revoke_all()
        fake.faults.late = True
        body = Stream(LARGE)
        with pytest.raises(RemoteUnavailable, match="body cannot be sent again") as failed:
            put(transport, "stream", body)
        assert failed.value.transient
        assert [request.received for request in fake.below_account("PUT")] == [1, LARGE]
        assert body.read_bytes == LARGE
        put(transport, "stream", Stream(LARGE))  # the next attempt has the new token
        assert fake.logins == 2

    def test_body_that_can_be_rewound_is_sent_again_from_its_start(
        self, fake: FakeSwift, transport: SwiftTransport
    ) -> None:
        put(transport, "before", b"1")
        fake.revoke_all()
        fake.faults.late = True
        data = bytes(range(256)) * 512
        put(transport, "stream", BytesBody(data))
        assert fake.objects["AUTH_test/c/stream"] == data
        assert [request.received for request in fake.below_account("PUT")[1:]] == [len(data)] * 2

    def test_token_of_unknown_life_is_renewed_after_its_refusal(
        self, fake: FakeSwift, clock: Clock, transport: SwiftTransport
    ) -> None:
        fake.faults.no_expiry = True
        put(transport, "a", b"1")
        clock.forward(fake.life)
        put(transport, "a", b"2")
        assert fake.objects["AUTH_test/c/a"] == b"2"
        assert fake.logins == 2

    def test_many_threads_renew_a_revoked_token_once(self, fake: FakeSwift, open_transport: Open) -> None:
        threads = 16
        transport = open_transport(connections=threads)
        put(transport, "before", b"1")
        fake.revoke_all()
        together = threading.Barrier(threads)

        def work(number: int) -> None:
            together.wait(10)
            put(transport, f"o{number}", Stream(LARGE))

        with ThreadPoolExecutor(threads) as pool:
            for future in [pool.submit(work, number) for number in range(threads)]:
                future.result(20)
        assert fake.logins == 2
        assert len(fake.objects) == threads + 1
        assert sum(request.received for request in fake.below_account("PUT")) == 1 + threads * LARGE

    def test_remote_account_stays_after_a_renewal(self, fake: FakeSwift, open_transport: Open) -> None:
        fake.faults.prefix = "/behind/a/proxy/v1"
        transport = open_transport(remote_account="AUTH_ü")
        put(transport, "a", b"1")
        fake.revoke_all()
        put(transport, "b", b"1")
        assert [(request.path, request.status) for request in fake.below_account()] == [
            ("/behind/a/proxy/v1/AUTH_ü/c/a", 201),
            ("/behind/a/proxy/v1/AUTH_ü/c/b", 401),
            ("/behind/a/proxy/v1/AUTH_ü/c/b", 201),
        ]


class TestDenial:
    def test_object_that_no_token_may_reach_is_denied_and_costs_one_renewal_a_minute(
        self, fake: FakeSwift, clock: Clock, transport: SwiftTransport
    ) -> None:
        fake.faults.forbidden = {"/c/secret"}
        for _ in range(5):
            with pytest.raises(AccessDenied, match="403 Forbidden Access denied. .tx-fake.") as denied:
                put(transport, "secret", b"1")
            assert type(denied.value) is AccessDenied
            put(transport, "other", b"1")
        assert fake.logins == 2
        clock.forward(60)
        with pytest.raises(AccessDenied):
            put(transport, "secret", b"1")
        assert fake.logins == 3

    def test_server_that_refuses_every_token_is_not_asked_more_than_twice(
        self, fake: FakeSwift, transport: SwiftTransport
    ) -> None:
        fake.life = -1
        fake.faults.no_expiry = True
        with pytest.raises(CredentialsRefused, match="PUT /c/a: 401"):
            put(transport, "a", b"1")
        assert fake.logins == 2
        with pytest.raises(CredentialsRefused):
            put(transport, "a", b"1")
        assert fake.logins == 2

    def test_wrong_secret_is_one_login_and_one_clear_line(
        self, fake: FakeSwift, open_transport: Open, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        transport = open_transport(secret=Secret("not the key"))
        for _ in range(20):
            with pytest.raises(CredentialsRefused) as refused:
                put(transport, "a", b"1")
        assert str(refused.value) == f"login at {fake.auth_url}: 401 Unauthorized (tx-fake)"
        assert fake.attempts() == 1
        assert "not the key" not in caplog.text

    def test_errors_and_logs_hold_neither_tokens_nor_the_secret(
        self, fake: FakeSwift, transport: SwiftTransport, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The fake quotes the refused token in its answer."""
        caplog.set_level(logging.DEBUG)
        fake.faults.no_expiry = True
        fake.life = -1
        with pytest.raises(CredentialsRefused) as refused:
            put(transport, "a", b"1")
        assert "token ***" in str(refused.value)
        fake.faults.login = lambda handler: handler.respond(  # type: ignore[attr-defined]
            403, f"user x, key {KEY}".encode(), Content_Type="text/plain"
        )
        with pytest.raises(CredentialsRefused, match=r"403 Forbidden user x, key \*\*\*") as denied:
            transport._session.renew(transport._session.token(), 401)
        said = caplog.text + repr(refused.value) + repr(denied.value) + repr(transport._session._current)
        assert KEY not in said
        assert "tk-" not in said
