"""A node for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from unit.migrate.state import Node

NewNode = Callable[..., Node]


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
