"""Objects that cannot be copied, objects that change while they are copied, and clocks that disagree."""

from __future__ import annotations

import io
import json
import random
import re
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from faults.proxy import Exchange, FaultProxy, answers
from servers.daemon import NewDaemon, SyncDaemon
from servers.nodes import Nodes
from servers.operations import operation
from servers.pair import Pair, Store, new_pair
from servers.process import wait_until
from servers.raw_swift import RawSwift, Refused
from servers.swift import SwiftCluster

THOUSAND = 1000
PROTECTED = "Access Denied because object protected by object lock."


@pytest.fixture
def store(rclone_store: Store) -> Store:
    """The fastest of the stores."""
    return rclone_store


def put_many(swift: RawSwift, container: str, bodies: dict[str, bytes]) -> None:
    """All in one request, by Swift's own unpacking of archives."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, body in bodies.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    answer = swift.request("PUT", container, query="extract-archive=tar", body=archive.getvalue())
    assert f"Number Files Created: {len(bodies)}".encode() in answer.body


def test_four_bad_objects_of_a_thousand_fail_alone_and_recover(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    pair = new_pair(swift, store.behind(proxy.endpoint))
    put_many(pair.swift, pair.container, {f"o{n:04}": f"of {n}".encode() for n in range(THOUSAND - 4)})
    long, large, denied, broken = "long" + "n" * 1000, "large", "denied", "broken"
    pair.put(long)
    pair.put(large, headers={f"X-Object-Meta-K{n}": "v" * 200 for n in range(12)})
    pair.put(denied)
    pair.put(broken)
    proxy.when(answers(403, "AccessDenied"), method="PUT", key=denied)
    proxy.when(answers(500, "InternalError"), method="PUT", key=broken)
    daemon = new_daemon(pair)
    daemon.alter(retries={"base": 0.1})

    assert daemon.once().returncode == 1
    assert len(pair.arrived()) == THOUSAND - 4
    (entry,) = daemon.status(pair.swift.account, pair.container).values()
    assert entry["last_row"] == THOUSAND, "the cursor has passed them"
    bad = {name: (state, reason) for name, (state, reason, _) in daemon.unsettled().items()}
    assert bad == {
        long: ("quarantine", "name_too_long"),
        large: ("quarantine", "metadata_too_large"),
        denied: ("retry", "remote_denied"),
        broken: ("retry", "remote_unavailable"),
    }
    before = len(proxy.stored())
    assert daemon.once().returncode == 1, "and it does not pass for done the next time"
    assert len(proxy.stored()) == before

    proxy.heal()
    pair.delete(long)
    pair.post(large, {"X-Object-Meta-K": "v"})
    assert daemon.once().returncode == 0
    assert daemon.unsettled() == {}
    assert len(proxy.stored()) == before + 3
    assert len(pair.arrived()) == THOUSAND - 1
    for name in (large, denied, broken):
        pair.check_object(name)


def deletes_nothing(exchange: Exchange) -> None:
    """A DeleteObjects of locked keys: each has its error."""
    exchange.read_body()
    errors = b"".join(
        b"<Error><Key>%s</Key><Code>AccessDenied</Code><Message>%s</Message></Error>"
        % (key, PROTECTED.encode())
        for key in re.findall(rb"<Key>([^<]*)</Key>", exchange.request.body)
    )
    body = b"<DeleteResult>%s</DeleteResult>" % errors
    exchange.say(200, {"Content-Type": "application/xml"}, body)


def test_locked_copy_is_on_record_and_harms_no_other_object(
    swift: SwiftCluster, store: Store, proxy: FaultProxy, new_daemon: NewDaemon
) -> None:
    pair = new_pair(swift, store.behind(proxy.endpoint))
    daemon = new_daemon(pair)
    for name in ("locked", "gone", "other"):
        pair.put(name, b"first")
    assert daemon.once().returncode == 0
    proxy.when(answers(403, "AccessDenied", message=PROTECTED), method="PUT", key="locked")
    proxy.when(deletes_nothing, where=lambda call: operation(call) == "DeleteObjects")
    pair.put("locked", b"second")
    pair.delete("gone")
    pair.put("other", b"second")
    daemon.start()
    wait_until(lambda: len(daemon.unsettled()) == 2, 30, "both refusals on record")
    refused = {name: entry[:2] for name, entry in daemon.unsettled().items()}
    assert refused == dict.fromkeys(("locked", "gone"), ("retry", "object_locked"))
    pair.check_object("other")
    deletes = len(proxy.calls("POST"))
    asked = len(proxy.calls("PUT", "locked"))
    for number in range(3):
        pair.put(f"new{number}")
    wait_until(lambda: len(pair.arrived()) == 6, 30, "the new ones")
    assert len(proxy.calls("PUT", "locked")) == asked, "it is not sent again with each turn"
    assert len(proxy.calls("POST")) == deletes
    for (next_try,) in daemon.journal_rows("SELECT next_try FROM unsettled"):
        assert next_try > time.time() + 86000
    proxy.heal()
    label = f"{pair.swift.account}/{pair.container}"
    done = daemon.ctl("failed", label, "--reason", "object_locked", "--retry", "--json")
    assert json.loads(done.stdout) == {"retried": 2}
    wait_until(lambda: daemon.unsettled() == {}, 20, "those that were locked")
    pair.check()


def flip_a_bit(folder: Path) -> None:
    (file,) = folder.glob("*.data")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    with file.open("r+b") as opened:
        opened.write(data)


class TestCorruptReplica:
    """What a disk has changed must not reach the store."""

    def test_corrupt_replica_of_three_is_replaced_by_another_one(
        self, swift3: SwiftCluster, s3api: Store, tmp_path: Path
    ) -> None:
        """The corrupt replica is the one that is read first."""
        pair = new_pair(swift3, s3api)
        with Nodes(swift3, pair, tmp_path, verification_slack=60) as nodes:
            small, large = nodes.shares([f"o{number}" for number in range(40)])[1][:2]
            bodies = {small: b"s" * 100, large: b"l" * 300_000}
            for name, body in bodies.items():
                pair.put(name, body)
                flip_a_bit(swift3.object_dir(1, pair.container, name))
            nodes.once(1)
        assert all(not list(swift3.object_dir(1, pair.container, name).glob("*.data")) for name in bodies)
        assert {name: pair.landed(name).size for name in bodies} == {n: len(b) for n, b in bodies.items()}
        pair.check()

    def test_corrupt_only_replica_is_not_copied_and_stays_in_the_journal(
        self, pair: Pair, swift: SwiftCluster, daemon: SyncDaemon
    ) -> None:
        """Swift quarantines the object, but the container still lists it."""
        pair.put("good")
        for name, size in (("small", 100), ("large", 300_000)):
            pair.put(name, name[:1].encode() * size)
            flip_a_bit(swift.object_dir(1, pair.container, name))
        for _ in range(2):
            assert daemon.once().returncode == 1
            assert pair.arrived() == ["good"]
            found = {name: (state, reason) for name, (state, reason, _) in daemon.unsettled().items()}
            assert found == dict.fromkeys(("small", "large"), ("retry", "local_missing"))
        pair.put("small", b"written again")
        pair.put("large", b"this one too")
        assert daemon.once().returncode == 0
        assert daemon.unsettled() == {}
        pair.check()


class Writer:
    """Changes a few objects over and over, from a thread."""

    def __init__(self, pair: Pair, names: list[str], seed: int) -> None:
        self.writes = 0
        self._pair = pair
        self._names = names
        self._chance = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._failed: BaseException | None = None

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._change(self._chance.choice(self._names))
                self.writes += 1
        except BaseException as error:
            self._failed = error

    def _change(self, name: str) -> None:
        kind = self._chance.random()
        try:
            if kind < 0.6:
                body = self._chance.randbytes(self._chance.choice((1, 1000, 200_000)))
                self._pair.put(name, body, {"X-Object-Meta-Write": str(self.writes)})
            elif kind < 0.8:
                self._pair.post(name, {"X-Object-Meta-Post": str(self.writes)})
            else:
                self._pair.delete(name)
        except Refused as error:
            if ": 404 " not in str(error):  # nothing to POST to, or to delete
                raise

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)
        if self._failed is not None:
            raise self._failed


def agree(pair: Pair) -> bool:
    try:
        pair.check()
    except (AssertionError, pair.s3.exceptions.ClientError):
        return False
    return True


@pytest.mark.parametrize("options", [{}, {"dialect": {"put_if_absent": True, "put_if_match": True}}])
def test_objects_changed_during_copies_end_up_equal_on_both_sides(
    swift: SwiftCluster, moto_store: Store, new_daemon: NewDaemon, options: dict[str, dict[str, bool]]
) -> None:
    """A thread changes objects during the first pass; both sides agree once it stops."""
    pair = new_pair(swift, moto_store)
    put_many(pair.swift, pair.container, {f"old{number:03}": b"there before" for number in range(100)})
    daemon = new_daemon(pair, items_chunk=20, workers=4, poll_interval=0.05)
    daemon.alter(**options)
    names = [f"hot{number}" for number in range(5)] + ["old001", "old050", "old099"]
    with Writer(pair, names, seed=7) as writer:
        daemon.start()
        wait_until(lambda: writer.writes >= 60 and len(pair.arrived()) >= 100, 60, "the first pass")
    wait_until(lambda: agree(pair) and not daemon.unsettled(), 60, "agreement at rest")
    assert "Traceback" not in daemon.log_text()


MINUTES = 60.0


@pytest.fixture(scope="module")
def skewed(start_server: Callable[[SwiftCluster], SwiftCluster]) -> SwiftCluster:
    """A Swift that takes its clients' word for what time it is."""
    own = "[filter:gatekeeper]\nuse = egg:swift#gatekeeper\nshunt_inbound_x_timestamp = false\n"
    return start_server(SwiftCluster(proxy_extra=own))


