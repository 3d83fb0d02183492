"""The daemon has an operator's rights; what users write must not lend them to anybody."""

from __future__ import annotations

import json
from collections.abc import Sequence
from uuid import uuid4

import pytest

from servers.daemon import NewDaemon, SyncDaemon
from servers.landed import keys
from servers.large import Large
from servers.pair import Pair, Store, new_pair
from servers.swift import SwiftCluster

SECRET = b"the secret of somebody else"
MOVES = {"retain_local": False, "propagate_delete": False}


@pytest.fixture
def owner(swift: SwiftCluster, s3api: Store) -> Pair:
    """The owner of the secret, whose container is private and mapped nowhere."""
    owner = new_pair(swift, s3api, account=f"AUTH_{uuid4().hex}")
    owner.put("seg1", SECRET)
    return owner


def shared(swift: SwiftCluster, store: Store, account: str, **options: object) -> Pair:
    return new_pair(swift, store, account=account, **options)


def put_slo(pair: Pair, name: str, container: str, segments: Sequence[str]) -> None:
    entries = [{"path": f"/{container}/{each}"} for each in segments]
    body = json.dumps(entries).encode()
    pair.swift.request("PUT", pair.container, name, query="multipart-manifest=put", body=body)


def failed(daemon: SyncDaemon) -> dict[str, str]:
    return {name: reason for name, (_, reason, _) in daemon.unsettled().items()}


def run(daemon: SyncDaemon, code: int) -> None:
    result = daemon.once()
    assert result.returncode == code, result.stderr + daemon.log_text()


class TestSymlinks:
    @pytest.mark.parametrize("moves", [False, True])
    @pytest.mark.parametrize("static", [False, True])
    def test_link_to_another_container_copies_nothing(
        self,
        swift: SwiftCluster,
        s3api: Store,
        owner: Pair,
        new_daemon: NewDaemon,
        moves: bool,
        static: bool,
    ) -> None:
        own = shared(swift, s3api, owner.swift.account, **(MOVES if moves else {}))
        stranger = shared(swift, s3api, f"AUTH_{uuid4().hex}", **(MOVES if moves else {}))
        bound = {
            "X-Symlink-Target-Etag": owner.swift.request("HEAD", owner.container, "seg1").headers["etag"]
        }
        target = {"X-Symlink-Target": f"{owner.container}/seg1", **(bound if static else {})}
        own.put("link", b"", target)
        own.put("chain", b"", {"X-Symlink-Target": f"{own.container}/link"})
        stranger.put("link", b"", {**target, "X-Symlink-Target-Account": owner.swift.account})
        daemon = new_daemon(own, stranger)
        run(daemon, 1)
        assert set(failed(daemon).values()) == {"symlink_elsewhere"}
        assert keys(own.s3, own.bucket) == keys(stranger.s3, stranger.bucket) == []
        for pair in (own, stranger):
            assert "link" in pair.swift.names(pair.container)

    def test_follow_symlinks_account_stays_within_the_account(
        self, swift: SwiftCluster, s3api: Store, owner: Pair, new_daemon: NewDaemon
    ) -> None:
        own = shared(swift, s3api, owner.swift.account, follow_symlinks="account")
        stranger = shared(swift, s3api, f"AUTH_{uuid4().hex}", follow_symlinks="account")
        never = shared(swift, s3api, owner.swift.account, follow_symlinks="never")
        target = {"X-Symlink-Target": f"{owner.container}/seg1"}
        own.put("link", b"", target)
        stranger.put("link", b"", {**target, "X-Symlink-Target-Account": owner.swift.account})
        never.put("link", b"", {"X-Symlink-Target": f"{never.container}/o"})
        never.put("o", b"own")
        daemon = new_daemon(own, stranger, never)
        run(daemon, 1)
        assert own.s3.get_object(Bucket=own.bucket, Key=own.prefix + "link")["Body"].read() == SECRET
        assert keys(stranger.s3, stranger.bucket) == []
        assert never.arrived() == ["o"]

    def test_copy_of_a_link_expires_with_the_earlier_of_link_and_target(
        self, pair: Pair, daemon: SyncDaemon
    ) -> None:
        soon, late = "4000000000", "4100000000"
        for name, at_target, at_link in (("a", soon, late), ("b", late, soon), ("c", soon, "")):
            pair.put(f"{name}-target", b"x", {"X-Delete-At": at_target})
            expiry = {"X-Delete-At": at_link} if at_link else {}
            pair.put(name, b"", {"X-Symlink-Target": f"{pair.container}/{name}-target", **expiry})
        run(daemon, 0)
        assert {pair.landed(name).marks["x-delete-at"] for name in "abc"} == {soon}


