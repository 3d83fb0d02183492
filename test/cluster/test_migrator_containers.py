"""Containers and accounts that are migrated: their metadata, versions and ACLs, and what is gone at the
source."""

from __future__ import annotations

import time

import pytest

from faults.proxy import FaultProxy
from faults.rewritten import edited
from s3_sync.config.load import load_migrator
from s3_sync.migrate.state_files import StateFiles
from servers.migrator import Migrator, NewMigrator, S3Migration, SwiftMigration, WholeAccount
from servers.pair import Store
from servers.short_pages import short_pages
from servers.swift import SwiftCluster

#: from the clock of Swift's listings, and of X-Put-Timestamp, to the next one
TICK = 0.02


def migrate(migrator: Migrator, code: int = 0) -> None:
    done = migrator.once()
    assert done.returncode == code, done.stderr + migrator.log_text()


@pytest.fixture
def account(swift: SwiftCluster) -> WholeAccount:
    return WholeAccount(swift, propagate_account_metadata=True)


def test_account_is_migrated_with_metadata_acls_and_versions_and_follows_later_changes(
    account: WholeAccount, new_migrator: NewMigrator
) -> None:
    source, swift = account.source, account.swift
    source.put_container("old versions", {"X-Container-Meta-Kept": "yes"})
    source.put_container("history")
    color = {"X-Container-Meta-Color": "grün", "X-Container-Meta-A=5Fb": "1"}
    acl = {"X-Container-Read": ".r:*,.rlistings", "X-Container-Write": "other:*"}
    source.put_container("photos", {**color, **acl, "X-Versions-Location": "old%20versions"})
    source.put_container("logs", {"X-History-Location": "history"})
    for body in (b"first", b"second"):
        source.put("photos", "name", body)
    access = {"X-Account-Access-Control": '{"read-only":["other:user"]}'}
    source.request(
        "POST", "", headers={"X-Account-Meta-Temp-Url-Key": "key", "X-Account-Meta-A": "1", **access}
    )
    migrator = new_migrator(account)
    migrate(migrator)
    for container in ("", "old versions", "photos", "logs", "history"):
        assert account.head(swift, container) == account.head(source, container)
    assert account.head(swift).keys() >= {"x-account-access-control", "x-account-meta-temp-url-key"}
    assert swift.request("GET", "photos", "name").body == b"second"
    assert len(swift.names("old versions")) == 1
    swift.put("photos", "name", b"third, by a client")
    assert len(swift.names("old versions")) == 2
    time.sleep(TICK)
    source.request("POST", "photos", headers={"X-Container-Meta-Color": "", "X-Container-Write": "others:*"})
    source.request("POST", "", headers={"X-Account-Meta-A": ""})
    with swift.cluster.count_requests() as count:
        migrate(migrator)
    for container in ("", "photos"):
        assert account.head(swift, container) == account.head(source, container)
    assert swift.request("GET", "photos", "name").body == b"third, by a client"
    assert len(swift.names("old versions")) == 2
    written = [each for each in count.requests if each.method in ("PUT", "POST", "DELETE")]
    assert [each for each in written if each.server == "object"] == []


def test_later_change_of_a_client_to_a_container_stays(
    swift: SwiftCluster, new_migrator: NewMigrator
) -> None:
    migration = SwiftMigration(swift)
    migration.source.request("POST", migration.bucket, headers={"X-Container-Meta-A": "source"})
    migrator = new_migrator(migration)
    migrate(migrator)
    migration.source.request("POST", migration.bucket, headers={"X-Container-Meta-A": "earlier"})
    time.sleep(TICK)
    migration.swift.request("POST", migration.container, headers={"X-Container-Meta-A": "client's"})
    migrate(migrator)
    headers = migration.swift.request("HEAD", migration.container).headers
    assert headers["x-container-meta-a"] == "client's"


def test_container_that_is_gone_at_the_source_goes_with_what_is_not_a_clients(
    account: WholeAccount, new_migrator: NewMigrator
) -> None:
    source, swift = account.source, account.swift
    for container in ("stays", "ours", "shared"):
        source.put_container(container)
        source.put(container, "name")
    migrator = new_migrator(account)
    migrate(migrator)
    swift.put("shared", "client's")
    swift.put_container("client's")
    for container in ("ours", "shared"):
        source.delete(container, "name")
        source.request("DELETE", container)
    migrate(migrator)
    assert swift.ask("HEAD", "ours").status == 404
    assert (swift.names("shared"), swift.names("stays")) == (["client's"], ["name"])
    assert swift.request("HEAD", "client's").status == 204
    source.put_container("shared")
    source.put("shared", "name", b"again")
    migrate(migrator)
    assert swift.names("shared") == ["client's", "name"]


