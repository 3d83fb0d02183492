"""Read access to one node: configuration, state files, databases, and the daemon's reports. Opening it
changes nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from glob import escape, glob
from typing import Any

from s3_sync.cluster.brokers import Brokers, LocalReplica
from s3_sync.cluster.client import LocalSwift, Shards, internal_client
from s3_sync.cluster.databases import LocalDatabases
from s3_sync.cluster.swiftdir import use_swift_dir
from s3_sync.config.coverage import Coverage
from s3_sync.config.load import is_for_migrator_alone, load, load_migrator
from s3_sync.config.mapping_names import select
from s3_sync.config.settings import Mapping, Settings
from s3_sync.daemon import recon_file
from s3_sync.daemon.instance_lock import lock_holder
from s3_sync.errors import ConfigError, LocalUnavailable, Problem, StateError, UsageError
from s3_sync.migrate.state_files import StateFiles
from s3_sync.state.checkpoint import StatusFiles
from s3_sync.state.controls import Controls
from s3_sync.state.journal_view import JournalView
from s3_sync.state.owner import become_owner_of
from s3_sync.state.paths import journal_path
from s3_sync.streams.small_files import number
from s3_sync.sync.inspection import BacklogReader

#: directory of the container databases on a device, see ``swift.container.backend``
DATABASES = "containers"
#: how long a daemon's report is valid, in seconds
REPORT_TTL = 60.0
#: how long the listing of an account is cached, in seconds
LISTING_TTL = 60.0


class _Client:
    """The internal client, created on first use, since most commands need none."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def real(self) -> LocalSwift:
        return internal_client(self._settings.internal_client_path, self._settings.internal_client_logname)

    def shards(self, account: str, container: str) -> Shards:
        return self.real.shards(account, container)


class _Replicas:
    """Databases on this node, including those of shards. If the shards of a container cannot be listed, only
    those of the container itself."""

    def __init__(self, settings: Settings, client: _Client) -> None:
        self._brokers = Brokers(settings)
        self._all = LocalDatabases(self._brokers, client, at_once=True)

    def replicas(self, account: str, container: str) -> list[LocalReplica]:
        try:
            return self._all.replicas(account, container)
        except LocalUnavailable:
            return self._brokers.replicas(account, container)


@dataclass(frozen=True, slots=True)
class Running:
    """State of the daemon. ``running``: whether a daemon holds the lock of ``status_dir``; None if unknown.
    ``updated``: when it last wrote a report, in seconds since the epoch."""

    running: bool | None
    pid: int | None = None
    updated: float | None = None


