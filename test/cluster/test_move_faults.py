"""Moves that something comes in between of: a client, a kill, a store that fails."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from faults.proxy import Exchange, FaultProxy, answers, corrupts, lost_answer, passes
from servers.daemon import NewDaemon, SyncDaemon
from servers.operations import counting
from servers.pair import Pair, Store, new_pair
from servers.process import wait_until
from servers.raw_swift import Refused
from servers.swift import SwiftCluster

pytestmark = pytest.mark.parametrize("store", ["s3api"], indirect=True)


@pytest.fixture
def pair(swift: SwiftCluster, store: Store, proxy: FaultProxy) -> Pair:
    return new_pair(swift, store.behind(proxy.endpoint), retain_local=False, propagate_delete=True)


def run(daemon: SyncDaemon, code: int = 0) -> None:
    result = daemon.once()
    assert result.returncode == code, result.stderr + daemon.log_text()


def here(pair: Pair, name: str) -> bytes | None:
    try:
        return pair.swift.request("GET", pair.container, name).body
    except Refused:
        return None


def there(pair: Pair, name: str) -> bytes | None:
    try:
        body: bytes = pair.s3.get_object(Bucket=pair.bucket, Key=pair.prefix + name)["Body"].read()
    except ClientError:
        return None
    return body


def delete(pair: Pair, name: str) -> None:
    """Swift answers 404 for what was moved, and remembers the delete."""
    with contextlib.suppress(Refused):
        pair.delete(name)


def meanwhile(act: Callable[[], None]) -> Callable[[Exchange], None]:
    def fault(exchange: Exchange) -> None:
        act()
        passes(exchange)

    return fault


@pytest.mark.parametrize("method", ["PUT", "HEAD"])
class TestClientWriteDuringMove:
    """``HEAD`` is the check of the copy; it follows the upload."""

    def test_put_of_new_bytes_is_moved_by_the_next_run(
        self, pair: Pair, daemon: SyncDaemon, proxy: FaultProxy, method: str
    ) -> None:
        pair.put("o", b"old")
        proxy.when(meanwhile(lambda: pair.put("o", b"new")), method=method, key="/o", times=1)
        daemon.once()
        assert b"new" in (here(pair, "o"), there(pair, "o"))
        run(daemon)
        assert (here(pair, "o"), there(pair, "o")) == (None, b"new")

    def test_put_of_the_same_bytes_is_moved_by_the_next_run(
        self, pair: Pair, daemon: SyncDaemon, proxy: FaultProxy, method: str
    ) -> None:
        pair.put("o", b"old")
        proxy.when(meanwhile(lambda: pair.put("o", b"old")), method=method, key="/o", times=1)
        daemon.once()
        run(daemon)
        assert (here(pair, "o"), there(pair, "o")) == (None, b"old")

    def test_post_is_copied_before_the_object_is_released(
        self, pair: Pair, daemon: SyncDaemon, proxy: FaultProxy, method: str
    ) -> None:
        """The object stays in Swift, and in the journal, until its new metadata has been copied."""
        pair.put("o", b"x", {"X-Object-Meta-A": "old"})

        def post() -> None:
            pair.post("o", {"X-Object-Meta-A": "new"})

        proxy.when(meanwhile(post), method=method, key="/o", times=1)
        daemon.once()
        run(daemon)
        assert (here(pair, "o"), there(pair, "o")) == (None, b"x")
        assert pair.landed("o").user == {"a": "new"}

    def test_delete_removes_the_object_on_both_sides(
        self, pair: Pair, daemon: SyncDaemon, proxy: FaultProxy, method: str
    ) -> None:
        pair.put("o", b"x")
        proxy.when(meanwhile(lambda: pair.delete("o")), method=method, key="/o", times=1)
        daemon.once()
        run(daemon)
        assert (here(pair, "o"), there(pair, "o")) == (None, None)

    def test_delete_and_put_moves_the_new_object(
        self, pair: Pair, daemon: SyncDaemon, proxy: FaultProxy, method: str
    ) -> None:
        pair.put("o", b"x")

        def both() -> None:
            pair.delete("o")
            pair.put("o", b"x")

        proxy.when(meanwhile(both), method=method, key="/o", times=1)
        daemon.once()
        run(daemon)
        assert (here(pair, "o"), there(pair, "o")) == (None, b"x")


class TestStoreFault:
    def test_copy_that_head_does_not_find_keeps_the_object(
        self, pair: Pair, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        pair.put("o", b"x")
        proxy.when(answers(404), method="HEAD", key="/o")
        run(daemon, code=1)
        assert here(pair, "o") == b"x"
        assert daemon.unsettled()["o"][:2] == ("retry", "copy_unproven")
        proxy.heal()
        run(daemon)
        assert (here(pair, "o"), there(pair, "o")) == (None, b"x")

    def test_copy_replaced_by_other_bytes_keeps_the_object(
        self, pair: Pair, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        pair.put("o", b"mine")

        def replace() -> None:
            pair.s3.put_object(Bucket=pair.bucket, Key=pair.prefix + "o", Body=b"else")

        proxy.when(meanwhile(replace), method="HEAD", key="/o")
        run(daemon, code=1)
        assert here(pair, "o") == b"mine"
        assert daemon.unsettled()["o"][:2] == ("retry", "copy_unproven")
        proxy.heal()
        run(daemon)
        assert (here(pair, "o"), there(pair, "o")) == (None, b"mine")

    def test_upload_corrupted_in_transit_keeps_the_object(
        self, pair: Pair, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        pair.put("o", b"x" * 10_000)
        proxy.when(corrupts, method="PUT", key="/o")
        run(daemon, code=1)
        assert here(pair, "o") == b"x" * 10_000
        proxy.heal()
        run(daemon)
        assert hashlib.md5(there(pair, "o") or b"").digest() == hashlib.md5(b"x" * 10_000).digest()

    def test_upload_whose_answer_is_lost_is_moved_by_the_next_run(
        self, pair: Pair, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        pair.put("o", b"x")
        proxy.when(lost_answer, method="PUT", key="/o", times=1)
        daemon.once()
        run(daemon)
        assert (here(pair, "o"), there(pair, "o")) == (None, b"x")

    def test_refused_connections_keep_objects_until_the_store_is_back(
        self, pair: Pair, daemon: SyncDaemon, proxy: FaultProxy
    ) -> None:
        for number in range(5):
            pair.put(f"o{number}", b"x")
        proxy.refuse()
        run(daemon, code=1)
        assert len(pair.swift.names(pair.container)) == 5
        proxy.accept()
        run(daemon)
        assert pair.swift.names(pair.container) == []
        assert len(pair.arrived()) == 5


#: where, at which call of it
STEPS = [
    ("s3_sync.sync.rows.handler:upload", 3),
    ("s3_sync.sync.lifecycle.release:Release.release", 3),
    ("s3_sync.transfer.copy_rules:CopyRules.is_proof", 3),
    ("s3_sync.cluster.guarded_delete:GuardedDelete.delete_version", 3),
    ("s3_sync.cluster.client:LocalSwift.request", 3),
    ("s3_sync.sync.rows.batch:BatchRunner.record", 1),
    ("s3_sync.sync.passes.cursors:Cursors.move", 1),
]


@pytest.mark.parametrize(("at", "call"), STEPS)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_kill_during_the_move_loses_nothing_and_next_run_completes(
    pair: Pair, daemon: SyncDaemon, proxy: FaultProxy, at: str, call: int, moment: str
) -> None:
    names = ["o0", "o1", "o2", "o3", "o4", "o5"]
    for name in names:
        pair.put(name, name.encode(), {"X-Object-Meta-A": "b"})
    daemon.settings["workers"] = 2
    daemon.alter(kill={"at": at, "call": call, "moment": moment})
    assert daemon.once().returncode == -9
    for name in names:
        assert name.encode() in (here(pair, name), there(pair, name))
    pair.put("o1", b"overwritten")
    delete(pair, "o2")
    daemon.alter()
    with counting(proxy) as asked:
        run(daemon)
    assert asked["DeleteObject"] + asked["DeleteObjects"] <= 1  # of what the client deleted
    assert pair.swift.names(pair.container) == []
    assert sorted(pair.arrived()) == ["o0", "o1", "o3", "o4", "o5"]
    for name in ("o0", "o3", "o4", "o5"):
        assert there(pair, name) == name.encode()
        assert pair.landed(name).user == {"a": "b"}
    assert there(pair, "o1") == b"overwritten"
    assert daemon.unsettled() == {}


def test_moves_beside_constant_writes_end_with_the_last_version(pair: Pair, new_daemon: NewDaemon) -> None:
    """The daemon runs continuously."""
    daemon = new_daemon(pair)
    daemon.start()
    last: dict[str, bytes | None] = {}
    for turn in range(150):
        name = f"o{turn % 5}"
        if turn % 7 == 6:
            delete(pair, name)
            last[name] = None
        else:
            body = b"%d" % (turn // 3)
            pair.put(name, body)
            last[name] = body
    wait_until(lambda: pair.swift.names(pair.container) == [], 20, "the last move")
    wait_until(lambda: {name: there(pair, name) for name in last} == last, 20, "agreement")
    daemon.stop()
    assert daemon.unsettled() == {}
    assert "Traceback" not in daemon.log_text()
