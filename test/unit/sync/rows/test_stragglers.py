"""A row that takes long keeps nobody waiting, and nothing about it is forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import greenlet
import pytest

from s3_sync.errors import RemoteUnavailable, StateError
from s3_sync.runtime.concurrency import Item, Result, SerialPool
from s3_sync.state.journal import RETRY, WAITING
from unit.sync.fake_node import MAX_PAUSE, LaterPool
from unit.sync.worlds import World


class StuckPool(SerialPool):
    """One after the other; but one that calls ``hang`` stays there, and the others get their turns."""

    def __init__(self) -> None:
        self._hanging: list[Any] = []

    def map(
        self, function: Callable[[Item], Result], items: Sequence[Item], timeout: float | None = None
    ) -> list[Result]:
        results: list[Any] = [None] * len(items)
        for index, item in enumerate(items):
            thread = greenlet.greenlet(function)
            results[index] = thread.switch(item)
            if not thread.dead and timeout is None:
                results[index] = thread.switch()
            elif not thread.dead:
                self._hanging.append(thread)
        return results

    def hang(self) -> None:
        greenlet.getcurrent().parent.switch()

    def go_on(self) -> None:
        hanging, self._hanging = self._hanging, []
        for thread in hanging:
            thread.switch()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, pool=StuckPool(), lane=LaterPool(), workers=4)
    world.node.settle()
    yield world
    world.node.tally()
    world.node.journal.close()


def hang(world: World, *names: str, error: RemoteUnavailable | None = None) -> None:
    """The store sits on the next write of each of them."""
    waiting = set(names)

    def fault(method: str, name: str) -> RemoteUnavailable | None:
        if method in ("put", "post") and name in waiting:
            waiting.discard(name)
            world.node.options["pool"].hang()
            return error
        return None

    world.bucket.before = fault


def states(world: World) -> dict[str, str]:
    return {entry.name: entry.state for entry in world.node.journal.unsettled(world.node.crawl.key)}


def test_other_rows_are_copied_while_one_is_slow(world: World) -> None:
    hang(world, "o00003")
    names = world.fill(10)
    for turn in range(2, 5):
        world.node.step()
        assert world.bucket.content().keys() == set(names) - {"o00003"}
        assert states(world) == {"o00003": WAITING}
        names += world.fill(10, start=100 * turn)
    world.node.step()
    checkpoint = world.node.context.statuses.load(world.node.mapping, "db")
    assert checkpoint is not None
    assert checkpoint.last_row == len(names)
    world.node.options["pool"].go_on()
    assert (world.converged(), states(world)) == (True, {})
    world.node.settle()
    assert set(world.bucket.sent.values()) == {1}
    assert world.node.tally() == {"copied": len(names)}


@pytest.mark.parametrize("data", [b"newer", None], ids=["overwritten", "deleted"])
def test_newer_row_of_a_slow_name_waits_for_it(world: World, data: bytes | None) -> None:
    hang(world, "x")
    world.swift.put("x", b"old")
    world.node.step()
    if data is None:
        world.swift.delete("x")
    else:
        world.swift.put("x", data)
    for _ in range(3):
        world.node.step()
        world.swift.clock.sleep(10.0)
    assert (world.bucket.content(), states(world)) == ({}, {"x": WAITING})
    world.node.options["pool"].go_on()
    assert world.bucket.content() == {"x": b"old"}
    assert states(world) == {"x": WAITING}
    world.node.settle()
    assert (world.converged(), states(world)) == (True, {})


def test_kill_while_a_row_is_slow_repeats_it_after_restart(world: World) -> None:
    hang(world, "o00003")
    world.fill(10)
    world.node.step()
    world.node.restart(pool=StuckPool())
    world.node.settle()
    assert (world.converged(), states(world)) == (True, {})
    assert set(world.bucket.sent.values()) == {1}


def test_slow_row_that_fails_is_retried_with_backoff(world: World) -> None:
    hang(world, "o00003", error=RemoteUnavailable("time-out"))
    world.fill(10)
    world.node.step()
    world.node.options["pool"].go_on()
    assert states(world) == {"o00003": RETRY}
    world.node.settle()
    assert states(world) == {"o00003": RETRY}
    world.node.later(MAX_PAUSE)
    assert (world.converged(), states(world)) == (True, {})


def test_slow_row_the_journal_cannot_settle_is_handled_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang(world, "o00003")
    world.fill(10)
    world.node.step()

    def full(*_: Any) -> None:
        raise StateError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(world.node.journal, "settle", full)
        world.node.options["pool"].go_on()
    assert states(world) == {"o00003": WAITING}
    assert world.node.step().delay > 0
    world.node.later(61.0)
    assert (world.converged(), states(world)) == (True, {})


def test_single_run_waits_for_slow_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = StuckPool()
    world = World(tmp_path, pool=pool, workers=4, once=True)
    monkeypatch.setattr(world.node.context.large, "wait", pool.go_on)
    hang(world, "o00003")
    world.fill(10)
    turns = 0
    while world.node.crawl.step().has_more:
        turns += 1
    assert turns >= 1
    assert (world.converged(), states(world)) == (True, {})
    assert world.node.context.large.slow == 0


def test_batch_waits_for_its_rows_if_many_are_slow_already(world: World) -> None:
    """Or the store, which sits on all of them, would get more and more at a time."""
    hang(world, "o00001", "o00002", "o00013")
    world.fill(10)
    world.node.step()
    assert states(world) == {"o00001": WAITING, "o00002": WAITING}
    world.fill(10, start=10)
    world.node.step()
    assert "o00013" in world.bucket.content()
    world.node.options["pool"].go_on()
    world.node.settle()
    assert (world.converged(), states(world)) == (True, {})
