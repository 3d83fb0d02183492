"""Accounts: credentials, and the buckets themselves."""

from __future__ import annotations

import time

import pytest

from conformance.samples import put, sample
from conformance.targets import REMOTE, Target
from s3_sync.config.secret import Secret
from s3_sync.errors import AccessDenied, InvalidRequest, NotFound, RemoteUnavailable
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.base import ListQuery, Provider

WRONG = "the wrong secret"


@pytest.mark.parametrize("change", ["secret", "identity"])
def test_wrong_credentials_raise_access_denied_without_the_secret(
    target: Target, provider: Provider, namer: KeyNamer, change: str
) -> None:
    wrong = Secret(WRONG) if change == "secret" else "nobody:at-all"
    other = target.provider(**{change: wrong})
    bucket = other.bucket("conformance", namer)
    ignored = change == "identity" and not target.quirks.has_identity
    if ignored or target.quirks.checks_nothing or target.store in ("memory", "file"):
        put(bucket, "object")
        return
    for size in (1, 2_000_000):
        with pytest.raises(AccessDenied) as refusal:
            put(bucket, "object", sample(size))
        assert not refusal.value.transient
        assert_no_secret(refusal.value, target)
    with pytest.raises(AccessDenied) as refusal:
        bucket.head_object("object")
    assert_no_secret(refusal.value, target)
    with pytest.raises(AccessDenied) as refusal:
        bucket.list_objects(ListQuery())
    assert_no_secret(refusal.value, target)
    with pytest.raises(AccessDenied):
        bucket.delete_object("object")
    with pytest.raises(AccessDenied):
        other.head_bucket("conformance")
    other.close()


def assert_no_secret(error: Exception, target: Target) -> None:
    secret = target.credentials.secret
    assert secret is not None
    assert WRONG not in str(error)
    assert secret.reveal() not in str(error)


def test_created_bucket_is_found_and_listed(provider: Provider, target: Target, container_name: str) -> None:
    with pytest.raises(NotFound):
        provider.head_bucket(container_name)
    provider.create_bucket(container_name)
    provider.head_bucket(container_name)
    provider.create_bucket(container_name)
    entries = {entry.name: entry.created for entry in provider.list_buckets()}
    assert "conformance" in entries
    if not target.quirks.constant_creation:
        assert abs(entries[container_name] - time.time()) < 30
    assert list(entries) == sorted(entries)


def test_deleted_bucket_is_gone_and_one_with_objects_stays(provider: Provider, container_name: str) -> None:
    provider.create_bucket(container_name)
    bucket = provider.bucket(container_name, KeyNamer.literal(""))
    put(bucket, "object")
    with pytest.raises(InvalidRequest):
        provider.delete_bucket(container_name)
    bucket.delete_object("object")
    provider.delete_bucket(container_name)
    with pytest.raises(NotFound):
        provider.head_bucket(container_name)
    with pytest.raises(NotFound):
        provider.delete_bucket(container_name)


@pytest.mark.parametrize("target", REMOTE, indirect=True)
def test_unreachable_store_raises_remote_unavailable(target: Target, namer: KeyNamer) -> None:
    provider = target.provider(endpoint="http://127.0.0.1:9")
    bucket = provider.bucket("conformance", namer)
    with pytest.raises(RemoteUnavailable):
        put(bucket, "object")
    with pytest.raises(RemoteUnavailable):
        bucket.head_object("object")
    provider.close()
