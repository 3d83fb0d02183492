"""A node, or only the two sides of a migration, for each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from unit.migrate.operation.state import Node
from unit.migrate.world import World

NewNode = Callable[..., Node]


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests look at no disk after a crash."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def new_node(tmp_path: Path) -> Iterator[NewNode]:
    made: list[Node] = []

    def new(*migrations: dict[str, Any]) -> Node:
        made.append(Node(tmp_path, *migrations))
        return made[-1]

    yield new
    for each in made:
        each.close()


@pytest.fixture
def node(new_node: NewNode) -> Node:
    """With one migration of one container."""
    return new_node({})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()
