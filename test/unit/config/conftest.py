"""Writing configuration files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def write(tmp_path: Path) -> Any:
    (tmp_path / "node").mkdir()
    path = tmp_path / "sync.json"

    def write(*mappings: Any, **top: Any) -> Path:
        content = {
            "devices": str(tmp_path / "node"),
            "items_chunk": 1000,
            "status_dir": str(tmp_path / "status"),
            "containers": list(mappings),
            **top,
        }
        path.write_text(json.dumps(content), encoding="utf-8")
        path.chmod(0o600)
        return path

    return write
