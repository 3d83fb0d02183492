"""How nodes divide one container's migration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3_sync.errors import AccessDenied
from s3_sync.migrate.container_migration import HELP_AFTER_POLLS
from s3_sync.migrate.division import SAMPLE, Division, Share, in_order
from s3_sync.model.timestamps import Timestamp
from s3_sync.streams.hashing import md5_hex
from s3_sync.streams.reader import BytesBody
from unit.migrate.nodes import POLL_INTERVAL, MigratorNode, QueuePool, Source, repeated, run_together
from unit.migrate.shared_cluster import FakeClock, LocalCluster

NAMES = [f"o{number:03d}" for number in range(200)]
WORKERS = 4
NewNode = Callable[..., MigratorNode]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster(clock: FakeClock) -> LocalCluster:
    return LocalCluster(clock)


@pytest.fixture
def source(clock: FakeClock) -> Source:
    source = Source(clock)
    for name in NAMES:
        source.put(name, name.encode())
    return source


@pytest.fixture
def new_node(cluster: LocalCluster, source: Source, tmp_path: Path) -> Iterator[NewNode]:
    """``new_node(1)``: the second of three nodes; with WORKERS workers."""
    made: list[MigratorNode] = []

    def new(ordinal: int, nodes: int = 3, **options: Any) -> MigratorNode:
        options = {"workers": QueuePool(WORKERS), **options}
        share = Share(ordinal, nodes)
        made.append(MigratorNode(cluster, source, tmp_path / f"{len(made)}", share, **options))
        return made[-1]

    yield new
    for each in made:
        each.close()


def own(ordinal: int, rank: int = 0) -> list[str]:
    return [name for name in NAMES if Share(ordinal, 3).rank_of(name) == rank]


def check(cluster: LocalCluster) -> None:
    assert cluster.content() == {name: name.encode() for name in NAMES}


def test_each_name_has_one_owner_and_one_node_of_each_rank() -> None:
    for name in NAMES:
        assert sorted(Share(ordinal, 3).rank_of(name) for ordinal in range(3)) == [0, 1, 2]
    assert all(len(own(ordinal)) > len(NAMES) / 5 for ordinal in range(3))


def test_container_is_the_business_of_nodes_with_a_replica_of_it() -> None:
    class Nodes:
        def __init__(self, *is_here: bool) -> None:
            self.is_here = list(is_here)

        def of(self, account: str, container: str) -> list[bool]:
            assert (account, container) == ("AUTH_a", "bucket")
            return self.is_here

    def share(*is_here: bool) -> Share | None:
        return Division(Nodes(*is_here)).share("AUTH_a", "bucket")  # type: ignore[arg-type]

    assert share(False, True, False) == Share(1, 3)
    assert share(True) == Share(0, 1)
    assert share(True, False, True) == Share(0, 3)
    assert share(False, False) is None


def test_first_helper_begins_at_the_end_of_a_page_and_others_at_random() -> None:
    assert list(in_order(0, NAMES)) == NAMES
    assert list(in_order(1, NAMES)) == NAMES[::-1]
    others = [list(in_order(rank, NAMES)) for rank in (2, 3)]
    assert all(sorted(order) == NAMES for order in others)
    assert others[0] != others[1] != NAMES


def test_nodes_that_run_together_download_each_object_once(
    cluster: LocalCluster, source: Source, new_node: NewNode
) -> None:
    run_together([new_node(ordinal) for ordinal in range(3)])
    check(cluster)
    assert repeated(source) == 0


def test_node_without_replica_does_nothing(cluster: LocalCluster, source: Source, new_node: NewNode) -> None:
    node = new_node(0)
    node.my_share = None
    node.run_pass()
    assert (cluster.requests, source.read) == ([], [])


def test_share_of_dead_nodes_is_copied_in_the_same_pass_after_the_time_for_others(
    cluster: LocalCluster, source: Source, new_node: NewNode, clock: FakeClock
) -> None:
    node, begun = new_node(0), clock.now()
    while node.step()[0]:
        pass
    assert source.read == own(0)
    assert clock.now() < begun + 1.0
    node.run_pass()
    check(cluster)
    assert source.read[len(own(0)) :][:2] == [name for name in NAMES[:10] if name in own(0, 1)][:-3:-1]
    assert repeated(source) == 0
    assert 0.0 <= clock.now() - begun - 2 * HELP_AFTER_POLLS * POLL_INTERVAL < 2.0
    status = node.statuses.of(node.mapping)
    assert (status.counts.scanned, status.counts.moved) == (len(NAMES), len(NAMES))


def test_two_nodes_divide_the_share_of_a_dead_one(
    cluster: LocalCluster, source: Source, new_node: NewNode
) -> None:
    run_together([new_node(0), new_node(2)])
    check(cluster)
    assert repeated(source) == 0


def test_slow_node_is_helped_and_no_page_is_downloaded_twice(
    cluster: LocalCluster, source: Source, new_node: NewNode, clock: FakeClock
) -> None:
    """The slow one takes a step where the others take sixty."""
    slow, fast = new_node(1, chunk=50), [new_node(0, chunk=50), new_node(2, chunk=50)]
    for round_ in range(400):
        for _ in range(60):
            for node in fast:
                node.step()
        slow.workers.run()  # type: ignore[attr-defined]
        if round_ % 5 == 0:
            slow.step()
        clock.sleep(1.0)
        if len(cluster.content()) == len(NAMES):
            break
    check(cluster)
    copied = [name for name in own(1) if source.read.count(name)]
    assert copied == own(1)
    slow.run_pass()
    assert repeated(source) <= WORKERS + SAMPLE


def test_helper_looks_up_each_name_before_it_downloads(
    cluster: LocalCluster, source: Source, new_node: NewNode
) -> None:
    """Its listing is older than the other node's copies."""
    others, node = [new_node(1), new_node(2)], new_node(0)
    while node.step()[0]:
        pass
    cluster.freeze()
    for other in others:
        while other.step()[0]:
            pass
    assert len(source.read) == len(NAMES)
    node.run_pass()
    assert len(source.read) == len(NAMES)
    check(cluster)


