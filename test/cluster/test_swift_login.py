"""Logins at a real Swift with TempAuth, and at a real Keystone in front of one."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import pytest

from s3_sync.config.credentials.swift import SwiftCredentials
from s3_sync.config.secret import Secret
from s3_sync.errors import AccessDenied, CredentialsRefused, NotFound, UnexpectedAnswer
from s3_sync.http.network import Network
from s3_sync.providers.swift.auth import Token, login_for
from s3_sync.providers.swift.provider import SwiftProvider
from s3_sync.providers.swift.transport import SwiftTransport
from s3_sync.providers.token_session import Session
from servers.ceph import CephGateway
from servers.keystone import Keystone
from servers.keystone_child import DOMAIN, PASSWORD, PROJECT
from servers.server import AnyServer
from servers.swift import SwiftCluster
from servers.swift_conf import SECRET_FOR_TOKENS
from servers.swift_spec import ADMIN, READER, TESTER, USERS

Start = Callable[[AnyServer], AnyServer]
LARGE = 300_000

SHORT_TOKENS = f"""
[filter:tempauth]
use = egg:swift#tempauth
token_life = 2
active_fernet_key_id = key1
fernet_key_key1 = {SECRET_FOR_TOKENS}
user_test_tester = {TESTER.key} {TESTER.groups}
"""


@pytest.fixture(scope="module")
def keystone(start_server: Start) -> Keystone:
    return start_server(Keystone())


@pytest.fixture(scope="module")
def cluster(start_server: Start, keystone: Keystone) -> SwiftCluster:
    found = start_server(keystone.swift())
    keystone.tell_of(found)
    return found


@pytest.fixture
def open_provider() -> Iterator[Callable[[SwiftCredentials], SwiftProvider]]:
    with ExitStack() as stack:

        def new(credentials: SwiftCredentials) -> SwiftProvider:
            provider = SwiftProvider(credentials, connections=4)
            stack.callback(provider.close)
            return provider

        yield new


def at_tempauth(cluster: SwiftCluster, user: str = TESTER.name, **changes: Any) -> SwiftCredentials:
    fields = {"endpoint": cluster.auth_url, "identity": user, "secret": Secret(USERS[user].key)}
    return SwiftCredentials(provider="swift", **(fields | changes))


def at_keystone(keystone: Keystone, kind: str, **changes: Any) -> SwiftCredentials:
    """``kind``: password, id or name."""
    credential = keystone.names["credential"]
    fields: dict[str, Any] = {"endpoint": keystone.url, "region": "north"}
    if kind == "password":
        project = {"project_name": PROJECT, "project_domain_name": DOMAIN, "user_domain_name": DOMAIN}
        fields |= {"auth_type": "keystone_v3", "identity": "mover", "secret": Secret(PASSWORD), **project}
    else:
        fields |= {"auth_type": "keystone_v3_application_credential", "secret": Secret(credential["secret"])}
        fields |= {"identity": credential[kind]}
        if kind == "name":
            fields |= {"user_name": "mover", "user_domain_name": DOMAIN}
    return SwiftCredentials(provider="swift", **(fields | changes))


def log_in(credentials: SwiftCredentials) -> Token:
    login = login_for(credentials, Network(credentials))
    try:
        return login.log_in()
    finally:
        login.close()


def put(transport: SwiftTransport, path: str, body: Any = b"x") -> None:
    transport.request("PUT", path, body=body).drain()


class Stream:
    """``LARGE`` bytes that can be read once, and take ``seconds``."""

    length: int | None = LARGE

    def __init__(self, seconds: float = 0.0) -> None:
        self.position = 0
        self._seconds = seconds

    def read(self, size: int = -1) -> bytes:
        piece = b"x" * min(size, LARGE - self.position, 16 * 1024)
        self.position += len(piece)
        time.sleep(self._seconds * len(piece) / LARGE)
        return piece

    def rewind(self) -> None:
        raise io.UnsupportedOperation("read once")

    def close(self) -> None:
        pass


class TestTempAuth:
    def test_containers_are_created_listed_and_found(self, swift: SwiftCluster, open_provider: Any) -> None:
        provider = open_provider(at_tempauth(swift))
        names = [f"{uuid4().hex} {end}" for end in ("ü/?%"[0], "%2F?#", "b")]
        for name in (*names, names[0]):
            provider.create_bucket(name)
        for name in names:
            provider.head_bucket(name)
        listed = [entry for entry in provider.list_buckets() if entry.name in names]
        assert [entry.name for entry in listed] == sorted(names, key=str.encode)
        assert all(abs(entry.created - time.time()) < 60 for entry in listed)
        with pytest.raises(NotFound) as missing:
            provider.head_bucket("not there")
        assert missing.value.code == "NoSuchBucket"

    def test_remote_account_is_used_by_who_may(self, swift: SwiftCluster, open_provider: Any) -> None:
        name = uuid4().hex
        provider = open_provider(at_tempauth(swift, ADMIN.name, remote_account=TESTER.account))
        provider.create_bucket(name)
        open_provider(at_tempauth(swift)).head_bucket(name)
        stranger = open_provider(at_tempauth(swift, remote_account=ADMIN.account))
        with pytest.raises(AccessDenied, match="403 Forbidden") as denied:
            stranger.create_bucket(name)
        assert type(denied.value) is AccessDenied

    def test_user_without_rights_is_denied(self, swift: SwiftCluster, open_provider: Any) -> None:
        with pytest.raises(AccessDenied, match="PUT /x: 403 Forbidden"):
            open_provider(at_tempauth(swift, READER.name)).create_bucket("x")

    def test_wrong_key_is_refused_with_one_request(self, swift: SwiftCluster, open_provider: Any) -> None:
        provider = open_provider(at_tempauth(swift, secret=Secret("wrong")))
        with swift.count_requests() as count:
            for _ in range(5):
                with pytest.raises(CredentialsRefused, match="login at .*: 401 Unauthorized"):
                    provider.head_bucket("x")
        assert len(count.requests) == 1

    def test_tokens_of_2_seconds_and_uploads_of_3(self, start_server: Start) -> None:
        """Side by side: a client that knows when its token expires, and one that has to be told."""
        cluster = start_server(SwiftCluster(proxy_extra=SHORT_TOKENS))

        def upload(clock: Callable[[], float]) -> list[int]:
            credentials = at_tempauth(cluster)
            network = Network(credentials)
            session = Session(login_for(credentials, network), clock)
            transport = SwiftTransport(session, network, "swift", 2)
            container = f"/{uuid4().hex}"
            put(transport, container, None)
            put(transport, f"{container}/slow", Stream(3.0))
            last = Stream()
            put(transport, f"{container}/next", last)
            transport.close()
            assert last.position == LARGE
            found = cluster.requests("proxy", "PUT")
            return [request.status for request in found if request.path.endswith(f"{container}/next")]

        with ThreadPoolExecutor(2) as pool:
            knows = pool.submit(upload, time.monotonic)
            is_told = pool.submit(upload, lambda: 0.0)
            assert knows.result(60) == [201]
            assert is_told.result(60) == [401, 201]


class TestCeph:
    """Its gateway has version 1, too: it names no expiry, and a storage URL without an account."""

    def test_gateway_takes_logins_containers_and_bodies(self, ceph: CephGateway, open_provider: Any) -> None:
        name, user = f"test-{uuid4().hex}", f"u{uuid4().hex[:8]}:swift"
        ceph.add_user(user.partition(":")[0], user, "unused")
        key = (f"--subuser={user}", "--key-type=swift")
        ceph.admin("subuser", "create", *key, "--access=full", "--secret=the first")
        fields = {"endpoint": f"{ceph.endpoint}/auth/v1.0", "identity": user, "secret": Secret("the first")}
        provider = open_provider(SwiftCredentials(provider="swift", **fields))
        with pytest.raises(NotFound) as missing:
            provider.transport.request("GET", f"/{name}/o")
        assert missing.value.code == "NoSuchBucket"
        provider.create_bucket(name)
        body = Stream()
        put(provider.transport, f"/{name}/o", body)
        assert body.position == LARGE
        assert [entry.name for entry in provider.list_buckets()] == [name]
        ceph.admin("key", "create", *key, "--secret=the second")  # ends all tokens of the first one
        body = Stream()
        with pytest.raises(CredentialsRefused, match="login at .*: 401 Unauthorized"):
            put(provider.transport, f"/{name}/o", body)
        assert body.position == 0


class TestKeystone:
    @pytest.mark.parametrize("kind", ["password", "id", "name"])
    def test_each_login_reaches_the_projects_account(
        self, keystone: Keystone, cluster: SwiftCluster, open_provider: Any, kind: str
    ) -> None:
        name = uuid4().hex
        open_provider(at_keystone(keystone, kind)).create_bucket(name)
        account = f"AUTH_{keystone.names['project']}"
        assert f"/v1/{account}/{name}" in [request.path for request in cluster.requests("proxy", "PUT")]

    def test_region_and_endpoint_type_choose_the_endpoint(
        self, keystone: Keystone, cluster: SwiftCluster
    ) -> None:
        token = log_in(at_keystone(keystone, "password"))
        assert str(token.storage) == f"{cluster.s3_endpoint}/v1/AUTH_{keystone.names['project']}"
        assert 3000 < token.life <= 3600
        internal = log_in(at_keystone(keystone, "password", endpoint_type="internal"))
        assert internal.storage.origin.host == "localhost"
        south = log_in(at_keystone(keystone, "password", region="south"))
        assert south.storage.origin.host == "south.test"

    @pytest.mark.parametrize(
        ("kind", "changes"),
        [
            ("password", {"secret": Secret("wrong")}),
            ("password", {"identity": "stranger"}),
            ("password", {"project_name": "none"}),
            ("id", {"secret": Secret("wrong")}),
            ("id", {"identity": "0" * 32}),
            ("name", {"identity": "another name"}),
        ],
    )
    def test_wrong_credentials_are_one_clear_line(
        self, keystone: Keystone, kind: str, changes: dict[str, Any]
    ) -> None:
        with pytest.raises(CredentialsRefused) as refused:
            log_in(at_keystone(keystone, kind, **changes))
        text = str(refused.value)
        assert text.startswith((f"login at {keystone.url}/v3: 401 ", f"login at {keystone.url}/v3: 404 "))
        assert "\n" not in text

    def test_version_2_is_gone(self, keystone: Keystone) -> None:
        v2 = {"auth_type": "keystone_v2", "tenant_name": PROJECT}
        credentials = at_keystone(keystone, "password", **v2)
        with pytest.raises(UnexpectedAnswer, match="/v2.0: 404 .*"):
            log_in(credentials)

    def test_revoked_token_is_renewed_and_remote_account_stays(
        self, keystone: Keystone, cluster: SwiftCluster, open_provider: Any
    ) -> None:
        account = f"AUTH_{keystone.names['other']}"
        provider = open_provider(
            at_keystone(keystone, "password", identity="operator", remote_account=account)
        )
        name = uuid4().hex
        provider.create_bucket(name)
        keystone.revoke(provider.transport._session.token().value)
        body = Stream()
        put(provider.transport, f"/{name}/o", body)
        assert body.position == LARGE
        found = [request for request in cluster.requests("proxy", "PUT") if name in request.path]
        assert [(request.path, request.status) for request in found] == [
            (f"/v1/{account}/{name}", 201),
            (f"/v1/{account}/{name}/o", 401),
            (f"/v1/{account}/{name}/o", 201),
        ]
