"""The sources of this daemon's reports, for ``daemon.monitor``."""

from __future__ import annotations

from typing import Any

from prometheus_client.registry import Collector

from s3_sync.state.journal_view import JournalView
from s3_sync.sync.backlog.poller import BacklogPoller
from s3_sync.sync.backlog.reader import BacklogReader
from s3_sync.sync.monitoring.metrics import DaemonMetrics, MetricInputs
from s3_sync.sync.monitoring.recon_report import ReconReport
from s3_sync.sync.services import SyncServices


class SyncSources:
    """See ``daemon.monitor.MetricSources``. ``journal``: path of the journal file."""

    def __init__(self, services: SyncServices, journal: str) -> None:
        self._services = services
        self._view = JournalView(journal)
        activity, now = services.activity, services.clock.now
        slack = services.settings.verification_slack_seconds
        self._backlog = BacklogPoller(
            activity,
            lambda yield_to_hub: BacklogReader(
                services.brokers, services.statuses, self._view, slack, now, yield_to_hub
            ),
            now,
        )
        self._report = ReconReport(activity, services.share.number, now(), services.controls.is_paused)
        inputs = MetricInputs(
            activity,
            services.observers,
            now,
            services.registry.rates,
            services.journal.size,
            lambda: self._backlog.totals,
            services.controls.is_paused,
        )
        self.collectors: tuple[Collector, ...] = (DaemonMetrics(inputs),)

    def update(self) -> None:
        self._report.rates.sample()
        self._backlog.update()

    def report(self) -> dict[str, Any]:
        services = self._services
        return self._report.build(
            services.clock.now(), self._backlog.totals, iter(services.observers), services.registry.rates()
        )

    def close(self) -> None:
        self._view.close()
