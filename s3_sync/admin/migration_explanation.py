"""What is known about one object of a migrated container."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from s3_sync.admin.failures import Failure, migration_failure_of
from s3_sync.admin.node import NodeView
from s3_sync.config.coverage import Coverage
from s3_sync.config.settings import Mapping
from s3_sync.errors import NotFound, SyncError
from s3_sync.migrate.compare.local_objects import LocalObject, LocalObjectReader
from s3_sync.migrate.compare.objects import differences
from s3_sync.migrate.headers import version_of
from s3_sync.migrate.state_files import StateFiles
from s3_sync.model.objects import ListedObject, ObjectInfo
from s3_sync.providers.registry import Registry

# the object in Swift, from the point of view of a migration
ABSENT, MIGRATED, CLIENTS, UNREADABLE = "absent", "migrated", "clients", "unreadable"


@dataclass(slots=True)
class MigrationExplanation:
    """The object from the point of view of one migration. Times in seconds since the epoch.

    ``local``: ``absent``; ``migrated``: as a migration has written it; ``clients``: a client has written or
    changed it; ``unreadable``. ``source_state``: ``present``, ``absent``, ``unavailable`` or ``not asked``,
    with ``key``, ``size``, ``etag``, ``storage_class`` and ``version``, the X-Timestamp of its copy.
    ``differences``: of the two, as --compare tells them. ``compared``: the present pass has reached the name.
    ``waits_until``: when it is old enough for ``older_than``.
    """

    migration: str
    source: str
    key: str
    paused: bool = False
    local: str = ABSENT
    source_state: str = "not asked"
    size: int | None = None
    etag: str = ""
    version: str = ""
    storage_class: str = ""
    archived: bool = False
    differences: list[str] = field(default_factory=list)
    compared: bool = False
    waits_until: float | None = None
    failure: Failure | None = None
    errors: list[str] = field(default_factory=list)


def explain_migrations(
    node: NodeView, registry: Registry, place: tuple[str, str, str], ask_source: bool
) -> Iterator[MigrationExplanation]:
    """Explain an object, given by account, container and name. Raises StateError, LocalError."""
    account, container, name = place
    for mapping in _covering(node, account, container):
        prefix = mapping.migration.prefix if mapping.migration else ""
        if node.migrator is not None and name.startswith(prefix):
            yield _explain(node, node.migrator, registry if ask_source else None, mapping, name)


def _explain(
    node: NodeView, files: StateFiles, registry: Registry | None, mapping: Mapping, name: str
) -> MigrationExplanation:
    found = MigrationExplanation(mapping.label, mapping.remote, mapping.namer.key(name))
    found.paused = files.controls.is_paused(mapping)
    found.failure = migration_failure_of(node, mapping, name)
    status = files.statuses.of(mapping)
    found.compared = status.is_between_passes or bool(status.marker and name <= status.marker)
    local = _local(node, mapping, name, found)
    source = _source(registry, mapping, name, found) if registry is not None else None
    if source is None:
        return found
    listed = ListedObject(name, source.size, source.etag, source.last_modified)
    version = version_of(listed, source)
    found.version = version.internal
    if mapping.migration is not None and mapping.migration.older_than is not None:
        found.waits_until = version.seconds + mapping.migration.older_than
    if local is not None:
        found.differences = [": ".join(each) for each in differences(local, source, version)]
    return found


def _covering(node: NodeView, account: str, container: str) -> Iterator[Mapping]:
    named = Coverage(node.migrations).named_containers()
    for mapping in node.migrations:
        if mapping.account != account:
            continue
        if mapping.container == container:
            yield mapping
        elif mapping.is_account_wide and (account, container) not in named:
            yield mapping.of_container(container)


def _local(node: NodeView, mapping: Mapping, name: str, found: MigrationExplanation) -> LocalObject | None:
    reader = LocalObjectReader(node.client.real, mapping.account, mapping.container)
    try:
        local = reader.find(name)
    except SyncError as error:
        found.local = UNREADABLE
        found.errors.append(str(error))
        return None
    if local is not None:
        found.local = MIGRATED if local.is_owned else CLIENTS
    return local


def _source(
    registry: Registry, mapping: Mapping, name: str, found: MigrationExplanation
) -> ObjectInfo | None:
    try:
        info = registry.open_bucket(mapping).head_object(name)
    except NotFound:
        found.source_state = "absent"
        return None
    except SyncError as error:
        found.source_state = "unavailable"
        found.errors.append(f"{error.reason}: {error}")
        return None
    found.source_state, found.size, found.etag = "present", info.size, info.etag
    found.storage_class, found.archived = info.storage_class, info.archived
    return info
