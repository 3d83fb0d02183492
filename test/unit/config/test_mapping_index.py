"""The mapping of a container."""

from __future__ import annotations

from dataclasses import replace

from s3_sync.config.credentials.s3 import S3Credentials
from s3_sync.config.mapping_index import Index
from s3_sync.config.settings import Mapping, Profile
from s3_sync.model.keys import KeyNamer


def mapping(container: str, bucket: str = "bucket", account: str = "AUTH_a") -> Mapping:
    return Mapping(
        account, container, bucket, S3Credentials(), Profile(), KeyNamer.hashed(account, container)
    )


def test_find_prefers_container_mapping_to_account_mapping() -> None:
    index = Index([mapping("c"), mapping("/*", "other")])
    assert index.find("AUTH_a", "c") == mapping("c")
    found = index.find("AUTH_a", "d")
    assert found == replace(mapping("d", "other"), container="d")
    assert found is not None
    assert found.namer == KeyNamer.hashed("AUTH_a", "d")
    assert len(index) == 2


def test_find_unmapped_or_reserved_container_returns_none() -> None:
    index = Index([mapping("c"), mapping("/*", account="AUTH_b")])
    assert index.find("AUTH_a", "d") is None
    assert index.find("AUTH_c", "c") is None
    assert index.find("AUTH_b", "\0versions\0c") is None
    assert index.find("AUTH_b", "") is None


def test_find_container_mapped_twice_returns_the_last_mapping() -> None:
    index = Index([mapping("c", "first"), mapping("c", "second")])
    found = index.find("AUTH_a", "c")
    assert found is not None
    assert found.bucket == "second"
