"""A node that was away for longer than Swift remembers deletes."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3_sync.model.timestamps import Timestamp
from unit.sync.node import VERIFIED, Node, mapping
from unit.sync.versions import Version
from unit.sync.world import Three

NAMES = [f"o{number:02d}" for number in range(30)]


def run(nodes: list[Node]) -> None:
    for _ in range(4):
        for node in nodes:
            node.later(VERIFIED)


@pytest.mark.parametrize("away", [0, 1, 2])
def test_its_old_deletes_reach_nothing_that_was_moved_since(tmp_path: Path, away: int) -> None:
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
        assert not each.crawl.troubled
