"""One node as the operator's command finds it: configuration, state files, databases, and the daemon if it
runs. Opening it changes nothing.
"""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from glob import escape, glob
from typing import Any

from s3_sync.admin.mapping_names import select
from s3_sync.cluster.brokers import Brokers, LocalReplica
from s3_sync.cluster.client import LocalSwift, Shards, internal_client
from s3_sync.cluster.databases import LocalDatabases
from s3_sync.cluster.swiftdir import use_swift_dir
from s3_sync.config.coverage import Coverage
from s3_sync.config.load import load
from s3_sync.config.settings import Mapping, Settings
from s3_sync.daemon import recon_file
from s3_sync.daemon.instance_lock import lock_holder
from s3_sync.errors import ConfigError, LocalUnavailable, Problem, StateError, UsageError
from s3_sync.state.checkpoint import StatusFiles
from s3_sync.state.controls import Controls
from s3_sync.state.journal_view import JournalView
from s3_sync.state.paths import journal_path
from s3_sync.streams.small_files import number
from s3_sync.sync.backlog.reader import BacklogReader

#: where a device has them, see ``swift.container.backend``
DATABASES = "containers"
#: what a daemon has said about itself is believed for so many seconds
FRESH = 60.0
#: the listing of an account is asked for again after so many seconds
LISTED_FOR = 60.0


class _Client:
    """The internal client, made when it is first asked: most questions need none."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def real(self) -> LocalSwift:
        return internal_client(self._settings.internal_client_path, self._settings.internal_client_logname)

    def shards(self, account: str, container: str) -> Shards:
        return self.real.shards(account, container)


class _Replicas:
    """Databases on this node. Where the shards of a container cannot be asked for, those of the container
    itself."""

    def __init__(self, settings: Settings, client: _Client) -> None:
        self._brokers = Brokers(settings)
        shards: Any = client
        self._all = LocalDatabases(self._brokers, shards, at_once=True)

    def replicas(self, account: str, container: str) -> list[LocalReplica]:
        try:
            return self._all.replicas(account, container)
        except LocalUnavailable:
            return self._brokers.replicas(account, container)


@dataclass(frozen=True, slots=True)
class Running:
    """``running``: whether a daemon holds the lock of ``status_dir``; None where that cannot be known.
    ``updated``: when it last wrote about itself, in seconds since the epoch."""

    running: bool | None
    pid: int | None = None
    updated: float | None = None


class NodeView:
    """``problems``: of mappings that were left out, which the daemon leaves out, too."""

    def __init__(self, settings: Settings, problems: tuple[Problem, ...] = ()) -> None:
        """Raises LocalError."""
        use_swift_dir(settings.swift_dir)
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
        self._facts: tuple[str, BacklogReader] | None = None
        self._reports: dict[tuple[str, str, str], list[dict[str, Any]]] = {}

    @property
    def mappings(self) -> tuple[Mapping, ...]:
        return self.settings.mappings

    def mapping(self, name: str) -> Mapping:
        """The one that the operator means, see ``naming``. Raises UsageError."""
        try:
            return select(self.mappings, name)
        except UsageError as error:
            left_out = "".join(f"; left out: {problem}" for problem in self.problems)
            raise UsageError(f"{error}{left_out}") from None

    @property
    def statuses(self) -> StatusFiles:
        """Of the journal that there is now. Raises StateError."""
        uuid = self.journal.uuid
        if self._statuses is None or self._statuses[0] != uuid:
            found = StatusFiles(self.settings.status_dir, uuid, self.settings.mappings, observed=True)
            self._statuses = (uuid, found)
        return self._statuses[1]

    @property
    def facts(self) -> BacklogReader:
        """Remembers counts, until there is another journal. Raises StateError."""
        uuid = self.journal.uuid
        if self._facts is None or self._facts[0] != uuid:
            slack = self.settings.verification_slack_seconds
            self._facts = (uuid, BacklogReader(self.replicas, self.statuses, self.journal, slack))
        return self._facts[1]

    def containers(self, mapping: Mapping, listed: bool = False) -> Iterator[Mapping]:
        """The mapping itself; of one of a whole account, what it comes to for each container that the daemon
        has begun here. ``listed``: and for those in the account's listing, if that can be had."""
        if not mapping.is_whole:
            yield mapping
            return
        yield from self.shares(mapping, self._listed(mapping.account) if listed else frozenset())

    def shares(self, mapping: Mapping, listed: Collection[str]) -> Iterator[Mapping]:
        """What a mapping of a whole account comes to for these containers, and for all of which a daemon has
        left a trace here: those that were deleted, too. Raises StateError."""
        names = {*listed, *self.statuses.containers(mapping.account)}
        for key in self.journal.mappings():
            # a container's status file may have another name, or be lost
            account, _, container = key.rpartition("#")[0].partition("/")
            if account == mapping.account:
                names.add(container)
        coverage = Coverage(self.mappings)
        for name in sorted(names):
            if (each := coverage.share(mapping, name)) is not None:
                yield each

    def _listed(self, account: str) -> frozenset[str]:
        known, now = self._listings.get(account), self.now()
        if known is None or not 0 <= now - known[0] < LISTED_FOR:
            try:
                known = (now, frozenset(self.client.real.containers(account)))
            except LocalUnavailable:
                known = (now, known[1] if known else frozenset())
            self._listings[account] = known
        return known[1]

    def require_state(self) -> None:
        """Before a wish is written down. Raises StateError where no daemon would find it."""
        if not os.path.isdir(self.settings.status_dir):
            raise StateError(f"{self.settings.status_dir} is not there: no daemon has ever run on this node")

    def daemon(self) -> Running:
        reports = [each for each in recon_file.read(self._recon()).values() if _number(each, "updated")]
        updated = max((_number(each, "updated") for each in reports), default=0.0)
        pid = lock_holder(self.settings.status_dir)
        running = None if pid is None else pid > 0
        self._reports = {}
        for report in reports:
            told = report.get("mappings")
            if running is False or self.now() - _number(report, "updated") >= FRESH:
                continue
            for each in filter(lambda each: isinstance(each, dict), told if isinstance(told, list) else ()):
                key = (str(each.get("account")), str(each.get("container")), str(each.get("fingerprint")))
                self._reports.setdefault(key, []).append(each)
        return Running(running, pid or None, updated or None)

    def report(self, mapping: Mapping) -> list[dict[str, Any]]:
        """What each process of the daemon said of it when ``daemon`` was last asked."""
        return self._reports.get((mapping.account, mapping.container, mapping.fingerprint), [])

    def close(self) -> None:
        self.journal.close()

    def _recon(self) -> str:
        return self.settings.recon_cache_path or self.settings.status_dir


