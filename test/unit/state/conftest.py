"""A journal of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from s3_sync.state.journal import Journal
from unit.state.entries import minutes


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "journal")


@pytest.fixture
def journal(path: str) -> Iterator[Journal]:
    opened = Journal(path, minutes)
    yield opened
    opened.close()
