"""One provider for each account, wrapped where one can see it."""

from __future__ import annotations

from typing import Any

import pytest

from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.secret import Secret
from s3_sync.config.settings import Mapping, Profile
from s3_sync.errors import ConfigError, RemoteUnavailable, Throttled
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import PutOptions
from s3_sync.providers.base import WriteOptions
from s3_sync.providers.memory import MemoryBucket, MemoryProvider
from s3_sync.providers.registry import Registry
from s3_sync.providers.wrappers.retry import RetryPolicy
from s3_sync.streams.reader import BytesBody

CREDENTIALS = S3Credentials(endpoint="http://127.0.0.1:9", identity="AKID", secret=Secret("sesame"))


def mapping(**changes: Any) -> Mapping:
    fields: dict[str, Any] = {
        "account": "AUTH_a",
        "container": "c",
        "bucket": "bucket",
        "credentials": CREDENTIALS,
        "profile": Profile(),
        "namer": KeyNamer.hashed("AUTH_a", "c"),
    }
    return Mapping(**(fields | changes))


class Counting(MemoryProvider):
    built: list[tuple[S3Credentials, int]] = []
    closed = 0

    def close(self) -> None:
        Counting.closed += 1


def registry(**fields: Any) -> Registry:
    Counting.built, Counting.closed = [], 0

    def build(credentials: S3Credentials, connections: int) -> MemoryProvider:
        Counting.built.append((credentials, connections))
        provider = Counting()
        provider.create_bucket("bucket")
        return provider

    return Registry(build=build, **fields)


def test_equal_credentials_share_a_provider() -> None:
    shared = registry(connections=5)
    first = shared.provider(CREDENTIALS)
    assert shared.provider(CREDENTIALS.model_copy()) is first
    other = CREDENTIALS.model_copy(update={"secret": Secret("another")})
    assert shared.provider(other) is not first
    assert Counting.built == [(CREDENTIALS, 5), (other, 5)]


def test_open_bucket_uses_namer_and_storage_class_of_mapping() -> None:
    bucket = registry().open_bucket(mapping(profile=Profile(storage_class="STANDARD_IA")))
    assert bucket.name == "bucket"
    assert bucket.namer == KeyNamer.hashed("AUTH_a", "c")
    bucket.put_object("x", BytesBody(b""), PutOptions(0))
    assert bucket.head_object("x").storage_class == "STANDARD_IA"


def test_open_bucket_passes_encryption_of_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, bool]] = []
    bucket = MemoryProvider.bucket

    def noted(self: Counting, name: str, namer: KeyNamer, write: WriteOptions) -> MemoryBucket:
        seen.append((name, write.encrypt))
        return bucket(self, name, namer, write)

    monkeypatch.setattr(Counting, "bucket", noted)
    plain = registry(retries=None)
    plain.open_bucket(mapping(profile=Profile(encryption=True)))
    plain.open_bucket(mapping(profile=Profile(encryption=False)))
    assert seen == [("bucket", True), ("bucket", False)]


def test_open_bucket_passes_what_a_bucket_demands(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[WriteOptions] = []
    bucket = MemoryProvider.bucket

    def noted(self: Counting, name: str, namer: KeyNamer, write: WriteOptions) -> MemoryBucket:
        seen.append(write)
        return bucket(self, name, namer, write)

    monkeypatch.setattr(Counting, "bucket", noted)
    tags = (("a", "1"),)
    profile = Profile(encryption=False, kms_key="key", acl="private", tags=tags)
    registry(retries=None).open_bucket(mapping(profile=profile))
    (options,) = seen
    assert options == WriteOptions(kms_key="key", acl="private", tags=tags, writer=options.writer)


def test_failed_request_is_repeated_only_with_a_retry_policy() -> None:
    for attempts, policy in ((2, RetryPolicy(attempts=2, sleep=lambda _: None)), (1, None)):
        Broken.asked = 0
        broken = Registry(build=lambda *_: Broken(), retries=policy)
        with pytest.raises(RemoteUnavailable):
            broken.provider(CREDENTIALS).head_bucket("bucket")
        assert Broken.asked == attempts


class Broken(MemoryProvider):
    asked = 0

    def head_bucket(self, name: str) -> None:
        Broken.asked += 1
        raise RemoteUnavailable("broken", status=500)


class Busy(MemoryProvider):
    """Asks for two minutes of patience, once."""

    asked = 0

    def head_bucket(self, name: str) -> None:
        Busy.asked += 1
        raise Throttled("slow down", status=503, retry_after=120.0)


def test_throttling_of_account_holds_for_all_its_providers() -> None:
    Busy.asked = 0
    shared = Registry(build=lambda *_: Busy())
    same, other = (
        CREDENTIALS.model_copy(update={"verify_tls": False}),
        CREDENTIALS.model_copy(update={"identity": "another"}),
    )
    for credentials in (CREDENTIALS, CREDENTIALS, same):
        with pytest.raises(Throttled):
            shared.provider(credentials).head_bucket("bucket")
    assert Busy.asked == 1
    with pytest.raises(Throttled):
        shared.provider(other).head_bucket("bucket")
    assert Busy.asked == 2


def test_provider_of_unknown_kind_raises_config_error() -> None:
    with pytest.raises(ConfigError, match="gopher"):
        Registry().provider(CREDENTIALS.model_copy(update={"provider": "gopher"}))


def test_close_all_closes_each_provider_once() -> None:
    shared = registry()
    first = shared.provider(CREDENTIALS)
    shared.provider(CREDENTIALS.model_copy(update={"region": "eu"}))
    shared.close_all()
    assert Counting.closed == 2
    assert shared.provider(CREDENTIALS) is not first
    shared.close_all()
    shared.close_all()
    assert Counting.closed == 3
