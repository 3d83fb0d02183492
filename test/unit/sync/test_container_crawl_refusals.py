"""Many objects that the store refuses one by one, and how soon others of the container get past them."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3_sync.errors import (
    AccessDenied,
    CredentialsRefused,
    InvalidRequest,
    QuotaExceeded,
    RemoteError,
    RemoteUnavailable,
    UnexpectedAnswer,
)
from unit.sync.fake_node import mapping
from unit.sync.worlds import World

WORKERS = 10
REFUSALS = [
    InvalidRequest("no such metadata"),
    AccessDenied("not this one"),
    CredentialsRefused("the signature does not match"),
    UnexpectedAnswer("a page of a proxy"),
]


def refusing(tmp_path: Path, count: int, error: RemoteError, **options: object) -> tuple[World, list[str]]:
    """A world whose store refuses the first ``count`` objects of the container."""
    world = World(tmp_path, workers=WORKERS, **{"items_chunk": 200, **options})
    names = world.fill(count)
    world.fail_names(error, *names)
    return world, names


def backoffs(world: World, turns: int = 500) -> int:
    """How often the mapping backs off until everything that it can do is done."""
    number = 0
    for _ in range(turns):
        step = world.node.step()
        if not (step.has_more or step.delay):
            return number
        number += step.delay > 0
        world.swift.clock.sleep(step.delay)
    raise AssertionError("still busy")


class TestRefusedRows:
    @pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
    def test_many_refused_rows_delay_others_by_a_few_backoffs(
        self, tmp_path: Path, error: RemoteError
    ) -> None:
        """Were they passed like an outage, ten at a time, it would be 100."""
        world, bad = refusing(tmp_path, 1000, error)
        good = world.fill(100, start=1000)
        started = world.swift.clock.now()
        assert backoffs(world) <= 4  # trials reach 40, 160, 640 and 2560 rows
        assert world.swift.clock.now() - started <= 40.0
        assert world.bucket.content().keys() == set(good)
        assert world.node.unsettled() == dict.fromkeys(bad, error.reason), "each is on record"
        assert not world.node.crawl.is_failing
        counts = world.bucket.counts()
        assert counts["put"] <= 1100 + 4 * 3 * WORKERS, "each is tried once, a few of them again"

    def test_refused_rows_among_others_delay_them_as_little(self, tmp_path: Path) -> None:
        """Each run of them looks like an outage; that would be a hundred."""
        world = World(tmp_path, workers=WORKERS, items_chunk=200)
        names = world.fill(3000)
        good = set(names[29::30])
        world.fail_names(REFUSALS[0], *sorted(set(names) - good))
        started = world.swift.clock.now()
        while world.bucket.content().keys() != good:
            world.swift.clock.sleep(world.node.step().delay)
        assert world.swift.clock.now() - started <= 60.0

    def test_refused_rows_that_wait_for_copy_after_delay_others_as_little(self, tmp_path: Path) -> None:
        world, bad = refusing(tmp_path, 700, REFUSALS[0], mapping=mapping(copy_after=3600))
        good = world.fill(100, start=700)
        world.node.settle()
        world.swift.clock.sleep(3700.0)
        assert backoffs(world) <= 5
        assert world.bucket.content().keys() == set(good)
        assert world.node.unsettled().keys() == set(bad)

    def test_refused_rows_of_a_move_delay_others_as_little_and_stay_in_swift(self, tmp_path: Path) -> None:
        world, bad = refusing(tmp_path, 700, REFUSALS[0], mapping=mapping(retain_local=False))
        good = world.fill(100, start=700)
        assert backoffs(world) <= 5
        assert world.bucket.content().keys() == set(good)
        assert world.swift.content().keys() == set(bad), "what was refused is only here"
        assert world.node.unsettled().keys() == set(bad)

    def test_refused_deletes_do_not_delay_new_objects(self, tmp_path: Path) -> None:
        world = World(tmp_path, workers=WORKERS, items_chunk=200)
        names = world.fill(300)
        world.node.settle()
        world.fail(AccessDenied("deletes are not allowed"), "delete")
        for name in names:
            world.swift.delete(name)
        good = world.fill(50, start=300)
        assert backoffs(world) <= 4
        assert set(good) <= world.bucket.content().keys()
        assert world.node.unsettled() == dict.fromkeys(names, "remote_denied")

    def test_row_that_was_tried_early_is_not_sent_again_even_after_a_crash(self, tmp_path: Path) -> None:
        world, bad = refusing(tmp_path, 300, REFUSALS[0], conditional=False)
        good = world.fill(50, start=300)
        while not world.bucket.content():
            world.swift.clock.sleep(world.node.step().delay)
        world.node.restart()
        backoffs(world)
        assert world.bucket.content().keys() == set(good)
        assert {world.bucket.sent[name] for name in good} == {1}
        assert world.node.unsettled().keys() == set(bad)

    def test_failures_that_are_the_objects_own_are_not_retried_with_the_end_of_the_backoff(
        self, tmp_path: Path
    ) -> None:
        world, _ = refusing(tmp_path, 300, REFUSALS[0])
        world.fill(50, start=300)
        while not world.bucket.content():
            world.swift.clock.sleep(world.node.step().delay)
        assert len(world.node.unsettled()) > 2 * WORKERS
        assert not world.node.journal.due_objects(world.node.crawl.key, world.swift.clock.now(), 1000)


class TestStoreThatRefusesEverything:
    @pytest.mark.parametrize("error", [AccessDenied("read only"), QuotaExceeded("full")])
    def test_writes_that_are_all_refused_cost_few_requests_and_stay_out_of_the_journal(
        self, tmp_path: Path, error: RemoteError
    ) -> None:
        """Though the store answers everything else."""
        world = World(tmp_path, workers=WORKERS, items_chunk=1000)
        world.fail(error, "put")
        world.fill(2000)
        turns = 30
        for _ in range(turns):
            step = world.node.step()
            assert step.delay > 0
            world.swift.clock.sleep(step.delay)
        assert len(world.node.unsettled()) <= (turns + 2) * WORKERS
        assert world.bucket.counts()["put"] <= (turns + 2) * 3 * WORKERS
        world.fail(None)
        world.node.later(61.0)
        assert (world.converged(), world.node.unsettled()) == (True, {})

    def test_refusals_that_begin_after_a_proof_are_tolerated_only_up_to_the_row_that_was_taken(
        self, tmp_path: Path
    ) -> None:
        world, bad = refusing(tmp_path, 600, AccessDenied("not this one"))
        world.fill(4000, start=600)
        while not world.bucket.content():
            world.swift.clock.sleep(world.node.step().delay)
        world.fail(AccessDenied("read only"), "put")
        for _ in range(20):
            step = world.node.step()
            world.swift.clock.sleep(step.delay)
        assert step.delay > 0
        assert set(bad) < world.node.unsettled().keys()
        assert len(world.node.unsettled()) <= 4 * 600 + 200 + 22 * WORKERS

    def test_proof_is_not_used_long_after(self, tmp_path: Path) -> None:
        world, _ = refusing(tmp_path, 600, AccessDenied("not this one"))
        world.fill(4000, start=600)
        while not world.bucket.content():
            world.swift.clock.sleep(world.node.step().delay)
        world.fail(AccessDenied("read only"), "put")
        world.swift.clock.sleep(601.0)
        known = len(world.node.unsettled())
        assert world.node.step().delay > 0
        assert len(world.node.unsettled()) <= known + 2 * WORKERS

    def test_store_that_does_not_answer_is_tried_with_nothing_but_the_next_rows(self, tmp_path: Path) -> None:
        world, _ = refusing(tmp_path, 1000, RemoteUnavailable("down"))
        world.fill(50, start=1000)
        for _ in range(10):
            world.swift.clock.sleep(world.node.step().delay)
        assert not world.bucket.content()
        assert len({name for method, name in world.bucket.calls if method == "put"}) <= 12 * WORKERS
