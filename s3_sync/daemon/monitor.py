"""What a running daemon tells whoever watches it: Prometheus, recon files, systemd, its log."""

from __future__ import annotations

import logging
import threading
import time

from prometheus_client import CollectorRegistry, ProcessCollector

from s3_sync.daemon import recon_file as recon
from s3_sync.daemon.metrics_server import MetricsPort
from s3_sync.daemon.sd_notify import Manager, Watchdog
from s3_sync.runtime.log_once import Told
from s3_sync.state.journal_view import JournalView
from s3_sync.sync.backlog.poller import Outlook
from s3_sync.sync.backlog.reader import Facts
from s3_sync.sync.monitoring.metrics import DaemonMetrics, Watched
from s3_sync.sync.monitoring.recon_report import Snapshot
from s3_sync.sync.services import Context

log = logging.getLogger("s3-sync")

#: how often what is pending is counted and the recon file written, in seconds
EVERY = 5.0
#: for how long, in seconds, the end waits for a count that is under way
PATIENCE = 1.0
#: a store that has said nothing for so long, in seconds, is worth a line
SILENT = 60.0


class Watch:
    """What goes wrong here stops nothing: it is logged, and copying goes on.

    ``manager``: who is told that the process is ready, and alive.
    """

    def __init__(self, context: Context, journal: str, manager: Manager) -> None:
        settings = self._settings = context.settings
        process = context.share.number
        self._context = context
        self._process = process
        self._directory = settings.recon_cache_path or settings.status_dir
        self._unwritable = False
        self._silent: set[str] = set()
        self._told = Told()
        self._closing = threading.Event()
        self._view = JournalView(journal)
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        slack = settings.verification_slack_seconds
        self._outlook = Outlook(
            context.book,
            lambda breathe: Facts(
                context.brokers, context.statuses, self._view, slack, context.clock.now, breathe
            ),
            context.clock.now,
        )
        context.book.poll_interval = settings.poll_interval
        self._snapshot = Snapshot(context.book, process, context.clock.now(), context.controls.is_paused)
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
                    lambda: self._outlook.found,
                    context.controls.is_paused,
                )
            )
        )
        self._port: MetricsPort | None = None
        self._manager = manager

    def start(self) -> None:
        self._listen()
        self._context.book.on_beat = Watchdog(self._manager, self._context.book.is_alive, time.monotonic).tick
        self._manager.ready(f"{len(self._settings.mappings)} mappings")
        self._thread.start()

    def reloading(self, begins: bool) -> None:
        """The configuration is being read again; or it has been, whatever became of it."""
        if not begins:
            self._manager.ready(f"{len(self._context.book.counters)} mappings")

    def close(self) -> None:
        """The journal is not read any more, or SQLite would leave a part of it in the file beside it."""
        self._closing.set()
        if self._port is not None:
            self._port.close()
        if self._thread.ident is not None:
            self._thread.join(PATIENCE)
        if not self._thread.is_alive():
            self._view.close()

    def update(self) -> None:
        """Count and tell; every EVERY seconds."""
        self._snapshot.rates.note()
        self._tell_of_silence()
        self._outlook.update()
        self._write()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self.update()
            except Exception as error:
                self._told.exception(log, error, "What is going on cannot be told")
            self._closing.wait(EVERY)

    def _listen(self) -> None:
        if self._settings.metrics_port is None:
            return
        ip, port = self._settings.metrics_bind_ip, self._settings.metrics_port + self._process
        try:
            self._port = MetricsPort(ip, port, self._registry)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            log.error("No metrics for Prometheus: cannot listen on %s port %d: %s", ip, port, reason)
            return
        log.info("Metrics for Prometheus at %s port %d", ip, port)

    def _tell_of_silence(self) -> None:
        """One line when it begins, and one when it ends."""
        for observer in self._context.observers:
            silent, store = observer.silent, observer.store
            if silent >= SILENT and store not in self._silent:
                self._silent.add(store)
                log.warning(
                    "%s has not answered for %.0f s; %d requests wait for it",
                    store,
                    silent,
                    observer.in_flight,
                )
            elif silent < SILENT and store in self._silent:
                self._silent.discard(store)
                log.info("%s is not asked any more" if observer.is_forgotten else "%s answers again", store)

    def _write(self) -> None:
        context = self._context
        content = self._snapshot.taken(
            context.clock.now(), self._outlook.found, iter(context.observers), context.registry.rates()
        )
        try:
            recon.write(self._directory, self._process, content)
            self._unwritable = False
        except OSError as error:
            if not self._unwritable:
                log.error("The recon file cannot be written into %s: %s", self._directory, error.strerror)
            self._unwritable = True
