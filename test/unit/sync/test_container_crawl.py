"""One mapping over time: everything lands, and no more is asked than needed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from s3_sync.errors import (
    LocalUnavailable,
)
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.model.rows import owner_ordinal
from s3_sync.streams.reader import BytesBody
from unit.sync.cluster import FakeDb, FakeReplica, Swift
from unit.sync.fake_node import CONTAINER, NAMER, VERIFIED, Node, mapping
from unit.sync.store import WatchedBucket
from unit.sync.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class TestSteadyState:
    @pytest.mark.parametrize("conditional", [True, False])
    def test_first_copy_costs_one_listing_and_one_put_per_object(
        self, tmp_path: Path, conditional: bool
    ) -> None:
        """One listing, then one PUT for each object and nothing else."""
        world = World(tmp_path, conditional)
        world.fill(35)
        world.node.settle()
        assert world.converged()
        assert world.bucket.counts() == {"list": 1, "put": 35}
        assert world.node.tally() == {"copied": 35}
        assert world.swift.heads == []

    def test_idle_container_costs_no_request_and_no_open_database(self, world: World) -> None:
        world.fill(5)
        world.node.settle()
        world.bucket.counts()
        opened, reads = world.node.replicas_here[0].opened, world.db.reads
        for _ in range(50):
            assert world.node.later(5.0) == 1
        assert world.bucket.counts() == {}
        assert (world.node.replicas_here[0].opened, world.db.reads) == (opened, reads)

    def test_changes_cost_only_the_requests_they_need(self, world: World) -> None:
        world.fill(12)
        world.node.settle()
        world.bucket.counts()
        world.swift.put("new")
        world.swift.delete("o00003")
        world.swift.post("o00004", x_object_meta_a="b")
        world.node.later(5.0)
        assert world.bucket.counts() == {"put": 1, "delete": 1, "head": 1, "post": 1}
        world.swift.put("o00005", b"overwritten")
        world.node.later(5.0)
        assert world.bucket.counts() == {"put": 2, "head": 1}  # one refused: something was there
        assert world.converged()
        assert world.node.tally() == {"copied": 14, "deleted": 1, "updated": 1}

    def test_restart_costs_no_requests(self, world: World) -> None:
        world.fill(25)
        world.node.settle()
        world.bucket.counts()
        world.node.restart()
        world.node.settle()
        assert world.bucket.counts() == {}
        world.swift.put("new")
        world.node.later(5.0)
        assert world.bucket.counts() == {"put": 1}

    @pytest.mark.parametrize("conditional", [True, False])
    def test_restart_during_the_first_copy_sends_each_object_once(
        self, tmp_path: Path, conditional: bool
    ) -> None:
        world = World(tmp_path, conditional)
        world.fill(35)
        world.node.step()
        world.node.restart()
        world.node.settle()
        assert world.converged()
        assert world.bucket.counts() == {"list": 1, "put": 35}
        assert world.swift.heads == []

    def test_empty_container_costs_one_listing(self, world: World) -> None:
        world.node.settle()
        assert world.bucket.counts() == {"list": 1}
        world.swift.put("first")
        world.node.later(5.0)
        assert world.bucket.counts() == {"put": 1}

    def test_reserved_names_are_not_copied_and_do_not_stop_the_cursor(self, world: World) -> None:
        for number in range(25):
            world.swift.put(f"\0versions\0{number}")
        world.swift.put("o")
        world.node.settle()
        assert set(world.bucket.content()) == {"o"}

    def test_objects_deleted_before_the_first_turn_cost_nothing(self, world: World) -> None:
        world.fill(5)
        for name in ("o00001", "o00002"):
            world.swift.delete(name)
        world.node.settle()
        assert world.converged()
        assert world.node.tally() == {"copied": 3, "present": 2}
        assert world.bucket.counts() == {"list": 1, "put": 3}

    def test_status_file_has_both_cursors_and_the_share(self, world: World) -> None:
        world.fill(25)
        world.node.settle()
        [entry] = json.loads((world.node.directory / "AUTH_a" / CONTAINER).read_bytes()).values()
        assert (entry["last_row"], entry["last_verified_row"], entry["share"]) == (25, 25, "0/1")


class TestInitialComparison:
    """The bucket holds something already, and nobody remembers what."""

    @pytest.mark.parametrize("conditional", [True, False])
    def test_equal_sides_cost_listings_only(self, tmp_path: Path, conditional: bool) -> None:
        world = World(tmp_path, conditional, items_chunk=100)
        world.fill(300)
        world.swift.clock.sleep(2.0)
        world.node.settle()
        world.bucket.counts()
        other = Node(world.swift, world.bucket, tmp_path / "other", [FakeReplica(world.db)], items_chunk=100)
        other.settle()
        counts = world.bucket.counts()
        assert counts.pop("has_manifests") == 1
        assert set(counts) == {"list"}
        assert other.tally() == {"present": 300}

    def test_copy_of_about_the_same_second_is_compared_by_head(self, tmp_path: Path) -> None:
        """Stores tell whole seconds, some of them rounded up: what seems younger may be older."""
        world = World(tmp_path, items_chunk=100)
        world.fill(20)
        world.swift.clock.sleep(2.0)
        world.node.settle()
        world.swift.clock.sleep(-0.9)  # as if the copies' times had been rounded up by so much
        world.swift.put("o00010", b"o00010", x_object_meta_only="metadata")
        world.swift.clock.sleep(10.0)
        other = Node(world.swift, world.bucket, tmp_path / "other", [FakeReplica(world.db)], items_chunk=100)
        other.settle()
        assert world.bucket.metadata("o00010") == {"only": "metadata"}
        assert world.converged()

    def test_every_difference_is_corrected(self, tmp_path: Path) -> None:
        world = World(tmp_path, items_chunk=100)
        world.fill(60)
        world.swift.clock.sleep(10)
        world.node.settle()
        world.swift.clock.sleep(10)
        world.swift.put("o00010", b"changed")
        world.swift.put("o00011", b"o00011", x_object_meta_only="metadata")
        world.swift.post("o00012", x_object_meta_a="b")
        world.swift.delete("o00013")
        world.swift.put("o00014x", b"more")
        world.bucket.inner.delete_object("o00015")
        world.bucket.counts()
        other = Node(world.swift, world.bucket, tmp_path / "other", [FakeReplica(world.db)], items_chunk=100)
        other.settle()
        assert world.converged()
        assert world.bucket.metadata("o00011") == {"only": "metadata"}
        assert world.bucket.metadata("o00012") == {"a": "b"}
        assert other.tally() == {"present": 55, "copied": 3, "updated": 2, "deleted": 1}
        counts = world.bucket.counts()
        assert (counts["put"], counts["post"], counts["delete"], counts["head"]) == (3, 2, 1, 3)

    def test_progress_of_an_earlier_version_is_continued_without_sending(self, tmp_path: Path) -> None:
        """It may have sent rows beyond its cursor: they are compared, not sent again."""
        world = World(tmp_path, conditional=False, items_chunk=100)
        world.fill(100)
        world.swift.clock.sleep(2.0)
        for name in world.swift.content():
            body = name.encode()
            meta = ObjectMeta({"content-type": "text/plain"})
            world.swift.clock.sleep(0.01)
            world.bucket.inner.put_object(name, BytesBody(body), PutOptions(len(body), meta))
        world.swift.clock.sleep(10)
        (world.node.directory / "AUTH_a").mkdir()
        old = {"db": {"last_row": 40, "last_verified_row": 40, "aws_bucket": "bucket"}}
        (world.node.directory / "AUTH_a" / CONTAINER).write_text(json.dumps(old))
        world.bucket.counts()
        world.node.settle()
        assert set(world.bucket.counts()) == {"list"}
        assert world.node.tally() == {"present": 60}
        world.swift.put("new")
        world.node.later(5)
        assert world.bucket.counts() == {"put": 1}

    def test_lost_journal_starts_over_without_sending(self, world: World) -> None:
        world.fill(20)
        world.node.settle()
        world.node.journal.close()
        (world.node.directory / "journal").unlink()
        world.bucket.counts()
        world.node.start()
        world.node.settle()
        assert world.node.tally() == {"present": 20}
        assert "put" not in world.bucket.counts()

    def test_another_destination_copies_everything(self, tmp_path: Path) -> None:
        world = World(tmp_path)
        world.fill(20)
        world.node.settle()
        world.node.bucket = world.bucket = WatchedBucket(KeyNamer.literal("x/"), world.swift.clock.now)
        world.node.restart(mapping=replace(world.node.mapping, namer=KeyNamer.literal("x/")))
        world.node.settle()
        assert world.converged()

    def test_edited_profile_does_not_start_over(self, world: World) -> None:
        world.fill(20)
        world.node.settle()
        world.bucket.counts()
        world.node.edit(propagate_delete=False, copy_after=0, storage_class="STANDARD_IA")
        world.node.settle()
        assert world.bucket.counts() == {}


class TestDatabases:
    def test_replaced_database_is_read_from_its_beginning(self, world: World) -> None:
        """A rebuilt replica has other ROWIDs: the cursor of the old one says nothing."""
        world.fill(30)
        world.node.settle()
        rebuilt = FakeDb("rebuilt")
        for row in sorted(world.db.rows.values(), key=lambda row: row.name, reverse=True)[:20]:
            rebuilt.add(row)
        world.swift.dbs[0] = world.node.replicas_here[0].db = rebuilt
        world.swift.put("new")
        world.bucket.counts()
        world.node.later(5.0)
        assert world.bucket.content()["new"] == b"data"
        assert world.bucket.counts()["put"] == 1

    def test_database_that_comes_back_is_continued(self, world: World) -> None:
        world.fill(3)
        world.node.settle()
        db, world.node.replicas_here[0].db = world.db, None
        world.node.later(5.0)
        world.swift.put("new")
        world.node.replicas_here[0].db = db
        world.node.later(5.0)
        assert world.converged()

    def test_new_handoff_copy_is_verified_only_after_the_slack(self, world: World) -> None:
        db = FakeDb("handoff")
        world.swift.dbs.append(db)
        world.fill(5)
        world.swift.dbs.pop(0)
        world.node.replicas_here[:] = []
        world.node.settle()
        assert world.bucket.content() == {}
        world.node.replicas_here.append(FakeReplica(db, None, 3))
        world.node.later(61.0)
        assert world.bucket.content() == {}  # a handoff copy has no share of its own
        world.node.later(VERIFIED)
        assert world.converged()

    def test_deleted_container_deletes_all_copies(self, world: World) -> None:
        names = world.fill(5)
        world.node.settle()
        for name in names:
            world.swift.delete(name)
        world.db.deleted = True
        world.node.later(5.0)
        assert world.bucket.content() == {}

    def test_unreadable_database_is_retried_with_backoff_and_others_go_on(self, tmp_path: Path) -> None:
        swift = Swift()
        swift.dbs += [FakeDb("broken"), FakeDb("fine")]
        broken, fine = FakeReplica(swift.dbs[0], 0, 2), FakeReplica(swift.dbs[1], 1, 2)
        broken.broken = LocalUnavailable("locked")
        bucket = WatchedBucket(NAMER, swift.clock.now)
        node = Node(swift, bucket, tmp_path / "status", [broken, fine], slack=0.0, items_chunk=2)
        for number in range(100):
            swift.put(f"o{number}")
        swift.clock.sleep(1)
        node.settle()
        assert bucket.content() == swift.content()
        assert node.crawl.is_failing
        opened = broken.opened
        for _ in range(600):
            node.later(1.0)
        assert broken.opened - opened < 20  # it may cost a lock's time-out each
        broken.broken = None
        node.later(400.0)
        assert not node.crawl.is_failing

    def test_new_ordinal_makes_rows_of_the_new_share_sent(self, tmp_path: Path) -> None:
        """The ring gives this replica another ordinal: what was passed over before is looked at."""
        world = World(tmp_path, replicas=[])
        db = FakeDb("db")
        world.swift.dbs.append(db)
        world.node.replicas_here.append(FakeReplica(db, 0, 3))
        world.fill(30)
        world.node.restart()
        world.node.settle()
        assert set(world.bucket.content()) == {n for n in world.swift.content() if owner_ordinal(n, 3) == 0}
        world.node.replicas_here[:] = [FakeReplica(db, 0, 1)]
        world.bucket.counts()
        world.node.later(61.0)
        assert world.converged()
        assert world.bucket.counts()["put"] == 30 - sum(
            owner_ordinal(name, 3) == 0 for name in world.swift.content()
        )


def test_two_mappings_of_one_container_copy_to_their_own_buckets(tmp_path: Path) -> None:
    swift = Swift()
    db = FakeDb("db")
    swift.dbs.append(db)
    buckets = [WatchedBucket(NAMER, swift.clock.now) for _ in range(2)]
    nodes = []
    for number, bucket in enumerate(buckets):
        node = Node(
            swift,
            bucket,
            tmp_path / str(number),
            [FakeReplica(db)],
            mapping=replace(mapping(), bucket=f"bucket{number}"),
        )
        nodes.append(node)
    for number in range(20):
        swift.put(f"o{number}")
    for node in nodes:
        node.settle()
    assert buckets[0].content() == buckets[1].content() == swift.content()
