"""Three nodes with a replica each."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3_sync.errors import (
    AccessDenied,
    InvalidRequest,
    ListingUnusable,
    NotSupported,
    RemoteError,
    RemoteUnavailable,
)
from s3_sync.model.rows import owner_ordinal
from unit.sync.fake_node import SLACK, VERIFIED, mapping
from unit.sync.worlds import Three, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class TestThreeNodes:
    def test_each_node_sends_its_own_rows_and_every_object_once(self, tmp_path: Path) -> None:
        three = Three(tmp_path)
        for node in three.nodes:
            node.settle()
        three.bucket.counts()
        for number in range(90):
            three.swift.put(f"o{number}")
        for node in three.nodes:
            node.settle()
        assert three.converged()
        assert three.bucket.counts() == {"put": 90}
        assert sorted(sum(node.tally().values()) for node in three.nodes)[0] > 10

    @pytest.mark.parametrize("conditional", [True, False])
    def test_verify_pass_costs_listings_only(self, tmp_path: Path, conditional: bool) -> None:
        three = Three(tmp_path, conditional, items_chunk=100)
        for number in range(300):
            three.swift.put(f"o{number:03d}")
        three.swift.clock.sleep(10.0)
        for node in three.nodes:
            node.settle()
        three.bucket.counts()
        three.swift.clock.sleep(VERIFIED)
        for node in three.nodes:
            node.settle()
        counts = three.bucket.counts()
        assert set(counts) == {"list"}
        assert counts["list"] <= 3 * 3 * 2
        for node in three.nodes:
            assert node.tally()["present"] == 300 - node.tally()["copied"]

    @pytest.mark.parametrize(
        ("conditional", "count", "error"),
        [
            (True, 300, AccessDenied("no ListBucket")),
            (False, 300, NotSupported("no such thing")),
            (True, 3000, ListingUnusable("out of order")),
        ],
    )
    def test_nodes_without_listings_send_each_new_object_once_in_a_minute(
        self, tmp_path: Path, conditional: bool, count: int, error: RemoteError
    ) -> None:
        """From the beginning of the mapping, and when there are rows of others to be verified."""
        three = Three(tmp_path, conditional, items_chunk=100)
        three.bucket.before = lambda method, name: error if method in ("list", "has_manifests") else None
        for number in range(60):
            three.swift.put(f"old{number}")
        for node in three.nodes:
            node.settle()
        assert three.converged()
        three.swift.clock.sleep(VERIFIED)
        for number in range(count):
            three.swift.put(f"new{number:04d}")
        started = three.swift.clock.now()
        for node in three.nodes:
            node.settle()
        assert three.converged()
        assert three.swift.clock.now() - started < 60.0
        assert set(three.bucket.sent.values()) == {1}
        assert all(node.unsettled() == {} and not node.crawl.is_failing for node in three.nodes)
        assert sum(node.tally()["present"] for node in three.nodes) == 2 * 60

    def test_slow_stream_of_objects_is_verified_in_rounds(self, tmp_path: Path) -> None:
        """One object every ten seconds: a HEAD for each would be as much work as copying it."""
        three = Three(tmp_path, items_chunk=1000)
        for node in three.nodes:
            node.settle()
        for number in range(600):
            three.swift.put(f"{number:06d}")
            three.swift.clock.sleep(10.0)
            for node in three.nodes:
                node.settle()
        assert three.converged()
        verified = sum(node.tally().get("present", 0) for node in three.nodes)
        assert verified > 200
        counts = three.bucket.counts()
        assert counts["put"] == 600
        assert counts["head"] + counts["list"] <= verified / 10

    def test_rows_of_an_absent_node_are_sent_after_the_slack(self, tmp_path: Path) -> None:
        three = Three(tmp_path, items_chunk=100)
        for number in range(90):
            three.swift.put(f"o{number}")
        alive = three.nodes[:2]
        for node in alive:
            node.settle()
        absent = {name for name in three.swift.content() if owner_ordinal(name, 3) == 2}
        assert set(three.swift.content()) - set(three.bucket.content()) == absent
        three.swift.clock.sleep(SLACK - 60.0)
        for node in alive:
            node.settle()
        assert not three.converged()
        three.bucket.counts()
        three.swift.clock.sleep(60.0 + SLACK / 6)
        for node in alive:
            node.settle()
        assert three.converged()
        assert three.bucket.counts()["put"] == len(absent)
        # and when it comes back it sends nothing again
        three.nodes[2].settle()
        assert "put" not in three.bucket.counts()

    def test_puts_posts_and_deletes_of_an_absent_node_are_propagated(self, tmp_path: Path) -> None:
        three = Three(tmp_path, items_chunk=100)
        for number in range(60):
            three.swift.put(f"o{number}", b"1")
        for node in three.nodes:
            node.settle()
        theirs = [name for name in three.swift.content() if owner_ordinal(name, 3) == 2]
        three.swift.clock.sleep(10.0)
        three.swift.put(theirs[0], b"2")
        three.swift.put(theirs[1], b"1", x_object_meta_a="b")
        three.swift.post(theirs[2], x_object_meta_c="d")
        three.swift.delete(theirs[3])
        for node in three.nodes[:2]:
            node.settle()
            node.later(VERIFIED)
        assert three.converged()
        assert three.bucket.metadata(theirs[1]) == {"a": "b"}
        assert three.bucket.metadata(theirs[2]) == {"c": "d"}

    def test_returning_node_with_stale_data_overwrites_and_deletes_nothing(self, tmp_path: Path) -> None:
        """Nothing newer is overwritten, and nothing is deleted, by a node that slept."""
        three = Three(tmp_path, items_chunk=100)
        names = [f"o{number}" for number in range(60)]
        for name in names:
            three.swift.put(name, b"old")
        sleeping = three.swift.dbs.pop()
        three.swift.stale = {name: three.swift.objects[name, 0] for name in names}
        three.swift.clock.sleep(10.0)
        for name in names[:40]:
            three.swift.put(name, b"new")
        for name in names[50:]:
            three.swift.delete(name)
        for node in three.nodes[:2]:
            node.settle()
            node.later(VERIFIED)
        assert three.converged()
        before = three.bucket.content()
        for seconds in (0.0, 5.0, VERIFIED, VERIFIED):
            three.nodes[2].later(seconds)
            assert three.bucket.content() == before
        # and then its database catches up
        for name in names:
            sleeping.add(three.swift.row(name))
        three.nodes[2].later(5.0)
        three.nodes[2].later(VERIFIED)
        assert three.bucket.content() == before
        assert all(node.unsettled() == {} for node in three.nodes)

    def test_old_objects_are_sent_once_if_all_nodes_start_together(self, tmp_path: Path) -> None:
        """What is older than the slack could be verified at once, before its owner had a chance."""
        three = Three(tmp_path, items_chunk=60)
        for number in range(300):
            three.swift.put(f"o{number:03d}")
        three.swift.clock.sleep(10 * SLACK)
        for _ in range(200):
            for node in three.nodes:
                node.step()
            three.swift.clock.sleep(1.0)
        for node in three.nodes:
            node.later(VERIFIED)
        assert three.converged()
        counts = three.bucket.counts()
        assert counts["put"] == 300
        assert counts["head"] <= 30

    @pytest.mark.parametrize("conditional", [True, False])
    def test_node_absent_during_its_first_copy_returns_without_sending(
        self, tmp_path: Path, conditional: bool
    ) -> None:
        """It comes back with what was true then: nothing was stored, and its objects were these."""
        three = Three(tmp_path, conditional, items_chunk=30)
        names = [f"o{number}" for number in range(300)]
        for name in names:
            three.swift.put(name, b"old")
        three.swift.clock.sleep(10.0)
        for node in three.nodes:
            node.step()
        three.swift.dbs.pop(0)
        three.swift.stale = {name: three.swift.objects[name, 0] for name in names}
        for name in names[200:250]:
            three.swift.put(name, b"new")
        for name in names[250:]:
            three.swift.delete(name)
        for _ in range(2):
            three.swift.clock.sleep(VERIFIED)
            for node in three.nodes[1:]:
                node.settle()
        assert three.converged()
        before, sent = three.bucket.content(), three.bucket.sent.copy()
        three.nodes[0].restart()
        for seconds in (0.0, VERIFIED, VERIFIED):
            three.nodes[0].later(seconds)
            assert three.bucket.content() == before
        assert three.bucket.sent == sent

    @pytest.mark.parametrize("conditional", [True, False])
    def test_backlog_longer_than_the_slack_is_sent_once_own_rows_first(
        self, tmp_path: Path, conditional: bool
    ) -> None:
        """Who has work of its own leaves that of others alone."""
        three = Three(tmp_path, conditional, items_chunk=10)
        for number in range(600):
            three.swift.put(f"o{number:03d}")
        for node in three.nodes:
            node.step()
        three.swift.clock.sleep(VERIFIED)
        shares = [{name for name in three.swift.content() if owner_ordinal(name, 3) == n} for n in range(3)]
        helped = 0
        while not three.converged():
            for node, share in zip(three.nodes[:2], shares, strict=False):
                before = three.bucket.sent.copy()
                node.step()
                if not (three.bucket.sent - before).keys() <= share:
                    assert share <= three.bucket.content().keys()
                    helped += 1
        assert helped, "the share of the third one, which is absent"
        assert set(three.bucket.sent.values()) == {1}

    @pytest.mark.parametrize("conditional", [True, False])
    def test_two_nodes_verifying_the_same_rows_send_each_object_once(
        self, tmp_path: Path, conditional: bool
    ) -> None:
        """A listing is old when the last of its names has its turn, and others have not been idle."""
        three = Three(tmp_path, conditional, items_chunk=10)
        for number in range(600):
            three.swift.put(f"o{number:03d}")
        others = three.nodes[:2]
        for node in others:
            node.settle()
        three.swift.clock.sleep(VERIFIED)
        begun: list[str] = []

        def meanwhile(method: str, name: str) -> None:
            if method == ("put" if conditional else "head"):
                begun.append(name)
                if len(begun) == 50:
                    others[1].step()

        three.bucket.before = meanwhile
        for node in others:
            node.settle()
        assert three.converged()
        assert len(begun) >= 50
        assert set(three.bucket.sent.values()) == {1}

    def test_refused_block_in_the_verify_pass_does_not_delay_the_rest(self, tmp_path: Path) -> None:
        """A batch begins in the middle of the absent nodes' share, and is broken off there."""
        three = Three(tmp_path, items_chunk=10)
        names = [f"o{number:03d}" for number in range(300)]
        for name in names:
            three.swift.put(name)
        theirs = [name for name in names if owner_ordinal(name, 3)]
        refused = set(theirs[80:150])
        error = InvalidRequest("no")
        three.bucket.before = lambda method, name: error if method == "put" and name in refused else None
        node = three.nodes[0]
        node.settle()
        three.swift.clock.sleep(VERIFIED)
        for _ in range(60):
            node.step()
        assert set(names) - set(three.bucket.content()) == refused
        assert set(node.unsettled()) == refused

    def test_two_nodes_verifying_the_same_rows_start_at_different_ones(self, tmp_path: Path) -> None:
        """Two that went the same way at the same pace would meet at every object."""
        three = Three(tmp_path, items_chunk=10)
        for number in range(300):
            three.swift.put(f"o{number:03d}")
        for node in three.nodes[:2]:
            node.settle()
        three.swift.clock.sleep(VERIFIED)
        three.bucket.before = lambda method, name: RemoteUnavailable("gone") if method == "put" else None
        ways = []
        for node in three.nodes[:2]:
            three.bucket.calls = []
            node.step()
            ways.append([name for method, name in three.bucket.calls if method == "put"][:2])
        assert all(ways)
        assert ways[0] != ways[1]

    def test_rows_of_an_absent_node_are_sent_once_copy_after_has_passed(self, tmp_path: Path) -> None:
        three = Three(tmp_path, mapping=mapping(copy_after=2000), slack=600.0)
        for number in range(60):
            three.swift.put(f"o{number}")
        for node in three.nodes[:2]:
            node.settle()
        for node in three.nodes[:2]:
            node.later(700.0)
        assert three.bucket.content() == {}
        for _ in range(10):
            for node in three.nodes[:2]:
                node.later(300.0)
        assert three.converged()
        assert three.bucket.counts()["put"] == 60

    def test_row_with_a_future_timestamp_does_not_stop_the_verify_pass(self, tmp_path: Path) -> None:
        three = Three(tmp_path, slack=600.0)
        three.swift.clock.sleep(1200.0)
        three.swift.put("future")
        three.swift.clock.sleep(-1200.0)
        for number in range(30):
            three.swift.put(f"o{number}")
        node = three.nodes[0]
        node.settle()
        node.later(2000.0)
        assert three.converged()
