"""The middleware left of copy, in an encrypted cluster, over moto's store."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from faults.proxy import FaultProxy, waits_for
from servers.pair import Store
from servers.process import wait_until
from servers.raw_swift import RawSwift
from servers.server import AnyServer
from servers.shunted import SOON, Archive, Shunted

BODY = bytes(range(256)) * 1000


@pytest.fixture(scope="module")
def cluster(start_server: Callable[[AnyServer], Shunted]) -> Shunted:
    options = {"remote_timeout": 10}
    return start_server(Shunted(before="copy", encryption=True, processes="node", options=options))


@pytest.fixture
def archive(cluster: Shunted, moto_store: Store) -> Archive:
    return Archive(cluster, moto_store, restore_object=True)


def test_copies(archive: Archive) -> None:
    archive.check_copies()


def test_restored_objects_are_encrypted(archive: Archive) -> None:
    archive.store("o", BODY, {"colour": "red"})
    assert archive.get("o").body == BODY
    here = archive.restored("o")
    assert (here.body, here.headers["x-object-meta-colour"]) == (BODY, "red")
    directory = archive.cluster.object_dir(1, archive.container, "o")
    [data] = [path.read_bytes() for path in directory.glob("*.data")]
    assert len(data) == len(BODY)
    assert data != BODY


def test_large_objects_come_back(archive: Archive) -> None:
    segments = [(f"{archive.container}_s", "one", b"1" * 1000), (f"{archive.container}_s", "two", b"2" * 10)]
    archive.store_large("slo", segments)
    archive.get("slo")
    assert archive.restored("slo").body == b"1" * 1000 + b"2" * 10


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_objects_that_must_be_restored_there_first(archive: Archive, storage_class: str) -> None:
    archive.store("cold", BODY, StorageClass=storage_class)
    for answer in (archive.get("cold"), archive.get("cold", Range="bytes=0-1")):
        assert answer.status == 403
        assert b"archive storage class" in answer.body
    head = archive.ask("HEAD", "cold")
    assert (head.status, head.headers["content-length"]) == (200, str(len(BODY)))


def test_every_container_of_an_account(cluster: Shunted, moto_store: Store) -> None:
    account = f"AUTH_{uuid4().hex[:8]}"
    swift = RawSwift(cluster, "admin:admin", account)
    first = Archive(cluster, moto_store, swift=swift, every_container=True, restore_object=True)
    second = first.another_container()
    first.store("o", b"first")
    second.store("o", b"second")
    assert (first.get("o").body, second.get("o").body) == (b"first", b"second")
    assert second.restored("o").body == b"second"
    listed = json.loads(swift.request("GET", second.container, query="format=json").body)
    assert [entry["name"] for entry in listed] == ["o"]
    assert swift.ask("GET", "absent", "o").status == 404


def test_a_cluster_that_hangs_holds_up_no_reader(cluster: Shunted, moto_store: Store) -> None:
    body = BODY * 30
    with FaultProxy.before(moto_store.endpoint) as remote:
        archive = Archive(cluster, moto_store.behind(remote.endpoint), restore_object=True)
        archive.store("o", body)
        go = threading.Event()
        remote.when(waits_for(go), method="GET", key="/o", times=1)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(archive.get, "o")
            wait_until(lambda: remote.calls("GET", "/o") != [], SOON, "the remote asked")
            node = cluster.children["node1"]
            node.freeze()
            try:
                go.set()
                # no object server takes a byte of the restore meanwhile
                assert answer.result(timeout=SOON).body == body
            finally:
                node.thaw()
        assert archive.get("o").body == body