def test_owner_looks_up_few_names_unless_others_copy_them(
    cluster: LocalCluster, source: Source, new_node: NewNode
) -> None:
    node = new_node(0, workers=QueuePool(1000), chunk=1000)
    node.step()
    assert source.read == []
    for name in own(0)[30:]:  # another node does, after this one has listed them
        at = Timestamp.from_seconds(source.inner.head_object(name).last_modified)
        body = BytesBody(name.encode())
        cluster.request("PUT", f"AUTH_a/c/{name}", {"x-timestamp": at.internal}, body=body)
    cluster.requests.clear()
    while node.step()[0]:
        pass
    looked_up = sum(method == "newest" for method, _ in cluster.requests)
    assert 30 <= len(source.read) <= 30 + SAMPLE
    assert looked_up <= len(own(0)) - 30 + SAMPLE + 30 / SAMPLE
    lonely = MigratorNode(LocalCluster(cluster.clock), source, node.directory / "lonely", Share())
    lonely.run_pass()
    assert not any(method == "newest" for method, _ in lonely.cluster.requests)
    lonely.close()


def test_container_is_created_by_the_first_node_and_by_others_when_it_does_not(
    cluster: LocalCluster, new_node: NewNode, clock: FakeClock
) -> None:
    first, second, third = (new_node(ordinal) for ordinal in range(3))
    others_time = HELP_AFTER_POLLS * POLL_INTERVAL
    assert second.step() == (False, others_time)
    assert third.step() == (False, 2 * others_time)
    assert ("PUT", "") not in cluster.requests
    clock.sleep(others_time)
    assert third.step() == (False, others_time)
    assert second.step() == (True, 0.0)
    assert third.step() == (True, 0.0)
    cluster.requests.clear()
    first.step()
    assert cluster.requests.count(("PUT", "")) <= 1


def test_first_node_deletes_what_is_gone_and_others_when_it_does_not(
    cluster: LocalCluster, source: Source, new_node: NewNode, clock: FakeClock
) -> None:
    first, second = new_node(0), new_node(1)
    second.run_pass()
    gone = NAMES[:3]
    for name in gone[:2]:
        source.delete(name)
    second.run_pass()
    assert cluster.deletes == []
    first.run_pass()
    assert cluster.deletes == gone[:2]
    second.run_pass()
    source.delete(gone[2])
    second.run_pass()
    clock.sleep(HELP_AFTER_POLLS * POLL_INTERVAL)
    second.run_pass()
    assert cluster.deletes == gone


def test_restart_among_names_of_others_leaves_nothing_out(
    cluster: LocalCluster, source: Source, new_node: NewNode, clock: FakeClock
) -> None:
    node = new_node(0)
    while node.step()[0]:
        pass
    clock.sleep(100.0)
    for _ in range(8):
        node.step()
    assert len(own(0)) < len(source.read) < len(NAMES)
    node.workers = QueuePool(WORKERS)
    node.restart()
    node.run_pass()
    check(cluster)
    assert repeated(source) == 0


def test_run_that_ends_by_itself_tries_again_what_has_just_failed(
    cluster: LocalCluster, source: Source, new_node: NewNode
) -> None:
    def deny(method: str, name: str) -> None:
        if method == "GET":
            raise AccessDenied("no")

    source.point = deny
    node = new_node(0, 1)
    node.run_pass()
    source.point = lambda method, name: None
    node.run_pass()
    assert cluster.content() == {}
    node.once = True
    node.restart()
    node.run_pass()
    check(cluster)


def test_other_version_of_the_same_time_is_copied_once_unless_a_client_has_written(
    cluster: LocalCluster, source: Source, new_node: NewNode
) -> None:
    """Most stores count in whole seconds."""
    node = new_node(0, 1)
    node.run_pass()
    for name in NAMES[:2]:
        stored = source.provider.store("bucket").objects[name]
        source.provider.store("bucket").objects[name] = replace(stored, data=b"other", etag=md5_hex(b"other"))
    cluster.post(NAMES[1], {"colour": "blue"})
    source.read.clear()
    for _ in range(3):
        node.run_pass()
    assert source.read == NAMES[:1]
    assert cluster.content() == {**{name: name.encode() for name in NAMES}, NAMES[0]: b"other"}
    assert node.failed() == {}


def test_failure_of_an_object_that_another_node_has_copied_is_settled(
    cluster: LocalCluster, source: Source, new_node: NewNode
) -> None:
    bad, gone = own(1)[0], own(0)[0]

    def deny(method: str, name: str) -> None:
        if method == "GET" and name in (bad, gone):
            raise AccessDenied("no")

    source.point = deny
    node = new_node(0)
    node.run_pass()
    assert node.failed() == {bad: "remote_denied", gone: "remote_denied"}
    source.point = lambda method, name: None
    source.delete(gone)
    other = new_node(1)
    other.run_pass()
    assert bad in cluster.content()
    node.run_pass()
    assert node.failed() == {}
    assert not node.job.has_leftovers
