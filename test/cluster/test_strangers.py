"""Somebody answers in the store's place; nothing counts as done, and nothing is lost."""

from __future__ import annotations

import shutil

import pytest

from faults.proxy import Fault, FaultProxy
from faults.strangers import clock_ahead, empty_ok, moved, nobody_here, other_document, portal, web_server
from servers.daemon import NewDaemon
from servers.large import Large
from servers.operations import counting
from servers.pair import Pair, Store, new_pair, sync
from servers.raw_swift import Refused
from servers.shunted import Archive
from servers.swift import SwiftCluster

STRANGERS: dict[str, Fault] = {
    "portal": portal,
    "web server": web_server,
    "empty 200": empty_ok,
    "other document": other_document,
    "page of 404": nobody_here,
}
#: requests of one pass that is answered so
MOST = 60


def content(pair: Pair, name: str) -> bytes | None:
    try:
        return pair.swift.request("GET", pair.container, name).body
    except Refused:
        return None


@pytest.mark.parametrize("store", ["s3api"], indirect=True)
@pytest.mark.parametrize("stranger", ["web server", "page of 404"])
def test_moves_lose_nothing_when_another_server_answers(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon, stranger: str
) -> None:
    """Whichever requests the other server has answered, what leaves the cluster has a copy."""
    pair = new_pair(swift, store.behind(proxy.endpoint), retain_local=False, propagate_delete=True)
    large = Large(pair)
    bodies = {f"o{number}": b"%d" % number for number in range(3)}
    for name, body in bodies.items():
        pair.put(name, body, {"X-Object-Meta-A": name})
    large.put_slo("slo", [large.segment("s", 1000)])
    bodies["slo"] = content(pair, "slo") or b""
    daemon = new_daemon(pair)
    daemon.alter(retries={"attempts": 2, "base": 0.01})
    for asked in ("PUT", "POST", "HEAD", "GET", None):
        proxy.when(STRANGERS[stranger], method=asked)
        before = len(proxy.calls())
        assert daemon.once().returncode == 1
        assert len(proxy.calls(since=before)) <= MOST
        proxy.heal()
        for name, body in bodies.items():
            assert content(pair, name) == body or pair.landed(name).size == len(body), (asked, name)
    assert daemon.once().returncode == 0, daemon.log_text()
    assert pair.swift.names(pair.container) == []
    assert {name: pair.landed(name).size for name in bodies} == {n: len(body) for n, body in bodies.items()}


@pytest.mark.parametrize("store", ["s3api"], indirect=True)
def test_portal_that_answers_everything_makes_the_mapping_back_off(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    pair = new_pair(swift, store.behind(proxy.endpoint))
    for number in range(30):
        pair.put(f"o{number:02}")
    daemon = new_daemon(pair, workers=2)
    daemon.alter(retries={"attempts": 2, "base": 0.01})
    proxy.when(portal)
    assert daemon.once().returncode == 1
    assert daemon.once().returncode == 1
    assert len(proxy.calls()) <= 2 * MOST, "not all of them are sent in vain"
    assert "is a proxy or a portal in front of" in daemon.log_text()
    proxy.heal()
    assert daemon.once().returncode == 0
    pair.check()


@pytest.mark.parametrize("store", ["moto_store"], indirect=True)
def test_new_metadata_is_copied_although_the_stores_clock_is_ahead(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    """The bytes are the same; by its date the old copy is newer than the row."""
    pair = new_pair(swift, store.behind(proxy.endpoint))
    names = [f"o{number:02}" for number in range(12)]
    for name in names:
        pair.put(name, b"bytes", {"X-Object-Meta-A": "1"})
    proxy.when(clock_ahead(600))
    daemon = new_daemon(pair)
    sync(daemon, pair)
    daemon.stop()
    for name in names:
        pair.put(name, b"bytes", {"X-Object-Meta-A": "2"})
    shutil.rmtree(daemon.status_dir)
    with counting(proxy) as requests:
        assert daemon.once().returncode == 0
    pair.check()
    assert (requests["PutObject"], requests["CopyObject"]) == (0, len(names))


def test_client_gets_503_when_another_server_answers(behind: Archive, remote: FaultProxy) -> None:
    behind.store("o", b"the object")
    for stranger, fault in STRANGERS.items():
        remote.when(fault)
        for method in ("GET", "HEAD"):
            answer = behind.swift.ask(method, behind.container, "o")
            assert (stranger, method, answer.status) == (stranger, method, 503)
            assert b"html" not in answer.body
        remote.heal()
    remote.when(moved)
    assert behind.swift.ask("GET", behind.container).status == 503
    assert len([call for call in remote.calls() if call.fault and call.status == 0]) <= 12
    remote.heal()
    assert behind.get("o").body == b"the object"
