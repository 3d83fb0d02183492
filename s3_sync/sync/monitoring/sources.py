"""The sources of this daemon's reports, for ``daemon.monitor``."""

from __future__ import annotations

from typing import Any

from prometheus_client.registry import Collector

from s3_sync.daemon.metrics import MetricInputs
from s3_sync.daemon.recon_report import ReconReport
from s3_sync.state.journal_view import JournalView
from s3_sync.sync.backlog.poller import BacklogPoller, Pending
from s3_sync.sync.backlog.reader import BacklogReader
from s3_sync.sync.monitoring.metrics import NAMES, SyncState, sync_metrics
from s3_sync.sync.services import SyncServices


class SyncSources:
    """See ``daemon.monitor.MetricSources``. ``journal``: path of the journal file."""

    program = "swift-s3-sync"

    def __init__(self, services: SyncServices, journal: str) -> None:
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
        self._report = ReconReport(
            services, NAMES, lambda key: {"pending": _pending(self._backlog.totals.get(key))}
        )
        state = SyncState(activity, services.journal.size, lambda: self._backlog.totals)
        self.collectors: tuple[Collector, ...] = (sync_metrics(MetricInputs.of(services), state),)

    def update(self) -> None:
        self._report.rates.sample()
        self._backlog.update()

    def report(self) -> dict[str, Any]:
        return self._report.build()

    def close(self) -> None:
        self._view.close()


def _pending(found: Pending | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "rows_behind": found.rows_behind,
        "objects": found.objects,
        "bytes": found.bytes,
        "oldest": found.oldest,
        "not_due": found.not_due,
        "unverified": found.unverified,
        "retrying": found.retrying,
        "quarantined": found.quarantined,
        "reasons": dict(found.reasons),
        "counted": found.counted_at,
    }
