"""Whatever happened between two passes, and in whatever order: the last word of Swift counts."""

from __future__ import annotations

import itertools

from servers.daemon import SyncDaemon
from servers.pair import Pair, sync
from servers.process import wait_until

STEPS = ("put", "post", "delete", "overwrite")


def do(pair: Pair, name: str, step: str, there: bool, number: int) -> bool:
    """One step; whether the object is there afterwards. What Swift would refuse is left out."""
    if step in ("put", "overwrite"):
        body = b"same" if step == "put" else b"another %d" % number
        pair.put(name, body, {"X-Object-Meta-Step": f"{step} {number}"})
        return True
    if not there:
        return False
    if step == "post":
        pair.post(name, {"X-Object-Meta-Step": f"post {number}"})
        return True
    pair.delete(name)
    return False


def test_any_two_steps_in_any_order_leave_both_sides_equal(pair: Pair, daemon: SyncDaemon) -> None:
    """Each name stands for two steps, done before the first pass, and reversed before the next one."""
    names = {f"{first}-{second}": (first, second) for first, second in itertools.product(STEPS, repeat=2)}
    there = dict.fromkeys(names, False)
    for name in names:
        there[name] = do(pair, name, "put", False, 0)
    for turn in range(3):
        for name, (first, second) in names.items():
            for step in (first, second) if turn != 1 else (second, first):
                there[name] = do(pair, name, step, there[name], turn)
        sync(daemon, pair)
        pair.check()
    for name, is_there in there.items():
        if is_there:
            pair.delete(name)
    sync(daemon, pair)
    assert pair.arrived() == []


def test_deleted_and_recreated_container_is_copied_again(pair: Pair, daemon: SyncDaemon) -> None:
    pair.put("o", b"first")
    sync(daemon, pair)
    pair.delete("o")
    pair.swift.request("DELETE", pair.container)
    wait_until(lambda: pair.arrived() == [], 10, "the delete")
    pair.swift.put_container(pair.container)
    pair.put("o", b"second")
    pair.put("p", b"third")
    sync(daemon, pair)
    pair.check()


def test_container_created_after_the_first_run_is_copied(pair: Pair, daemon: SyncDaemon) -> None:
    pair.swift.request("DELETE", pair.container)
    assert daemon.once().returncode == 0
    pair.swift.put_container(pair.container)
    pair.put("o")
    assert daemon.once().returncode == 0
    pair.check()