class TestSegments:
    @pytest.mark.parametrize("moves", [False, True])
    @pytest.mark.parametrize("kind", ["dlo", "slo"])
    def test_segments_elsewhere_are_neither_copied_nor_deleted(
        self, swift: SwiftCluster, s3api: Store, owner: Pair, new_daemon: NewDaemon, kind: str, moves: bool
    ) -> None:
        pair = shared(swift, s3api, owner.swift.account, **(MOVES if moves else {}))
        if kind == "slo":
            put_slo(pair, "man", owner.container, ["seg1"])
        else:
            pair.put("man", b"", {"X-Object-Manifest": f"{owner.container}/seg"})
        daemon = new_daemon(pair)
        run(daemon, 1)
        run(daemon, 1)
        assert failed(daemon) == {"man": "segments_elsewhere"}
        assert keys(pair.s3, pair.bucket) == []
        assert pair.swift.names(pair.container) == ["man"]
        assert owner.swift.names(owner.container) == ["seg1"]
        status = daemon.ctl("status", "--json")
        (mapping,) = json.loads(status.stdout)["mappings"]
        ((detail, count),) = mapping["segments_elsewhere"].items()
        assert (owner.container in detail, count) == (True, 1)

    def test_link_to_large_object_allows_segments_of_the_targets_container(
        self, swift: SwiftCluster, s3api: Store, owner: Pair, new_daemon: NewDaemon
    ) -> None:
        put_slo(owner, "slo", owner.container, ["seg1"])
        pair = shared(swift, s3api, owner.swift.account, follow_symlinks="account")
        pair.put("link", b"", {"X-Symlink-Target": f"{owner.container}/slo"})
        daemon = new_daemon(pair)
        run(daemon, 0)
        assert pair.s3.get_object(Bucket=pair.bucket, Key=pair.prefix + "link")["Body"].read() == SECRET

    @pytest.mark.parametrize("named", [False, True])
    def test_segment_containers_option_allows_segments_to_move(
        self, swift: SwiftCluster, s3api: Store, owner: Pair, new_daemon: NewDaemon, named: bool
    ) -> None:
        allowed = [owner.container] if named else ["*"]
        pair = shared(swift, s3api, owner.swift.account, segment_containers=allowed, **MOVES)
        put_slo(pair, "man", owner.container, ["seg1"])
        daemon = new_daemon(pair)
        run(daemon, 0)
        assert pair.arrived() == ["man"]
        assert owner.swift.names(owner.container) == []

    @pytest.mark.parametrize("kind", ["dlo", "slo"])
    def test_segments_in_the_container_itself_move_under_their_own_names(
        self, swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon, kind: str
    ) -> None:
        """A DLO over a folder of logs: each log is an object that clients list and read."""
        pair = shared(swift, s3api, f"AUTH_{uuid4().hex}", **MOVES)
        for name in ("day1", "day2"):
            pair.put(name, name.encode(), {"X-Object-Meta-Of": name})
        if kind == "slo":
            put_slo(pair, "all", pair.container, ["day1", "day2"])
        else:
            pair.put("all", b"", {"X-Object-Manifest": f"{pair.container}/day"})
        daemon = new_daemon(pair)
        run(daemon, 0)
        run(daemon, 0)
        assert pair.swift.names(pair.container) == []
        assert sorted(pair.arrived()) == ["all", "day1", "day2"]
        day = pair.landed("day1")
        assert (day.size, day.user) == (4, {"of": "day1"})

    def test_segments_in_a_segment_container_leave_with_their_manifest(
        self, swift: SwiftCluster, s3api: Store, new_daemon: NewDaemon
    ) -> None:
        large = Large(shared(swift, s3api, f"AUTH_{uuid4().hex}", **MOVES))
        large.put_slo("o", [large.segment("1", 100)])
        run(new_daemon(large.pair), 0)
        assert large.pair.arrived() == ["o"]
        assert large.pair.swift.names(large.container) == []
