"""A daemon of several processes: each has its share of the containers, and nothing is lost between them."""

from __future__ import annotations

import os
import re
import signal
import threading
from pathlib import Path
from uuid import uuid4

import pytest

from faults.proxy import FaultProxy, waits_for
from s3_sync.daemon.process_shard import ProcessShard
from servers.daemon import NewDaemon, SyncDaemon
from servers.operations import counting
from servers.pair import IMPOSSIBLE, Pair, Store, new_pair
from servers.process import wait_until
from servers.raw_swift import RawSwift
from servers.swift import SwiftCluster

pytestmark = pytest.mark.parametrize("store", ["s3api"], indirect=True)


def workers(daemon: SyncDaemon) -> list[int]:
    assert daemon.child is not None
    parent = daemon.child.pid
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def test_processes_share_containers_and_a_killed_one_is_replaced(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    first = new_pair(swift, store.behind(proxy.endpoint), account=f"AUTH_{uuid4().hex}")
    pairs = [first, *(Pair(first.swift, store, f"c{number}", first.bucket) for number in range(5))]
    for pair in pairs:
        first.swift.put_container(pair.container)
        pair.put("o")
    daemon = new_daemon(first, processes=3)
    daemon.settings["containers"][0]["container"] = "/*"
    pairs[0].put("bad", headers=IMPOSSIBLE)

    def arrived(name: str, among: list[Pair] = pairs) -> bool:
        keys = {entry["Key"] for entry in first.s3.list_objects_v2(Bucket=first.bucket).get("Contents", [])}
        return all(pair.prefix + name in keys for pair in among)

    daemon.start()
    wait_until(lambda: arrived("o"), 60, "what was there before")
    wait_until(daemon.unsettled, 30, "the failure")
    before = workers(daemon)
    assert len(before) == 3
    os.kill(before[0], signal.SIGKILL)
    for pair in pairs:
        pair.put("p")
    wait_until(lambda: arrived("p"), 60, "what was written meanwhile")
    wait_until(lambda: len(set(workers(daemon)) - set(before)) == 1, 30, "another one in its place")
    assert "was killed by signal 9; restarting it in 1 s" in daemon.log_text()
    daemon.ask_to_stop()
    assert daemon.child is not None
    assert daemon.child.wait(20) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in before)
    shares = re.findall(r"AUTH_\w+/\*: (\d) containers on this node \(\d new, 0 gone\)", daemon.log_text())
    assert sum(map(int, shares[:3])) == len(pairs)
    assert sum(count != "0" for count in shares[:3]) > 1

    # other numbers of processes: whoever has a container now knows all that is to be known about it
    for count, code in ((1, 1), (2, 1)):
        daemon.settings["processes"] = count
        with counting(proxy) as requests:
            assert daemon.once().returncode == code
        assert requests == {}
        assert daemon.unsettled()["bad"][0] == "quarantine"
    pairs[0].put("bad")
    assert daemon.once().returncode == 0
    assert daemon.unsettled() == {}
    assert arrived("bad", pairs[:1])


def pair_of(process: int, swift: SwiftCluster, store: Store) -> Pair:
    """A container that is this process's, of two."""
    raw, share = RawSwift(swift), ProcessShard(process, 2)
    names = (f"container-{uuid4().hex[:16]}" for _ in range(1000))
    return Pair(raw, store, next(name for name in names if share.owns(raw.account, name))).create()


def test_reload_reaches_all_processes_and_their_replacements(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    """Copies in flight end, once; each process, and each that replaces one, starts the new mappings."""
    released = threading.Event()
    changed, removed = (pair_of(number, swift, store.behind(proxy.endpoint)) for number in (0, 1))
    new = [pair_of(number, swift, store) for number in (0, 1)]
    for pair in (changed, removed):
        pair.put("in-flight")
    proxy.when(waits_for(released), method="PUT", key="in-flight")
    daemon = new_daemon(changed, removed, processes=2)
    child = daemon.start()
    wait_until(lambda: len(proxy.calls("PUT")) == 2, 30, "an object of each process in flight")

    def use(*pairs: Pair) -> None:
        daemon.settings["containers"] = [pair.mapping for pair in pairs]
        daemon.write()
        child.signal(signal.SIGHUP)

    for pair in new:
        pair.put("o1")
    changed.mapping["exclude_pattern"] = "^tmp/"
    use(changed, *new)
    wait_until(lambda: all(pair.arrived() == ["o1"] for pair in new), 30, "what is new in each process")
    assert daemon.log_text().count("3 mappings (2 new, 1 removed, 1 changed)") == 2
    assert changed.arrived() == removed.arrived() == []
    for name in ("tmp/x", "o2"):
        changed.put(name)
        removed.put(name)
    released.set()
    wait_until(lambda: changed.arrived() == ["in-flight", "o2"], 30, "what was in flight, and what followed")
    wait_until(lambda: removed.arrived() == ["in-flight"], 30, "the end of what was removed")
    assert sorted(proxy.stored()) == sorted(
        f"/{pair.bucket}/{pair.prefix}{name}"
        for pair, name in ((changed, "in-flight"), (changed, "o2"), (removed, "in-flight"))
    ), "nothing was sent twice, and nothing that is not wanted any more"

    # a file that cannot be used changes nothing, neither for them nor for those who take their places
    daemon.config.write_text("{")
    child.signal(signal.SIGHUP)
    wait_until(lambda: daemon.log_text().count("configuration is unchanged") >= 2, 30, "the refusal of each")
    before = workers(daemon)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    for pair in new:
        pair.put("o2")
    wait_until(lambda: all(pair.arrived() == ["o1", "o2"] for pair in new), 60, "the work of the next ones")
    assert not set(workers(daemon)) & set(before)
    daemon.stop()
    assert removed.arrived() == ["in-flight"]
    assert daemon.unsettled() == {}
    assert "Traceback" not in daemon.log_text()


def test_process_that_cannot_start_ends_the_daemon_with_1(
    swift: SwiftCluster, store: Store, new_daemon: NewDaemon
) -> None:
    daemon = new_daemon(new_pair(swift, store), processes=2, internal_client_path="/dev/null")
    assert daemon.start().wait(30) == 1
    assert "before it was ready: stopping" in daemon.log_text()