@pytest.mark.parametrize("ahead", [-20.0, 20.0])
def test_writes_with_wrong_clock_are_copied_in_timestamp_order(
    skewed: SwiftCluster, s3api: Store, new_daemon: NewDaemon, ahead: float
) -> None:
    """Nothing waits until a timestamp in the future has come."""
    pair = new_pair(skewed, s3api)
    daemon = new_daemon(pair, cluster=skewed)

    def write(method: str, name: str, minutes: float, body: bytes = b"", meta: str = "") -> None:
        headers = {"X-Timestamp": f"{time.time() + minutes * MINUTES:.5f}"}
        if meta:
            headers["X-Object-Meta-M"] = meta
        pair.swift.request(method, pair.container, name, headers=headers, body=body)

    for name in ("over", "meta", "gone", "back"):
        write("PUT", name, ahead, b"first")
    assert daemon.once().returncode == 0
    pair.check()
    assert len(pair.arrived()) == 4

    write("PUT", "over", ahead + 1, b"second")
    write("POST", "meta", ahead + 1, meta="second")
    write("DELETE", "gone", ahead + 1)
    write("DELETE", "back", ahead + 1)
    write("PUT", "back", ahead + 2, b"third")
    assert daemon.once().returncode == 0
    pair.check()
    assert sorted(pair.arrived()) == ["back", "meta", "over"]
    assert daemon.unsettled() == {}
