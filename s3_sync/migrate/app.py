"""One process of the migrator, from its configuration to its exit code."""

from __future__ import annotations

import logging
import signal
from contextlib import ExitStack
from functools import partial

from s3_sync import __version__
from s3_sync.cluster.client import LocalSwift, has_encryption, internal_client
from s3_sync.cluster.guarded_delete import GuardedDelete
from s3_sync.cluster.newest import NewestState
from s3_sync.cluster.object_writer import Writers
from s3_sync.cluster.reader import ObjectReader
from s3_sync.cluster.rings import ObjectRings, ReplicaNodes
from s3_sync.cluster.servers import ObjectServers
from s3_sync.cluster.swiftdir import max_object_size, use_swift_dir
from s3_sync.config.load import load_migrator
from s3_sync.config.settings import Settings
from s3_sync.daemon.activity import Activity
from s3_sync.daemon.daemon import Daemon
from s3_sync.daemon.job import Job, JobRequest
from s3_sync.daemon.monitor import Monitor
from s3_sync.daemon.process_shard import ProcessShard
from s3_sync.daemon.reload import ConfigReloader, ReloadTarget
from s3_sync.daemon.sd_notify import Manager
from s3_sync.daemon.start import LoadedConfig, StartOptions
from s3_sync.migrate.account_migration import AccountMigration
from s3_sync.migrate.container_migration import ContainerMigration
from s3_sync.migrate.division import Division
from s3_sync.migrate.monitoring import MigrateSources
from s3_sync.migrate.ownership import ClientObjects
from s3_sync.migrate.services import Context, MigrateServices
from s3_sync.providers.registry import Registry
from s3_sync.providers.wrappers.instrument import Observers
from s3_sync.providers.wrappers.rate_limits import LimiterRegistry
from s3_sync.runtime.concurrency import Clock, GreenPool
from s3_sync.runtime.stats import Stats
from s3_sync.state import held_deletes, segment_cleanups
from s3_sync.state.controls import Controls
from s3_sync.state.held_deletes import HeldDeletesLedger
from s3_sync.state.journal_file import JournalFile
from s3_sync.state.migration_failures import MigrationFailures
from s3_sync.state.migration_status import MigrationStatuses
from s3_sync.state.paths import migration_failures_path
from s3_sync.state.segment_cleanups import SegmentCleanups

log = logging.getLogger("swift-s3-migrator")

#: in seconds
A_DAY = 86400.0

DELETES_SCHEMA = held_deletes.SCHEMA + segment_cleanups.SCHEMA
#: pages of listings that are requested at a time, by all migrations together
MAX_PAGES = 64
#: replicas of an object for which there are threads that write them side by side
MAX_REPLICAS = 16


def serve(
    options: StartOptions, config: LoadedConfig, shard: ProcessShard, manager: Manager, dry_run: bool = False
) -> int:
    """Run the migrator until its work is done or a signal ends it. Returns the exit code; raises SyncError
    when it cannot even start."""
    settings, loaded = config.settings, config.loaded
    with ExitStack() as stack:
        services = _build(settings, options.once, dry_run, stack)
        daemon = Daemon(services, partial(new_job, services), lambda coverage: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: daemon.request_stop())
        log.info("%s %s: %d migrations", options.program, __version__, len(settings.mappings))
        if options.once:
            return 1 if daemon.run_once() or loaded.problems else 0
        services.activity.configuration.problems = len(loaded.problems)
        monitor = Monitor(services, MigrateSources(services), manager)
        stack.callback(monitor.close)
        monitor.start()
        target = ReloadTarget(
            options.config, settings, services.registry, daemon.update_mappings,
            services.activity.configuration, log_level=options.log_level, on_reload=monitor.on_reload,
            load=load_migrator,
        )  # fmt: skip
        reloader = ConfigReloader(target, loaded, config.before)
        signal.signal(signal.SIGHUP, lambda *_: reloader.request())
        daemon.run_forever(reloader.poll)
    return 0


def new_job(services: MigrateServices, request: JobRequest) -> Job:
    """See ``daemon.job.JobFactory``."""
    context, mapping = Context.of(services, request.pools), request.mapping
    if mapping.is_account_wide:
        return AccountMigration(context, mapping, request.coverage)
    parent = request.parent
    # a container of older versions is migrated where the one is that it belongs to
    divided_by = parent.mapping.bucket if isinstance(parent, ContainerMigration) else mapping.bucket
    return ContainerMigration(context, mapping, divided_by)


def _build(settings: Settings, once: bool, dry_run: bool, stack: ExitStack) -> MigrateServices:
    assert settings.migrator is not None
    use_swift_dir(settings.swift_dir)
    statuses = MigrationStatuses(settings.migrator.status_file, observed=dry_run)
    stack.callback(statuses.flush)
    journal = migration_failures_path(settings.status_dir)
    failures = MigrationFailures(journal)
    stack.callback(failures.close)
    if not dry_run:
        statuses.tidy(Clock().now() - A_DAY)
        statuses.prune(settings.mappings)
        failures.prune(settings.mappings)
    deletes = JournalFile(journal, DELETES_SCHEMA)
    stack.callback(deletes.close)
    stats = Stats(settings.statsd_host, settings.statsd_port, settings.statsd_prefix)
    stack.callback(stats.close)
    observers = Observers()
    budgets = LimiterRegistry(1)
    budgets.update_mappings(settings.mappings)
    # objects and parts of large ones, each also in the lane of very large objects, and pages
    registry = Registry(connections=4 * settings.workers, observers=observers, budgets=budgets)
    stack.callback(registry.close_all)
    client = internal_client(settings.internal_client_path, settings.internal_client_logname)
    reader = ObjectReader(settings, client)
    stack.callback(reader.close)
    newest = NewestState(reader.rings, reader.servers)
    pages = GreenPool(MAX_PAGES)
    stack.callback(pages.kill)  # a page that nobody waits for any more
    nodes = ReplicaNodes(settings.swift_dir, settings.migrator.ring_name, settings.swift_bind_ip)
    if not nodes.has_devices():
        log.warning(
            "swift_bind_ip: no device of the ring %s has address %s: this node has nothing to do",
            settings.migrator.ring_name, settings.swift_bind_ip,
        )  # fmt: skip
    return MigrateServices(
        settings=settings,
        clock=Clock(),
        registry=registry,
        controls=Controls(settings.status_dir),
        stats=stats,
        activity=Activity(settings.mappings),
        observers=observers,
        once=once,
        client=client,
        newest=newest,
        division=Division(nodes),
        removal=GuardedDelete(newest, client),
        held=HeldDeletesLedger(deletes),
        cleanups=SegmentCleanups(deletes),
        clients=ClientObjects(),
        writers=_writers(settings, client, stack),
        statuses=statuses,
        failures=failures,
        max_object=max_object_size(),
        segment_size=settings.migrator.segment_size,
        pages=pages,
        dry_run=dry_run,
    )


def _writers(settings: Settings, client: LocalSwift, stack: ExitStack) -> Writers:
    """Objects are written through the client where it encrypts."""
    in_flight = 4 * settings.workers  # objects and parts, each also in the lane of very large objects
    servers = ObjectServers(in_flight, ())  # each object is sent to all of its servers
    stack.callback(servers.close)
    direct = not has_encryption(settings.internal_client_path)
    branches = GreenPool(in_flight * MAX_REPLICAS)
    return Writers(client, ObjectRings(settings.swift_dir), servers, branches, direct)
