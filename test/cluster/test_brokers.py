"""Container databases as the product reads them, compared with what Swift itself says."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import swiftclient
from swift.common.utils import lock_parent_directory
from swift.common.utils.timestamp import decode_timestamps
from swift.container.backend import ContainerBroker

from s3_sync.cluster import brokers
from s3_sync.cluster.brokers import Brokers, Fingerprint, LocalReplica
from s3_sync.errors import LocalError, LocalMissing, LocalUnavailable
from s3_sync.model.rows import owner_ordinal
from s3_sync.model.timestamps import Timestamp
from servers.local import Local
from servers.swift import SwiftCluster


@pytest.fixture(scope="module")
def local(swift: SwiftCluster) -> Iterator[Local]:
    with Local(swift) as local:
        yield local


@pytest.fixture
def client(local: Local, container_name: str) -> Iterator[swiftclient.Connection]:
    """What is left of the container goes at the end: it may be broken, and others walk through them all."""
    connection = local.cluster.client()
    connection.put_container(container_name)
    yield connection
    shutil.rmtree(local.cluster.container_dir(1, container_name), ignore_errors=True)


@pytest.fixture
def replica(local: Local, client: swiftclient.Connection, container_name: str) -> LocalReplica:
    return local.primary(container_name)


def test_rows_and_brief_rows_equal_those_of_swifts_broker(
    replica: LocalReplica, client: swiftclient.Connection, container_name: str
) -> None:
    """The container has rows that are still pending, and overwritten, deleted and POSTed objects."""
    for name in ("a", "ü/☃", "deleted", "posted", "typed"):
        client.put_object(container_name, name, name.encode(), content_type="text/plain")
    client.delete_object(container_name, "deleted")
    client.post_object(container_name, "posted", {"X-Object-Meta-A": "1"})
    client.post_object(container_name, "typed", {"Content-Type": "text/other"})
    client.put_object(container_name, "a", b"again")
    assert os.path.getsize(replica.path + ".pending") > 0
    with replica.open() as db:
        rows, last = db.rows_since(0, 1000)
        assert last == db.max_rowid() == rows[-1].rowid
    expected = ContainerBroker(replica.path).get_items_since(-1, 1000)
    assert [row.name for row in rows] == [record["name"] for record in expected]
    for row, record in zip(rows, expected, strict=True):
        data, content_type, meta = decode_timestamps(record["created_at"])
        assert row.data_timestamp.internal == data.internal
        assert row.timestamp.internal == max(data, content_type, meta).internal
        assert (row.rowid, row.size, row.etag) == (record["ROWID"], record["size"], record["etag"])
        assert (row.deleted, row.content_type) == (bool(record["deleted"]), record["content_type"])
    with replica.open() as db:
        brief = db.brief_since(0, 1000)
        assert db.brief_since(brief[1][0], 2) == brief[2:4]
    assert brief == [
        tuple(record[key] for key in ("ROWID", "name", "created_at", "size", "deleted", "content_type"))
        for record in expected
    ]
    by_name = {row.name: row for row in rows}
    assert by_name["deleted"].deleted
    assert by_name["a"].size == 5
    assert {name for name, row in by_name.items() if row.metadata_changed} == {"posted", "typed"}


def test_rows_since_with_a_limit_returns_all_rows_in_pages(
    replica: LocalReplica, client: swiftclient.Connection, container_name: str
) -> None:
    for number in range(7):
        client.put_object(container_name, f"o{number}", b"")
    with replica.open() as db:
        whole, end = db.rows_since(0, 1000)
        pages, last = [], 0
        while (page := db.rows_since(last, 3))[0]:
            rows, last = page
            assert len(rows) <= 3
            pages += rows
        assert pages == whole
        assert db.rows_since(end, 10) == ([], end)


def test_rows_since_omits_reserved_names_but_advances_past_them(
    local: Local, replica: LocalReplica, client: swiftclient.Connection, container_name: str
) -> None:
    client.put_object(container_name, "a", b"")
    with replica.open() as db:
        seen = db.max_rowid()
    broker = ContainerBroker(replica.path)
    for name in ("\0versions\0a", "\0b"):
        broker.put_object(name, Timestamp.from_seconds(time.time()).internal, 0, "x", "y")
    with replica.open() as db:
        assert db.rows_since(seen, 10) == ([], seen + 2)
        assert db.max_rowid() == seen + 2


def test_rows_of_two_policies_set_has_several_policies(
    replica: LocalReplica, client: swiftclient.Connection, container_name: str
) -> None:
    client.put_object(container_name, "a", b"")
    with replica.open() as db:
        db.rows_since(0, 10)
        assert not db.has_several_policies()
    now = Timestamp.from_seconds(time.time()).internal
    ContainerBroker(replica.path).put_object("a", now, 0, "x", "y", storage_policy_index=1)
    with replica.open() as db:
        assert len(db.rows_since(0, 10)[0]) == 2
        assert db.has_several_policies()


def test_empty_container_has_no_rows_and_is_not_deleted(replica: LocalReplica) -> None:
    with replica.open() as db:
        assert db.rows_since(0, 10) == ([], 0)
        assert db.rows_since(-1, 10) == ([], -1)
        assert db.max_rowid() == 0
        assert (db.moved_until(), db.bounds()) == (0.0, ("", ""))
        assert not db.is_deleted()


def test_container_metadata_has_current_headers_without_removed_ones(
    replica: LocalReplica, client: swiftclient.Connection, container_name: str
) -> None:
    client.post_container(container_name, {"X-Container-Meta-Colour": "grün", "X-Container-Read": ".r:*"})
    client.post_container(container_name, {"X-Container-Meta-Other": "1"})
    client.post_container(container_name, {"X-Container-Meta-Other": ""})
    with replica.open() as db:
        metadata = db.metadata()
    assert metadata["x-container-meta-colour"] == "grün"
    assert metadata["x-container-read"] == ".r:*"
    assert "x-container-meta-other" not in metadata


def test_deleted_container_is_reported_as_deleted(
    replica: LocalReplica, client: swiftclient.Connection, container_name: str
) -> None:
    client.delete_container(container_name)
    with replica.open() as db:
        assert db.is_deleted()


def test_open_of_unknown_container_raises_missing_and_creates_no_files(local: Local) -> None:
    replica = local.primary("never")
    assert replica.fingerprint() is None
    with pytest.raises(LocalMissing), replica.open():
        pass
    assert not os.path.exists(os.path.dirname(replica.path))


def test_database_removed_while_open_raises_missing_and_stays_removed(replica: LocalReplica) -> None:
    folder = Path(replica.path).parent
    with replica.open() as db:
        for file in folder.iterdir():
            file.unlink()
        db._broker.conn = None
        with pytest.raises(LocalMissing):
            db.max_rowid()
    assert not Path(replica.path).exists()
    assert replica.fingerprint() is None


def test_open_of_locked_database_raises_unavailable(
    replica: LocalReplica,
    client: swiftclient.Connection,
    container_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(brokers, "_LOCK_WAIT", 0.2)
    client.put_object(container_name, "o", b"")
    with lock_parent_directory(replica.path), pytest.raises(LocalUnavailable), replica.open():
        pass
    with replica.open() as db:
        assert db.max_rowid() == 1


def test_open_of_corrupt_database_raises_unavailable(replica: LocalReplica) -> None:
    with open(replica.path, "r+b") as file:
        file.write(b"this is no database" * 100)
    with pytest.raises(LocalUnavailable), replica.open():
        pass


def settled(replica: LocalReplica) -> Fingerprint:
    """The fingerprint once the files are old enough to be told apart by their times."""
    time.sleep(0.15)
    fingerprint = replica.fingerprint()
    assert fingerprint is not None
    return fingerprint


def test_fingerprint_changes_with_every_write_and_only_then(
    replica: LocalReplica, client: swiftclient.Connection, container_name: str
) -> None:
    seen = [settled(replica)]
    assert settled(replica) == seen[0]
    for change in (
        lambda: client.put_object(container_name, "o", b"abc"),
        lambda: client.put_object(container_name, "o", b"abd"),
        lambda: client.post_object(container_name, "o", {"X-Object-Meta-A": "1"}),
        lambda: client.delete_object(container_name, "o"),
    ):
        change()
        assert replica.fingerprint() not in seen
        seen.append(settled(replica))
        assert settled(replica) == seen[-1]
    with replica.open() as db:  # the first reader commits what waits ...
        db.rows_since(0, 10)
    committed = settled(replica)
    assert committed not in seen
    with replica.open() as db:  # ... and later ones leave no trace
        db.rows_since(0, 10)
    assert settled(replica) == committed


def test_fingerprint_right_after_a_write_never_compares_equal(
    replica: LocalReplica, client: swiftclient.Connection, container_name: str
) -> None:
    """A second write within one tick of the file system's clock could leave it as it was."""
    client.put_object(container_name, "o", b"abc")
    assert replica.fingerprint() != replica.fingerprint()


