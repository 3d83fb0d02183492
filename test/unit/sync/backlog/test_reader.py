"""What is outstanding, against what Swift and the bucket hold."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from s3_sync.errors import AccessDenied, LocalUnavailable
from s3_sync.state.checkpoint import StatusFiles
from s3_sync.state.journal_view import JournalView
from s3_sync.sync.backlog.count import Amount
from s3_sync.sync.backlog.reader import BacklogReader, MappingBacklog
from unit.sync.cluster import START
from unit.sync.fake_node import Node, mapping
from unit.sync.worlds import Three, World

DAY = 86400.0


def facts_of(node: Node) -> BacklogReader:
    """As another process sees the node."""
    view = JournalView(str(node.directory / "journal"))
    statuses = StatusFiles(str(node.directory), view.uuid, [node.mapping], observed=True)
    slack = node.context.settings.verification_slack_seconds
    return BacklogReader(cast(Any, node), statuses, view, slack, node.clock.now)


def look(node: Node) -> MappingBacklog:
    return facts_of(node).read(node.mapping)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_all_rows_are_pending_before_the_first_turn(world: World) -> None:
    world.swift.put("a", b"12345")
    world.swift.clock.sleep(10.0)
    world.swift.put("b", b"1")
    world.swift.delete("b")
    facts = look(world.node)
    assert facts.pending == Amount(2, 2, 5, START)
    assert facts.saved is None
    [database] = facts.databases
    assert (database.id, database.max_row, database.last_row, database.begun) == ("db", 3, 0, False)


def test_missing_database_has_no_backlog(world: World) -> None:
    world.node.replicas_here[0].db = None
    facts = look(world.node)
    assert (facts.databases, facts.pending, facts.failing) == ((), Amount(), 0)


def test_pending_objects_decrease_with_every_batch_and_survive_a_restart(world: World) -> None:
    world.fill(35)
    left = [35]
    while world.node.step().has_more:
        left.append(look(world.node).pending.objects)
    assert left == [35, 25, 15, 5, 0]
    assert look(world.node).pending == Amount()
    world.fill(3, start=35)
    world.node.restart()
    assert look(world.node).pending.objects == 3


def test_idle_database_is_not_opened_until_it_changes(world: World) -> None:
    world.fill(5)
    world.node.settle()
    facts = facts_of(world.node)
    facts.read(world.node.mapping)
    opened = world.node.replicas_here[0].opened
    for _ in range(10):
        assert facts.read(world.node.mapping).pending == Amount()
        world.swift.clock.sleep(60.0)
    assert world.node.replicas_here[0].opened == opened
    world.swift.put("new")
    assert facts.read(world.node.mapping).pending.objects == 1
    world.node.settle()
    assert facts.read(world.node.mapping).pending.objects == 0


def test_slow_count_is_repeated_only_after_a_rest(world: World) -> None:
    """As if it took two seconds."""
    world.fill(5)
    facts = facts_of(world.node)
    facts._yield_to_hub = lambda: world.swift.clock.sleep(2.0)
    assert facts.read(world.node.mapping).pending.objects == 5
    world.fill(1, start=5)
    world.swift.clock.sleep(30.0)
    assert facts.read(world.node.mapping).pending.objects == 5
    world.swift.clock.sleep(11.0)
    assert facts.read(world.node.mapping).pending.objects == 6


def test_failures_are_pending_by_reason_until_they_succeed(world: World) -> None:
    world.fill(3)
    world.fail_names(AccessDenied("no"), "o00001")
    world.swift.put("n" * 1100)
    world.node.settle()
    facts = look(world.node)
    assert facts.pending == Amount(1, 1, 6, world.swift.row("o00001").timestamp.seconds)
    assert (facts.failing, facts.troubles.quarantined) == (2, 1)
    assert facts.troubles.reasons == {"remote_denied": 1, "name_too_long": 1}
    world.swift.put("o00001", b"changed")  # a row behind the cursor: the object is still one
    assert look(world.node).pending.objects == 1
    assert look(world.node).pending.rows == 2
    world.fail(None)
    world.node.later(40.0)
    assert look(world.node).pending == Amount()


def test_excluded_moved_and_unpropagated_rows_are_not_pending_objects(world: World) -> None:
    world.node.edit(exclude=re.compile("tmp/"), propagate_delete=False)
    for name in ("tmp/a", "deleted", "moved", "real"):
        world.swift.put(name)
    world.swift.delete("deleted")
    world.swift.delete("moved", offset=1)
    world.swift.put("\0reserved")
    pending = look(world.node).pending
    assert (pending.rows, pending.objects) == (4, 1)
    world.node.edit()
    assert look(world.node).pending.objects == 3  # all but the object that was moved


def test_pending_bytes_of_a_large_object_are_those_of_its_segments(world: World) -> None:
    world.swift.put("slo", b"[]", content_type="text/plain;swift_bytes=123456789")
    world.swift.put("odd", b"1234", content_type="text/plain;swift_bytes=no")
    assert look(world.node).pending.bytes == 123456793


class TestCopyAfter:
    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        return World(tmp_path, mapping=mapping(copy_after=int(DAY)))

    def test_objects_not_due_become_pending_when_they_are_due(self, world: World) -> None:
        world.fill(15)
        world.swift.clock.sleep(DAY / 2)
        world.fill(10, start=15)
        for settled in (False, True):
            facts = look(world.node)
            assert facts.pending == Amount(), settled
            assert facts.counts.not_due == Amount(25, 25, 150, START + DAY), settled
            world.node.settle()
        assert len(world.node.journal.due_ranges(world.node.crawl.key, "db", 1e12)) == 3
        world.swift.clock.sleep(DAY / 2 + 1.0)
        facts = look(world.node)
        assert (facts.pending.objects, facts.counts.not_due.objects) == (15, 10)
        assert facts.pending.oldest == START + DAY
        world.node.later(60.0)
        facts = look(world.node)
        assert (facts.pending.objects, facts.counts.not_due.objects) == (0, 10)

    def test_settled_rows_within_a_range_that_is_not_due_are_not_counted(self, world: World) -> None:
        world.swift.put("young1")
        world.swift.put("old")
        world.swift.put("deleted")
        world.swift.delete("deleted")
        world.swift.put("young2")
        row = world.db.rows["old", 0]
        early = replace(row.timestamp, raw=row.timestamp.raw - int(2 * DAY * 100_000))
        world.db.rows["old", 0] = replace(row, timestamp=early, data_timestamp=early)
        version = world.swift.objects["old", 0]
        world.swift.objects["old", 0] = replace(version, timestamp=early, data_timestamp=early)
        assert look(world.node).pending.objects == 2  # the old one and the delete
        world.node.settle()
        assert set(world.bucket.content()) == {"old"}
        facts = look(world.node)
        assert (facts.pending.objects, facts.counts.not_due.objects) == (0, 2)

    def test_objects_become_pending_though_the_database_does_not_change(self, world: World) -> None:
        """Though nothing changes in the database."""
        world.fill(3)
        world.node.settle()
        facts = facts_of(world.node)
        assert facts.read(world.node.mapping).counts.not_due.objects == 3
        world.swift.clock.sleep(DAY + 1.0)
        assert facts.read(world.node.mapping).pending.objects == 3

    def test_failed_delete_is_pending_since_its_row_without_copy_after(self, world: World) -> None:
        world.fill(1)
        world.node.later(DAY + 60.0)
        world.fail_names(AccessDenied("no"), "o00000")
        world.swift.delete("o00000")
        world.node.settle()
        facts = look(world.node)
        assert facts.troubles.retrying == 1
        assert facts.pending.oldest == world.swift.row("o00000").timestamp.seconds

    def test_shorter_copy_after_applies_to_rows_in_former_ranges(self, world: World) -> None:
        """What lies in ranges of the former one is not forgotten."""
        world.fill(3)
        world.node.settle()
        world.node.edit(copy_after=60)
        world.swift.clock.sleep(100.0)
        assert look(world.node).pending.objects == 3

    def test_rows_in_two_overlapping_ranges_are_counted_once(self, world: World) -> None:
        world.fill(3)
        world.node.settle()
        [due] = world.node.journal.due_ranges(world.node.crawl.key, "db", 1e12)
        db = world.node.journal._db
        db.execute("INSERT INTO ranges VALUES (?, 'db', 'primary', 2, 3, ?)", (world.node.crawl.key, due.due))
        db.commit()
        assert look(world.node).counts.not_due.objects == 3


def test_own_and_unverified_rows_of_three_nodes_add_up(tmp_path: Path) -> None:
    three = Three(tmp_path)
    for number in range(60):
        three.swift.put(f"o{number:05d}", b"1")
    parts = [look(node) for node in three.nodes]
    assert sum(facts.pending.objects for facts in parts) == 60
    assert all(0 < facts.pending.objects < 60 for facts in parts)
    for facts in parts:
        assert facts.counts.unverified.rows == 0
        assert facts.counts.not_yet_verifiable.rows == 60 - facts.pending.rows
    first = three.nodes[0]
    first.settle()
    assert look(first).pending == Amount()
    three.swift.clock.sleep(3600.0 * 2)
    assert look(first).counts.unverified.rows == 60 - parts[0].pending.rows
    first.settle()
    assert look(first).counts.unverified == look(first).counts.not_yet_verifiable == Amount()
    assert look(three.nodes[1]).pending.objects == parts[1].pending.objects  # it has not looked itself


def test_progress_of_another_ordinal_or_journal_is_ignored(world: World) -> None:
    """Another journal, another share of the ring: the daemon begins again, and so does the count."""
    world.fill(5)
    world.node.settle()
    assert look(world.node).pending.objects == 0
    replica = world.node.replicas_here[0]
    replica.replicas = 2
    assert look(world.node).databases[0].last_row == 0
    replica.replicas = 1
    world.node.journal.close()
    for file in world.node.directory.glob("journal*"):
        file.unlink()
    assert look(world.node).pending.objects == 5
    world.node.start()
    assert look(world.node).pending.objects == 5


def test_unreadable_database_is_an_error_and_damaged_status_file_is_kept(world: World) -> None:
    world.fill(5)
    world.node.replicas_here[0].broken = LocalUnavailable("locked")
    assert look(world.node).errors == ("locked",)
    status = world.node.directory / "AUTH_a" / "c"
    world.node.replicas_here[0].broken = None
    world.node.settle()
    status.write_text("{")
    assert look(world.node).pending.objects == 5
    assert status.read_text() == "{"  # what is damaged is for the daemon to set aside


@pytest.mark.parametrize("seed", range(12))
def test_random_story_counts_every_object_that_has_not_converged(tmp_path: Path, seed: int) -> None:
    """At no time is there an object that has not converged and is not counted, and in the end nothing is."""
    dice = random.Random(seed)
    after = dice.choice([0, 0, 100])
    world = World(tmp_path, mapping=mapping(copy_after=after), items_chunk=dice.choice([3, 10]))
    facts = facts_of(world.node)
    names = [f"n{number}" for number in range(15)]
    for _ in range(60):
        name = dice.choice(names)
        deed = dice.choice(
            ["put", "put", "put", "delete", "step", "step", "later", "fail", "mend", "restart"]
        )
        if deed == "put":
            world.swift.put(name, dice.randbytes(dice.randrange(1, 9)))
        elif deed == "delete" and (name, 0) in world.swift.objects:
            world.swift.delete(name)
        elif deed == "step":
            world.node.step()
        elif deed == "later":
            world.swift.clock.sleep(dice.choice([1.0, 40.0, 200.0]))
        elif deed == "fail":
            world.fail_names(AccessDenied("no"), *dice.sample(names, 3))
        elif deed == "mend":
            world.fail(None)
        elif deed == "restart":
            world.node.restart()
        found = facts.read(world.node.mapping)
        assert found.pending == look(world.node).pending
        local, remote = world.swift.content(), world.bucket.content()
        differ = [name for name in names if local.get(name) != remote.get(name)]
        assert len(differ) <= found.pending.objects + found.counts.not_due.objects, deed
    world.fail(None)
    world.node.settle()
    for _ in range(10):
        world.node.later(3600.0)
    assert world.converged()
    found = facts.read(world.node.mapping)
    assert (found.pending, found.counts.not_due, found.failing) == (Amount(), Amount(), 0)
