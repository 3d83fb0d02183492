"""Rows that wait for their time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from s3_sync.errors import (
    RemoteUnavailable,
)
from s3_sync.state.journal import DueRange
from unit.sync.fake_node import mapping
from unit.sync.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class TestCopyAfter:
    def start(self, tmp_path: Path, seconds: int, **options: Any) -> World:
        return World(tmp_path, mapping=mapping(copy_after=seconds), **options)

    def test_rows_not_due_are_kept_as_ranges_and_copied_when_due(self, tmp_path: Path) -> None:
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

    def test_rows_are_copied_when_each_is_due(self, tmp_path: Path) -> None:
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

    def test_rows_not_due_are_copied_when_due_after_a_restart(self, tmp_path: Path) -> None:
        world = self.start(tmp_path, 1000)
        world.fill(35)
        world.node.settle()
        world.node.restart()
        world.node.later(1100.0)
        world.node.settle()
        assert world.converged()

    def test_range_larger_than_the_new_batch_size_is_copied_completely(self, tmp_path: Path) -> None:
        world = self.start(tmp_path, 1000, items_chunk=100)
        world.fill(95)
        world.node.settle()
        world.node.restart(items_chunk=10)
        world.node.later(1101.0)
        assert world.converged()

    def test_reserved_names_within_a_range_do_not_hide_the_rows_after_them(self, tmp_path: Path) -> None:
        """So many in a row that a batch is nothing but these: what comes after them is not forgotten."""
        world = self.start(tmp_path, 1000, items_chunk=100)
        names = world.fill(10)
        for number in range(20):
            world.swift.put(f"\0{number:02d}")
        names += world.fill(10, start=10)
        world.node.settle()
        world.node.restart(items_chunk=5)
        world.node.later(1101.0)
        assert sorted(world.bucket.content()) == names

    def test_object_changed_before_it_is_due_waits_for_its_new_time(self, tmp_path: Path) -> None:
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

    def test_same_bytes_rewritten_during_the_upload_update_the_metadata(self, tmp_path: Path) -> None:
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
        world.fill(9, start=100)  # enough rows that listing is worth it
        world.node.later(1200.0)
        world.node.later(1200.0)
        assert world.bucket.metadata("o00003") == {"a": "new"}

    def test_error_while_ranges_are_due_is_followed_by_another_turn(self, tmp_path: Path) -> None:
        """The database does not change any more: nothing else would wake the crawler up."""
        world = self.start(tmp_path, 1000)
        world.fill(20)
        world.node.settle()
        world.swift.clock.sleep(1101.0)
        world.fail(RemoteUnavailable("down"))
        assert world.node.step().delay > 0
        world.fail(None)
        world.node.later(10.0)
        assert world.converged()

    def test_many_due_ranges_are_copied_over_several_turns(self, tmp_path: Path) -> None:
        world = self.start(tmp_path, 1000)
        world.fill(200)
        world.node.settle()
        world.bucket.counts()
        world.swift.clock.sleep(1101.0)
        world.node.step()
        assert world.bucket.counts()["put"] <= 20
        world.node.settle()
        assert world.converged()

    def test_outage_when_ranges_are_due_adds_few_failures_to_the_journal(self, tmp_path: Path) -> None:
        world = self.start(tmp_path, 1000, items_chunk=100, workers=2)
        world.fill(2000)
        world.node.settle()
        world.swift.clock.sleep(1101.0)
        world.fail(RemoteUnavailable("down"), "put head")
        for _ in range(50):
            step = world.node.step()
            world.swift.clock.sleep(max(step.delay, 5.0))
        assert len(world.node.unsettled()) <= 100 + 50 * 2
        world.fail(None)
        world.node.later(400.0)
        world.node.later(400.0)
        assert (world.converged(), world.node.unsettled()) == (True, {})

    def test_shorter_copy_after_applies_to_new_rows_only(self, tmp_path: Path) -> None:
        world = self.start(tmp_path, 100_000)
        world.fill(15)
        world.node.settle()
        world.node.edit(copy_after=10)
        world.swift.put("new")
        world.node.later(30.0)
        assert set(world.bucket.content()) == {"new"}
        world.node.later(110_000.0)
        assert world.converged()


def test_range_is_removed_once_its_rows_are_settled(tmp_path: Path) -> None:
    world = World(tmp_path, mapping=mapping(copy_after=100))
    world.fill(3)
    world.node.settle()
    [due] = world.node.journal.due_ranges(world.node.crawl.key, "db", 1e12)
    assert isinstance(due, DueRange)
    assert (due.first_row, due.last_row) == (1, 3)
    world.node.later(111.0)
    assert world.node.journal.next_range(world.node.crawl.key, "db") is None
