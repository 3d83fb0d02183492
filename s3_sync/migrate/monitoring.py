"""The sources of this daemon's reports, for ``daemon.monitor``."""

from __future__ import annotations

from typing import Any

from prometheus_client.registry import Collector

from s3_sync.migrate.services import MigrateServices


class MigrateSources:
    """See ``daemon.monitor.MetricSources``."""

    program = "swift-s3-migrator"

    def __init__(self, services: MigrateServices) -> None:
        self._services = services
        self.collectors: tuple[Collector, ...] = ()

    def update(self) -> None:
        """Do nothing: reports read the state files."""

    def report(self) -> dict[str, Any]:
        return {"updated": self._services.clock.now()}

    def close(self) -> None:
        """Nothing is open."""
