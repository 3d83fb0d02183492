"""Who has a turn with which mapping, while mappings come, go and change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from s3_sync.config.budgets import Budget, Rates
from s3_sync.config.settings import Mapping
from s3_sync.daemon.daemon import Daemon
from s3_sync.daemon.lane import Lane, Slot
from s3_sync.errors import LocalUnavailable
from s3_sync.sync.account_crawl import LIST_INTERVAL
from s3_sync.sync.app import new_job
from s3_sync.sync.container_crawl import ContainerCrawl
from unit.sync.account import Account, mapping

BUDGET = Budget(Rates(requests_per_second=5.0))


class Turns:
    """A daemon over one account, whose turns are taken by hand."""

    def __init__(self, tmp_path: Path, *containers: str) -> None:
        self.account = Account(tmp_path)
        self.account.add(*containers)
        node = self.account.node
        self.daemon = Daemon(node.context, partial(new_job, node.context), node.context.statuses.set_coverage)

    def use(self, *mappings: Mapping) -> None:
        self.daemon.update_mappings(mappings)

    def all(self, rounds: int = 3) -> None:
        for _ in range(rounds):
            for lane, slot in list(self.slots()):
                lane._turn(slot)

    def slots(self) -> Iterator[tuple[Lane, Slot]]:
        for lane in self.daemon._lanes.values():
            for slot in list(lane._slots.values()):
                yield lane, slot

    def working(self) -> dict[str, Mapping]:
        """What is being done by crawls that may begin something, by container."""
        found: dict[str, Mapping] = {}
        for crawl in self.crawls():
            if not crawl._context.stop.is_set():
                assert crawl.mapping.container not in found, "two at a time"
                found[crawl.mapping.container] = crawl.mapping
        return found

    def crawls(self) -> list[ContainerCrawl]:
        return [slot.job for _, slot in self.slots() if isinstance(slot.job, ContainerCrawl)]


@pytest.fixture
def turns(tmp_path: Path) -> Turns:
    return Turns(tmp_path, "a", "b")


class TestAccountMappings:
    def test_changed_account_mapping_applies_to_its_containers_at_once(self, turns: Turns) -> None:
        """Not when the account has been listed again, which may take long, or fail."""
        turns.use(mapping())
        turns.all()
        assert set(turns.working()) == {"a", "b"}
        turns.account.error = RuntimeError("nobody lists anything now")
        turns.use(mapping(copy_after=60))
        assert turns.working() == {}
        turns.all()
        assert {each.profile.copy_after for each in turns.working().values()} == {60}
        assert len(turns.working()) == 2

    def test_removed_account_mapping_stops_its_containers(self, turns: Turns) -> None:
        turns.use(mapping())
        turns.all()
        crawls = turns.crawls()
        turns.use()
        assert all(crawl._context.stop.is_set() for crawl in crawls)
        turns.all()
        assert list(turns.slots()) == []

    def test_new_move_of_an_account_waits_until_the_account_was_walked(self, turns: Turns) -> None:
        turns.use(mapping())
        turns.all()
        client, listed = turns.account.client, turns.account.client.containers
        client.containers = fails
        moves = mapping(retain_local=False)
        turns.use(moves)
        turns.all()
        assert turns.working() == {}
        client.containers = listed
        turns.account.swift.clock.sleep(100)
        turns.all()
        assert {each.profile.retain_local for each in turns.working().values()} == {False}
        # what is known of it is not to be found out again
        crawls = turns.crawls()
        client.containers = fails
        turns.use(replace(moves, profile=replace(moves.profile, copy_after=60)))
        turns.all(1)
        assert not {id(crawl) for crawl in crawls} & {id(crawl) for crawl in turns.crawls()}
        assert {each.profile.copy_after for each in turns.working().values()} == {60}

    def test_own_mapping_added_during_the_listing_takes_over_the_container(
        self, turns: Turns, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A container gets a mapping of its own, which takes it out of what the account's comes to."""
        turns.account.add("c")
        own = mapping("b")
        whole, meanwhile = mapping(), [lambda: turns.use(whole, own)]
        here = turns.account.node.is_here

        def is_here(account: str, container: str) -> bool:
            if container == "c" and meanwhile:
                meanwhile.pop()()
            return here(account, container)

        monkeypatch.setattr(turns.account.node, "is_here", is_here)
        turns.use(whole)
        turns.all()
        assert set(turns.working()) == {"a", "b", "c"}
        assert turns.working()["b"].parent_key == ""

    def test_container_whose_own_mapping_is_removed_returns_to_the_account(self, turns: Turns) -> None:
        whole = mapping()
        turns.use(whole)
        turns.all()
        turns.use(whole, mapping("b"))
        turns.use(whole)
        turns.all()
        assert {each.parent_key for each in turns.working().values()} == {whole.journal_key}
        assert len(turns.working()) == 2

    def test_account_is_listed_again_only_after_the_list_interval(self, turns: Turns) -> None:
        turns.use(mapping())
        turns.all(10)
        assert turns.account.listings == 1
        turns.account.swift.clock.sleep(LIST_INTERVAL)
        turns.all(10)
        assert turns.account.listings == 2


class TestLanes:
    """What has a budget has a lane of its own. Its last turn in the other one may take a while."""

    @pytest.mark.parametrize("container", ["a", "/*"])
    def test_mapping_with_a_new_budget_changes_lane_after_its_turn(
        self, turns: Turns, container: str
    ) -> None:
        turns.use(mapping(container))
        turns.all()
        old = turns.crawls()
        turns.use(mapping(container, budget=BUDGET))
        lanes = list(turns.daemon._lanes.values())
        assert len(lanes) == 2
        before, after = lanes
        for slot in list(after._slots.values()):  # as long as nobody has left
            step = after._turn(slot)
            assert step is not None
            assert step.has_more
        assert turns.crawls() == old
        assert turns.working() == {}
        turns.all()
        assert list(before._slots.values()) == []
        assert all(each.profile.budget == BUDGET for each in turns.working().values())
        assert len(turns.crawls()) == len(old)
        turns.use(mapping(container))
        turns.all(4)
        assert list(after._slots.values()) == []
        assert len(turns.crawls()) == len(old)

    def test_claims_of_large_objects_are_shared_by_all_lanes(self, turns: Turns) -> None:
        turns.use(mapping("a"), mapping("b", budget=BUDGET))
        one, other = turns.daemon._lanes.values()
        one._large.claims("m").add("o")
        assert other._large.claims("m") == {"o"}

    def test_container_with_its_own_mapping_leaves_the_lane_of_its_account(self, turns: Turns) -> None:
        """Its keys, and so its name in the journal, are those it had, in another lane."""
        turns.use(mapping(budget=BUDGET))
        turns.all()
        turns.use(mapping(budget=BUDGET), mapping("b"))
        assert set(turns.working()) == {"a"}
        turns.all()
        assert turns.working()["b"].parent_key == ""
        turns.use(mapping(budget=BUDGET))
        turns.all(5)
        assert turns.working()["b"].parent_key != ""


def fails(*_: Any, **__: Any) -> Iterator[str]:
    raise LocalUnavailable("too few servers")
