"""Keys that the SDK finds itself are renewed in time, once for all, and when a store refuses them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import DeferredRefreshableCredentials
from botocore.exceptions import ClientError, ConnectTimeoutError, ParamValidationError
from botocore.utils import ContainerMetadataFetcher

from faults.proxy import FaultProxy
from s3_sync.config.credentials.s3_dialects import CLONE
from s3_sync.errors import CredentialsRefused, RemoteUnavailable
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import PutOptions
from s3_sync.providers.base import ListQuery
from s3_sync.providers.s3 import ambient_credentials
from s3_sync.providers.s3.ambient_credentials import RENEWAL_INTERVAL, SHORT_INTERVAL, RenewedCredentials
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import BytesBody
from servers.scripted_s3 import Answer, ScriptedS3
from servers.sts import ROLE, Sts

HOUR = 3600.0
DATA = b"data"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhYmNkZWZnaCJ9.c2lnbmF0dXJl"
AMBIENT = CLONE.model_copy(update={"ambient_credentials": True})


class Source:
    """Gives numbered keys that last ``lifetime`` seconds, or raises ``error``."""

    def __init__(self, lifetime: float = HOUR) -> None:
        self.lifetime = lifetime
        self.error: Exception | None = None
        self.calls = 0
        self.now = 0.0

    def fetch(self) -> dict[str, Any]:
        self.calls += 1
        if self.error is not None:
            raise self.error
        expiry = datetime.now(timezone.utc) + timedelta(seconds=self.lifetime)
        key = f"key{self.calls}"
        return {"access_key": key, "secret_key": "s", "token": "t", "expiry_time": expiry.isoformat()}

    def look_up(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(self.fetch, "test")

    def credentials(self) -> RenewedCredentials:
        return RenewedCredentials(self.look_up(), self.look_up, lambda: self.now)


@pytest.fixture
def source() -> Source:
    return Source()


def refusal(status: int, code: str, message: str = "") -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "AssumeRoleWithWebIdentity")


@pytest.mark.parametrize(("lifetime", "interval"), [(600.0, RENEWAL_INTERVAL), (8.0, SHORT_INTERVAL)])
def test_short_lived_keys_are_not_fetched_for_each_request(
    source: Source, lifetime: float, interval: float
) -> None:
    """The SDK itself fetches keys with each request when they last less than 15 minutes."""
    source.lifetime = lifetime
    credentials = source.credentials()
    assert [credentials.get_frozen_credentials().access_key for _ in range(3)] == ["key1"] * 3
    source.now += interval - 0.1
    assert credentials.get_frozen_credentials().access_key == "key1"
    source.now += 0.2
    assert [credentials.get_frozen_credentials().access_key for _ in range(3)] == ["key2"] * 3


def test_failure_of_the_source_does_no_harm_while_the_last_keys_are_good(
    source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "s3-sync")
    source.lifetime = 300.0  # when the SDK itself raises
    credentials = source.credentials()
    credentials.get_frozen_credentials()
    source.error = refusal(400, "IDPCommunicationError", "try later")
    for _ in range(3):
        source.now += RENEWAL_INTERVAL + 1
        assert credentials.get_frozen_credentials().access_key == "key1"
    source.error = None
    source.now += RENEWAL_INTERVAL + 1
    assert credentials.get_frozen_credentials().access_key == f"key{source.calls}"
    told = [(record.levelno, record.exc_info) for record in caplog.records if record.name != "botocore.hooks"]
    assert told == [(logging.WARNING, None), (logging.INFO, None)]


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (refusal(400, "ExpiredTokenException", f"Token {JWT} expired"), CredentialsRefused, "ExpiredToken"),
        (
            refusal(403, "AccessDenied", "Not authorized"),
            CredentialsRefused,
            "403 AccessDenied Not authorized",
        ),
        (refusal(503, "", ""), RemoteUnavailable, "AssumeRoleWithWebIdentity: 503"),
        (ConnectTimeoutError(endpoint_url="https://sts"), RemoteUnavailable, "https://sts"),
        (FileNotFoundError(2, "No such file", "/var/token"), CredentialsRefused, "/var/token"),
        (RuntimeError("still expired"), CredentialsRefused, "still expired"),
        # of an empty token file
        (ParamValidationError(report="Invalid\nlength"), CredentialsRefused, "failed: Invalid length$"),
    ],
)
def test_without_good_keys_each_failure_has_its_kind_and_no_secret(
    source: Source, error: Exception, kind: type[Exception], text: str
) -> None:
    source.error = error
    credentials = source.credentials()
    for _ in range(3):
        with pytest.raises(kind, match=text) as raised:
            credentials.get_frozen_credentials()
        assert JWT not in str(raised.value)
    assert source.calls == 1
    source.error = None
    source.now += SHORT_INTERVAL
    assert credentials.get_frozen_credentials().access_key == "key2"


def test_all_who_wait_share_one_renewal(source: Source) -> None:
    threads = 8
    together = threading.Barrier(threads)
    credentials = source.credentials()

    def get(_: int) -> str:
        together.wait()
        return credentials.get_frozen_credentials().access_key

    with ThreadPoolExecutor(threads) as pool:
        assert set(pool.map(get, range(threads))) == {"key1"}


def test_refused_keys_are_replaced_at_most_once_a_minute(source: Source) -> None:
    credentials = source.credentials()
    credentials.get_frozen_credentials()
    for expected in ("key2", "key2", "key3"):
        credentials.discard()
        assert credentials.get_frozen_credentials().access_key == expected
        source.now += RENEWAL_INTERVAL * 0.6


# Against a strict STS


@pytest.fixture
def sts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sts]:
    with Sts(tmp_path) as sts:
        for name, value in sts.environment.items():
            monkeypatch.setenv(name, value)
        yield sts


@pytest.fixture
def open_guarded(store: ScriptedS3, sts: Sts, open_provider: Any) -> Iterator[Callable[..., Any]]:
    with FaultProxy.before(store.endpoint) as proxy:
        proxy.when(sts.guard)

        def build(**options: Any) -> Any:
            provider = open_provider(
                dialect=AMBIENT, endpoint=proxy.endpoint, identity=None, secret=None, **options
            )
            return provider.bucket("bucket", KeyNamer.literal(""))

        yield build


@pytest.mark.parametrize("direct", [True, False], ids=["direct", "sdk"])
def test_keys_that_the_store_has_revoked_are_replaced(
    store: ScriptedS3, sts: Sts, open_guarded: Callable[..., Any], direct: bool
) -> None:
    store.answers = [Answer(200, {"ETag": f'"{md5_hex(DATA)}"'})]
    bucket = open_guarded(direct=direct)

    def put() -> None:
        bucket.put_object("o", BytesBody(DATA), PutOptions(4, md5=md5_hex(DATA)))

    put()
    sts.rotate()
    sts.rotate()
    sts.revoke()
    with pytest.raises(CredentialsRefused, match="ExpiredToken"):
        put()
    put()
    assert len(sts.used) == len(sts.issued) == 2
    assert sts.refused == ["ExpiredToken"]


def test_listing_by_the_sdk_is_signed_with_the_same_keys(
    store: ScriptedS3, sts: Sts, open_guarded: Callable[..., Any]
) -> None:
    bucket = open_guarded()
    store.answers = [Answer(200, {"ETag": f'"{md5_hex(DATA)}"'})]
    bucket.put_object("o", BytesBody(DATA), PutOptions(4, md5=md5_hex(DATA)))
    store.answers = [
        Answer(200, {}, b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
    ]
    assert bucket.list_objects(ListQuery()).objects == ()
    assert len(sts.used) == len(sts.issued) == 1


@pytest.mark.parametrize("name", ["AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME"])
def test_role_and_session_name_are_those_of_the_environment(
    sts: Sts, open_guarded: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, f"{ROLE}-other")
    bucket = open_guarded()
    with pytest.raises(CredentialsRefused, match="403 AccessDenied Not authorized to assume this role"):
        bucket.head_object("o")


def test_missing_role_is_told_when_the_account_is_opened(
    sts: Sts, open_guarded: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ROLE_ARN")
    with pytest.raises(CredentialsRefused, match="AWS_ROLE_ARN"):
        open_guarded()


def test_container_role_never_sleeps_by_a_function_that_stops_a_proxy(
    open_provider: Any, store: ScriptedS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``time`` is not patched in Swift's proxies."""
    waits: list[float] = []

    class Fetcher(ContainerMetadataFetcher):
        def __init__(self, session: Any = None, sleep: Callable[[float], object] = time.sleep) -> None:
            assert sleep is not time.sleep
            super().__init__(session, waits.append)

    monkeypatch.setattr(ambient_credentials, "ContainerMetadataFetcher", Fetcher)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{store.endpoint}/role")
    store.answers = [Answer(500)]
    with pytest.raises(CredentialsRefused, match="500"):
        open_provider(dialect=AMBIENT, identity=None, secret=None)
    assert len(waits) == 3
