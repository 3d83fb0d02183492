"""The daemon with another Swift as its target: whole accounts, expiry, what was there before, and kills."""

from __future__ import annotations

import signal
import time
from typing import Any
from uuid import uuid4

import pytest

from faults.proxy import FaultProxy
from faults.rewritten import edited
from servers.daemon import NewDaemon, SyncDaemon
from servers.pair import sync
from servers.raw_swift import RawSwift
from servers.short_pages import short_pages
from servers.swift import SwiftCluster
from servers.swift_pair import SwiftPair

DAY = 86400
MOVES: dict[str, Any] = {"retain_local": False, "propagate_delete": False}


@pytest.fixture
def pair(swift: SwiftCluster) -> SwiftPair:
    return SwiftPair.within(swift)


def run(daemon: SyncDaemon, code: int = 0) -> None:
    result = daemon.once()
    assert result.returncode == code, result.stderr + daemon.log_text()


def visit_again(daemon: SyncDaemon) -> None:
    assert daemon.ctl("reset", "0").returncode == 0
    run(daemon)


class TestWholeAccount:
    def test_each_container_has_a_copy_with_the_prefix(
        self, swift: SwiftCluster, new_daemon: NewDaemon
    ) -> None:
        side = RawSwift(swift, "admin:admin", f"AUTH_{uuid4().hex}")
        prefix = f"dr {uuid4().hex[:8]} "
        pair = SwiftPair(side, RawSwift(swift, "test2:tester2"), bucket=prefix, storage_policy="silver")
        pair.mapping["container"] = "/*"
        containers = ["a", "ü ☃", "one_segments"]
        for container in containers:
            side.put_container(container)
            side.put(container, "o/1", container.encode(), {"X-Object-Meta-Colour": "red"})
            side.put(container, "gone")
        daemon = new_daemon(pair)
        run(daemon)
        for container in containers:
            side.delete(container, "gone")
        run(daemon)
        for container in containers:
            copy = pair.remote.request("GET", prefix + container, "o/1")
            assert (copy.body, copy.headers["x-object-meta-colour"]) == (container.encode(), "red")
            assert pair.remote.names(prefix + container) == ["o/1"]
            found = pair.remote.request("HEAD", prefix + container)
            assert found.headers["x-storage-policy"] == "silver"
            (status,) = daemon.status(side.account, container).values()
            assert status["aws_bucket"] == prefix


class TestEveryObjectAgain:
    def test_lost_copies_are_sent_again(self, swift: SwiftCluster, new_daemon: NewDaemon) -> None:
        with FaultProxy.before(swift.s3_endpoint) as proxy:
            proxy.when(edited(short_pages(3)), method="GET", where=lambda call: "format=json" in call.query)
            pair = SwiftPair.within(swift, through=proxy.endpoint)
            daemon = new_daemon(pair)
            for number in range(20):
                pair.put(f"o{number:02}", b"%d" % number, {"X-Object-Meta-Number": str(number)})
            run(daemon)
            assert daemon.ctl("verify-data", "0", "--content", "--metadata").returncode == 0
            for number in range(0, 20, 2):
                pair.remote.delete(pair.bucket, f"o{number:02}")
            seen = len(proxy.calls())
            visit_again(daemon)
            pair.check()
            assert len([call for call in proxy.calls()[seen:] if call.method == "PUT"]) == 10
            assert daemon.ctl("verify-data", "0", "--content", "--metadata").returncode == 0

    def test_newer_object_of_a_client_there_stays_until_ours_is_newer(
        self, pair: SwiftPair, daemon: SyncDaemon
    ) -> None:
        pair.put("a", b"ours")
        pair.put("b", b"ours")
        run(daemon)
        pair.delete("b")
        pair.remote.put(pair.bucket, "a", b"theirs")
        pair.remote.put(pair.bucket, "b", b"theirs")
        daemon.ctl("reset", "0")
        run(daemon, code=1)
        assert {name: reason for name, (_, reason, _) in daemon.unsettled().items()} == {
            "a": "local_behind",
            "b": "local_behind",
        }
        for name in "ab":
            assert pair.remote.request("GET", pair.bucket, name).body == b"theirs"
            pair.put(name, b"ours again")
        daemon.ctl("failed", "--retry", "--yes")
        run(daemon)
        pair.check()

    def test_copy_of_a_copying_program_is_taken_over_with_one_post(
        self, pair: SwiftPair, daemon: SyncDaemon, swift: SwiftCluster
    ) -> None:
        headers = {"X-Object-Meta-Colour": "Light Green", "X-Object-Meta-Other": "x", "Content-Type": "a/b"}
        pair.put("o", b"bytes", headers)
        lowered = {"X-Object-Meta-Colour": "light green", "Content-Type": "a/b"}
        pair.remote.put_container(pair.bucket)
        pair.remote.put(pair.bucket, "o", b"bytes", lowered)
        with swift.count_requests() as count:
            run(daemon)
        path = f"/v1/{pair.remote.account}/{pair.bucket}/o"
        asked = [request.method for request in count.requests if request.path.partition("?")[0] == path]
        assert "PUT" not in asked
        assert asked.count("POST") == 1
        pair.check()
        visit_again(daemon)
        assert daemon.unsettled() == {}


