"""Several databases of one container on a node: what moves from one to the other is sent once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from s3_sync.errors import LocalMissing, RemoteUnavailable
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.streams.reader import BytesBody
from unit.sync.cluster import FakeDb, FakeReplica
from unit.sync.fake_node import VERIFIED, Node, mapping
from unit.sync.worlds import World

ALWAYS = float("inf")
DAY = 86400.0


class Sharded(World):
    """``root`` is the container's database; ``shard`` one on the same node that is found later. Stores do not
    honour conditions unless said otherwise, so that what is sent twice is counted twice."""

    def __init__(self, tmp_path: Path, conditional: bool = False, **options: object) -> None:
        super().__init__(tmp_path, conditional, replicas=[], **options)
        self.root, self.shard = FakeDb("root"), FakeDb("shard")
        self.root_replica, self.shard_replica = FakeReplica(self.root), FakeReplica(self.shard)
        self.node.replicas_here.append(self.root_replica)
        self.swift.dbs.append(self.root)

    def begin(self) -> None:
        """Everything that is written goes to the shard, which is empty otherwise."""
        self.root.until = self.shard.until = ALWAYS
        self.root_replica.retiring = True
        self.swift.dbs[:] = [self.shard]
        self.node.replicas_here.append(self.shard_replica)

    def cleave(self, *names: str) -> None:
        """Rows are copied to the shard, as new ones."""
        for (name, _), row in sorted(self.root.rows.items()):
            if name in names or not names:
                self.shard.add(row)

    def end(self) -> None:
        self.root_replica.db = None
        self.node.replicas_here.remove(self.root_replica)
        self.shard.until = self.swift.clock.now() + DAY

    def sent_once(self) -> bool:
        return set(self.bucket.sent.values()) <= {1}


@pytest.fixture
def world(tmp_path: Path) -> Sharded:
    return Sharded(tmp_path)


def test_rows_cleaved_to_a_shard_are_not_sent_again(world: Sharded) -> None:
    """It costs listings, even what comes long after the shard has been found."""
    world.fill(60)
    world.node.later(5.0)
    world.begin()
    world.cleave(*(f"o{number:05d}" for number in range(20)))
    world.node.later(61.0)
    world.bucket.counts()
    world.cleave()
    world.end()
    world.node.later(61.0)
    assert world.converged()
    assert world.sent_once()
    assert world.bucket.counts()["head"] == 0


def test_rows_not_sent_before_sharding_are_sent_once_from_either_database(world: Sharded) -> None:
    world.fill(30)
    world.begin()
    world.cleave("o00000", "o00001")
    world.node.settle()
    assert world.converged(), "from both"
    world.cleave()
    world.fill(5, start=30)
    world.end()
    world.node.later(61.0)
    assert world.converged()
    assert world.sent_once()


def test_object_deleted_in_a_shard_is_not_copied_from_the_old_database(world: Sharded) -> None:
    """Nothing was stored when the mapping began. One object server missed the delete and shows the object."""
    world.fill(3)
    world.node.restart(items_chunk=1)
    world.node.step()
    assert len(world.bucket.content()) == 1, "the others are known to be fresh"
    world.begin()
    world.swift.stale["o00002"] = world.swift.objects["o00002", 0]
    world.swift.delete("o00002")
    world.node.later(61.0)
    assert sorted(world.bucket.content()) == ["o00000", "o00001"]


def test_settled_shard_costs_one_put_per_new_object(world: Sharded) -> None:
    world.fill(5)
    world.node.settle()
    world.begin()
    world.cleave()
    world.end()
    world.node.later(61.0)
    world.node.later(DAY)
    world.bucket.counts()
    world.swift.heads.clear()
    world.fill(3, start=5)
    world.node.later(5.0)
    assert world.bucket.counts() == {"put": 3}
    assert world.converged()


@pytest.mark.parametrize("settled", [True, False])
def test_new_mapping_asks_all_replicas_only_while_shards_are_unsettled(tmp_path: Path, settled: bool) -> None:
    """The second shard has names of its own, of which nothing is stored yet."""
    world = Sharded(tmp_path)
    world.swift.dbs[:] = [world.shard]
    names = world.fill(4)
    world.swift.dbs[:] = [world.root]
    world.fill(4, start=4)
    world.shard.range, world.root.range = ("", names[-1]), (names[-1], "")
    world.node.replicas_here.insert(0, world.shard_replica)
    if not settled:
        world.shard.until = world.root.until = world.swift.clock.now() + DAY
    world.swift.heads.clear()
    world.node.settle()
    assert world.converged()
    assert bool(world.swift.heads) is not settled, "the newest of all replicas is asked for while rows move"


def test_rewrite_in_a_new_shard_is_not_settled_by_a_listing(world: Sharded) -> None:
    """Equal bytes come again, with other metadata, while the version before is still on its way."""
    world.fill(3)
    world.node.settle()
    world.begin()
    world.cleave()
    world.end()
    world.node.later(61.0)
    world.swift.put("o00001", b"o00001", x_object_meta_colour="green")
    world.swift.clock.sleep(5.0)
    stored = world.bucket.provider.store("bucket").objects
    for key in list(stored):
        stored[key] = replace(stored[key], modified=world.swift.clock.now())
    for number in range(12):
        world.swift.put(f"p{number:02d}", b"x")  # enough for a listing
    world.node.later(5.0)
    assert world.bucket.metadata("o00001")["colour"] == "green"


def test_retiring_database_that_disappears_is_no_failure(world: Sharded) -> None:
    world.fill(3)
    world.begin()
    world.root_replica.broken = LocalMissing("gone")
    world.cleave()
    world.node.settle()
    assert world.converged()
    assert not world.node.crawl.is_failing


def test_shards_of_a_versioned_container_move_nothing(tmp_path: Path) -> None:
    world = Sharded(tmp_path, mapping=mapping(retain_local=False))
    world.fill(3)
    world.node.versioned = True
    world.node.step()
    assert len(world.swift.content()) == 3
    assert world.node.crawl.is_failing


def test_outage_is_found_once_for_all_shards_of_a_container(world: Sharded) -> None:
    """And each time another one is the first."""
    world.fill(8)
    world.begin()
    world.fill(8, start=8)
    world.fail(RemoteUnavailable("away"), "put")
    first = world.node.step()
    assert first.delay
    assert len({name for method, name in world.bucket.calls if method == "put"}) <= 8
    world.fail(None)
    world.node.later(first.delay)
    world.node.later(61.0)
    assert world.converged()


def test_rows_of_a_new_shard_sent_by_another_node_are_not_sent_again(world: Sharded, tmp_path: Path) -> None:
    """Another node sends it out of the retiring database, before this one comes to it."""
    world.node.restart(items_chunk=1)
    world.fill(80)
    world.begin()
    world.cleave()
    world.node.replicas_here[:] = [world.shard_replica]
    world.node.step()
    assert 0 < len(world.bucket.content()) < 80
    Node(world.swift, world.bucket, tmp_path / "other", [FakeReplica(world.root)]).settle()
    world.shard.until = world.swift.clock.now() + DAY
    world.node.later(2 * DAY)
    assert world.converged()
    assert world.sent_once()


@pytest.mark.parametrize("conditional", [True, False])
def test_row_sent_meanwhile_by_another_node_is_not_sent_again(tmp_path: Path, conditional: bool) -> None:
    """Whoever is second looks again before it sends, or lets the store look: the listing was long ago."""
    world = Sharded(tmp_path, conditional)
    names = world.fill(20)
    world.root.until = ALWAYS
    other = names[10]
    sent: list[str] = []

    def send(method: str, name: str) -> None:
        if method == "put" and not sent:
            sent.append(name)
            data = world.swift.content()[other]
            world.bucket.inner.put_object(other, BytesBody(data), PutOptions(len(data), ObjectMeta()))

    world.bucket.before = send
    world.node.settle()
    assert world.converged()
    assert world.bucket.sent[other] == 0


class TestMovingShards:
    """No node has all rows of a container with shards. The shard of this one holds the segments."""

    @pytest.fixture
    def moving(self, tmp_path: Path) -> Sharded:
        world = Sharded(tmp_path, mapping=mapping(retain_local=False))
        world.fill(3)
        world.swift.dbs[:] = []  # what comes now is another node's business
        world.swift.put_slo("large", ["/c/o00000", "/c/o00001"])
        world.node.sharded = True
        return world

    def test_segments_of_a_manifest_in_another_shard_stay(self, moving: Sharded) -> None:
        moving.node.later(5.0)
        moving.node.later(120.0)
        assert sorted(moving.swift.content()) == ["large", "o00000", "o00001"]
        assert sorted(moving.bucket.content()) == ["o00002"]

    def test_unreadable_manifest_in_another_shard_delays_all_moves(self, moving: Sharded) -> None:
        moving.swift.lost.add("large")
        for _ in range(3):
            moving.node.step()
            moving.node.clock.sleep(120.0)
        assert len(moving.swift.content()) == 4
        assert moving.node.crawl.is_failing
        moving.swift.lost.clear()
        moving.node.later(120.0)
        assert "o00002" not in moving.swift.content()

    def test_failed_later_walk_delays_new_moves_until_it_is_repeated(
        self, moving: Sharded, caplog: pytest.LogCaptureFixture
    ) -> None:
        moving.node.later(5.0)
        moving.swift.dbs.append(moving.root)
        moving.swift.put("new")
        moving.swift.dbs.clear()
        moving.swift.put_slo("larger", ["/c/o00000"])
        moving.swift.lost.add("larger")
        moving.node.later(120.0)
        assert "new" in moving.swift.content(), "what names it is not known"
        assert "large objects failed" in caplog.text
        moving.swift.lost.clear()
        moving.node.later(1200.0)
        assert "new" not in moving.swift.content()


class TestOtherDatabases:
    """What is not sharding: copies that are on the wrong device, or of a container of before."""

    def test_database_moved_to_another_device_keeps_its_progress(self, world: Sharded) -> None:
        """It keeps its id and its numbers, and so its progress."""
        world.fill(12)
        world.node.settle()
        world.node.replicas_here[:] = [FakeReplica(world.root)]
        world.bucket.counts()
        world.swift.put("new")
        world.node.later(61.0)
        assert world.bucket.counts() == {"put": 1}
        assert world.converged()

    def test_handoff_copy_of_a_recreated_container_deletes_only_stale_copies(self, world: Sharded) -> None:
        """Its tombstones are older than what is there now. Of names that are gone for good they are true."""
        names = world.fill(3)
        for name in names:
            world.swift.delete(name)
        old = FakeDb("handoff")
        for row in world.root.rows.values():
            old.add(row)
        world.swift.dbs[:] = [world.shard]  # the new one
        for name in names[:2]:
            world.swift.put(name, b"again")
        world.node.replicas_here[:] = [world.shard_replica, FakeReplica(old, None, 1)]
        world.bucket.inner.put_object("o00002", BytesBody(b"x"), PutOptions(1, ObjectMeta()))
        world.node.settle()
        world.node.later(VERIFIED)
        assert world.bucket.content() == {name: b"again" for name in names[:2]}
