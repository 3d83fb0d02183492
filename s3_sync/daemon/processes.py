"""Runs a daemon in one process, or in several, each with a shard of the containers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from s3_sync import __version__
from s3_sync.config.file_watch import FileWatch
from s3_sync.config.load import load
from s3_sync.daemon.process_shard import ProcessShard
from s3_sync.daemon.sd_notify import Manager, ServiceManager, Watchdog
from s3_sync.daemon.start import LoadedConfig, StartOptions
from s3_sync.daemon.supervisor import Workers, WorkerStatus

log = logging.getLogger("s3-sync")

#: The work of one process; returns its exit code.
Serve = Callable[[StartOptions, LoadedConfig, ProcessShard, Manager], int]


def run_processes(options: StartOptions, config: LoadedConfig, serve: Serve) -> int:
    """Run as many processes as configured. Returns the exit code in each of them. Raises SyncError."""
    if config.settings.processes == 1:
        return serve(options, config, ProcessShard(), ServiceManager())
    return _Parent(options, config, serve).run()


class _Parent:
    """The process that supervises the workers."""

    def __init__(self, options: StartOptions, config: LoadedConfig, serve: Serve) -> None:
        self._options = options
        self._config = config
        self._serve = serve
        self._watch = FileWatch(options.config)
        self._watch.watch_also(config.loaded.secret_files)
        self._watch.changed()
        self._count = config.settings.processes
        self._manager = ServiceManager()
        self._workers = Workers(self._count, self._work, options.once, self._tick)
        self._reported_ready = False
        timeout = self._manager.watchdog or 0.0
        self._watchdog = Watchdog(self._manager, lambda: self._workers.all_healthy(timeout), time.monotonic)

    def run(self) -> int:
        log.info("%s %s: %d processes", self._options.program, __version__, self._count)
        return self._workers.run()

    def _work(self, number: int) -> int:
        """Runs in a worker process; returns its exit code."""
        self._options.configure_logs(self._config.settings)
        manager = _WorkerManager(self._workers.status, number, self._manager.watchdog)
        return self._serve(self._options, self._config, ProcessShard(number, self._count), manager)

    def _tick(self) -> None:
        self._watchdog.tick()
        if not self._reported_ready and self._workers.all_ready():
            self._reported_ready = True
            self._manager.ready(f"{self._count} processes, {len(self._config.settings.mappings)} mappings")
        if self._watch.changed():
            self._reload()

    def _reload(self) -> None:
        """Keep the last valid configuration for workers that start later; running workers reload by
        themselves."""
        before = self._watch.stat_signature()
        loaded = load(self._options.config)
        self._watch.watch_also(
            loaded.secret_files
        )  # of an invalid file, too: a missing secret may appear later
        if loaded.settings is None or loaded.problems:
            return
        if loaded.settings.status_dir == self._config.settings.status_dir:
            self._config = LoadedConfig(loaded, before)
            self._reported_ready = False


class _WorkerManager:
    """A worker reports to its parent instead of to systemd."""

    def __init__(self, status: WorkerStatus, number: int, watchdog: float | None) -> None:
        self.watchdog = watchdog
        self._status = status
        self._number = number

    def ready(self, status: str) -> None:
        self._status.report(self._number)

    def alive(self) -> None:
        self._status.report(self._number)
