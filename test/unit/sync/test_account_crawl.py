"""Whole accounts: which containers they come to, and what the large objects in them consist of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from s3_sync.cluster.accounts import LISTING_LAG, AccountNames
from s3_sync.config.coverage import Coverage
from s3_sync.errors import LocalUnavailable
from s3_sync.model.keys import KeyNamer
from s3_sync.runtime.turn import OWNER_TIMEOUT
from s3_sync.state.journal import QUARANTINE, Settlement, Unsettled
from s3_sync.sync.account_crawl import LIST_INTERVAL
from s3_sync.sync.container_crawl import ContainerCrawl
from s3_sync.sync.lifecycle.account_segment_index import (
    RETRY_DELAY,
    SCAN_REST,
    SCAN_REST_FACTOR,
    SCAN_TTL,
    AccountSegmentIndex,
)
from unit.sync.account import Account, mapping
from unit.sync.cluster import FakeDb, FakeReplica, Swift, local_objects
from unit.sync.fake_node import ACCOUNT, Node
from unit.sync.store import WatchedBucket


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path)


def test_account_covers_containers_with_a_database_or_shard_on_this_node(account: Account) -> None:
    account.add("a", "b")
    account.listed += ["elsewhere", "\0versions\0b", "a-b"]
    account.shards = ["a-b-0123-1700000000.00000-0", "elsewhere-0123-1700000000.00000-1"]
    account.here[account.shards[0]] = FakeReplica(FakeDb("shard"))
    assert account.covered() == ["a", "a-b", "b"]
    assert account.crawl.covered is not None
    assert account.crawl.covered["a"].namer == KeyNamer.hashed(ACCOUNT, "a")


def test_account_is_listed_again_only_after_the_list_interval(account: Account) -> None:
    account.add("a")
    account.covered()
    account.add("b")
    before = account.crawl.covered
    assert account.covered(LIST_INTERVAL - 1) == ["a"]
    assert account.crawl.covered is before
    assert account.covered(1) == ["a", "b"]
    assert account.listings == 2
    after = account.crawl.covered
    account.covered()
    assert account.crawl.covered is after  # whoever looks need not compare


def test_clock_set_back_lists_the_account_at_once(account: Account) -> None:
    account.covered()
    assert account.listings == 1
    account.swift.clock.sleep(-1e6)
    account.covered(0)
    assert account.listings == 2


def test_deleted_container_is_covered_until_nothing_is_unsettled(account: Account) -> None:
    account.add("a", "b")
    account.covered()
    account.listed = ["b"]
    assert account.covered() == ["a", "b"]  # its last rows are the deletes that emptied it
    account.here["a"].db = None
    failure = Unsettled("o", QUARANTINE, 0, True, "1", "1", 0, "remote_denied", "")
    key = account.whole.of_container("a").journal_key
    account.node.journal.settle(key, Settlement(failures=[failure]), 0.0)
    assert account.covered() == ["a", "b"]
    account.node.journal.reset(key)
    assert account.covered() == ["b"]


def test_container_deleted_while_stopped_is_covered_by_its_status_file(account: Account) -> None:
    """Its status file tells of it."""
    directory = account.node.directory / ACCOUNT
    directory.mkdir()
    for name in ("gone", "gone for good", ".tmp-abcdefgh"):
        (directory / name).write_text("{}")
    account.here["gone"] = FakeReplica(FakeDb("gone"))
    assert account.covered() == ["gone"]


def test_failed_listing_keeps_the_covered_containers_and_is_logged_once(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    account.error = LocalUnavailable("no server answers")
    assert account.crawl.step().delay > 1
    assert account.crawl.covered is None
    assert account.crawl.is_failing
    account.error = None
    account.add("a")
    assert account.covered() == ["a"]
    assert not account.crawl.is_failing
    account.error = LocalUnavailable("no server answers")
    assert account.covered() == ["a"]
    assert account.crawl.is_failing
    account.covered()
    assert caplog.text.count("no server answers") == 2  # once for each time that it began to fail


def test_container_with_a_new_mapping_of_its_own_is_no_longer_covered(account: Account) -> None:
    account.add("a", "b")
    assert account.covered() == ["a", "b"]
    account.crawl.update_coverage(Coverage([*account.mappings, mapping("a")]))
    assert account.covered(0) == ["b"]


class TestMovingAccount:
    def test_no_container_is_covered_before_the_account_was_walked(self, tmp_path: Path) -> None:
        account = Account(tmp_path, mapping("own", "elsewhere"), retain_local=False)
        account.add("a", "own", "a_segments", "keeps", "c")
        account.swift.versioned.add("c")
        account.swift.put("/a/o", b"x")
        account.client.containers = lambda *_, **__: raises()
        assert account.crawl.step().delay
        assert account.crawl.covered is None
        account.client.containers = account.swift.containers
        assert account.covered(SCAN_REST) == ["a", "keeps"]
        account.swift.versioned.clear()
        account_index = account.crawl.account_index
        assert account_index is not None
        account_index.is_current_for(account.swift.clock.now())
        assert account.covered(SCAN_REST) == ["a", "c", "keeps"]

    def test_object_moves_only_after_a_later_walk_does_not_find_it_named(self, tmp_path: Path) -> None:
        """It moves when a walk that began after it was written has not seen anybody name it."""
        swift = Swift()
        bucket = WatchedBucket(KeyNamer.hashed(ACCOUNT, "c"), swift.clock.now)
        node = Node(swift, bucket, tmp_path, mapping=mapping("c", retain_local=False))
        account_index = AccountSegmentIndex(node.local.accounts.names(ACCOUNT), swift.clock)
        node.crawl = ContainerCrawl(node.context, node.mapping, account_index)
        swift.put("plain", b"x")
        swift.put("part", b"segment")
        node.settle()
        assert bucket.content() == {}
        swift.put_slo("/elsewhere/slo", ["/c/part"])
        swift.clock.sleep(1.0)
        assert not account_index.advance(10.0)
        node.later(RETRY_DELAY)
        assert bucket.content() == {"plain": b"x"}
        assert "segment 1" in node.crawl.summary(True)
        swift.put("later", b"y")
        node.settle()
        assert "later" not in bucket.content()
        swift.clock.sleep(SCAN_REST)
        assert not account_index.advance(10.0)
        node.later(RETRY_DELAY)
        assert set(bucket.content()) == {"plain", "later"}
        assert ("part", 0) in swift.objects


def raises() -> list[str]:
    raise LocalUnavailable("too few servers")


def names_of(swift: Swift) -> AccountNames:
    return local_objects(swift).accounts.names(ACCOUNT)


def walk(names: AccountNames, now: float) -> None:
    for _ in names.walk(now):
        pass


class TestAccountNames:
    def test_manifests_name_segments_in_other_containers(self) -> None:
        swift = Swift()
        for name in ("/parts/1", "/parts/2", "/parts/d/1", "/parts/dd", "/x_segments/1"):
            swift.put(name, b"segment")
        swift.put_slo("slo", ["/parts/1", "/x_segments/1"])
        swift.put_dlo("dlo", "parts/d/")
        names = names_of(swift)
        walk(names, swift.clock.now())
        assert names.has("parts", "1")
        assert names.has("parts", "d/1")
        assert not names.has("parts", "2")
        assert not names.has("parts", "dd")
        assert not names.has("x_segments", "1")  # nothing is moved there, and nothing remembered

    def test_walk_remembers_no_links_to_versions(self) -> None:
        """Each of its objects is a link to a version: that would be the names of all of them."""
        swift = Swift()
        swift.put("/kept/o", b"", x_object_sysmeta_symlink_target="%00versions%00kept/o")
        swift.put("/kept/link", b"", x_object_sysmeta_symlink_target="c/target")
        names = names_of(swift)
        walk(names, swift.clock.now())
        assert list(names._scanned["kept"]) == ["link"]

    def test_walk_reads_only_manifests_changed_since(self) -> None:
        swift = Swift()
        swift.put("/parts/1", b"segment")
        swift.put("/empty/marker", b"")
        swift.put_slo("slo", ["/parts/1"])
        swift.put_slo("other", ["/parts/1"])
        names = names_of(swift)
        walk(names, swift.clock.now())
        swift.clock.sleep(2 * LISTING_LAG)
        walk(names, swift.clock.now())
        swift.reads.clear()
        swift.clock.sleep(2 * LISTING_LAG)
        swift.delete("slo")
        walk(names, swift.clock.now())
        assert names.has("parts", "1")
        swift.put_slo("other", ["/empty/marker"])
        walk(names, swift.clock.now())
        assert swift.reads == ["other"]
        assert not names.has("parts", "1")
        assert names.has("empty", "marker")

    def test_dlo_whose_prefix_matches_its_own_name_does_not_name_itself(self) -> None:
        swift = Swift()
        swift.put_dlo("o", "c/o")
        names = names_of(swift)
        walk(names, swift.clock.now())
        assert not names.has("c", "o")
        assert names.has("c", "o/1")

    def test_symlinks_and_malformed_manifests_name_nothing(self) -> None:
        swift = Swift()
        swift.put("/parts/1", b"x")
        swift.put("link", b"", x_object_sysmeta_symlink_target="parts/1")
        swift.put("broken", b"no manifest", x_static_large_object="True")
        names = names_of(swift)
        walk(names, swift.clock.now())
        assert not names.has("parts", "1")

    def test_manifest_names_segments_through_symlinks(self) -> None:
        swift = Swift()
        for name in ("/parts/1", "/parts/2", "/parts/3"):
            swift.put(name, b"segment")
        links = {"l1": "c/l2", "l2": "parts/1", "d/1": "parts/2", "x": "parts/3", "loop": "c/loop"}
        for link, target in links.items():
            swift.put(link, b"", x_object_sysmeta_symlink_target=target)
        swift.put_slo("slo", ["/c/l1", "/c/loop"])
        swift.put_dlo("dlo", "c/d/")
        names = names_of(swift)
        walk(names, swift.clock.now())
        assert [names.has("parts", number) for number in "123"] == [True, True, False]
        swift.delete("slo")
        walk(names, swift.clock.now())
        assert [names.has("parts", number) for number in "123"] == [False, True, False]


class TestAccountSegmentIndex:
    def test_walk_is_repeated_only_on_demand_and_after_a_rest(self) -> None:
        swift = Swift()
        clock, walks = swift.clock, []
        names = names_of(swift)

        def walk(now: float) -> Iterator[None]:
            walks.append(now)
            clock.sleep(20.0)
            yield
            names.seen_until = now

        cast(Any, names).walk = walk
        account_index = AccountSegmentIndex(names, clock)
        written = clock.now() - 1.0
        assert not account_index.is_current_for(written)
        assert account_index.advance(5.0)  # more to do
        assert not account_index.advance(5.0)
        assert account_index.is_current_for(written)
        for _ in range(100):
            clock.sleep(SCAN_TTL / 110)
            assert not account_index.advance(5.0)
            assert account_index.is_current_for(written)
        assert len(walks) == 1  # nobody has asked for more
        assert not account_index.is_current_for(clock.now())
        assert account_index.retry_at() == clock.now() + RETRY_DELAY
        account_index.advance(60.0)
        assert len(walks) == 2
        assert not account_index.is_current_for(clock.now())
        assert account_index.retry_at() == clock.now() + SCAN_REST_FACTOR * 20.0
        assert not account_index.advance(60.0)
        assert len(walks) == 2
        clock.sleep(SCAN_TTL + 1)
        assert not account_index.is_current_for(written)  # too long ago

    def test_clock_set_back_makes_the_index_outdated_until_the_next_walk(self) -> None:
        swift = Swift()
        account_index = AccountSegmentIndex(names_of(swift), swift.clock)
        account_index.advance(1.0)
        swift.clock.sleep(-1e6)
        assert not account_index.is_current_for(swift.clock.now() - 1.0)
        assert account_index.retry_at() <= swift.clock.now() + SCAN_REST
        account_index.advance(1.0)
        assert account_index.is_current_for(swift.clock.now() - 1.0)

    def test_sweep_is_acquired_by_one_mapping_at_a_time_until_a_timeout(self) -> None:
        swift = Swift()
        account_index = AccountSegmentIndex(names_of(swift), swift.clock)
        assert account_index.sweep_turn.acquire("one")
        assert not account_index.sweep_turn.acquire("two")
        assert account_index.sweep_turn.acquire("one")
        account_index.sweep_turn.end("two")
        assert not account_index.sweep_turn.acquire("two")
        account_index.sweep_turn.end("one")
        assert account_index.sweep_turn.acquire("two")
        swift.clock.sleep(OWNER_TIMEOUT + 1)  # its mapping may have been removed
        assert account_index.sweep_turn.acquire("one")
