"""Monitoring of a running daemon: metrics for Prometheus, the recon file, systemd's watchdog, log lines."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.registry import Collector

from s3_sync.daemon import recon_file
from s3_sync.daemon.metrics_server import MetricsPort
from s3_sync.daemon.sd_notify import Manager, Watchdog
from s3_sync.daemon.services import Services
from s3_sync.runtime.log_once import LogOnce

log = logging.getLogger("s3-sync")

#: seconds between two updates of the reports and the recon file
UPDATE_INTERVAL = 5.0
#: how long ``close`` waits for an update in progress, in seconds
CLOSE_TIMEOUT = 1.0
#: seconds without any response from a store until that is logged
SILENCE_LIMIT = 60.0


class MetricSources(Protocol):
    """The reports of one kind of daemon. ``program``: its command."""

    program: str

    @property
    def collectors(self) -> Iterable[Collector]:
        """For Prometheus."""
        ...

    def update(self) -> None:
        """Called every UPDATE_INTERVAL seconds by the monitor's thread."""
        ...

    def report(self) -> dict[str, Any]:
        """The content of the recon file."""
        ...

    def close(self) -> None: ...


class Monitor:
    """Publishes the reports. An error here is logged and does not affect the daemon.

    ``manager`` is notified that the process is ready and alive.
    """

    def __init__(self, services: Services, sources: MetricSources, manager: Manager) -> None:
        settings = self._settings = services.settings
        self._services = services
        self._sources = sources
        self._process = services.share.number
        self._directory = settings.recon_cache_path or settings.status_dir
        self._unwritable = False
        self._silent: set[str] = set()
        self._log_once = LogOnce()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)
        services.activity.poll_interval = settings.poll_interval
        self._registry = CollectorRegistry()
        self._registry.register(ProcessCollector(registry=None))
        for collector in sources.collectors:
            self._registry.register(collector)
        self._port: MetricsPort | None = None
        self._manager = manager

    def start(self) -> None:
        self._listen()
        activity = self._services.activity
        activity.on_tick = Watchdog(self._manager, activity.is_alive, time.monotonic).tick
        self._manager.ready(f"{len(self._settings.mappings)} mappings")
        self._thread.start()

    def on_reload(self, begins: bool) -> None:
        """Called when a reload of the configuration begins, and when it has ended, successful or not."""
        if not begins:
            self._manager.ready(f"{len(self._services.activity.by_mapping)} mappings")

    def close(self) -> None:
        """Stop monitoring. Also closes the journal's readers, or SQLite would leave its WAL file behind."""
        self._closing.set()
        if self._port is not None:
            self._port.close()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_TIMEOUT)
        if not self._thread.is_alive():
            self._sources.close()

    def update(self) -> None:
        self._log_silent_stores()
        self._sources.update()
        self._write()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self.update()
            except Exception as error:
                self._log_once.exception(log, error, "Monitoring update failed")
            self._closing.wait(UPDATE_INTERVAL)

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

    def _log_silent_stores(self) -> None:
        """Log one line when a store's silence begins, and one when it ends."""
        for observer in self._services.observers:
            silent, store = observer.silent_for, observer.store
            if silent >= SILENCE_LIMIT and store not in self._silent:
                self._silent.add(store)
                log.warning(
                    "%s has not answered for %.0f s; %d requests are in flight",
                    store,
                    silent,
                    observer.in_flight,
                )
            elif silent < SILENCE_LIMIT and store in self._silent:
                self._silent.discard(store)
                ended = "%s gets no requests any more" if observer.is_idle else "%s answers again"
                log.info(ended, store)

    def _write(self) -> None:
        try:
            recon_file.write(self._directory, self._sources.program, self._process, self._sources.report())
            self._unwritable = False
        except OSError as error:
            if not self._unwritable:
                log.error("Cannot write the recon file into %s: %s", self._directory, error.strerror)
            self._unwritable = True
