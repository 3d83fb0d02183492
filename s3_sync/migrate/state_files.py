"""Reads what the migrator of this node leaves in its files, whether or not it is running."""

from __future__ import annotations

from types import TracebackType

from s3_sync.config.settings import Mapping, Settings
from s3_sync.daemon.instance_lock import lock_holder
from s3_sync.state.controls import Controls
from s3_sync.state.migration_failures_view import MigrationFailuresView
from s3_sync.state.migration_status import MigrationStatuses
from s3_sync.state.paths import migration_failures_path


class StateFiles:
    """``settings``: of the migrator; its ``mappings`` are the migrations. Nothing is changed but by requests
    of an operator. ``statuses``: in the daemon itself, those that it is about to write. A context manager."""

    def __init__(self, settings: Settings, statuses: MigrationStatuses | None = None) -> None:
        assert settings.migrator is not None
        self.status_dir = settings.status_dir
        self.migrations: tuple[Mapping, ...] = settings.mappings
        self.statuses = statuses or MigrationStatuses(settings.migrator.status_file, observed=True)
        self.failures = MigrationFailuresView(migration_failures_path(settings.status_dir))
        self.controls = Controls(settings.status_dir, poll_interval=0.0)

    def containers(self, mapping: Mapping) -> list[Mapping]:
        """Return the migration itself or, if it is account-wide, those of the containers that this node has
        begun, or that have failed. Raises StateError."""
        found = {each.container: each for each in self.statuses.containers(mapping)}
        if mapping.is_account_wide:
            for key in self.failures.counts():
                account, _, container = key.rpartition("#")[0].partition("/")
                if account == mapping.account and container and container not in found:
                    each = mapping.of_container(container)
                    if each.journal_key == key:
                        found[container] = each
        return [found[name] for name in sorted(found)]

    def daemon(self) -> int | None:
        """Return the process of the daemon; 0: none is running; None: this system cannot tell."""
        return lock_holder(self.status_dir)

    def close(self) -> None:
        self.failures.close()

    def __enter__(self) -> StateFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
