"""``swift-s3-sync``: from the command line to a running daemon."""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from threading import Event

from s3_sync import __version__
from s3_sync.cluster.accounts import Accounts
from s3_sync.cluster.brokers import Brokers
from s3_sync.cluster.client import internal_client
from s3_sync.cluster.databases import LocalDatabases
from s3_sync.cluster.local import LocalObjects
from s3_sync.cluster.newest import NewestState
from s3_sync.cluster.reader import ObjectReader
from s3_sync.cluster.references import References
from s3_sync.cluster.removal import Removal
from s3_sync.cluster.segments import SegmentReader
from s3_sync.cluster.swiftdir import use_swift_dir
from s3_sync.config.load import load
from s3_sync.config.report import check_config
from s3_sync.config.schema import Settings
from s3_sync.config.watch import FileWatch
from s3_sync.errors import ConfigError, Problem, StateError, SyncError
from s3_sync.providers.registry import Registry
from s3_sync.providers.wrappers.allowance import Budgets
from s3_sync.providers.wrappers.observe import Observers
from s3_sync.runtime.arguments import parse
from s3_sync.runtime.concurrency import Clock, GreenPool
from s3_sync.runtime.logs import configure
from s3_sync.runtime.stats import Stats
from s3_sync.state.checkpoint import StatusFiles
from s3_sync.state.controls import Controls
from s3_sync.state.journal import Journal, exponential
from s3_sync.sync.context import Context
from s3_sync.sync.conversion import convert_config
from s3_sync.sync.counters import Book
from s3_sync.sync.daemon import Daemon
from s3_sync.sync.large_lane import green_lane
from s3_sync.sync.reload import Reload, Reloading
from s3_sync.sync.watch import Watch

log = logging.getLogger("s3-sync")

JOURNAL = ".journal.sqlite"
A_DAY = 86400.0
_retry_pause = exponential(base=30.0, ceiling=3600.0)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code: 0, also when there is no configuration file; 1 when something failed."""
    arguments = parse("swift-s3-sync", argv)
    if arguments.check_config:
        return check_config(arguments.config)
    if arguments.convert_config is not None:
        return convert_config(arguments.config, arguments.convert_config, arguments.force)
    if not os.path.exists(arguments.config):
        # not an error, so that a process supervisor does not restart us in a loop
        print("Configuration file does not exist")
        return 0
    try:
        return run(arguments.config, arguments.once, arguments.log_level, arguments.console)
    except SyncError as error:
        problems = error.problems if isinstance(error, ConfigError) else [error]
        for problem in problems:
            print(f"swift-s3-sync: {problem}", file=sys.stderr)
        return 1


def run(config: str, once: bool, log_level: str | None, console: bool) -> int:
    before = FileWatch(config).looks()
    loaded = load(config)
    if loaded.settings is None:
        raise ConfigError(loaded.problems)
    settings = loaded.settings
    configure(
        "s3-sync",
        settings.log_file,
        log_level or settings.log_level,
        console,
        settings.syslog,
        settings.secrets(),
    )
    for problem in loaded.problems:
        log.error("Mapping left out: %s", problem)
    for warning in loaded.warnings:
        log.warning("%s", warning)
    with ExitStack() as stack:
        context = _build(settings, once, stack)
        daemon = Daemon(context)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: daemon.request_stop())
        log.info("swift-s3-sync %s: %d mappings", __version__, len(settings.mappings))
        if not once:
            journal = os.path.join(settings.status_dir, JOURNAL)
            context.book.configuration.problems = len(loaded.problems)
            watch = Watch(context, journal)
            stack.callback(watch.close)
            watch.start()
            reloading = Reloading(
                config, settings, context.registry, daemon.use, context.book.configuration, log_level,
                watch.reloading,
            )  # fmt: skip
            reload = Reload(reloading, loaded, before)
            signal.signal(signal.SIGHUP, lambda *_: reload.request())
            daemon.run_forever(reload.look)
            return 0
        failed = daemon.run_once()
    return 1 if failed or loaded.problems else 0


def _build(settings: Settings, once: bool, stack: ExitStack) -> Context:
    use_swift_dir(settings.swift_dir)
    _claim(settings.status_dir, stack)
    journal = Journal(os.path.join(settings.status_dir, JOURNAL), _retry_pause)
    stack.callback(journal.close)
    statuses = StatusFiles(settings.status_dir, journal.uuid, settings.mappings)
    statuses.tidy(Clock().now() - A_DAY)
    stats = Stats(settings.statsd_host, settings.statsd_port, settings.statsd_prefix)
    stack.callback(stats.close)
    observers = Observers()
    budgets = Budgets()
    budgets.use(settings.mappings)
    # rows, the parts of large objects, and both again in the lane of very large ones
    registry = Registry(connections=4 * settings.workers, observers=observers, budgets=budgets)
    stack.callback(registry.close_all)
    client = internal_client(settings.internal_client_path, settings.internal_client_logname)
    reader = ObjectReader(settings, client)
    stack.callback(reader.close)
    newest = NewestState(reader.rings, reader.servers)
    references = References(reader, newest, client)
    stop = Event()
    return Context(
        settings=settings,
        clock=Clock(),
        workers=GreenPool(settings.workers),
        parts=GreenPool(settings.workers),
        large=green_lane(settings.workers, stop),
        brokers=LocalDatabases(Brokers(settings), client, at_once=once),
        local=LocalObjects(
            reader,
            newest,
            SegmentReader(reader, newest, client),
            Removal(newest, client),
            references,
            Accounts(client, references),
        ),
        registry=registry,
        journal=journal,
        statuses=statuses,
        controls=Controls(settings.status_dir),
        stats=stats,
        book=Book(settings.mappings),
        observers=observers,
        once=once,
        stop=stop,
    )


def _claim(status_dir: str, stack: ExitStack) -> None:
    """Two daemons over one status_dir would undo each other's progress."""
    try:
        os.makedirs(status_dir, exist_ok=True)
        lock = os.open(os.path.join(status_dir, ".lock"), os.O_CREAT | os.O_WRONLY, 0o600)
        stack.callback(os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        message = f"another swift-s3-sync is using {status_dir}"
        raise ConfigError([Problem("status_dir", message)]) from None
    except OSError as error:
        raise StateError(f"status_dir: cannot use {status_dir}: {error}") from error
