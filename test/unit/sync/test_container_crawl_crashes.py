"""Between any two steps everything but the files is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from s3_sync.errors import AccessDenied
from unit.sync.crash_points import Crash, Crashing
from unit.sync.fake_node import ACCOUNT, CONTAINER, MAX_PAUSE, VERIFIED, mapping
from unit.sync.worlds import Three, World

#: the same code a thousand times: other tests measure it
pytestmark = pytest.mark.no_cover

BATCH = 5


def story(world: World, daemon: Crashing) -> None:
    """What clients do, and the daemon in between; one object cannot be stored."""
    if world.bucket.before("put", "bad") is None:
        world.bucket.before = lambda method, name: (
            AccessDenied("no") if method == "put" and name == "bad" else None
        )
    world.swift.put("bad")
    world.fill(12)
    for seconds in (3.0, 20.0):
        world.swift.clock.sleep(seconds)
        daemon.run()
    world.swift.put("o00001", b"changed")
    world.swift.post("o00003", x_object_meta_a="b")
    world.swift.delete("o00004")
    world.fill(8, start=20)
    for seconds in (5.0, 20.0, 40.0):
        world.swift.clock.sleep(seconds)
        daemon.run()


@pytest.mark.parametrize("conditional", [True, False], ids=["conditions", "no-conditions"])
@pytest.mark.parametrize("copy_after", [0, 10])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("target", "method"),
    [
        ("journal", "open_window"),
        ("journal", "settle"),
        ("statuses", "save"),
        ("statuses", "load"),
        ("bucket", "put"),
        ("bucket", "delete"),
        ("bucket", "post"),
        ("bucket", "list"),
        ("bucket", "head"),
    ],
)
def test_crash_at_any_step_loses_nothing_and_repeats_one_batch_at_most(
    tmp_path: Path, target: str, method: str, when: str, copy_after: int, conditional: bool
) -> None:
    """Nothing is lost, nothing is sent again beyond the batch in flight."""
    number, crashed = 0, True
    while crashed:
        number += 1
        world = World(
            tmp_path / str(number), conditional, items_chunk=BATCH, mapping=mapping(copy_after=copy_after)
        )
        daemon = Crashing(world, target, method, when, number)
        story(world, daemon)
        crashed = daemon.crashed
        expected = world.swift.content()
        del expected["bad"]
        assert world.bucket.content() == expected
        assert world.node.unsettled() == {"bad": "remote_denied"}
        assert world.bucket.metadata("o00003") == {"a": "b"}
        assert sum(world.bucket.sent.values()) <= 12 + 1 + 8 + BATCH
        daemon.disarm()
        world.node.later(2 * MAX_PAUSE)
        assert (world.converged(), world.node.unsettled()) == (True, {})
        world.node.journal.close()
    assert number > 1


@pytest.mark.parametrize("first", [True, False])
def test_interrupted_batch_is_compared_before_it_is_sent(tmp_path: Path, first: bool) -> None:
    world = World(tmp_path, conditional=False, items_chunk=100)
    if not first:
        world.node.settle()
    world.fill(100)
    world.swift.clock.sleep(5.0)

    def crash(method: str, name: str) -> Crash | None:
        return Crash() if method == "put" and sum(world.bucket.sent.values()) == 60 else None

    world.bucket.after = crash
    with pytest.raises(Crash):
        world.node.settle()
    world.bucket.after = lambda method, name: None
    world.bucket.counts()
    world.node.restart()
    world.node.settle()
    assert world.bucket.counts() == {"list": 1, "head": 60, "put": 40}
    assert world.converged()


@pytest.mark.parametrize("conditional", [True, False], ids=["conditions", "no-conditions"])
def test_rewrite_in_an_interrupted_batch_is_not_settled_by_a_listing(
    tmp_path: Path, conditional: bool
) -> None:
    """The version before, with the same bytes, has arrived after this one was written."""
    world = World(tmp_path, conditional, items_chunk=10)
    world.node.settle()
    world.swift.put("again", b"same")
    world.fill(9)

    def while_it_is_sent(what: str, name: str) -> None:
        if what == "opened":
            world.swift.meanwhile = lambda what, name: None
            world.swift.put("again", b"same", x_object_meta_new="yes")
            world.fill(9, start=10)
            world.swift.clock.sleep(5.0)

    world.swift.meanwhile = while_it_is_sent
    daemon = Crashing(world, "journal", "open_window", "after", 2)
    daemon.run()
    assert daemon.crashed
    world.node.later(MAX_PAUSE)
    assert world.bucket.metadata("again") == {"new": "yes"}
    assert (world.converged(), world.node.unsettled()) == (True, {})


@pytest.mark.parametrize("written", [5, 10, 30], ids=["shorter", "grown as far", "grown beyond"])
@pytest.mark.parametrize("running", [True, False])
def test_database_replaced_by_an_older_copy_sends_all_new_rows(
    tmp_path: Path, running: bool, written: int
) -> None:
    """From a backup, or after a power failure: other rows have the same numbers now."""
    world = World(tmp_path)
    world.fill(10)
    world.node.settle()
    rows, last = dict(world.db.rows), world.db.last
    world.swift.clock.sleep(10.0)
    world.fill(10, start=10)
    world.node.settle()
    world.db.rows, world.db.last = rows, last
    world.swift.clock.sleep(10.0)
    world.fill(written, start=20)
    world.swift.delete("o00003")
    if not running:
        world.node.restart()
    world.bucket.sent.clear()
    world.node.settle()
    assert (world.converged(), world.node.unsettled()) == (True, {})
    assert sum(world.bucket.sent.values()) == written


@pytest.mark.parametrize("written", [5, 30], ids=["shorter", "grown again"])
def test_rows_of_an_older_database_of_another_node_are_verified_again(tmp_path: Path, written: int) -> None:
    """Its own cursor and the one of the verify pass are about the same rows. The node that is to send what is
    new does not exist."""
    world = Three(tmp_path)
    node = world.nodes[1]
    first = [f"o{number:05d}" for number in range(40)]
    for name in first[:20]:
        world.swift.put(name)
    node.later(VERIFIED)
    saved = [(db, dict(db.rows), db.last) for db in world.swift.dbs]
    for name in first[20:]:
        world.swift.put(name)
    node.later(VERIFIED)
    node.later(VERIFIED)
    assert world.converged()
    for db, rows, last in saved:
        db.rows, db.last = rows, last
    for number in range(written):
        world.swift.put(f"p{number:05d}")
    node.later(VERIFIED)
    node.later(VERIFIED)
    assert (world.converged(), node.unsettled()) == (True, {})


def test_status_file_without_a_tail_is_continued_and_gets_one(tmp_path: Path) -> None:
    """An earlier version wrote it: nothing is compared, and from now on an older copy is recognised."""
    world = World(tmp_path)
    world.fill(20)
    world.node.settle()
    rows, last = dict(world.db.rows), world.db.last
    world.fill(5, start=20)
    world.node.settle()
    path = tmp_path / "status" / ACCOUNT / CONTAINER
    entries = json.loads(path.read_text())
    del entries["db"]["tail"]
    path.write_text(json.dumps(entries))
    world.node.restart()
    world.bucket.counts()
    world.node.settle()
    assert world.bucket.counts() == {}
    world.node.restart()
    world.db.rows, world.db.last = rows, last
    world.swift.clock.sleep(10.0)
    world.fill(9, start=40)
    world.node.settle()
    assert (world.converged(), world.node.unsettled()) == (True, {})


def test_repeatedly_rewritten_objects_are_not_taken_for_an_older_database(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """None of the rows that it remembers is left before the cursor."""
    world = World(tmp_path)
    world.fill(30)
    world.node.settle()
    for _ in range(3):
        world.swift.clock.sleep(1.0)
        world.fill(20, start=10)
        world.node.restart()
        world.node.settle()
    assert world.converged()
    assert "older copy" not in caplog.text


@pytest.mark.parametrize("conditional", [True, False], ids=["conditions", "no-conditions"])
def test_crash_after_every_two_puts_sends_each_object_once(tmp_path: Path, conditional: bool) -> None:
    """Each start gets two requests further."""
    world = World(tmp_path, conditional, items_chunk=20)
    world.fill(60)
    starts = 0
    while not world.converged():
        starts += 1
        assert starts < 200
        left = [2]

        def crash(method: str, name: str, left: list[int] = left) -> Crash | None:
            left[0] -= method == "put"
            return Crash() if left[0] < 0 else None

        world.bucket.before = crash
        world.swift.clock.sleep(1.0)
        try:
            world.node.settle()
        except Crash:
            world.node.restart()
    assert set(world.bucket.sent.values()) == {1}