class TestExpiry:
    def test_copies_expire_as_their_objects_do(self, swift: SwiftCluster, new_daemon: NewDaemon) -> None:
        options = {"propagate_expiration": True, "propagate_expiration_offset": 3600}
        pair = SwiftPair.within(swift, remote_delete_after=30 * DAY, **options)
        daemon = new_daemon(pair)
        then = int(time.time()) + DAY
        pair.put("expires", b"x", {"X-Delete-At": str(then)})
        pair.put("stays", b"x")
        pair.put("changes", b"x", {"X-Delete-At": str(then)})
        sync(daemon, pair)
        assert self.expiry(pair, "expires") == (then + 3600, then)
        written = float(pair.swift.request("HEAD", pair.container, "stays").headers["x-timestamp"])
        assert self.expiry(pair, "stays") == (-int(-written // 1) + 30 * DAY, None)
        pair.post("expires", {"X-Delete-At": str(then + 5)})
        pair.post("changes", {"X-Remove-Delete-At": "1"})
        sync(daemon, pair)
        assert self.expiry(pair, "expires") == (then + 5 + 3600, then + 5)
        found, mark = self.expiry(pair, "changes")
        assert mark is None
        assert found is not None
        assert found > then + 20 * DAY
        daemon.stop()
        del pair.mapping["propagate_expiration"], pair.mapping["remote_delete_after"]
        daemon.write()
        visit_again(daemon)
        assert self.expiry(pair, "expires") == (None, then + 5)
        assert self.expiry(pair, "stays") == (None, None)
        pair.check()

    @staticmethod
    def expiry(pair: SwiftPair, name: str) -> tuple[int | None, int | None]:
        """When the copy expires, and when its object does."""
        headers = pair.remote_headers(name)
        found = (headers.get(key) for key in ("x-delete-at", "x-object-meta-x-delete-at"))
        store, mark = (None if value is None else int(value) for value in found)
        return store, mark

    @pytest.mark.parametrize("moves", [False, True])
    def test_object_whose_copy_would_be_deleted_at_once_is_not_sent(
        self, swift: SwiftCluster, new_daemon: NewDaemon, moves: bool
    ) -> None:
        pair = SwiftPair.within(swift, remote_delete_after=1000, **(MOVES if moves else {}))
        pair.put("early", b"x")
        daemon = new_daemon(pair, altered={"clock": 2000})
        for _ in range(2):
            run(daemon, code=int(moves))
        assert pair.arrived() == []
        assert pair.swift.names(pair.container) == ["early"]
        reasons = {reason for _, reason, _ in daemon.unsettled().values()}
        assert reasons == ({"lifetime_over"} if moves else set())
        del pair.mapping["remote_delete_after"]
        daemon.alter()
        daemon.write()
        daemon.ctl("failed", "--retry", "--yes")
        visit_again(daemon)
        assert pair.arrived() == ["early"]


@pytest.mark.parametrize(
    "kill",
    [
        {"at": "s3_sync.providers.swift.writes:Writer.put", "call": 3},
        {"at": "s3_sync.providers.swift.writes:Writer.put", "call": 3, "moment": "after"},
        {"at": "s3_sync.cluster.guarded_delete:GuardedDelete.delete_version", "call": 3},
        {"at": "s3_sync.cluster.guarded_delete:GuardedDelete.delete_version", "call": 3, "moment": "after"},
    ],
)
def test_move_after_a_kill_loses_nothing(
    swift: SwiftCluster, new_daemon: NewDaemon, kill: dict[str, Any]
) -> None:
    pair = SwiftPair.within(swift, **MOVES)
    bodies = {f"o{number}": b"%d" % number for number in range(8)}
    for name, body in bodies.items():
        pair.put(name, body, {"X-Object-Meta-Name": name})
    daemon = new_daemon(pair, items_chunk=3, workers=2, altered={"kill": {"moment": "before", **kill}})
    assert daemon.once().returncode == -signal.SIGKILL
    daemon.alter()
    run(daemon)
    assert pair.swift.names(pair.container) == []
    for name, body in bodies.items():
        copy = pair.remote.request("GET", pair.bucket, name)
        assert (copy.body, copy.headers["x-object-meta-name"]) == (body, name)
    assert daemon.unsettled() == {}


def test_object_larger_than_the_other_cluster_takes_is_on_record(
    swift: SwiftCluster, shunted: SwiftCluster, new_daemon: NewDaemon
) -> None:
    """Its ``max_file_size`` is 8 MiB, as only its ``/info`` tells."""
    pair = SwiftPair(RawSwift(swift), RawSwift(shunted, "test2:tester2")).create()
    pair.put("fits", b"x")
    pair.put("large", b"x" * ((8 << 20) + 1))
    daemon = new_daemon(pair)
    run(daemon, code=1)
    assert pair.arrived() == ["fits"]
    assert daemon.unsettled()["large"][:2] == ("quarantine", "too_large")


def test_metadata_that_the_other_cluster_refuses_is_on_record(pair: SwiftPair, daemon: SyncDaemon) -> None:
    # with our marks, more than 4096 bytes
    headers = {f"X-Object-Meta-K{number:02}": "v" * 250 for number in range(16)}
    pair.put("large", b"x", headers)
    pair.put("fine", b"x", {f"X-Object-Meta-K{number:02}": "v" * 250 for number in range(15)})
    run(daemon, code=1)
    assert pair.arrived() == ["fine"]
    assert daemon.unsettled()["large"][1] == "metadata_too_large"
