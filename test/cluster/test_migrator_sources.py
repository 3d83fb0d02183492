"""Every kind of store as the source of a migration, and what a migration takes of it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from servers.daemon import NewDaemon
from servers.migrator import NewMigrator, S3Migration
from servers.pair import Pair, Store
from servers.raw_swift import RawSwift
from servers.swift import SwiftCluster

#: of a mapping, what a migration from its bucket has, too
_NOT_OF_MIGRATIONS = {"container", "hashed_prefix", "custom_prefix"}
COMPARED = ("content-type", "x-object-meta-farbe", "x-delete-at", "etag", "content-length")


def written(entry: dict[str, Any]) -> Any:
    """A migration as the configuration has it."""
    return SimpleNamespace(entry=entry)


@pytest.mark.parametrize("kind", ["azure", "gcs", "google", "file"])
def test_copies_in_any_store_are_migrated_back_as_they_were(
    swift: SwiftCluster,
    provider_pair: Callable[..., Pair],
    new_daemon: NewDaemon,
    new_migrator: NewMigrator,
    kind: str,
) -> None:
    pair = provider_pair(kind)
    headers = {"Content-Type": "text/x", "X-Object-Meta-Farbe": "grün", "X-Delete-At": "9999999999"}
    pair.put("a/b c", b"one", headers)
    pair.put("ü", b"")
    assert new_daemon(pair).once().returncode == 0
    options = {key: value for key, value in pair.mapping.items() if key not in _NOT_OF_MIGRATIONS}
    entry = {**options, "container": f"{pair.container}-back", "custom_prefix": pair.prefix}
    migrator = new_migrator(written(entry))
    done = migrator.once()
    assert (done.returncode, done.stderr) == (0, ""), migrator.log_text()
    back = entry["container"]
    assert pair.swift.names(back) == ["a/b c", "ü"]
    for name in ("a/b c", "ü"):
        before, after = (pair.swift.request("GET", each, name) for each in (pair.container, back))
        assert after.body == before.body
        assert {key: after.headers.get(key) for key in COMPARED} == {
            key: before.headers.get(key) for key in COMPARED
        }
    with swift.count_requests() as count:
        assert migrator.once().returncode == 0
    assert not [each for each in count.requests if (each.server, each.method) == ("object", "PUT")]


def test_prefix_keeps_names_whole_and_custom_prefix_is_taken_off_them(
    swift: SwiftCluster, moto_store: Store, new_migrator: NewMigrator
) -> None:
    migration = S3Migration(swift, moto_store)
    for name in ("x/2018/a", "x/2019/b", "x/2019", "y/2019/c"):
        migration.put(name)
    entry = {**migration.entry, "custom_prefix": "x/", "prefix": "2019/"}
    assert new_migrator(written(entry)).once().returncode == 0
    assert migration.swift.names(migration.container) == ["2019/b"]


def test_objects_younger_than_older_than_wait(
    swift: SwiftCluster, moto_store: Store, new_migrator: NewMigrator
) -> None:
    migration = S3Migration(swift, moto_store)
    migration.put("a")
    migrator = new_migrator(written({**migration.entry, "older_than": 3600}))
    assert migrator.once().returncode == 0
    assert migration.swift.names(migration.container) == []
    migrator.settings["migrations"] = [{**migration.entry, "older_than": 0}]
    assert migrator.once().returncode == 0
    assert migration.swift.names(migration.container) == ["a"]


def test_archived_object_is_on_record_and_copied_once_it_is_retrieved(
    swift: SwiftCluster, moto_store: Store, new_migrator: NewMigrator
) -> None:
    migration = S3Migration(swift, moto_store)
    migration.put("cold", b"cold", StorageClass="GLACIER")
    migration.put("warm", b"warm")
    migrator = new_migrator(migration)
    assert migrator.once().returncode == 1
    assert migration.swift.names(migration.container) == ["warm"]
    failed = migrator.ctl("failed").stdout
    assert "cold" in failed
    assert "archived" in failed
    migration.s3.restore_object(Bucket=migration.bucket, Key="cold", RestoreRequest={"Days": 1})
    assert migrator.ctl("failed", "--retry").returncode == 0
    assert migrator.once().returncode == 0, migrator.log_text()
    assert RawSwift(swift).request("GET", migration.container, "cold").body == b"cold"


def test_archived_object_is_retrieved_where_the_migration_says_so(
    swift: SwiftCluster, moto_store: Store, new_migrator: NewMigrator
) -> None:
    migration = S3Migration(swift, moto_store, archive_restore={"days": 2, "tier": "Bulk"})
    migration.put("cold", b"cold", StorageClass="GLACIER")
    migrator = new_migrator(migration)
    assert migrator.once().returncode == 1
    assert "retrieval begun" in migrator.ctl("failed").stdout
    assert "Restore" in migration.s3.head_object(Bucket=migration.bucket, Key="cold")
    assert migrator.once().returncode == 0, migrator.log_text()
    assert migration.swift.names(migration.container) == ["cold"]
