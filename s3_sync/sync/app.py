"""One process of the daemon, from its configuration to its exit code."""

from __future__ import annotations

import logging
import signal
from contextlib import ExitStack
from functools import partial

from s3_sync import __version__
from s3_sync.cluster.brokers import Brokers
from s3_sync.cluster.client import internal_client
from s3_sync.cluster.databases import LocalDatabases
from s3_sync.cluster.newest import NewestState
from s3_sync.cluster.reader import ObjectReader
from s3_sync.cluster.services import LocalObjects
from s3_sync.cluster.swiftdir import use_swift_dir
from s3_sync.config.settings import Settings
from s3_sync.daemon.activity import Activity
from s3_sync.daemon.daemon import Daemon
from s3_sync.daemon.job import Job, JobRequest
from s3_sync.daemon.monitor import Monitor
from s3_sync.daemon.process_shard import ProcessShard
from s3_sync.daemon.reload import ConfigReloader, ReloadTarget
from s3_sync.daemon.sd_notify import Manager
from s3_sync.daemon.start import LoadedConfig, StartOptions
from s3_sync.providers.registry import Registry
from s3_sync.providers.remote_references import RemoteAccounts
from s3_sync.providers.wrappers.instrument import Observers
from s3_sync.providers.wrappers.rate_limits import LimiterRegistry
from s3_sync.runtime.backoff import exponential
from s3_sync.runtime.concurrency import Clock
from s3_sync.runtime.stats import Stats
from s3_sync.state.checkpoint import StatusFiles
from s3_sync.state.controls import Controls
from s3_sync.state.journal import Journal
from s3_sync.state.paths import journal_path
from s3_sync.sync.account_crawl import AccountCrawl
from s3_sync.sync.container_crawl import ContainerCrawl
from s3_sync.sync.lifecycle.notice import announce
from s3_sync.sync.monitoring.sources import SyncSources
from s3_sync.sync.services import Context, SyncServices

log = logging.getLogger("s3-sync")

A_DAY = 86400.0
_retry_pause = exponential(base=30.0, ceiling=3600.0)


def serve(options: StartOptions, config: LoadedConfig, shard: ProcessShard, manager: Manager) -> int:
    """Run one process until its work is done or a signal ends it. Returns the exit code; raises SyncError
    when it cannot even start."""
    settings, loaded = config.settings, config.loaded
    with ExitStack() as stack:
        services = _build(settings, options.once, shard, stack)
        daemon = Daemon(services, partial(new_job, services), services.statuses.set_coverage)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: daemon.request_stop())
        which = f", process {shard.number + 1} of {shard.count}" if shard.count > 1 else ""
        log.info("%s %s: %d mappings%s", options.program, __version__, len(settings.mappings), which)
        if options.once:
            return 1 if daemon.run_once() or loaded.problems else 0
        services.activity.configuration.problems = len(loaded.problems)
        monitor = Monitor(services, SyncSources(services, journal_path(settings.status_dir)), manager)
        stack.callback(monitor.close)
        monitor.start()
        target = ReloadTarget(
            options.config, settings, services.registry, daemon.update_mappings,
            services.activity.configuration, announce, options.log_level, monitor.on_reload,
        )  # fmt: skip
        reloader = ConfigReloader(target, loaded, config.before)
        signal.signal(signal.SIGHUP, lambda *_: reloader.request())
        daemon.run_forever(reloader.poll)
    return 0


def new_job(services: SyncServices, request: JobRequest) -> Job:
    """See ``daemon.job.JobFactory``."""
    context = Context.of(services, request.pools)
    parent = request.parent
    if request.mapping.is_account_wide:
        known = request.previous.account_index if isinstance(request.previous, AccountCrawl) else None
        return AccountCrawl(context, request.mapping, request.coverage, known)
    account_index = parent.account_index if isinstance(parent, AccountCrawl) else None
    return ContainerCrawl(context, request.mapping, account_index)


def open_journal(settings: Settings) -> Journal:
    """The journal, which all processes share. Raises StateError."""
    return Journal(journal_path(settings.status_dir), _retry_pause)


def _build(settings: Settings, once: bool, shard: ProcessShard, stack: ExitStack) -> SyncServices:
    use_swift_dir(settings.swift_dir)
    journal = open_journal(settings)
    stack.callback(journal.close)
    statuses = StatusFiles(settings.status_dir, journal.uuid, settings.mappings)
    statuses.tidy(Clock().now() - A_DAY)
    stats = Stats(settings.statsd_host, settings.statsd_port, settings.statsd_prefix)
    stack.callback(stats.close)
    observers = Observers()
    budgets = LimiterRegistry(shard.count)
    budgets.update_mappings(settings.mappings)
    # rows and parts of large objects, each also in the lane of very large objects
    registry = Registry(connections=4 * settings.workers, observers=observers, budgets=budgets)
    stack.callback(registry.close_all)
    client = internal_client(settings.internal_client_path, settings.internal_client_logname)
    reader = ObjectReader(settings, client)
    stack.callback(reader.close)
    brokers = Brokers(settings)
    if not brokers.has_devices():
        log.warning(
            "swift_bind_ip: no device of the container ring has address %s: this node has nothing to do",
            settings.swift_bind_ip,
        )
    return SyncServices(
        settings=settings,
        clock=Clock(),
        registry=registry,
        controls=Controls(settings.status_dir),
        stats=stats,
        activity=Activity(settings.mappings),
        observers=observers,
        share=shard,
        once=once,
        brokers=LocalDatabases(brokers, client, at_once=once),
        local=LocalObjects.of(reader, client, NewestState(reader.rings, reader.servers)),
        journal=journal,
        statuses=statuses,
        remote_accounts=RemoteAccounts(Clock().now),
    )
