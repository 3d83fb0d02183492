"""A client's changes, another daemon and a crash at every single point of a move."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unit.sync.move_machine import Crash, MovingWorld

#: the same code a thousand times: other tests measure it
pytestmark = pytest.mark.no_cover

NAME = "o"
Act = Callable[[MovingWorld], None]


def other_daemon(world: MovingWorld) -> None:
    """All that it can do now; its journal makes it wait for the rest."""
    for _ in range(3):
        world.nodes[1].step()


ACTS: dict[str, Act] = {
    "new bytes": lambda world: world.put(NAME, b"new", a="new"),
    "same bytes": lambda world: world.put(NAME, b"old", a="new"),
    "same in all": lambda world: world.put(NAME, b"old", a="old"),
    "first bytes": lambda world: world.put(NAME, b"first", a="new"),
    "post": lambda world: world.post(NAME, a="posted"),
    "delete": lambda world: world.delete(NAME),
    "other daemon": other_daemon,
}
STARTS: dict[str, Act] = {
    "nothing": lambda world: None,
    "another version": lambda world: (world.put(NAME, b"first", a="old"), world.settle())[1],
    "same version": lambda world: (world.put(NAME, b"old", a="old"), world.settle())[1],
    "other metadata": lambda world: (world.put(NAME, b"old", a="older"), world.settle())[1],
}


def begin(directory: Path, start: str, **options: Any) -> MovingWorld:
    """One object, due and not looked at yet."""
    directory.mkdir()
    world = MovingWorld(directory, **options)
    STARTS[start](world)
    world.put(NAME, b"old", a="old")
    if world.copy_after:
        for node in world.nodes:
            node.settle()
        world.swift.clock.sleep(world.copy_after * 1.2)
    world.points = 0
    return world


def run(world: MovingWorld, at: int, acts: tuple[str, ...]) -> bool:
    """A turn of the first daemon, with ``acts`` at its point number ``at``; False when it has not so many."""
    done = False

    def point(number: int) -> None:
        nonlocal done
        if number == at:
            done = True
            for act in acts:
                ACTS[act](world)
                world.check_bytes()

    world.point = point
    for _ in range(2):
        world.nodes[0].step()
    world.point = lambda number: None
    world.check_bytes()
    return done


def everywhere(directory: Path, start: str, acts: tuple[str, ...], **options: Any) -> None:
    """``acts`` at every point of a move in turn.

    A POST is lost at no more than two of them: after the last look, and before the delete that follows.
    """
    overtaken = 0
    for at in itertools.count(1):
        world = begin(directory / f"{'-'.join(acts)}-{at}", start, **options)
        done = run(world, at, acts)
        world.settle()
        world.check_end()
        overtaken += len(world.swift.overtaken)
        for node in world.nodes:
            node.journal.close()
        if not done:
            assert at > 6
            assert overtaken <= 2
            return


ALONE = [
    ("new bytes",),
    ("same bytes",),
    ("same in all",),
    ("first bytes",),
    ("post",),
    ("delete",),
    ("delete", "same in all"),
    ("delete", "first bytes"),
    ("new bytes", "delete"),
    ("new bytes", "same in all"),
    ("post", "post"),
]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("propagate", [True, False])
def test_client_change_at_any_point_of_a_move_loses_no_bytes(
    tmp_path: Path, start: str, conditional: bool, propagate: bool
) -> None:
    for acts in ALONE:
        everywhere(tmp_path, start, acts, conditional=conditional, propagate_delete=propagate)


TOGETHER = [
    ("other daemon",),
    ("new bytes", "other daemon"),
    ("same in all", "other daemon"),
    ("first bytes", "other daemon"),
    ("delete", "other daemon"),
    ("delete", "same in all", "other daemon"),
    ("delete", "other daemon", "same in all", "other daemon"),
    ("post", "other daemon"),
    ("new bytes", "other daemon", "first bytes", "other daemon"),
]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("conditional", [True, False])
def test_client_and_second_daemon_at_any_point_of_a_move_lose_no_bytes(
    tmp_path: Path, start: str, conditional: bool
) -> None:
    """A request takes less time than ``copy_after``; nothing else is asked of the store."""
    for acts in TOGETHER:
        everywhere(tmp_path, start, acts, nodes=2, conditional=conditional, copy_after=300)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("acts", [("other daemon",), ("delete", "other daemon")])
def test_second_daemon_at_any_point_of_a_move_at_once_loses_no_bytes(
    tmp_path: Path, start: str, conditional: bool, acts: tuple[str, ...]
) -> None:
    everywhere(tmp_path, start, acts, nodes=2, conditional=conditional)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("conditional", [True, False])
def test_crash_at_any_point_of_a_move_loses_nothing(tmp_path: Path, start: str, conditional: bool) -> None:
    for at in itertools.count(1):
        world = begin(tmp_path / str(at), start, conditional=conditional)

        def crash(number: int, at: int = at) -> None:
            if number == at:
                raise Crash

        world.point = crash
        crashed = False
        try:
            world.nodes[0].step()
        except Crash:
            crashed = True
        world.point = lambda number: None
        world.check_bytes()
        world.nodes[0].restart()
        world.settle()
        world.check_end()
        world.nodes[0].journal.close()
        if not crashed:
            assert at > 6
            return
