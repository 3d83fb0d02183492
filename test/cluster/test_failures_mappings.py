"""Many mappings in one daemon: each gets its turn, and taking one away takes nothing away from a store."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from faults.proxy import FaultProxy, answers, waits_for
from servers.daemon import NewDaemon, SyncDaemon
from servers.operations import operation
from servers.pair import Pair, Store, new_pair
from servers.process import wait_until
from servers.swift import SwiftCluster


@pytest.fixture
def store(rclone_store: Store) -> Store:
    return rclone_store


@pytest.fixture
def hanging(s3api: Store) -> Iterator[FaultProxy]:
    """Another store, which takes requests and never answers."""
    never = threading.Event()
    with FaultProxy.before(s3api.endpoint) as proxy:
        proxy.when(waits_for(never))
        yield proxy
        never.set()


@pytest.mark.ends_in_the_middle
def test_hanging_store_delays_only_its_own_mappings(
    swift: SwiftCluster, s3api: Store, store: Store, hanging: FaultProxy, new_daemon: NewDaemon
) -> None:
    stuck = [new_pair(swift, s3api.behind(hanging.endpoint)) for _ in range(3)]
    free = [new_pair(swift, store) for _ in range(3)]
    daemon = new_daemon(*stuck, *free, workers=2, enumerator_workers=2)
    daemon.alter(values={"s3_sync.daemon.daemon:GRACE": 0.5})
    for pair in (*stuck, *free):
        for number in range(5):
            pair.put(f"o{number}")
    daemon.start()
    wait_until(lambda: len(hanging.calls()) > 0, 30, "the hang")
    for pair in free:
        pair.put("later")
    for pair in free:
        wait_until(lambda pair=pair: len(pair.arrived()) == 6, 30, "the others")
    assert all(pair.arrived() == [] for pair in stuck)


def test_large_mapping_and_49_small_ones_are_served_in_turn(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    """Neither the small mappings nor the large one wait until the other is done."""
    large = new_pair(swift, store.behind(proxy.endpoint))
    small = [new_pair(swift, store.behind(proxy.endpoint)) for _ in range(49)]
    for number in range(100):
        large.put(f"o{number:03}")
    for pair in small:
        pair.put("o1")
        pair.put("o2")
    daemon = new_daemon(large, *small, items_chunk=10, workers=4, enumerator_workers=2)
    daemon.start()
    wait_until(lambda: len(proxy.stored()) >= 100 + 98, 60, "all copies")
    for pair in (large, *small[::12]):
        wait_until(lambda pair=pair: agree(pair), 10, "agreement of both sides")
    order = [path.split("/")[1] == large.bucket for path in proxy.stored()]
    first_small, last_small = order.index(False), len(order) - 1 - order[::-1].index(False)
    assert sum(order[:last_small]) < 95, "the small ones were not left for the end"
    assert sum(order[:first_small]) < 30, "nor did the large one take its turn first, whole"
    assert len(proxy.stored()) == 100 + 98


@pytest.mark.parametrize("code", ["AccessDenied", "RequestTimeTooSkewed"])
def test_refused_mapping_backs_off_alone_and_recovers(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon, code: str
) -> None:
    """The other mapping has the same store and credentials, and goes on."""
    refused, free = (new_pair(swift, store.behind(proxy.endpoint)) for _ in range(2))
    for pair in (refused, free):
        for number in range(40):
            pair.put(f"o{number:02}")
    proxy.when(answers(403, code), method="PUT", key=refused.bucket)
    daemon = new_daemon(refused, free, workers=4)
    daemon.start()
    wait_until(lambda: "Failed to process" in daemon.log_text(), 30, "the pause")
    for number in range(5):
        free.put(f"later{number}")
    wait_until(lambda: len(free.arrived()) == 45, 30, "the other mapping")
    assert refused.arrived() == []
    assert len(proxy.calls("PUT", key=refused.bucket)) < 40, "it does not go on asking"
    proxy.heal()
    wait_until(lambda: len(refused.arrived()) == 40 and not daemon.unsettled(), 60, "recovery")
    lines = [line for line in daemon.log_text().splitlines() if "Failed to process" in line]
    assert len(lines) == 1
    assert refused.container in lines[0]
    assert code in lines[0]
    wait_until(lambda: "working again" in daemon.log_text(), 10, "the word of it")


def agree(pair: Pair) -> bool:
    try:
        pair.check()
    except (AssertionError, pair.s3.exceptions.ClientError):
        return False
    return True


class TestLostConfigurationOrState:
    """No DELETE ever reaches a store because of the configuration."""

    @pytest.fixture
    def pairs(self, swift: SwiftCluster, store: Store, proxy: FaultProxy) -> tuple[Pair, Pair]:
        pairs = [new_pair(swift, store.behind(proxy.endpoint)) for _ in range(2)]
        for pair in pairs:
            for number in range(5):
                pair.put(f"o{number}")
        return pairs[0], pairs[1]

    def deletes(self, proxy: FaultProxy) -> int:
        return sum(operation(call) in ("DeleteObject", "DeleteObjects") for call in proxy.calls())

    def test_removed_mapping_deletes_nothing_and_catches_up_when_back(
        self, pairs: tuple[Pair, Pair], proxy: FaultProxy, new_daemon: NewDaemon
    ) -> None:
        first, second = pairs
        daemon = new_daemon(first, second)
        assert daemon.once().returncode == 0

        daemon.settings["containers"] = [first.mapping]
        second.delete("o0")
        assert daemon.once().returncode == 0
        daemon.settings["containers"] = []
        first.delete("o0")
        assert daemon.once().returncode == 0
        assert self.deletes(proxy) == 0
        assert len(first.arrived()) == len(second.arrived()) == 5

        daemon.settings["containers"] = [first.mapping, second.mapping]
        puts = len(proxy.stored())
        assert daemon.once().returncode == 0
        assert self.deletes(proxy) == 2, "what clients deleted meanwhile is carried out when it is back"
        assert len(proxy.stored()) == puts, "and nothing is sent again"
        first.check()
        second.check()

    def test_lost_status_and_journal_send_and_delete_nothing(
        self, pairs: tuple[Pair, Pair], proxy: FaultProxy, new_daemon: NewDaemon
    ) -> None:
        """The daemon compares all objects instead."""
        first, second = pairs
        daemon = new_daemon(first, second)
        assert daemon.once().returncode == 0
        puts = len(proxy.stored())
        for file in [path for path in daemon.status_dir.rglob("*") if path.is_file()]:
            file.unlink()
        assert daemon.once().returncode == 0
        (daemon.status_dir / ".journal.sqlite").write_bytes(b"not a database, by far" * 100)
        assert daemon.once().returncode == 0
        (daemon.status_dir / first.swift.account / first.container).write_text("{")
        assert daemon.once().returncode == 0
        assert len(proxy.stored()) == puts
        assert self.deletes(proxy) == 0
        first.check()

    def test_bucket_changed_and_changed_back_deletes_and_resends_nothing(
        self, pairs: tuple[Pair, Pair], proxy: FaultProxy, new_daemon: NewDaemon
    ) -> None:
        first, second = pairs
        daemon = new_daemon(first)
        assert daemon.once().returncode == 0
        daemon.settings["containers"] = [{**first.mapping, "aws_bucket": second.bucket}]
        assert daemon.once().returncode == 0
        daemon.settings["containers"] = [first.mapping]
        assert daemon.once().returncode == 0
        assert self.deletes(proxy) == 0
        assert len(proxy.stored()) == 10
        first.check()

    def test_rejected_credentials_delete_nothing(
        self, pairs: tuple[Pair, Pair], proxy: FaultProxy, new_daemon: NewDaemon
    ) -> None:
        first, _ = pairs
        daemon: SyncDaemon = new_daemon(first)
        assert daemon.once().returncode == 0
        proxy.when(answers(404, "NoSuchBucket"), method="GET")
        proxy.when(answers(403, "AccessDenied"))
        first.put("new")
        assert daemon.once().returncode == 1
        proxy.heal()
        assert daemon.once().returncode == 0
        assert self.deletes(proxy) == 0
        first.check()
