"""Three nodes, three replicas, and one node that is down: what is archived is read, comes back and goes."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from servers.pair import Store
from servers.server import AnyServer
from servers.shunted import Archive, Shunted

BODY = bytes(range(256)) * 1000
NODES = (1, 2, 3)


@pytest.fixture(scope="module")
def cluster(start_server: Callable[[AnyServer], Shunted]) -> Shunted:
    return start_server(Shunted(nodes=3))


def versions(cluster: Shunted, container: str, name: str) -> list[str]:
    """The file names of an object's version on each node; a timestamp, and .data or .ts."""
    found = []
    for node in NODES:
        files = sorted(path.name for path in cluster.object_dir(node, container, name).glob("*"))
        found.append(files[-1] if files else "")
    return found


def test_objects_are_read_restored_and_deleted_with_one_node_down(cluster: Shunted, s3api: Store) -> None:
    archive = Archive(cluster, s3api, restore_object=True, propagate_delete=True)
    segments = f"{archive.container}_segments"
    archive.swift.put(archive.container, "o", b"before it was moved")
    archive.swift.delete(archive.container, "o")
    archive.store("o", BODY, {"swift-timestamp": f"{time.time():.5f}"})
    archive.store_large("slo", [(segments, "one", b"1" * 1000), (segments, "two", b"2" * 1000)])
    archive.store("gone")
    cluster.stop_node(2)
    try:
        assert archive.get("o").body == BODY
        assert archive.restored("o").body == BODY
        assert archive.get("slo").body == b"1" * 1000 + b"2" * 1000
        archive.restored("slo")
        assert archive.ask("DELETE", "gone").status == 204
        assert archive.prefix + "gone" not in archive.stored()
        assert archive.get("gone").status == 404
    finally:
        cluster.start_node(2)
    first, second, third = versions(cluster, archive.container, "o")
    assert first == third
    assert first.endswith(".data")
    assert second < first
    for node in (1, 3):
        cluster.run_daemon(node, "object-replicator")
    for name in ("o", "gone"):
        assert len(set(versions(cluster, archive.container, name))) == 1
    for node in (1, 3):
        cluster.stop_node(node)
    try:
        # the one that was away has all of it now
        for name in ("one", "two"):
            assert versions(cluster, segments, name)[1].endswith(".data")
        # a majority does not answer: that is no 404, and nothing of it is asked of the bucket
        for name, method in (("other", "GET"), ("third", "DELETE")):
            archive.store(name, BODY)
            assert archive.ask(method, name).status == 503
            assert archive.prefix + name in archive.stored()
    finally:
        for node in (1, 3):
            cluster.start_node(node)
    assert archive.get("slo").body == b"1" * 1000 + b"2" * 1000
    assert archive.get("other").body == BODY
