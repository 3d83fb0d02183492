"""Migrations as a configuration file describes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from s3_sync.config.load import load_migrator
from s3_sync.config.settings import Mapping

#: a migration from another Swift, as files of earlier versions have it
ENTRY: dict[str, Any] = {
    "account": "AUTH_new",
    "aws_bucket": "photos",
    "aws_identity": "mover",
    "aws_secret": "the secret",
    "aws_endpoint": "https://old/auth/v1.0",
    "protocol": "swift",
}


def migration(directory: Path, **changed: Any) -> Mapping:
    """Load a migration; a key whose value is None is left out."""
    entry = {key: value for key, value in {**ENTRY, **changed}.items() if value is not None}
    settings = {"status_file": str(directory / "status.json"), "items_chunk": 1000}
    path = directory / "migrator.json"
    path.write_text(json.dumps({"migrations": [entry], "migrator_settings": settings}))
    loaded = load_migrator(path)
    assert loaded.settings, loaded.problems
    assert loaded.settings.mappings, loaded.problems
    return loaded.settings.mappings[0]
