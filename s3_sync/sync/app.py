"""One process of a daemon, from a configuration to the exit code."""

from __future__ import annotations

import logging
import os
import signal
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Event

from s3_sync import __version__
from s3_sync.cluster.brokers import Brokers
from s3_sync.cluster.client import internal_client
from s3_sync.cluster.databases import LocalDatabases
from s3_sync.cluster.newest import NewestState
from s3_sync.cluster.reader import ObjectReader
from s3_sync.cluster.services import LocalObjects
from s3_sync.cluster.swiftdir import use_swift_dir
from s3_sync.config.file_watch import Looks
from s3_sync.config.load import Loaded
from s3_sync.config.settings import Settings
from s3_sync.daemon.counters import Book
from s3_sync.daemon.daemon import Daemon
from s3_sync.daemon.monitor import Watch
from s3_sync.daemon.process_shard import Share
from s3_sync.daemon.reload import Reload, Reloading
from s3_sync.daemon.sd_notify import Manager
from s3_sync.daemon.task_pool import green_lane
from s3_sync.providers.registry import Registry
from s3_sync.providers.wrappers.instrument import Observers
from s3_sync.providers.wrappers.rate_limits import Budgets
from s3_sync.runtime.concurrency import Clock, GreenPool
from s3_sync.runtime.logs import configure
from s3_sync.runtime.stats import Stats
from s3_sync.state.checkpoint import StatusFiles
from s3_sync.state.controls import Controls
from s3_sync.state.journal import Journal, exponential
from s3_sync.sync.services import Context

log = logging.getLogger("s3-sync")

JOURNAL = ".journal.sqlite"
A_DAY = 86400.0
_retry_pause = exponential(base=30.0, ceiling=3600.0)


@dataclass(frozen=True, slots=True)
class Start:
    """How the daemon was started. ``log_level``: instead of the configuration's."""

    config: str
    once: bool = False
    log_level: str | None = None
    console: bool = False

    def configure_logs(self, settings: Settings) -> None:
        """Raises ConfigError."""
        configure(
            "s3-sync",
            settings.log_file,
            self.log_level or settings.log_level,
            self.console,
            settings.syslog,
            settings.secrets(),
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """A configuration with settings, and what its file looked like before it was read."""

    loaded: Loaded
    before: Looks

    @property
    def settings(self) -> Settings:
        assert self.loaded.settings is not None
        return self.loaded.settings


def serve(start: Start, reading: Reading, share: Share, manager: Manager) -> int:
    """Do what there is to do, until somebody says stop; the exit code.

    Raises SyncError when it cannot even begin.
    """
    settings, loaded = reading.settings, reading.loaded
    with ExitStack() as stack:
        context = _build(settings, start.once, share, stack)
        daemon = Daemon(context)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: daemon.request_stop())
        which = f", process {share.number + 1} of {share.count}" if share.count > 1 else ""
        log.info("swift-s3-sync %s: %d mappings%s", __version__, len(settings.mappings), which)
        if start.once:
            return 1 if daemon.run_once() or loaded.problems else 0
        context.book.configuration.problems = len(loaded.problems)
        watch = Watch(context, journal_path(settings), manager)
        stack.callback(watch.close)
        watch.start()
        reloading = Reloading(
            start.config, settings, context.registry, daemon.use, context.book.configuration, start.log_level,
            watch.reloading,
        )  # fmt: skip
        reload = Reload(reloading, loaded, reading.before)
        signal.signal(signal.SIGHUP, lambda *_: reload.request())
        daemon.run_forever(reload.look)
    return 0


def open_journal(settings: Settings) -> Journal:
    """The one that all processes share. Raises StateError."""
    return Journal(journal_path(settings), _retry_pause)


def journal_path(settings: Settings) -> str:
    return os.path.join(settings.status_dir, JOURNAL)


def _build(settings: Settings, once: bool, share: Share, stack: ExitStack) -> Context:
    use_swift_dir(settings.swift_dir)
    journal = open_journal(settings)
    stack.callback(journal.close)
    statuses = StatusFiles(settings.status_dir, journal.uuid, settings.mappings)
    statuses.tidy(Clock().now() - A_DAY)
    stats = Stats(settings.statsd_host, settings.statsd_port, settings.statsd_prefix)
    stack.callback(stats.close)
    observers = Observers()
    budgets = Budgets(share.count)
    budgets.use(settings.mappings)
    # rows, the parts of large objects, and both again in the lane of very large ones
    registry = Registry(connections=4 * settings.workers, observers=observers, budgets=budgets)
    stack.callback(registry.close_all)
    client = internal_client(settings.internal_client_path, settings.internal_client_logname)
    reader = ObjectReader(settings, client)
    stack.callback(reader.close)
    stop = Event()
    brokers = Brokers(settings)
    if not brokers.has_devices():
        log.warning(
            "swift_bind_ip: no device of the container ring is at %s: there is nothing to do on this node",
            settings.swift_bind_ip,
        )
    return Context(
        settings=settings,
        clock=Clock(),
        workers=GreenPool(settings.workers),
        parts=GreenPool(settings.workers),
        large=green_lane(settings.workers, stop),
        brokers=LocalDatabases(brokers, client, at_once=once),
        local=LocalObjects.of(reader, client, NewestState(reader.rings, reader.servers)),
        registry=registry,
        journal=journal,
        statuses=statuses,
        controls=Controls(settings.status_dir),
        stats=stats,
        book=Book(settings.mappings),
        observers=observers,
        share=share,
        once=once,
        stop=stop,
    )
