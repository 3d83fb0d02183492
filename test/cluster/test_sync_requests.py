"""How many requests things cost, at the object servers and at the store."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from faults.proxy import FaultProxy
from servers.daemon import NewDaemon, SyncDaemon
from servers.operations import counting
from servers.pair import Pair, Store, new_pair, sync
from servers.process import wait_until
from servers.swift import SwiftCluster

#: which conditions of writes a store really holds to; without being told, the daemon knows that of AWS only
HONOURED = {"s3api": {"put_if_absent": True}, "moto": {"put_if_absent": True, "put_if_match": True}}


class Costs:
    """What a run of the daemon costs: `local` and `remote`, known after the `with` block."""

    def __init__(self, swift: SwiftCluster, pair: Pair, proxy: FaultProxy) -> None:
        self._swift = swift
        self._proxy = proxy
        self._place = [pair.swift.account, pair.container]
        self.local: Counter[str] = Counter()
        self.remote: Counter[str] = Counter()

    @contextmanager
    def counted(self) -> Iterator[None]:
        with self._swift.count_requests() as local, counting(self._proxy) as remote:
            yield
        # /device/partition/account/container/object
        self.local = Counter(
            request.method
            for request in local.requests
            if request.server == "object" and request.path.split("/")[3:5] == self._place
        )
        self.remote = remote


@pytest.fixture
def pair(swift: SwiftCluster, store: Store, proxy: FaultProxy) -> Pair:
    return new_pair(swift, store.behind(proxy.endpoint))


@pytest.fixture
def costs(swift: SwiftCluster, pair: Pair, proxy: FaultProxy) -> Costs:
    return Costs(swift, pair, proxy)


both_stores = pytest.mark.parametrize("store", ["s3api", "moto_store"], indirect=True)


def run(daemon: SyncDaemon, costs: Costs, pair: Pair) -> None:
    with costs.counted():
        sync(daemon, pair)


@both_stores
class TestConditionalStore:
    """A store that is known to honour If-None-Match, as AWS is."""

    @pytest.fixture
    def daemon(self, pair: Pair, store: Store, new_daemon: NewDaemon) -> SyncDaemon:
        return new_daemon(pair, altered={"dialect": HONOURED[store.name]})

    def test_new_object_costs_one_get_and_one_put(self, pair: Pair, daemon: SyncDaemon, costs: Costs) -> None:
        for number in range(5):
            pair.put(f"o{number}")
        run(daemon, costs, pair)
        assert (costs.local, costs.remote) == ({"GET": 5}, {"ListObjects": 1, "PutObject": 5})
        pair.put("later")
        run(daemon, costs, pair)
        assert (costs.local, costs.remote) == ({"GET": 1}, {"PutObject": 1})
        pair.check()

    def test_overwrite_costs_a_refused_put_two_heads_and_a_put(
        self, pair: Pair, store: Store, daemon: SyncDaemon, costs: Costs, proxy: FaultProxy
    ) -> None:
        """The refused PUT shows that the key is taken."""
        pair.put("o", b"old")
        run(daemon, costs, pair)
        pair.put("o", b"new")
        run(daemon, costs, pair)
        assert costs.remote == {"PutObject": 2, "HeadObject": 1}
        assert costs.local == {"GET": 2, "HEAD": 1}
        pair.check()
        first, refused, last = proxy.calls("PUT")
        assert first.headers["if-none-match"] == refused.headers["if-none-match"] == "*"
        assert (first.status, refused.status, last.status) == (200, 412, 200)
        if store.name == "moto":
            assert last.headers["if-match"].strip('"') == hashlib.md5(b"old").hexdigest()


@both_stores
class TestStoreWithoutConditions:
    """The daemon does not rely on conditions of stores other than AWS: it reads the newest state first."""

    def test_new_object_costs_one_get_one_put_and_later_one_head(
        self, pair: Pair, daemon: SyncDaemon, costs: Costs
    ) -> None:
        for number in range(5):
            pair.put(f"o{number}")
        run(daemon, costs, pair)
        assert (costs.local, costs.remote) == ({"GET": 5}, {"ListObjects": 1, "PutObject": 5})
        pair.put("later")
        run(daemon, costs, pair)
        assert (costs.local, costs.remote) == ({"HEAD": 1, "GET": 1}, {"PutObject": 1})
        pair.check()
        daemon.stop()
        with costs.counted():
            assert daemon.once().returncode == 0
        assert (costs.local, costs.remote) == ({}, {})

    def test_overwrite_costs_one_head_one_get_and_one_put(
        self, pair: Pair, daemon: SyncDaemon, costs: Costs
    ) -> None:
        pair.put("o", b"old")
        run(daemon, costs, pair)
        pair.put("o", b"new")
        run(daemon, costs, pair)
        assert (costs.local, costs.remote) == ({"HEAD": 1, "GET": 1}, {"PutObject": 1})
        pair.check()

    def test_post_costs_two_heads_and_one_copy(self, pair: Pair, daemon: SyncDaemon, costs: Costs) -> None:
        """The bytes are not sent again."""
        pair.put("o", b"bytes")
        run(daemon, costs, pair)
        pair.post("o", {"X-Object-Meta-New": "yes"})
        run(daemon, costs, pair)
        assert costs.remote == {"HeadObject": 2, "CopyObject": 1}
        pair.check()

    def test_delete_costs_one_request_and_no_get(self, pair: Pair, daemon: SyncDaemon, costs: Costs) -> None:
        """One request deletes the copy and its stored manifest."""
        for name in ("a", "b"):
            pair.put(name)
        run(daemon, costs, pair)
        daemon.stop()  # or it might act before anybody counts
        for name in ("a", "b"):
            pair.delete(name)
        pair.put("never copied")
        pair.delete("never copied")
        run(daemon, costs, pair)
        assert costs.remote == {"DeleteObjects": 3}
        assert "GET" not in costs.local
        pair.check()

    def test_object_deleted_before_the_first_pass_costs_no_delete(
        self, pair: Pair, daemon: SyncDaemon, costs: Costs
    ) -> None:
        pair.put("gone")
        pair.delete("gone")
        run(daemon, costs, pair)
        assert (costs.local, costs.remote) == ({}, {"ListObjects": 1})


@pytest.mark.parametrize("store", ["s3api"], indirect=True)
class TestIdleDaemon:
    def test_polls_cost_no_request_and_open_no_database(
        self, pair: Pair, new_daemon: NewDaemon, costs: Costs, tmp_path: Path
    ) -> None:
        looked, opened = tmp_path / "looked", tmp_path / "opened"
        replica = "s3_sync.cluster.brokers:LocalReplica"
        noted = {f"{replica}.fingerprint": str(looked), f"{replica}.open": str(opened)}
        daemon = new_daemon(pair, poll_interval=0.05, altered={"noted": noted})
        pair.put("o")
        daemon.start()
        wait_until(lambda: pair.arrived() == ["o"], 10, "the copy")
        wait_until(lambda: _polls_without(opened, looked) >= 3, 10, "rest")
        with costs.counted():
            assert _polls_without(opened, looked) == 20
        assert (costs.local, costs.remote) == ({}, {})
        pair.put("another")
        wait_until(lambda: pair.arrived() == ["another", "o"], 10, "the copy")


def _polls_without(opened: Path, looked: Path) -> int:
    """How many times in a row, 20 at most, files were looked at and none was opened."""
    openings, looks = opened.stat().st_size, looked.stat().st_size
    seen = looks
    while seen < looks + 20:
        wait_until(lambda: looked.stat().st_size > seen, 10, "a poll")  # noqa: B023 - called at once
        if opened.stat().st_size != openings:
            break
        seen = looked.stat().st_size
    return min(seen - looks, 20)
