"""A migrator's state files, as its daemon writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from s3_sync.config.load import load_migrator
from s3_sync.config.settings import Mapping, Settings
from s3_sync.state.controls import Controls
from s3_sync.state.migration_failures import MigrationFailures
from s3_sync.state.migration_status import MigrationStatuses, PassCounts
from s3_sync.state.paths import migration_failures_path
from unit.state.migrations import ENTRY

IDLE = PassCounts(scanned=4, listed_bytes=400)
BUSY = PassCounts(scanned=4, listed_bytes=400, moved=2, bytes=200)


class Clock:
    time = 1000.0

    def __call__(self) -> float:
        return self.time


class Node:
    """One node with these migrations; each is a few keys that differ from those of ``ENTRY``."""

    def __init__(self, directory: Path, *migrations: dict[str, Any]) -> None:
        self.config = directory / "migrator.json"
        settings = {"status_file": str(directory / "status.json"), "items_chunk": 1000}
        entries = [{**ENTRY, **each} for each in migrations]
        self.config.write_text(json.dumps({"migrations": entries, "migrator_settings": settings}))
        loaded = load_migrator(self.config)
        assert loaded.settings, loaded.problems
        self.settings: Settings = loaded.settings
        self.mappings: tuple[Mapping, ...] = loaded.settings.mappings
        Path(self.settings.status_dir).mkdir()
        self.clock = Clock()
        self.statuses = MigrationStatuses(str(directory / "status.json"), self.clock, interval=0.0)
        self.failures = MigrationFailures(migration_failures_path(self.settings.status_dir))
        self.controls = Controls(self.settings.status_dir, now=self.clock, poll_interval=0.0)

    def save(self, mapping: Mapping, counts: PassCounts, *, marker: str = "m", ended: bool = True) -> None:
        """Save a part of a pass, or a whole one."""
        is_new = ended or not self.statuses.of(mapping).started
        self.statuses.save_pass(mapping, "" if ended else marker, counts, is_new, ended)
        self.statuses.flush()

    def close(self) -> None:
        self.failures.close()
