"""One mapping over time: everything lands, nothing is forgotten, and no more is asked than needed."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3_sync.errors import (
    AccessDenied,
    LocalUnavailable,
    NotFound,
    RemoteError,
    RemoteUnavailable,
    StateError,
    Throttled,
)
from s3_sync.model.keys import KeyNamer
from s3_sync.model.objects import ObjectMeta, PutOptions
from s3_sync.model.rows import owner_ordinal
from s3_sync.state.journal import DueRange
from s3_sync.streams.reader import BytesBody
from unit.sync.cluster import FakeDb, FakeReplica, Swift
from unit.sync.node import CONTAINER, MAX_PAUSE, NAMER, SLACK, Node, mapping
from unit.sync.store import WatchedBucket


class World:
    """One node unless said otherwise."""

    def __init__(self, tmp_path: Path, conditional: bool = True, **options: Any) -> None:
        self.swift = Swift()
        self.bucket = WatchedBucket(NAMER, self.swift.clock.now, conditional=conditional)
        self.node = Node(self.swift, self.bucket, tmp_path / "status", **options)

    @property
    def db(self) -> FakeDb:
        return self.swift.dbs[0]

    def fill(self, count: int, start: int = 0) -> list[str]:
        names = [f"o{number:05d}" for number in range(start, start + count)]
        for name in names:
            self.swift.put(name, name.encode())
        return names

    def converged(self) -> bool:
        return self.bucket.content() == self.swift.content()

    def fail(self, error: RemoteError | None, methods: str = "head put post delete list") -> None:
        """From now on, or no longer."""
        self.bucket.before = lambda method, name: error if method in methods.split() else None

    def fail_names(self, error: RemoteError, *names: str) -> None:
        self.bucket.before = lambda method, name: error if name in names and method != "list" else None


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class TestSteadyState:
    @pytest.mark.parametrize("conditional", [True, False])
    def test_first_copy(self, tmp_path: Path, conditional: bool) -> None:
        """One listing, then one PUT for each object and nothing else."""
        world = World(tmp_path, conditional)
        world.fill(35)
        world.node.settle()
        assert world.converged()
        assert world.bucket.counts() == {"list": 1, "put": 35}
        assert world.node.tally() == {"copied": 35}
        assert world.swift.heads == []

    def test_nothing_to_do_is_no_request_and_no_open_database(self, world: World) -> None:
        world.fill(5)
        world.node.settle()
        world.bucket.counts()
        opened, reads = world.node.replicas_here[0].opened, world.db.reads
        for _ in range(50):
            assert world.node.later(5.0) == 1
        assert world.bucket.counts() == {}
        assert (world.node.replicas_here[0].opened, world.db.reads) == (opened, reads)

    def test_changes(self, world: World) -> None:
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

    def test_a_restart_costs_nothing(self, world: World) -> None:
        world.fill(25)
        world.node.settle()
        world.bucket.counts()
        world.node.restart()
        world.node.settle()
        assert world.bucket.counts() == {}
        world.swift.put("new")
        world.node.later(5.0)
        assert world.bucket.counts() == {"put": 1}

    def test_an_empty_container(self, world: World) -> None:
        world.node.settle()
        assert world.bucket.counts() == {"list": 1}
        world.swift.put("first")
        world.node.later(5.0)
        assert world.bucket.counts() == {"put": 1}

    def test_reserved_names_only_move_the_cursor(self, world: World) -> None:
        for number in range(25):
            world.swift.put(f"\0versions\0{number}")
        world.swift.put("o")
        world.node.settle()
        assert set(world.bucket.content()) == {"o"}

    def test_rows_that_came_and_went_before_us(self, world: World) -> None:
        world.fill(5)
        for name in ("o00001", "o00002"):
            world.swift.delete(name)
        world.node.settle()
        assert world.converged()
        assert world.node.tally() == {"copied": 3, "present": 2}
        assert world.bucket.counts() == {"list": 1, "put": 3}

    def test_status_file(self, world: World) -> None:
        world.fill(25)
        world.node.settle()
        [entry] = json.loads((world.node.directory / "AUTH_a" / CONTAINER).read_bytes()).values()
        assert (entry["last_row"], entry["last_verified_row"], entry["share"]) == (25, 25, "0/1")


class TestSweep:
    """The bucket holds something already, and nobody remembers what."""

    @pytest.mark.parametrize("conditional", [True, False])
    def test_costs_listings_only(self, tmp_path: Path, conditional: bool) -> None:
        world = World(tmp_path, conditional, items_chunk=100)
        world.fill(300)
        world.swift.clock.sleep(1.0)
        world.node.settle()
        world.bucket.counts()
        other = Node(world.swift, world.bucket, tmp_path / "other", [FakeReplica(world.db)], items_chunk=100)
        other.settle()
        assert set(world.bucket.counts()) == {"list"}
        assert other.tally() == {"present": 300}

    def test_finds_every_difference(self, tmp_path: Path) -> None:
        world = World(tmp_path, items_chunk=100)
        world.fill(60)
        world.swift.clock.sleep(10)
        world.node.settle()
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

    def test_old_versions_progress_is_adopted_with_care(self, tmp_path: Path) -> None:
        """It may have sent rows beyond its cursor: they are compared, not sent again."""
        world = World(tmp_path, conditional=False, items_chunk=100)
        world.fill(100)
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

    def test_a_lost_journal_starts_over(self, world: World) -> None:
        world.fill(20)
        world.node.settle()
        world.node.journal.close()
        (world.node.directory / "journal").unlink()
        world.bucket.counts()
        world.node.start()
        world.node.settle()
        assert world.node.tally() == {"present": 20}
        assert "put" not in world.bucket.counts()

    def test_another_destination_starts_over(self, tmp_path: Path) -> None:
        world = World(tmp_path)
        world.fill(20)
        world.node.settle()
        world.node.bucket = world.bucket = WatchedBucket(KeyNamer.literal("x/"), world.swift.clock.now)
        world.node.restart(mapping=replace(world.node.mapping, namer=KeyNamer.literal("x/")))
        world.node.settle()
        assert world.converged()

    def test_a_policy_edit_does_not(self, world: World) -> None:
        world.fill(20)
        world.node.settle()
        world.bucket.counts()
        world.node.edit(propagate_delete=False, copy_after=0, storage_class="STANDARD_IA")
        world.node.settle()
        assert world.bucket.counts() == {}


class TestDatabases:
    def test_a_database_replaced_in_its_place(self, world: World) -> None:
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

    def test_a_database_that_goes_and_comes(self, world: World) -> None:
        world.fill(3)
        world.node.settle()
        db, world.node.replicas_here[0].db = world.db, None
        world.node.later(5.0)
        world.swift.put("new")
        world.node.replicas_here[0].db = db
        world.node.later(5.0)
        assert world.converged()

    def test_a_replica_that_appears(self, world: World) -> None:
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
        world.node.later(SLACK)
        assert world.converged()

    def test_a_deleted_container_is_emptied(self, world: World) -> None:
        names = world.fill(5)
        world.node.settle()
        for name in names:
            world.swift.delete(name)
        world.db.deleted = True
        world.node.later(5.0)
        assert world.bucket.content() == {}

    def test_one_that_cannot_be_read_holds_up_nobody(self, tmp_path: Path) -> None:
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
        assert node.crawl.troubled
        opened = broken.opened
        for _ in range(600):
            node.later(1.0)
        assert broken.opened - opened < 20  # it may cost a lock's time-out each
        broken.broken = None
        node.later(400.0)
        assert not node.crawl.troubled

    def test_a_sharded_container_is_left_alone(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        world.fill(3)
        world.db.state = "sharded"
        world.node.settle()
        assert world.bucket.content() == {}
        assert "sharded" in caplog.text

    def test_another_share_of_the_rows(self, tmp_path: Path) -> None:
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


class TestFailures:
    def test_one_bad_object_in_many(self, world: World) -> None:
        world.fill(1000)
        world.fail_names(AccessDenied("not this one"), "o00500")
        world.node.settle()
        assert len(world.bucket.content()) == 999
        assert world.node.unsettled() == {"o00500": "remote_denied"}
        assert world.node.journal.counts(world.node.crawl.key).retrying == 1
        assert world.node.tally() == {"copied": 999, "pending": 1}
        world.node.restart()
        world.bucket.counts()
        world.node.settle()
        assert world.bucket.counts() == {}  # the cursor has passed it, and it waits for its time

    @pytest.mark.parametrize("bad", [1, 2, 5])
    def test_bad_objects_do_not_slow_down_good_ones(self, world: World, bad: int) -> None:
        """For a day: every object arrives in the poll after it was written."""
        names = [f"bad{number}" for number in range(bad)]
        world.fail_names(AccessDenied("never"), *names)
        for name in ("good", *names):
            world.swift.put(name)
        world.node.settle()
        world.bucket.counts()
        for number in range(400):
            world.swift.put(f"good{number}")
            step = world.node.step()
            assert not step.pause, number
            assert f"good{number}" in world.bucket.content()
            world.swift.clock.sleep(200.0)
        attempts = sum(world.bucket.counts().values()) - 400
        assert attempts <= bad * 40  # back-off, though others succeed all the time

    def test_retry_with_back_off(self, world: World) -> None:
        world.fail_names(RemoteUnavailable("down"), "bad")
        world.swift.put("good")
        world.swift.put("bad")
        world.node.settle()
        world.bucket.counts()
        start = world.swift.clock.now()
        tries = []
        while world.swift.clock.now() < start + 12 * 3600:
            world.node.later(5.0)
            if world.bucket.counts():
                tries.append(world.swift.clock.now() - start)
        gaps = [later - earlier for earlier, later in zip(tries, tries[1:], strict=False)]
        assert gaps == sorted(gaps)
        assert gaps[-1] <= MAX_PAUSE + 5
        assert len(tries) <= 20
        world.fail(None)
        world.node.later(MAX_PAUSE)
        assert (world.converged(), world.node.unsettled()) == (True, {})

    def test_failures_are_remembered_over_a_restart(self, world: World) -> None:
        world.fail_names(AccessDenied("no"), "bad")
        world.swift.put("bad", b"v1")
        world.node.settle()
        world.fail(None)
        world.node.restart()
        world.node.later(31.0)
        assert world.converged()
        assert world.node.unsettled() == {}

    def test_what_was_overwritten_meanwhile(self, world: World) -> None:
        world.fail_names(AccessDenied("no"), "bad")
        world.swift.put("bad", b"v1")
        world.node.settle()
        world.swift.put("bad", b"v2")
        world.node.later(5.0)
        [entry] = world.node.journal.unsettled(world.node.crawl.key)
        assert entry.timestamp == world.swift.row("bad").timestamp.internal
        world.fail(None)
        world.node.later(MAX_PAUSE)
        assert (world.bucket.content(), world.node.unsettled()) == ({"bad": b"v2"}, {})

    def test_what_was_deleted_meanwhile(self, world: World) -> None:
        world.swift.put("bad", b"v1")
        world.node.settle()
        world.fail_names(AccessDenied("no"), "bad")
        world.swift.put("bad", b"v2")
        world.node.later(5.0)
        world.swift.delete("bad")
        world.node.later(5.0)
        world.fail(None)
        world.node.later(MAX_PAUSE)
        assert (world.bucket.content(), world.node.unsettled()) == ({}, {})

    def test_quarantine_is_not_retried_and_ends_with_a_change(self, world: World) -> None:
        long = "n" * 1020
        world.swift.put(long)
        world.swift.put("o")
        world.node.settle()
        assert world.node.unsettled() == {long: "name_too_long"}
        assert not world.node.crawl.troubled
        world.bucket.counts()
        world.node.later(10 * MAX_PAUSE)
        assert world.bucket.counts() == {}
        world.swift.delete(long)
        world.node.later(5.0)
        assert world.node.unsettled() == {}

    def test_postponed_when_copy_after_grows(self, world: World) -> None:
        """A retry that is not due any more waits for that time instead of coming up in every turn."""
        names = world.fill(15)
        for number in (0, 11):
            world.swift.put(f"good{number}")
        world.fail_names(AccessDenied("no"), *names)
        world.node.options["items_chunk"] = 20
        world.node.restart()
        world.node.settle()
        assert len(world.node.unsettled()) == 15
        world.node.restart(items_chunk=10)
        world.fail(None)
        world.node.edit(copy_after=86400)
        assert world.node.later(100.0) < 10
        world.bucket.counts()
        assert world.node.later(5.0) == 1
        assert world.bucket.counts() == {}
        world.node.later(90000.0)
        assert (world.converged(), world.node.unsettled()) == (True, {})

    def test_an_unexpected_exception_is_a_failure_like_any_other(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: Any, **__: Any) -> Any:
            raise ZeroDivisionError("a bug")

        monkeypatch.setattr(world.swift, "open", broken)
        logging.disable(logging.CRITICAL)
        world.fill(2)
        world.node.settle()
        logging.disable(logging.NOTSET)
        assert world.node.unsettled() == {"o00000": "internal_error", "o00001": "internal_error"}
        monkeypatch.undo()
        world.node.later(40.0)
        assert (world.converged(), world.node.unsettled()) == (True, {})


ERRORS = [RemoteUnavailable("down"), Throttled("slow down"), AccessDenied("expired"), NotFound("no bucket")]


class TestOutage:
    @pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
    def test_down_for_a_week_with_many_changes(self, tmp_path: Path, error: RemoteError) -> None:
        world = World(tmp_path, items_chunk=50)
        names = world.fill(100)
        world.node.settle()
        world.bucket.counts()
        world.fail(error)
        started = world.swift.clock.now()
        number = 0
        while world.swift.clock.now() < started + 7 * 86400:
            if number < 300:
                world.swift.put(f"new{number}")
                world.swift.put(names[number % 50], b"v%d" % number)
                if number < 50 and not isinstance(error, NotFound):  # without a bucket all is deleted
                    world.swift.delete(names[50 + number])
            number += 1
            step = world.node.step()
            assert not step.more or not step.pause
            world.swift.clock.sleep(max(step.pause, 600.0))
        tries = sum(world.bucket.counts().values())
        assert tries < 7 * 86400 / 600 * 5  # a few each time
        assert world.node.crawl.troubled
        world.fail(None)
        world.node.later(400.0)
        assert world.converged()
        assert world.node.unsettled() == {}
        assert not world.node.crawl.troubled

    def test_a_backlog_is_not_poured_into_the_journal(self, tmp_path: Path) -> None:
        """It waits where it is, in the database: a row each for millions would fill the disk."""
        world = World(tmp_path, items_chunk=100, workers=2)
        world.fail(RemoteUnavailable("down"), "put head")
        world.fill(5000)
        for _ in range(100):
            step = world.node.step()
            world.swift.clock.sleep(max(step.pause, 5.0))
        assert len(world.node.unsettled()) <= 100 + 100 * 2
        world.fail(None)
        world.node.later(400.0)
        assert (world.converged(), world.node.unsettled()) == (True, {})

    def test_so_is_one_of_the_local_object_servers(self, tmp_path: Path) -> None:
        world = World(tmp_path, items_chunk=100, workers=2)
        names = world.fill(5000)
        world.swift.lost.update(names)
        for _ in range(100):
            step = world.node.step()
            world.swift.clock.sleep(max(step.pause, 5.0))
        assert len(world.node.unsettled()) <= 100 + 100 * 2
        world.swift.lost.clear()
        world.node.later(400.0)
        assert (world.converged(), world.node.unsettled()) == (True, {})

    def test_down_from_the_start(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        world.fail(RemoteUnavailable("down"))
        world.fill(20)
        with caplog.at_level(logging.INFO):
            for _ in range(20):
                assert world.node.step().pause > 0
        assert caplog.text.count("Failed to process") == 1  # one line for each change of state
        world.fail(None)
        world.node.later(300.0)
        assert world.converged()

    def test_recovery_is_told_once_it_is_seen(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        world.fill(20)
        world.fail(RemoteUnavailable("down"), "put")
        with caplog.at_level(logging.INFO):
            for _ in range(30):
                step = world.node.step()
                world.swift.clock.sleep(max(step.pause, 5.0))
            assert "working again" not in caplog.text
            world.fail(None)
            world.node.later(300.0)
        assert caplog.text.count("working again") == 1
        assert world.converged()

    def test_a_full_disk(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing moves on that cannot be written down."""
        world.fill(25)

        def full(*_: Any, **__: Any) -> None:
            raise StateError("No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(world.node.context.statuses, "save", full)
            for _ in range(10):
                assert world.node.step().pause > 0
        world.node.restart()
        world.node.later(300.0)
        assert world.converged()


class TestCopyAfter:
    def start(self, tmp_path: Path, seconds: int, **options: Any) -> World:
        return World(tmp_path, mapping=mapping(copy_after=seconds), **options)

    def test_ranges_not_rows(self, tmp_path: Path) -> None:
        world = self.start(tmp_path, 86400, items_chunk=100)
        for number in range(1000):
            world.swift.put(f"o{number}")
            world.swift.clock.sleep(1.0)
        world.node.settle()
        assert world.bucket.content() == {}
        assert world.node.unsettled() == {}
        ranges = world.node.journal._all("SELECT count(*) FROM ranges")[0][0]
        assert ranges <= 10
        world.bucket.counts()
        world.node.later(80000.0)
        assert world.bucket.counts() == {}
        for _ in range(20):
            world.node.later(600.0)
        assert world.converged()
        assert world.bucket.counts()["put"] == 1000
        assert world.node.journal._all("SELECT count(*) FROM ranges")[0][0] == 0

    def test_every_row_goes_at_its_time(self, tmp_path: Path) -> None:
        world = self.start(tmp_path, 1000)
        written: dict[str, float] = {}
        for number in range(60):
            world.swift.put(f"o{number}")
            written[f"o{number}"] = world.swift.clock.now()
            world.node.later(30.0)
        while len(world.bucket.content()) < 60:
            world.node.later(10.0)
            now = world.swift.clock.now()
            content = world.bucket.content()
            for name, time in written.items():
                if now <= time + 1000:
                    assert name not in content
                elif now > time + 1000 + 100 + 30:
                    assert name in content, (name, now - time)

    def test_over_a_restart(self, tmp_path: Path) -> None:
        world = self.start(tmp_path, 1000)
        world.fill(35)
        world.node.settle()
        world.node.restart()
        world.node.later(1100.0)
        world.node.settle()
        assert world.converged()

    def test_a_range_of_another_batch_size(self, tmp_path: Path) -> None:
        world = self.start(tmp_path, 1000, items_chunk=100)
        world.fill(95)
        world.node.settle()
        world.node.restart(items_chunk=10)
        world.node.later(1101.0)
        assert world.converged()

    def test_changed_while_waiting(self, tmp_path: Path) -> None:
        world = self.start(tmp_path, 1000)
        world.fill(20)
        world.node.settle()
        world.swift.clock.sleep(500.0)
        world.swift.put("o00003", b"later")
        world.swift.delete("o00004")
        world.node.later(601.0)
        assert "o00003" not in world.bucket.content()
        assert len(world.bucket.content()) == 18
        world.node.later(600.0)
        assert world.converged()

    def test_same_bytes_again_while_the_first_are_on_their_way(self, tmp_path: Path) -> None:
        """The store's date of the first is after the second was written: a listing alone cannot tell."""
        world = self.start(tmp_path, 1000)
        world.fill(10)
        world.node.settle()
        rewritten: list[int] = []

        def rewrite(method: str, name: str) -> None:
            if method == "put" and name == "o00003" and not rewritten:
                rewritten.append(1)
                world.swift.put("o00003", b"o00003", x_object_meta_a="new")
                world.swift.clock.sleep(5.0)  # and then the PUT ends

        world.bucket.before = rewrite
        world.node.later(1101.0)
        assert world.bucket.metadata("o00003") == {}
        world.fill(9, start=100)  # neighbours, so that listing is worth it
        world.node.later(1200.0)
        world.node.later(1200.0)
        assert world.bucket.metadata("o00003") == {"a": "new"}

    def test_an_error_while_ranges_are_due(self, tmp_path: Path) -> None:
        """The database does not change any more: nothing else would wake the crawler up."""
        world = self.start(tmp_path, 1000)
        world.fill(20)
        world.node.settle()
        world.swift.clock.sleep(1101.0)
        world.fail(RemoteUnavailable("down"), "list")
        assert world.node.step().pause > 0
        world.fail(None)
        world.node.later(10.0)
        assert world.converged()

    def test_many_ranges_at_once_are_taken_in_turns(self, tmp_path: Path) -> None:
        world = self.start(tmp_path, 1000)
        world.fill(200)
        world.node.settle()
        world.bucket.counts()
        world.swift.clock.sleep(1101.0)
        world.node.step()
        assert world.bucket.counts()["put"] <= 20
        world.node.settle()
        assert world.converged()

    def test_an_outage_when_all_is_due(self, tmp_path: Path) -> None:
        world = self.start(tmp_path, 1000, items_chunk=100, workers=2)
        world.fill(2000)
        world.node.settle()
        world.swift.clock.sleep(1101.0)
        world.fail(RemoteUnavailable("down"), "put head")
        for _ in range(50):
            step = world.node.step()
            world.swift.clock.sleep(max(step.pause, 5.0))
        assert len(world.node.unsettled()) <= 100 + 50 * 2
        world.fail(None)
        world.node.later(400.0)
        world.node.later(400.0)
        assert (world.converged(), world.node.unsettled()) == (True, {})

    def test_shortened(self, tmp_path: Path) -> None:
        world = self.start(tmp_path, 100_000)
        world.fill(15)
        world.node.settle()
        world.node.edit(copy_after=10)
        world.swift.put("new")
        world.node.later(30.0)
        assert set(world.bucket.content()) == {"new"}
        world.node.later(110_000.0)
        assert world.converged()


class Three:
    """Three nodes with a replica each."""

    def __init__(self, tmp_path: Path, conditional: bool = True, **options: Any) -> None:
        self.swift = Swift()
        self.bucket = WatchedBucket(NAMER, self.swift.clock.now, conditional=conditional)
        self.swift.dbs += [FakeDb(f"db{number}") for number in range(3)]
        self.nodes = [
            Node(self.swift, self.bucket, tmp_path / str(number), [FakeReplica(db, number, 3)], **options)
            for number, db in enumerate(self.swift.dbs)
        ]

    def converged(self) -> bool:
        return self.bucket.content() == self.swift.content()


class TestThreeNodes:
    def test_work_is_divided(self, tmp_path: Path) -> None:
        three = Three(tmp_path)
        for node in three.nodes:
            node.settle()
        three.bucket.counts()
        for number in range(90):
            three.swift.put(f"o{number}")
        for node in three.nodes:
            node.settle()
        assert three.converged()
        assert three.bucket.counts() == {"put": 90}
        assert sorted(sum(node.tally().values()) for node in three.nodes)[0] > 10

    @pytest.mark.parametrize("conditional", [True, False])
    def test_verification_costs_listings(self, tmp_path: Path, conditional: bool) -> None:
        three = Three(tmp_path, conditional, items_chunk=100)
        for number in range(300):
            three.swift.put(f"o{number:03d}")
        three.swift.clock.sleep(10.0)
        for node in three.nodes:
            node.settle()
        three.bucket.counts()
        three.swift.clock.sleep(SLACK)
        for node in three.nodes:
            node.settle()
        counts = three.bucket.counts()
        assert set(counts) == {"list"}
        assert counts["list"] <= 3 * 3 * 2
        for node in three.nodes:
            assert node.tally()["present"] == 300 - node.tally()["copied"]

    def test_an_absent_nodes_share_is_picked_up_after_the_slack(self, tmp_path: Path) -> None:
        three = Three(tmp_path, items_chunk=100)
        for number in range(90):
            three.swift.put(f"o{number}")
        alive = three.nodes[:2]
        for node in alive:
            node.settle()
        absent = {name for name in three.swift.content() if owner_ordinal(name, 3) == 2}
        assert set(three.swift.content()) - set(three.bucket.content()) == absent
        three.swift.clock.sleep(SLACK - 60.0)
        for node in alive:
            node.settle()
        assert not three.converged()
        three.bucket.counts()
        three.swift.clock.sleep(61.0)
        for node in alive:
            node.settle()
        assert three.converged()
        assert three.bucket.counts()["put"] == len(absent)
        # and when it comes back it sends nothing again
        three.nodes[2].settle()
        assert "put" not in three.bucket.counts()

    def test_changes_of_an_absent_node(self, tmp_path: Path) -> None:
        three = Three(tmp_path, items_chunk=100)
        for number in range(60):
            three.swift.put(f"o{number}", b"1")
        for node in three.nodes:
            node.settle()
        theirs = [name for name in three.swift.content() if owner_ordinal(name, 3) == 2]
        three.swift.clock.sleep(10.0)
        three.swift.put(theirs[0], b"2")
        three.swift.put(theirs[1], b"1", x_object_meta_a="b")
        three.swift.post(theirs[2], x_object_meta_c="d")
        three.swift.delete(theirs[3])
        for node in three.nodes[:2]:
            node.settle()
            node.later(SLACK)
        assert three.converged()
        assert three.bucket.metadata(theirs[1]) == {"a": "b"}
        assert three.bucket.metadata(theirs[2]) == {"c": "d"}

    def test_back_with_a_stale_database_and_stale_objects(self, tmp_path: Path) -> None:
        """Nothing newer is overwritten, and nothing is deleted, by a node that slept."""
        three = Three(tmp_path, items_chunk=100)
        names = [f"o{number}" for number in range(60)]
        for name in names:
            three.swift.put(name, b"old")
        sleeping = three.swift.dbs.pop()
        three.swift.stale = {name: three.swift.objects[name, 0] for name in names}
        three.swift.clock.sleep(10.0)
        for name in names[:40]:
            three.swift.put(name, b"new")
        for name in names[50:]:
            three.swift.delete(name)
        for node in three.nodes[:2]:
            node.settle()
            node.later(SLACK)
        assert three.converged()
        before = three.bucket.content()
        for seconds in (0.0, 5.0, SLACK, SLACK):
            three.nodes[2].later(seconds)
            assert three.bucket.content() == before
        # and then its database catches up
        for name in names:
            sleeping.add(three.swift.row(name))
        three.nodes[2].later(5.0)
        three.nodes[2].later(SLACK)
        assert three.bucket.content() == before
        assert all(node.unsettled() == {} for node in three.nodes)

    def test_old_data_is_sent_once_though_all_begin_together(self, tmp_path: Path) -> None:
        """What is older than the slack could be verified at once, before its owner had a chance."""
        three = Three(tmp_path, items_chunk=60)
        for number in range(300):
            three.swift.put(f"o{number:03d}")
        three.swift.clock.sleep(10 * SLACK)
        for _ in range(200):
            for node in three.nodes:
                node.step()
            three.swift.clock.sleep(1.0)
        for node in three.nodes:
            node.later(SLACK)
        assert three.converged()
        counts = three.bucket.counts()
        assert counts["put"] == 300
        assert counts["head"] <= 30

    def test_copy_after_and_an_absent_node(self, tmp_path: Path) -> None:
        three = Three(tmp_path, mapping=mapping(copy_after=2000), slack=600.0)
        for number in range(60):
            three.swift.put(f"o{number}")
        for node in three.nodes[:2]:
            node.settle()
        for node in three.nodes[:2]:
            node.later(700.0)
        assert three.bucket.content() == {}
        for _ in range(10):
            for node in three.nodes[:2]:
                node.later(300.0)
        assert three.converged()
        assert three.bucket.counts()["put"] == 60

    def test_a_row_from_the_future_does_not_stop_verification_for_ever(self, tmp_path: Path) -> None:
        three = Three(tmp_path, slack=600.0)
        three.swift.clock.sleep(1200.0)
        three.swift.put("future")
        three.swift.clock.sleep(-1200.0)
        for number in range(30):
            three.swift.put(f"o{number}")
        node = three.nodes[0]
        node.settle()
        node.later(2000.0)
        assert three.converged()


class Crash(BaseException):
    """The process ends here."""


STEPS = [
    ("journal", "open_window"),
    ("journal", "settle"),
    ("statuses", "save"),
    ("statuses", "load"),
    ("bucket", "put"),
    ("bucket", "delete"),
    ("bucket", "post"),
    ("bucket", "list"),
    ("bucket", "head"),
]


class TestCrashes:
    """Between any two steps everything but the files is lost."""

    def crash_at(self, world: World, target: str, method: str, number: int, when: str) -> Callable[[], bool]:
        """Arms the crash; what is returned tells whether it came."""
        calls: list[int] = []

        def due() -> bool:
            calls.append(1)
            return len(calls) == number

        if target == "bucket":
            fault: Callable[[str, str], Any] = lambda called, name: (
                Crash() if called == method and due() else None
            )
            setattr(world.bucket, when, fault)
        else:
            holder = getattr(world.node.context, target)
            real = getattr(holder, method)

            def call(*arguments: Any, **named: Any) -> Any:
                crash = due()
                if crash and when == "before":
                    raise Crash()
                result = real(*arguments, **named)
                if crash:
                    raise Crash()
                return result

            setattr(holder, method, call)
        return lambda: len(calls) >= number

    @pytest.mark.parametrize("conditional", [True, False], ids=["conditions", "no-conditions"])
    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize(("target", "method"), STEPS)
    def test_at_every_step(
        self, tmp_path: Path, target: str, method: str, when: str, conditional: bool
    ) -> None:
        number = 0
        while True:
            number += 1
            world = World(tmp_path / str(number), conditional, items_chunk=5)
            came = self.story(world, target, method, number, when)
            if not came:
                break
        assert number > 1

    def story(self, world: World, target: str, method: str, number: int, when: str) -> bool:
        world.node.restart(mapping=mapping(copy_after=10))
        world.fill(12)
        world.swift.clock.sleep(3.0)
        world.node.settle()
        world.swift.clock.sleep(20.0)
        came = self.crash_at(world, target, method, number, when)
        bad = ["o00002"]
        fault = world.bucket.before
        world.bucket.before = lambda called, name: (
            AccessDenied("no") if name in bad and called == "put" else fault(called, name)
        )
        try:
            world.node.settle()
            world.swift.put("o00001", b"changed")
            world.swift.post("o00003", x_object_meta_a="b")
            world.swift.delete("o00004")
            world.fill(8, start=20)
            world.node.settle()
            world.node.later(20.0)
            world.node.later(40.0)
        except Crash:
            pass
        crashed = came()
        world.bucket.after = lambda called, name: None
        world.bucket.before = lambda called, name: AccessDenied("no") if name in bad else None
        world.node.restart()
        self.finish(world)
        assert {n: d for n, d in world.swift.content().items() if n not in bad} == world.bucket.content()
        assert world.node.unsettled() == {"o00002": "remote_denied"}
        assert world.bucket.metadata("o00003") == {"a": "b"}
        bad.clear()
        world.node.later(2 * MAX_PAUSE)
        assert (world.converged(), world.node.unsettled()) == (True, {})
        # nothing is sent twice beyond what was in flight: 20 objects, one of them twice by a client,
        # and one that came late
        puts = sum(called == "put" for called, name in world.bucket.calls if name not in ("o00002",))
        refused = sum(called == "put" for called, name in world.bucket.calls if name == "o00001")
        assert puts - refused <= 18 + 5
        return crashed

    def finish(self, world: World) -> None:
        if not world.swift.objects.get(("o00020", 0)):
            world.swift.put("o00001", b"changed")
            world.swift.post("o00003", x_object_meta_a="b")
            world.swift.delete("o00004")
            world.fill(8, start=20)
        for _ in range(5):
            world.node.later(40.0)

    def test_a_broken_off_batch_is_compared_not_sent_again(self, tmp_path: Path) -> None:
        world = World(tmp_path, conditional=False, items_chunk=100)
        world.fill(100)
        puts: list[int] = []

        def crash(method: str, name: str) -> Crash | None:
            puts.extend([1] if method == "put" else [])
            return Crash() if len(puts) == 60 else None

        world.swift.clock.sleep(5.0)
        world.bucket.after = crash
        with pytest.raises(Crash):
            world.node.settle()
        world.bucket.after = lambda method, name: None
        world.bucket.counts()
        world.node.restart()
        world.node.settle()
        assert world.bucket.counts() == {"list": 1, "put": 40}
        assert world.converged()


class TestStop:
    def test_in_the_middle_of_a_batch(self, tmp_path: Path) -> None:
        world = World(tmp_path, items_chunk=20)
        world.fill(50)

        def stop(method: str, name: str) -> None:
            if name == "o00030":
                world.node.context.stop.set()

        world.bucket.after = stop
        while world.node.step().more:
            pass
        assert len(world.bucket.content()) == 31
        world.bucket.after = lambda method, name: None
        world.bucket.counts()
        world.node.restart()
        world.swift.clock.sleep(5.0)
        world.node.settle()
        assert world.converged()
        assert world.bucket.counts()["put"] == 19

    @pytest.mark.parametrize("kind", ["primary", "verify", "due", "retry"])
    def test_in_every_kind_of_work(self, tmp_path: Path, kind: str) -> None:
        swift = Swift()
        bucket = WatchedBucket(NAMER, swift.clock.now)
        db = FakeDb("db")
        swift.dbs.append(db)
        replica = FakeReplica(db, 0, 2) if kind == "verify" else FakeReplica(db)
        options = {"mapping": mapping(copy_after=100)} if kind == "due" else {}
        node = Node(swift, bucket, tmp_path / "status", [replica], items_chunk=20, slack=60.0, **options)
        for number in range(30):
            swift.put(f"o{number}")
        if kind == "retry":
            bucket.before = lambda method, name: AccessDenied("no") if method == "put" else None
            for _ in range(5):
                node.step()
            bucket.before = lambda method, name: None
        elif kind != "primary":
            node.settle()
        for _ in range(40):
            seen = len(bucket.content())

            def stop(method: str, name: str, seen: int = seen) -> None:
                if method == "put" and len(bucket.content()) >= seen + 3:
                    node.context.stop.set()

            bucket.after = stop
            swift.clock.sleep(130.0)
            while node.step().more:
                pass
            node.restart()
        assert bucket.content() == swift.content()
        assert node.unsettled() == {}

    def test_nothing_is_begun_after_it(self, world: World) -> None:
        world.fill(5)
        world.node.context.stop.set()
        assert not world.node.step().more
        assert world.bucket.content() == {}


class TestOnce:
    def test_retries_are_tried_once_whether_it_is_time_or_not(self, world: World) -> None:
        world.fail_names(AccessDenied("no"), "bad")
        world.swift.put("bad")
        world.swift.put("good")
        world.node.settle()
        world.bucket.counts()
        world.node.restart(once=True)
        world.node.settle()
        assert world.bucket.counts() == {"head": 1}
        world.fail(None)
        world.node.restart()
        world.node.settle()
        assert (world.converged(), world.node.unsettled()) == (True, {})

    def test_not_yet_due_is_no_failure(self, tmp_path: Path) -> None:
        world = World(tmp_path, mapping=mapping(copy_after=100), once=True)
        world.fill(3)
        world.node.settle()
        assert not world.node.crawl.troubled
        assert world.node.crawl.outstanding.retrying == 0


def test_two_mappings_of_one_container_keep_apart(tmp_path: Path) -> None:
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


def test_ranges_of_a_settled_batch_are_gone(tmp_path: Path) -> None:
    world = World(tmp_path, mapping=mapping(copy_after=100))
    world.fill(3)
    world.node.settle()
    [due] = world.node.journal.due_ranges(world.node.crawl.key, "db", 1e12)
    assert isinstance(due, DueRange)
    assert (due.first_row, due.last_row) == (1, 3)
    world.node.later(111.0)
    assert world.node.journal.next_range(world.node.crawl.key, "db") is None
