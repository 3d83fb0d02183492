from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests end processes, not machines; test/unit/state looks at what reaches the disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