def test_account_that_lists_nothing_any_more_deletes_nothing(
    account: WholeAccount, new_migrator: NewMigrator
) -> None:
    account.source.put_container("c")
    account.source.put("c", "name")
    migrator = new_migrator(account)
    migrate(migrator)
    account.source.delete("c", "name")
    account.source.request("DELETE", "c")
    migrate(migrator)
    assert account.swift.names("c") == ["name"]
    assert "the source lists no bucket at all; nothing is changed" in migrator.log_text()


def test_policy_of_the_cluster_is_used_and_an_unknown_one_stops_only_its_migration(
    swift: SwiftCluster, moto_store: Store, new_migrator: NewMigrator
) -> None:
    good = S3Migration(swift, moto_store, storage_policy="silver")
    bad = S3Migration(swift, moto_store, storage_policy="unknown")
    for migration in (good, bad):
        migration.put("name")
    migrator = new_migrator(bad, good)
    migrate(migrator, 1)
    assert good.swift.request("HEAD", good.container).headers["x-storage-policy"] == "silver"
    assert good.swift.names(good.container) == ["name"]
    assert bad.swift.ask("HEAD", bad.container).status == 404
    assert "is there a storage policy 'unknown' in this cluster?" in migrator.log_text()


def test_budget_of_deletes_stops_until_an_operator_allows_more(
    swift: SwiftCluster, moto_store: Store, new_migrator: NewMigrator
) -> None:
    migration = S3Migration(swift, moto_store, max_deletes=1)
    for name in ("a", "b", "c", "stays"):
        migration.put(name)
    migrator = new_migrator(migration)
    migrate(migrator)
    for name in ("a", "b", "c"):
        migration.s3.delete_object(Bucket=migration.bucket, Key=name)
    migrator.once()
    assert len(migration.swift.names(migration.container)) == 3
    assert "this pass has deleted as many as it may" in migrator.log_text()
    settings = load_migrator(migrator.config).settings
    assert settings is not None
    with StateFiles(settings) as files:
        (held,) = files.held().values()
    assert (held.reason, held.count) == ("delete_budget", 2)


def test_object_of_parts_is_deleted_with_its_segments(
    swift: SwiftCluster, moto_store: Store, new_migrator: NewMigrator
) -> None:
    migration = S3Migration(swift, moto_store)
    for name in ("gone", "posted here", "stays"):
        migration.put_parts(name, b"a" * (5 << 20), b"b")
    migrator = new_migrator(migration)
    migrate(migrator)
    segments = migration.swift.names(f"{migration.container}_segments")
    assert len(segments) == 6
    migration.swift.post(migration.container, "posted here", {"X-Object-Meta-A": "1"})
    for name in ("gone", "posted here"):
        migration.s3.delete_object(Bucket=migration.bucket, Key=name)
    migrate(migrator)
    assert migration.swift.names(migration.container) == ["posted here", "stays"]
    kept = [name for name in segments if not name.startswith("gone/")]
    assert migration.swift.names(f"{migration.container}_segments") == kept
    assert migration.swift.request("GET", migration.container, "posted here").body[-1:] == b"b"


def test_pages_that_are_short_or_end_at_other_names_delete_only_what_is_gone(
    swift: SwiftCluster, new_migrator: NewMigrator
) -> None:
    with FaultProxy.before(swift.s3_endpoint) as proxy:
        proxy.when(edited(short_pages(3)), method="GET", where=lambda call: "format=json" in call.query)
        migration = SwiftMigration(swift, through=proxy.endpoint)
        names = [f"name {number:02}" for number in range(20)]
        for name in names:
            migration.source.put(migration.bucket, name)
        migrator = new_migrator(migration, items_chunk=7)
        migrate(migrator)
        assert migration.swift.names(migration.container) == names
        seams = ["name 02a", "name 06a", "name 13a", "name 99"]
        for name in seams:
            migration.swift.put(migration.container, name)
        gone = ["name 00", "name 06", "name 19"]
        for name in gone:
            migration.source.delete(migration.bucket, name)
        migrate(migrator)
        kept = sorted({*names, *seams}.difference(gone))
        assert migration.swift.names(migration.container) == kept
