"""The middleware left of copy, in an encrypted cluster, over moto's store, with statsd."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from uuid import uuid4

import pytest

from faults.proxy import FaultProxy, waits_for
from servers.pair import Store
from servers.process import wait_until
from servers.raw_swift import RawSwift
from servers.server import AnyServer
from servers.shunted import SOON, Archive, Shunted

BODY = bytes(range(256)) * 1000
RETRIEVAL = 3


@pytest.fixture(scope="module")
def statsd() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(SOON)
        yield server


@pytest.fixture(scope="module")
def cluster(start_server: Callable[[AnyServer], Shunted], statsd: socket.socket) -> Shunted:
    options = {"remote_timeout": 10, "remote_connections": 8, "remote_wait": 0.5}
    options["log_statsd_host"] = "127.0.0.1"
    options["log_statsd_port"] = statsd.getsockname()[1]
    return start_server(Shunted(before="copy", encryption=True, processes="node", options=options))


@pytest.fixture
def archive(cluster: Shunted, moto_store: Store) -> Archive:
    return Archive(cluster, moto_store, restore_object=True)


def test_copy_of_archived_object_has_its_bytes_and_metadata(archive: Archive) -> None:
    archive.check_copies()


def test_restored_object_is_encrypted_on_disk(archive: Archive) -> None:
    archive.store("o", BODY, {"colour": "red"})
    assert archive.get("o").body == BODY
    here = archive.restored("o")
    assert (here.body, here.headers["x-object-meta-colour"]) == (BODY, "red")
    directory = archive.cluster.object_dir(1, archive.container, "o")
    [data] = [path.read_bytes() for path in directory.glob("*.data")]
    assert len(data) == len(BODY)
    assert data != BODY


def test_large_object_is_restored_whole(archive: Archive) -> None:
    segments = [
        (f"{archive.container}_segments", "one", b"1" * 1000),
        (f"{archive.container}_segments", "two", b"2" * 10),
    ]
    archive.store_large("slo", segments)
    archive.get("slo")
    assert archive.restored("slo").body == b"1" * 1000 + b"2" * 10


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_get_of_object_in_archive_storage_class_is_403(archive: Archive, storage_class: str) -> None:
    archive.store("cold", BODY, StorageClass=storage_class)
    for answer in (archive.get("cold"), archive.get("cold", Range="bytes=0-1")):
        assert answer.status == 403
        assert b"archive storage class" in answer.body
    head = archive.ask("HEAD", "cold")
    assert (head.status, head.headers["content-length"]) == (200, str(len(BODY)))


@pytest.fixture
def slow_retrievals(moto_store: Store) -> Iterator[None]:
    """Retrieving an object takes as long as it must be old before."""

    def request(path: str, **content: object) -> None:
        body = json.dumps({"model_name": "s3::keyrestore", **content}).encode()
        url = f"{moto_store.endpoint}/moto-api/state-manager/{path}"
        urllib.request.urlopen(
            urllib.request.Request(url, body, {"Content-Type": "application/json"})
        ).close()

    request("set-transition", transition={"progression": "time", "seconds": RETRIEVAL})
    yield
    request("unset-transition")


def test_get_has_an_archived_object_retrieved_and_restored(
    cluster: Shunted, moto_store: Store, slow_retrievals: None
) -> None:
    with FaultProxy.before(moto_store.endpoint) as remote:
        wanted = {"days": 2, "tier": "Bulk"}
        behind = moto_store.behind(remote.endpoint)
        archive = Archive(cluster, behind, restore_object=True, archive_restore=wanted)
        archive.store("cold", BODY, StorageClass="GLACIER")
        time.sleep(RETRIEVAL + 0.5)  # else moto takes the object for retrieved before it is being retrieved
        assert archive.ask("HEAD", "cold").status == 200
        [listed] = json.loads(archive.get(None, "format=json").body)
        assert (listed["name"], listed["storage_class"]) == ("cold", "GLACIER")
        assert remote.calls("POST") == []
        for headers in ({}, {"Range": "bytes=0-1"}, {"Range": "bytes=0-1,5-9"}, {}):
            answer = archive.get("cold", **headers)
            assert (answer.status, answer.headers["retry-after"]) == (503, "900")
            assert b"retrieving" in answer.body
        assert len(remote.calls("POST", "/cold")) == 1
        wait_until(lambda: archive.get("cold").status == 200, SOON, "the object retrieved")
        assert archive.get("cold").body == BODY
        assert archive.restored("cold").body == BODY
        assert len(remote.calls("POST", "/cold")) == 1
        head = archive.s3.head_object(Bucket=archive.bucket, Key=f"{archive.prefix}cold")
        assert head["StorageClass"] == "GLACIER"


def test_mapping_of_account_serves_each_of_its_containers(cluster: Shunted, moto_store: Store) -> None:
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


def test_hanging_object_server_does_not_delay_the_reader(cluster: Shunted, moto_store: Store) -> None:
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


def open_and_read_nothing(archive: Archive, name: str) -> socket.socket:
    """A client that has asked for an object, larger than what sockets keep for it."""
    proxy = archive.cluster.server("proxy")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
    client.settimeout(SOON)
    client.connect((proxy.ip, proxy.port))
    path = f"/v1/{archive.swift.account}/{archive.container}/{name}"
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {archive.swift.token}\r\n\r\n".encode())
    assert client.recv(12) == b"HTTP/1.1 200"
    return client


def test_stalled_readers_of_one_container_delay_no_other_container(
    cluster: Shunted, moto_store: Store
) -> None:
    held, other = Archive(cluster, moto_store), Archive(cluster, moto_store)
    held.store("large", BODY * 40)
    held.store("o", BODY)
    other.store("o", BODY)
    with ExitStack() as readers:
        for _ in range(4):  # half of remote_connections
            readers.enter_context(open_and_read_nothing(held, "large"))
        refused = held.get("o")
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        begun = time.monotonic()
        for _ in range(5):
            assert other.get("o").body == BODY
        assert time.monotonic() - begun < 5.0
        told = [line for line in cluster.proxy_log.splitlines() if f"{held.container}/o: " in line]
        assert "busy: 4 of 8 requests to it (remote_connections) are in flight, 4 of them for" in told[-1]
    wait_until(lambda: held.get("o").status == 200, SOON, "the places given back")


def test_broken_configuration_keeps_the_previous_mappings(archive: Archive, cluster: Shunted) -> None:
    archive.store("o", BODY)
    assert archive.ask("HEAD", "o").status == 200
    whole = cluster.content
    broken = [
        json.dumps(whole)[:-20],
        "",
        json.dumps({**whole, "containers": [{**archive.mapping, "restore_object": "perhaps"}]}),
        json.dumps({**whole, "containers": [{**archive.mapping, "aws_secret": 7}]}),
    ]
    try:
        for text in broken:
            cluster.configure(text)
            assert archive.get("o", Range="bytes=0-9").body == BODY[:10], text
        (cluster.root / "sync.json").unlink()
        assert archive.get("o", Range="bytes=0-9").body == BODY[:10]
        cluster.configure({**whole, "containers": []})
        assert archive.get("o").status == 404
    finally:
        cluster.configure(whole)
    assert archive.get("o").body == BODY


def counted(statsd: socket.socket, until: str) -> set[str]:
    """The names and kinds of what is counted from now on, up to a name."""
    prefix = "proxy-server.s3_sync.shunt."
    found: set[str] = set()
    while not any(name.startswith(until) for name in found):
        for line in statsd.recv(65536).decode().splitlines():
            name, _, value = line.partition(":")
            if name.startswith(prefix):
                found.add(f"{name.removeprefix(prefix)}|{value.rpartition('|')[2]}")
    return found


def test_requests_are_counted_in_statsd_and_logged_without_secret(
    cluster: Shunted, moto_store: Store, statsd: socket.socket
) -> None:
    with FaultProxy.before(moto_store.endpoint) as remote:
        archive = Archive(
            cluster,
            moto_store.behind(remote.endpoint),
            restore_object=True,
            propagate_delete=True,
            propagate_post=True,
        )
        archive.store("o", BODY)
        archive.store("cold", BODY, StorageClass="GLACIER")
        archive.get("cold")
        assert {"remote.timing|ms", "archived|c"} <= counted(statsd, "archived")
        archive.get("absent")
        archive.get(None)
        archive.ask("POST", "o", X_Object_Meta_K="v")
        assert {"misses|c", "listings|c", "posts|c"} <= counted(statsd, "posts")
        transaction = archive.get("o").headers["x-trans-id"]
        assert {"hits|c", "restores.done|c"} <= counted(statsd, "restores")
        wait_until(lambda: "Restored" in archive.told_of_restore("o"), SOON, "the log's line")
        [line] = [line for line in archive.told_of_restore("o").splitlines() if "Restored" in line]
        assert f"(txn: {transaction})" in line
        archive.store("gone", BODY)
        archive.ask("DELETE", "gone")
        assert "deletes|c" in counted(statsd, "deletes")
        archive.store("bad", BODY, {"swift-etag": "0" * 32, "swift-timestamp": ""})
        archive.get("bad")
        assert "restores.failed|c" in counted(statsd, "restores")
        remote.refuse()
        transaction = archive.get("bad").headers["x-trans-id"]
        for _ in range(5):
            archive.get("bad")
            archive.get(None)
        wanted = {"errors|c", "listings.errors|c", "remote.errors.remote_unavailable|c", "breaker.open|c"}
        assert wanted <= counted(statsd, "breaker") | counted(statsd, "listings.errors")
    [told] = [line for line in cluster.proxy_log.splitlines() if transaction in line and "bad: " in line]
    assert told.startswith("proxy-server:s3_sync.shunt: ")
    assert moto_store.secret not in cluster.proxy_log
