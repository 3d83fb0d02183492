from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from s3_sync.cluster.client import LocalSwift
from s3_sync.config.settings import MigrationOptions
from s3_sync.errors import LocalUnavailable, ObjectRefused, SyncError
from s3_sync.migrate.account_metadata import AccountMetadata
from s3_sync.providers.base import Provider
from s3_sync.providers.memory import MemoryProvider
from unit.migrate.world import World

ACCESS = '{"admin":["somebody"]}'


def metadata(world: World, provider: Provider | None = None, wanted: bool = True) -> AccountMetadata:
    options = MigrationOptions(propagate_account_metadata=wanted)
    mapping = replace(world.mapping, migration=options)
    return AccountMetadata(cast(LocalSwift, world.local), provider or world.source, mapping)


def test_metadata_is_that_of_the_source(world: World) -> None:
    world.source.metadata.update(
        {"x-account-meta-temp-url-key": "k", "x-account-access-control": ACCESS, "x-account-bytes-used": "7"}
    )
    world.local.account.update({"x-account-meta-gone": "1", "x-account-meta-temp-url-key": "old"})
    assert metadata(world).reconcile()
    expected = {"x-account-meta-temp-url-key": "k", "x-account-sysmeta-core-access-control": ACCESS}
    assert world.local.account == expected
    world.local.sent.clear()
    assert not metadata(world).reconcile()
    assert world.local.writes() == []
    world.source.metadata.clear()
    world.source.metadata["x-account-container-count"] = "0"
    assert metadata(world).reconcile()
    assert world.local.account == {}


def test_quota_of_the_operator_here_stays_unless_the_source_has_one(world: World) -> None:
    world.local.account["x-account-meta-quota-bytes"] = "10"
    world.source.metadata["x-account-meta-a"] = "1"
    metadata(world).reconcile()
    assert world.local.account == {"x-account-meta-quota-bytes": "10", "x-account-meta-a": "1"}
    world.source.metadata["x-account-meta-quota-bytes"] = "5"
    metadata(world).reconcile()
    assert world.local.account["x-account-meta-quota-bytes"] == "5"


def test_nothing_is_sent_without_the_option_or_from_a_store_without_metadata(world: World) -> None:
    world.source.metadata["x-account-meta-a"] = "1"
    world.local.account["x-account-meta-b"] = "1"
    assert not metadata(world, wanted=False).reconcile()
    assert not metadata(world, MemoryProvider()).reconcile()
    assert world.local.sent == []


@pytest.mark.parametrize(
    ("method", "status", "error"),
    [("POST", 400, ObjectRefused), ("POST", 503, LocalUnavailable), ("HEAD", 503, LocalUnavailable)],
)
def test_refusal_raises_its_reason(world: World, method: str, status: int, error: type[SyncError]) -> None:
    world.source.metadata["x-account-meta-a"] = "1"
    world.local.refused[method] = status
    with pytest.raises(error, match=f"{method} AUTH_here"):
        metadata(world).reconcile()
