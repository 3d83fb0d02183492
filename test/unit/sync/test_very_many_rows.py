"""What a turn takes does not grow with the container: as much memory for ten million rows as for a few.

A real run over a million is `bin/prove memory`.
"""

from __future__ import annotations

import re
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from s3_sync.config.settings import Profile
from s3_sync.model.objects import PutOptions
from s3_sync.model.rows import Row
from s3_sync.model.timestamps import Timestamp
from s3_sync.streams.reader import BytesBody
from s3_sync.sync.backlog.count import CHUNK_ROWS, CountScope, count
from unit.sync.cluster import START, FakeDb, FakeReplica
from unit.sync.fake_node import mapping
from unit.sync.fake_rows import brief
from unit.sync.worlds import World

FEW, MANY = 30_000, 10_000_000
WRITTEN = Timestamp.parse(f"{START - 86400:.5f}")


class ImaginedDb(FakeDb):
    """So many rows, none of which is kept. ``most``: of how many rows anybody has asked for at a time."""

    def __init__(self, count: int) -> None:
        super().__init__("imagined")
        self.last = count
        self.most = 0
        self.read = 0

    def rows_since(self, rowid: int, limit: int) -> tuple[list[Row], int]:
        numbers = range(rowid + 1, min(rowid + limit, self.last) + 1)
        self.most, self.read = max(self.most, limit), self.read + len(numbers)
        return [row(number) for number in numbers], max([rowid, *numbers[-1:]])

    def last_rows(self, rowid: int, limit: int) -> list[Row]:
        return self.rows_since(max(0, rowid - limit), min(rowid, limit))[0][::-1]

    def brief_since(self, rowid: int, limit: int) -> list[Any]:
        found, _ = self.rows_since(rowid, limit)
        return brief(found, rowid, limit)

    def has_several_policies(self) -> bool:
        return False

    def object_count(self) -> int:
        return self.last


def row(number: int) -> Row:
    name = f"an object with an ordinary name {number:08}"
    return Row(number, name, WRITTEN, WRITTEN, 4096, "application/octet-stream", "e" * 32, False, 0)


def turns(directory: Path, rows: int, replicas: int, stored: bool) -> tuple[float, ImaginedDb]:
    """Three turns at the begin of a database, one near its end, and what is pending counted there: the peak
    of the memory that they take, in bytes. Nothing is sent: all names are excluded."""
    db = ImaginedDb(rows)
    world = World(
        directory,
        replicas=[FakeReplica(db, 0, replicas)],
        mapping=mapping(exclude=re.compile("an object")),
        items_chunk=100,
    )
    if stored:  # so that everything is compared
        world.bucket.inner.put_object("something else", BytesBody(b"x"), PutOptions(1))
    tracemalloc.start()
    for _ in range(3):
        world.node.step()
    for crawl in world.node.crawl._databases.values():
        crawl._cursors.move(db, (), last_row=rows - 10_000, last_verified_row=rows - 10_000)
    world.swift.clock.sleep(86400)
    world.node.step()
    checkpoint = world.node.context.statuses.load(world.node.mapping, "imagined")
    assert checkpoint is not None
    assert checkpoint.last_row > rows - 10_000
    scope = CountScope(Profile(), 0, replicas, rows - 10_000, rows - 10_000, 0.0, 0.0)
    found = count(db, scope, world.swift.clock.now(), lambda: None)
    assert found.overdue.rows + found.unverified.rows == 10_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, db


@pytest.mark.parametrize(("replicas", "stored"), [(1, False), (3, True)])
def test_memory_of_turns_does_not_grow_with_the_number_of_rows(
    tmp_path: Path, replicas: int, stored: bool
) -> None:
    few, _ = turns(tmp_path / "few", FEW, replicas, stored)
    many, db = turns(tmp_path / "many", MANY, replicas, stored)
    assert many < 1.5 * few  # 333 times as many rows; when garbage is collected makes a difference, too
    assert db.read <= FEW


def test_first_put_needs_one_batch_of_rows_and_one_listing(tmp_path: Path) -> None:
    """A thousand rows are read, and one listing made, before something is sent."""
    db = ImaginedDb(MANY)
    world = World(tmp_path, replicas=[FakeReplica(db)], items_chunk=1000)
    asked: list[tuple[str, int]] = []
    world.bucket.before = lambda method, name: asked.append((method, db.read))
    for number in range(1, 11):
        world.swift.put(row(number).name, b"x")
    world.node.step()
    puts = [read for method, read in asked if method == "put"]
    assert puts[0] == 1000
    assert [method for method, _ in asked].index("put") <= 2
    assert db.most <= max(1000, CHUNK_ROWS)