def test_fingerprint_covers_the_epoch_database_of_a_sharded_container(replica: LocalReplica) -> None:
    """The file name of such a database has an epoch in it."""
    before = settled(replica)
    epoch = replica.path.replace(".db", "_1700000000.00000.db")
    sqlite3.connect(epoch).close()
    Path(epoch).touch()
    with_epoch = settled(replica)
    assert with_epoch != before
    os.unlink(replica.path)
    only_epoch = settled(replica)
    assert only_epoch not in (before, with_epoch)
    Path(epoch).write_bytes(b"x")
    assert replica.fingerprint() != only_epoch


def test_brokers_without_a_container_ring_raise_local_error(local: Local, tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="no container ring in") as caught:
        Brokers(replace(local.settings, swift_dir=str(tmp_path)))
    assert not isinstance(caught.value, LocalUnavailable)


def test_three_replicas_have_distinct_ordinals_and_each_name_one_owner(swift3: SwiftCluster) -> None:
    swift3.client().put_container("c")
    for name in ("o1", "o2", "ü"):
        swift3.client().put_object("c", name, b"")
    found = []
    for node in (1, 2, 3):
        with Local(swift3, node) as view:
            (replica,) = view.brokers.replicas(view.account, "c")
            assert replica.path.startswith(str(swift3.devices(node)))
            with replica.open() as db:
                rows, _ = db.rows_since(0, 10)
                found.append((replica, db.id, {row.name for row in rows}))
    assert sorted(replica.ordinal for replica, _, _ in found if replica.ordinal is not None) == [0, 1, 2]
    assert {replica.replicas for replica, _, _ in found} == {3}
    assert len({database for _, database, _ in found}) == 3
    assert all(names == {"o1", "o2", "ü"} for _, _, names in found)
    assert owner_ordinal("ü", 3) in {replica.ordinal for replica, _, _ in found}