class NodeView:
    """One node. ``problems``: those of invalid mappings, which are left out here as in the daemon."""

    def __init__(
        self, settings: Settings, problems: tuple[Problem, ...] = (), migrator: Settings | None = None
    ) -> None:
        """``migrator``: the settings of this node's migrator, if it has one. Raises LocalError."""
        use_swift_dir(settings.swift_dir)
        self.migrator = None if migrator is None else StateFiles(migrator)
        self.settings = settings
        self.problems = problems
        self.now: Callable[[], float] = time.time
        self.controls = Controls(settings.status_dir, poll_interval=0.0)
        self.journal_path = journal_path(settings.status_dir)
        self.journal = JournalView(self.journal_path)
        self.client = _Client(settings)
        self.replicas = _Replicas(settings, self.client)
        self._listings: dict[str, tuple[float, frozenset[str]]] = {}
        self._statuses: tuple[str, StatusFiles] | None = None
        self._backlog: tuple[str, BacklogReader] | None = None
        self._reports: dict[tuple[str, str, str], list[dict[str, Any]]] = {}

    @property
    def mappings(self) -> tuple[Mapping, ...]:
        return self.settings.mappings

    @property
    def migrations(self) -> tuple[Mapping, ...]:
        return () if self.migrator is None else self.migrator.migrations

    def named(self, name: str) -> Mapping:
        """Find the mapping or migration that the operator named, see ``mapping_names``. Raises UsageError."""
        try:
            return select((*self.mappings, *self.migrations), name)
        except UsageError as error:
            left_out = "".join(f"; left out: {problem}" for problem in self.problems)
            raise UsageError(f"{error}{left_out}") from None

    def mapping(self, name: str) -> Mapping:
        """Find the mapping that the operator named. Raises UsageError, also for a migration."""
        found = self.named(name)
        if found.migration is not None:
            raise UsageError(f"{name} is a migration, for which this command does nothing")
        return found

    def migration(self, name: str) -> tuple[StateFiles, Mapping]:
        """Find the migration that the operator named. Raises UsageError, also for a mapping."""
        found = self.named(name)
        if self.migrator is None or found.migration is None:
            raise UsageError(f"{name} is no migration")
        return self.migrator, found

    def controls_of(self, mapping: Mapping) -> Controls:
        """Return where the operator's requests about a mapping or migration are. Raises StateError if no
        daemon would find one."""
        if mapping.migration is not None and self.migrator is not None:
            if not os.path.isdir(self.migrator.status_dir):
                raise StateError(f"{self.migrator.status_dir} does not exist: no migrator has run here")
            return self.migrator.controls
        self.require_state()
        return self.controls

    @property
    def statuses(self) -> StatusFiles:
        """Status files of the current journal. Raises StateError."""
        uuid = self.journal.uuid
        if self._statuses is None or self._statuses[0] != uuid:
            found = StatusFiles(self.settings.status_dir, uuid, self.settings.mappings, observed=True)
            self._statuses = (uuid, found)
        return self._statuses[1]

    @property
    def backlog(self) -> BacklogReader:
        """Backlog reader of the current journal, which caches counts. Raises StateError."""
        uuid = self.journal.uuid
        if self._backlog is None or self._backlog[0] != uuid:
            slack = self.settings.verification_slack_seconds
            self._backlog = (uuid, BacklogReader(self.replicas, self.statuses, self.journal, slack))
        return self._backlog[1]

    def containers(self, mapping: Mapping, listed: bool = False) -> Iterator[Mapping]:
        """Iterate over the mapping itself or, if it is account-wide, over its mappings for each container
        that the daemon has started here. ``listed``: also for the containers in the account's listing, if it
        is available."""
        if not mapping.is_account_wide:
            yield mapping
            return
        yield from self.shares(mapping, self._listed(mapping.account) if listed else frozenset())

    def shares(self, mapping: Mapping, listed: Collection[str]) -> Iterator[Mapping]:
        """Iterate over an account-wide mapping's mappings for these containers and for all those with a
        status file or journal entries here, including deleted ones. Raises StateError."""
        names = {*listed, *self.statuses.containers(mapping.account)}
        for key in self.journal.mappings():
            # a container's status file may have another name, or be lost
            account, _, container = key.rpartition("#")[0].partition("/")
            if account == mapping.account:
                names.add(container)
        coverage = Coverage(self.mappings)
        for name in sorted(names):
            if (each := coverage.for_container(mapping, name)) is not None:
                yield each

    def _listed(self, account: str) -> frozenset[str]:
        known, now = self._listings.get(account), self.now()
        if known is None or not 0 <= now - known[0] < LISTING_TTL:
            try:
                known = (now, frozenset(self.client.real.containers(account)))
            except LocalUnavailable:
                known = (now, known[1] if known else frozenset())
            self._listings[account] = known
        return known[1]

    def require_state(self) -> None:
        """Check that a daemon will find a request. Raises StateError if there is no ``status_dir``."""
        if not os.path.isdir(self.settings.status_dir):
            raise StateError(f"{self.settings.status_dir} does not exist: no daemon has run on this node")

    def daemon(self) -> Running:
        """Return the daemon's state, and reload its reports."""
        files = recon_file.read(self._recon(), "swift-s3-sync")
        reports = [each for each in files.values() if _number(each, "updated")]
        updated = max((_number(each, "updated") for each in reports), default=0.0)
        pid = lock_holder(self.settings.status_dir)
        running = None if pid is None else pid > 0
        self._reports = {}
        for report in reports:
            listed = report.get("mappings")
            if running is False or self.now() - _number(report, "updated") >= REPORT_TTL:
                continue
            mappings = listed if isinstance(listed, list) else ()
            for each in filter(lambda each: isinstance(each, dict), mappings):
                key = (str(each.get("account")), str(each.get("container")), str(each.get("fingerprint")))
                self._reports.setdefault(key, []).append(each)
        return Running(running, pid or None, updated or None)

    def report(self, mapping: Mapping) -> list[dict[str, Any]]:
        """Return the report of each daemon process on the mapping, as of the last call of ``daemon``."""
        return self._reports.get((mapping.account, mapping.container, mapping.fingerprint), [])

    def close(self) -> None:
        self.journal.close()
        if self.migrator is not None:
            self.migrator.close()

    def _recon(self) -> str:
        return self.settings.recon_cache_path or self.settings.status_dir


@contextmanager
def open_node(config: str) -> Iterator[NodeView]:
    """Open the node with the configuration file at ``config``. Raises ConfigError, StateError, LocalError."""
    migrator = load_migrator(config)
    if is_for_migrator_alone(config):
        if migrator.settings is None:
            raise ConfigError(migrator.problems)
        settings, problems = replace(migrator.settings, mappings=()), migrator.problems
        become_owner_of(settings.status_dir)
    else:
        loaded = load(config)
        if loaded.settings is None:
            raise ConfigError(loaded.problems)
        settings, problems = loaded.settings, loaded.problems
        become_owner(settings.status_dir, settings.devices)
    with ExitStack() as stack:
        node = NodeView(settings, problems, migrator.settings)
        stack.callback(node.close)
        yield node


def become_owner(status_dir: str, devices: str) -> None:
    """If run as root, switch permanently to the owner of the files. Raises StateError."""
    if (directory := owned(status_dir, devices)) is not None:
        become_owner_of(directory)


def owned(status_dir: str, devices: str) -> str | None:
    """Return the directory whose owner the daemon runs as: ``status_dir``, or before the first run a
    directory of container databases. None if there is neither."""
    here = (status_dir, *sorted(glob(os.path.join(escape(devices), "*", DATABASES))))
    return next(filter(os.path.isdir, here), None)


def _number(values: dict[str, Any], key: str) -> float:
    return number(values.get(key))
