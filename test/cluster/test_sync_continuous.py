"""The daemon as it usually runs: all the time."""

from __future__ import annotations

import os
import random
import shutil
from contextlib import suppress

from botocore.exceptions import ClientError

from servers.daemon import NewDaemon, SyncDaemon
from servers.pair import Pair, Store, new_pair, sync
from servers.process import wait_until
from servers.swift import SwiftCluster


def settled(pair: Pair) -> bool:
    """Whether both sides agree now; while the daemon works they may differ, or change while they are read."""
    with suppress(AssertionError, ClientError):
        pair.check()
        return True
    return False


def test_changes_while_the_daemon_runs_end_up_equal_on_both_sides(pair: Pair, daemon: SyncDaemon) -> None:
    chance = random.Random(1)
    names = [f"o{number}" for number in range(8)]
    daemon.start()
    there: set[str] = set()
    for turn in range(120):
        name = chance.choice(names)
        if name in there and chance.random() < 0.3:
            pair.delete(name)
            there.remove(name)
        elif name in there and chance.random() < 0.3:
            pair.post(name, {"X-Object-Meta-Turn": str(turn)})
        else:
            pair.put(name, os.urandom(chance.choice((0, 1, 70_000))), {"X-Object-Meta-Turn": str(turn)})
            there.add(name)
    wait_until(lambda: settled(pair), 20, "agreement of both sides")
    assert "Traceback" not in daemon.log_text()
    assert daemon.unsettled() == {}


def test_restarted_daemon_copies_changes_made_meanwhile(pair: Pair, daemon: SyncDaemon) -> None:
    daemon.start()
    pair.put("first")
    wait_until(lambda: settled(pair), 20, "the first copy")
    daemon.stop()
    pair.put("second")
    pair.delete("first")
    daemon.start()
    wait_until(lambda: settled(pair), 20, "the changes")
    assert pair.arrived() == ["second"]


def test_replaced_database_is_read_from_its_first_row(
    swift: SwiftCluster, pair: Pair, daemon: SyncDaemon
) -> None:
    """As after the loss of a disk, the new database begins with small row numbers again."""
    for number in range(5):
        pair.put(f"old{number}")
    daemon.start()
    wait_until(lambda: settled(pair), 20, "the first copies")
    shutil.rmtree(swift.container_dir(1, pair.container))
    pair.swift.put_container(pair.container)
    pair.put("new")
    wait_until(lambda: "new" in pair.arrived(), 20, "the copy of the new object")
    pair.check_object("new")


def test_database_restored_from_a_backup_is_compared_again(
    swift: SwiftCluster, pair: Pair, daemon: SyncDaemon
) -> None:
    for number in range(5):
        pair.put(f"o{number}")
    pair.database()  # all rows are in it
    (path,) = swift.container_dir(1, pair.container).glob("*.db")
    backup = path.read_bytes()
    for number in range(5, 11):
        pair.put(f"o{number}")
    sync(daemon, pair)
    daemon.stop()
    path.write_bytes(backup)
    for number in range(9):
        pair.put(f"new{number}")
    assert daemon.once().returncode == 0, daemon.log_text()
    assert set(pair.arrived()) == {f"o{number}" for number in range(11)} | {f"new{n}" for n in range(9)}
    assert "was replaced by an older copy" in daemon.log_text()


def test_one_daemon_copies_many_containers(swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon) -> None:
    pairs = [new_pair(swift, s3api) for _ in range(12)]
    daemon = new_daemon(*pairs, enumerator_workers=3, workers=4)
    daemon.start()
    for number in range(3):
        for pair in pairs:
            pair.put(f"o{number}", pair.container.encode())
    for pair in pairs:
        wait_until(lambda: settled(pair), 20, "agreement of both sides")  # noqa: B023 - called at once
