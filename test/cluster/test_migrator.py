"""Migrations by the real daemon between real servers."""

from __future__ import annotations

from servers.migrator import NewMigrator, S3Migration, SwiftMigration
from servers.pair import Store
from servers.swift import SwiftCluster


def test_objects_of_a_bucket_are_copied_with_their_metadata(
    swift: SwiftCluster, moto_store: Store, new_migrator: NewMigrator
) -> None:
    migration = S3Migration(swift, moto_store)
    migration.put(
        "a/b c", b"one", ContentType="text/plain", Metadata={"color": "Blue"}, CacheControl="no-store"
    )
    migration.put("é", b"")
    migrator = new_migrator(migration)
    done = migrator.once()
    assert (done.returncode, done.stderr) == (0, ""), migrator.log_text()
    assert migration.swift.names(migration.container) == ["a/b c", "é"]
    found = migration.swift.request("GET", migration.container, "a/b c")
    assert found.body == b"one"
    headers = {key: found.headers[key] for key in ("content-type", "x-object-meta-color", "cache-control")}
    assert headers == {
        "content-type": "text/plain",
        "x-object-meta-color": "Blue",
        "cache-control": "no-store",
    }
    (status,) = migrator.statuses()
    assert (status["status"]["moved_count"], status["status"]["scanned_count"]) == (2, 2)


def test_second_pass_copies_what_is_new_and_deletes_what_is_gone(
    swift: SwiftCluster, moto_store: Store, new_migrator: NewMigrator
) -> None:
    migration = S3Migration(swift, moto_store)
    for name in ("gone", "kept", "overwritten here", "posted here"):
        migration.put(name, b"first")
    migrator = new_migrator(migration)
    assert migrator.once().returncode == 0
    migration.swift.put(migration.container, "overwritten here", b"client's")
    migration.swift.post(migration.container, "posted here", {"X-Object-Meta-A": "1"})
    migration.swift.put(migration.container, "put here", b"client's")
    migration.put("new", b"second")
    for name in ("gone", "overwritten here", "posted here"):
        migration.s3.delete_object(Bucket=migration.bucket, Key=name)
    with swift.count_requests() as count:
        assert migrator.once().returncode == 0, migrator.log_text()
    names = ["kept", "new", "overwritten here", "posted here", "put here"]
    assert migration.swift.names(migration.container) == names
    puts = [each for each in count.requests if (each.server, each.method) == ("object", "PUT")]
    assert len(puts) == 1
    (status,) = migrator.statuses()
    assert (status["status"]["moved_count"], status["status"]["scanned_count"]) == (1, 2)


def test_object_that_a_client_deleted_is_not_copied_again_until_it_is_newer(
    swift: SwiftCluster, new_migrator: NewMigrator
) -> None:
    migration = SwiftMigration(swift)
    migration.source.put(migration.bucket, "a", b"first")
    migrator = new_migrator(migration)
    assert migrator.once().returncode == 0
    migration.swift.delete(migration.container, "a")
    assert migrator.once().returncode == 0
    assert migration.swift.names(migration.container) == []
    migration.source.put(migration.bucket, "a", b"newer than the delete")
    assert migrator.once().returncode == 0
    assert migration.swift.names(migration.container) == ["a"]


def test_source_that_suddenly_lists_nothing_deletes_nothing(
    swift: SwiftCluster, moto_store: Store, new_migrator: NewMigrator
) -> None:
    migration = S3Migration(swift, moto_store)
    migration.put("a")
    migrator = new_migrator(migration)
    assert migrator.once().returncode == 0
    migration.s3.delete_object(Bucket=migration.bucket, Key="a")
    migrator.once()
    assert migration.swift.names(migration.container) == ["a"]
    assert "deletes wait until an operator allows them: the source lists nothing" in migrator.log_text()


def test_objects_of_another_swift_keep_time_and_metadata(
    swift: SwiftCluster, new_migrator: NewMigrator
) -> None:
    migration = SwiftMigration(swift)
    headers = {"X-Object-Meta-Color": "Blü", "Content-Encoding": "x", "X-Delete-At": "9999999999"}
    migration.source.put(migration.bucket, "name", b"body", headers)
    migrator = new_migrator(migration)
    done = migrator.once()
    assert (done.returncode, done.stderr) == (0, ""), migrator.log_text()
    found = migration.swift.request("GET", migration.container, "name")
    there = migration.source.request("GET", migration.bucket, "name")
    same = ("x-timestamp", "x-object-meta-color", "content-encoding", "x-delete-at", "etag", "last-modified")
    assert {key: found.headers[key] for key in same} == {key: there.headers[key] for key in same}
