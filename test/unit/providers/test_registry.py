"""One provider for each account, wrapped where one can see it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from s3_sync.config.schema import Credentials, Mapping, Profile
from s3_sync.config.secret import Secret
from s3_sync.errors import ConfigError
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import PutOptions
from s3_sync.providers.memory import MemoryProvider
from s3_sync.providers.registry import BUILDERS, Registry
from s3_sync.providers.s3.bucket import S3Bucket
from s3_sync.providers.wrappers.retry import RetryBucket
from s3_sync.streams.reader import BytesBody

CREDENTIALS = Credentials(endpoint="http://127.0.0.1:9", identity="AKID", secret=Secret("sesame"))


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
    built: list[tuple[Credentials, int]] = []
    closed = 0

    def close(self) -> None:
        Counting.closed += 1


def registry(**fields: Any) -> Registry:
    Counting.built, Counting.closed = [], 0

    def build(credentials: Credentials, connections: int) -> MemoryProvider:
        Counting.built.append((credentials, connections))
        provider = Counting()
        provider.create_bucket("bucket")
        return provider

    return Registry(builders={"s3": build}, **fields)


def test_equal_credentials_share_a_provider() -> None:
    shared = registry(connections=5)
    first = shared.provider(CREDENTIALS)
    assert shared.provider(replace(CREDENTIALS)) is first
    other = replace(CREDENTIALS, secret=Secret("another"))
    assert shared.provider(other) is not first
    assert Counting.built == [(CREDENTIALS, 5), (other, 5)]


def test_a_bucket_is_seen_through_its_mapping() -> None:
    bucket = registry().open_bucket(mapping(profile=Profile(storage_class="STANDARD_IA")))
    assert bucket.name == "bucket"
    assert bucket.namer == KeyNamer.hashed("AUTH_a", "c")
    bucket.put_object("x", BytesBody(b""), PutOptions(0))
    assert bucket.head_object("x").storage_class == "STANDARD_IA"


def test_encryption_is_the_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(Counting, "bucket", lambda _, name, namer, write: seen.append((name, write.encrypt)))
    plain = registry(retries=None)
    plain.open_bucket(mapping(profile=Profile(encryption=True)))
    plain.open_bucket(mapping(profile=Profile(encryption=False)))
    assert seen == [("bucket", True), ("bucket", False)]


def test_the_wrapper_can_be_left_out() -> None:
    assert isinstance(Registry().open_bucket(mapping()), RetryBucket)
    assert isinstance(Registry(retries=None).open_bucket(mapping()), S3Bucket)


def test_a_protocol_that_nothing_speaks() -> None:
    with pytest.raises(ConfigError, match="gopher"):
        Registry(builders=BUILDERS).provider(replace(CREDENTIALS, provider="gopher"))  # type: ignore[arg-type]


def test_close_all() -> None:
    shared = registry()
    first = shared.provider(CREDENTIALS)
    shared.provider(replace(CREDENTIALS, region="eu"))
    shared.close_all()
    assert Counting.closed == 2
    assert shared.provider(CREDENTIALS) is not first
    shared.close_all()
    shared.close_all()
    assert Counting.closed == 3
