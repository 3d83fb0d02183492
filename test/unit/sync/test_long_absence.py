"""A node that was away for longer than Swift remembers deletes."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3_sync.model.rows import Row
from s3_sync.model.timestamps import Timestamp
from unit.sync.fake_node import VERIFIED, Node, mapping
from unit.sync.fake_object_server import Version
from unit.sync.worlds import Three, World

NAMES = [f"o{number:02d}" for number in range(30)]


def run(nodes: list[Node]) -> None:
    for _ in range(4):
        for node in nodes:
            node.later(VERIFIED)


@pytest.mark.parametrize("away", [0, 1, 2])
def test_old_deletes_of_a_returning_node_keep_newer_archived_objects(tmp_path: Path, away: int) -> None:
    moving = mapping(retain_local=False, propagate_delete=True)
    three = Three(tmp_path, mapping=moving, items_chunk=100)
    for name in NAMES:
        three.swift.put(name, b"1")
    run(three.nodes)
    asleep, node = three.swift.dbs.pop(away), three.nodes.pop(away)
    deletes: dict[str, Timestamp] = {name: three.swift.delete(name) for name in NAMES}
    rows = [three.swift.row(name) for name in NAMES]
    three.swift.clock.sleep(100.0)
    for name in NAMES:
        three.swift.put(name, b"2")
    run(three.nodes)
    archived = dict.fromkeys(NAMES, b"2")
    assert (three.bucket.content(), three.swift.content()) == (archived, {})

    # the others have forgotten; what it brings back is all that is known of the names
    three.swift.clock.sleep(8 * 86400.0)
    for name, deleted in deletes.items():
        three.swift.objects[name, 0] = Version(None, deleted, deleted)
    for row in rows:
        asleep.add(row)
    node.restart()
    run([node])
    for db in three.swift.dbs:
        db.rows.clear()
        for row in rows:
            db.add(row)
    run(three.nodes)
    assert three.bucket.content() == archived

    # on record, and nobody's outage
    for each in (node, *three.nodes):
        assert set(each.unsettled().values()) == {"local_behind"}
        assert not each.crawl.is_failing


@pytest.mark.parametrize("deleted", [True, False], ids=["delete", "version"])
def test_old_rows_keep_archived_objects_rewritten_with_the_same_bytes(tmp_path: Path, deleted: bool) -> None:
    """What came between two versions with the same content is newer than the copy, not than what moved."""
    moving = mapping(retain_local=False, propagate_delete=True)
    three = Three(tmp_path, mapping=moving)
    between: list[tuple[Version, Row]] = []

    def change(method: str, name: str) -> None:
        if method != "put" or between:
            return
        three.swift.clock.sleep(1.0)  # while its first version is being sent
        if deleted:
            three.swift.delete("o")
        else:
            three.swift.put("o", b"2")
        between.append((three.swift.objects["o", 0], three.swift.row("o")))
        three.swift.clock.sleep(1.0)
        three.swift.put("o", b"1")

    three.bucket.after = change
    three.swift.put("o", b"1")
    run(three.nodes)
    assert (three.bucket.content(), three.swift.content()) == ({"o": b"1"}, {})
    ((version, row),) = between

    three.swift.clock.sleep(8 * 86400.0)
    three.swift.objects["o", 0] = version
    for db in three.swift.dbs:
        db.rows.clear()
        db.add(row)
    run(three.nodes)
    assert three.bucket.content() == {"o": b"1"}
    assert {reason for node in three.nodes for reason in node.unsettled().values()} == {"local_behind"}


@pytest.mark.parametrize("count", [1, 30])
def test_old_deletes_of_a_single_replica_keep_newer_archived_objects(tmp_path: Path, count: int) -> None:
    """The delete comes as a new row: an object server had kept it for the container."""
    world = World(tmp_path, mapping=mapping(retain_local=False, propagate_delete=True))
    names = NAMES[:count]
    deletes: dict[str, Timestamp] = {}
    for name in names:
        world.swift.put(name, b"1")
        deletes[name] = world.swift.delete(name)
    rows = [world.swift.row(name) for name in names]
    world.swift.clock.sleep(10.0)
    for name in names:
        world.swift.put(name, b"2")
    world.node.settle()
    archived = dict.fromkeys(names, b"2")
    assert (world.bucket.content(), world.swift.content()) == (archived, {})

    world.swift.clock.sleep(8 * 86400.0)
    world.db.rows.clear()
    for row in rows:
        world.swift.objects[row.name, 0] = Version(None, deletes[row.name], deletes[row.name])
        world.db.add(row)
    world.node.settle()
    assert world.bucket.content() == archived
    assert world.node.unsettled() == dict.fromkeys(names, "local_behind")
