"""What a running daemon tells about itself to whoever watches it."""

from __future__ import annotations

import logging

from prometheus_client import CollectorRegistry, ProcessCollector

from s3_sync.runtime.exposition import MetricsPort
from s3_sync.sync.context import Context
from s3_sync.sync.metrics import DaemonMetrics, Watched

log = logging.getLogger("s3-sync")


class Watch:
    """The port for metrics. What goes wrong here stops nothing: it is logged, and copying goes on."""

    def __init__(self, context: Context, problems: int) -> None:
        self._settings = context.settings
        self._registry = CollectorRegistry()
        self._registry.register(ProcessCollector(registry=None))
        self._registry.register(
            DaemonMetrics(
                Watched(
                    context.book,
                    context.observers,
                    context.clock.now,
                    context.registry.rates,
                    context.journal.size,
                    problems,
                )
            )
        )
        self._port: MetricsPort | None = None

    def start(self) -> None:
        settings = self._settings
        if settings.metrics_port is None:
            return
        where = f"{settings.metrics_bind_ip} port {settings.metrics_port}"
        try:
            self._port = MetricsPort(settings.metrics_bind_ip, settings.metrics_port, self._registry)
        except OSError as error:
            log.error("No metrics for Prometheus: cannot listen on %s: %s", where, error.strerror or error)
            return
        log.info("Metrics for Prometheus at %s", where)

    def close(self) -> None:
        if self._port is not None:
            self._port.close()