@contextmanager
def open_node(config: str) -> Iterator[NodeView]:
    """Of the configuration file at ``config``. Raises ConfigError, StateError, LocalError."""
    loaded = load(config)
    if loaded.settings is None:
        raise ConfigError(loaded.problems)
    become_owner(loaded.settings.status_dir, loaded.settings.devices)
    with ExitStack() as stack:
        site = NodeView(loaded.settings, loaded.problems)
        stack.callback(site.close)
        yield site


def become_owner(status_dir: str, devices: str) -> None:
    """As root: become the user whose files these are, for good. Reading a database makes files beside it, and
    neither Swift nor the daemon could use them if they were root's. Raises StateError."""
    if os.geteuid() != 0 or (directory := owned(status_dir, devices)) is None:
        return
    owner = os.stat(directory)
    if owner.st_uid == 0:
        return
    try:
        os.initgroups(pwd.getpwuid(owner.st_uid).pw_name, owner.st_gid)
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)
    except (OSError, KeyError) as error:
        raise StateError(f"cannot become the user whose directory {directory} is: {error}") from error


def owned(status_dir: str, devices: str) -> str | None:
    """The directory whose owner the daemon runs as; before it has ever run, one of container databases."""
    here = (status_dir, *sorted(glob(os.path.join(escape(devices), "*", DATABASES))))
    return next(filter(os.path.isdir, here), None)


def _number(values: dict[str, Any], key: str) -> float:
    return number(values.get(key))
