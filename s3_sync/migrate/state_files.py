"""Reads what the migrator of this node leaves in its files, whether or not it is running."""

from __future__ import annotations

from types import TracebackType

from s3_sync.cluster.rings import ReplicaNodes
from s3_sync.cluster.swiftdir import use_swift_dir
from s3_sync.config.settings import Mapping, Settings
from s3_sync.daemon.instance_lock import lock_holder
from s3_sync.errors import LocalError
from s3_sync.migrate.division import Division
from s3_sync.state.controls import Controls
from s3_sync.state.held_deletes import HeldDeletes
from s3_sync.state.migration_failures import is_of
from s3_sync.state.migration_failures_view import MigrationFailuresView
from s3_sync.state.migration_status import MigrationStatuses
from s3_sync.state.paths import migration_failures_path
from s3_sync.state.sqlite_view import SqliteView


class StateFiles:
    """``settings``: of the migrator; its ``mappings`` are the migrations. Nothing is changed but by requests
    of an operator. ``statuses``: in the daemon itself, those that it is about to write. A context manager."""

    def __init__(self, settings: Settings, statuses: MigrationStatuses | None = None) -> None:
        assert settings.migrator is not None
        self._settings, self._ring = settings, settings.migrator.ring_name
        self._nodes: ReplicaNodes | None = None
        self.status_dir = settings.status_dir
        self.migrations: tuple[Mapping, ...] = settings.mappings
        self.statuses = statuses or MigrationStatuses(settings.migrator.status_file, observed=True)
        self.failures = MigrationFailuresView(migration_failures_path(settings.status_dir))
        self._deletes = SqliteView(migration_failures_path(settings.status_dir))
        self.controls = Controls(settings.status_dir, poll_interval=0.0)

    def containers(self, mapping: Mapping) -> list[Mapping]:
        """Return the migration itself or, if it is account-wide, those of the containers that this node has
        begun, or that have failed. Raises StateError."""
        found = {each.container: each for each in self.statuses.containers(mapping)}
        if mapping.is_account_wide:
            for key in self.failures.counts():
                container = key.rpartition("#")[0].partition("/")[2]
                if key != mapping.journal_key and container not in found and is_of(key, mapping):
                    found[container] = mapping.of_container(container)
        return [found[name] for name in sorted(found)]

    def held(self) -> dict[str, HeldDeletes]:
        """Return the deletes that wait for an operator, by journal key. Raises StateError."""
        rows = self._deletes.all("SELECT mapping, reason, count, since FROM held_deletes")
        return {mapping: HeldDeletes(*row) for mapping, *row in rows}

    def has_part(self, mapping: Mapping) -> bool:
        """Whether the ring gives this node a part of a migration, as far as that can be told."""
        if mapping.is_account_wide:
            return True
        settings = self._settings
        try:
            if self._nodes is None:
                use_swift_dir(settings.swift_dir)
                self._nodes = ReplicaNodes(settings.swift_dir, self._ring, settings.swift_bind_ip)
            return Division(self._nodes).share(mapping.account, mapping.bucket) is not None
        except LocalError:
            return True

    def daemon(self) -> int | None:
        """Return the process of the daemon; 0: none is running; None: this system cannot tell."""
        return lock_holder(self.status_dir)

    def close(self) -> None:
        self.failures.close()
        self._deletes.close()

    def __enter__(self) -> StateFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
