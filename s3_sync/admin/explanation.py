"""Collects everything known about one object, and where its bytes are."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from s3_sync.admin.failures import Failure, failure_of
from s3_sync.admin.migration_explanation import MigrationExplanation, explain_migrations
from s3_sync.admin.node import NodeView
from s3_sync.cluster.newest import Deleted, NewestState, Unknown
from s3_sync.cluster.reader import ObjectReader
from s3_sync.config.coverage import Coverage
from s3_sync.config.criteria import MATCH_ALL
from s3_sync.config.settings import Mapping
from s3_sync.errors import NotFound, SyncError, UsageError
from s3_sync.providers.registry import Registry
from s3_sync.state.journal import WAITING
from s3_sync.sync.inspection import HANDLED, HELD, RowPosition

# where the bytes are
SWIFT, STORE, BOTH, NOWHERE, UNCERTAIN = "swift", "store", "both", "nowhere", "uncertain"


@dataclass(slots=True)
class LocalStatus:
    """State according to the object servers: ``present``, ``deleted``, ``unknown`` (never written, or its
    tombstone reclaimed), or ``unavailable``, with the reason in ``detail``."""

    state: str
    timestamp: str = ""
    data_timestamp: str = ""
    policy: int | None = None
    size: int | None = None
    kind: str = ""
    expired: bool = False
    detail: str = ""


@dataclass(slots=True)
class RemoteStatus:
    """State of ``key`` at the store: ``present``, ``absent``, ``unavailable``, or ``not asked``.

    ``archived``: it is in an archive class, and cannot be read; ``retrieving``: the store is retrieving it;
    ``retrieved_until``: until when a retrieved object can be read, infinity for ever, None for any other."""

    state: str
    key: str
    size: int | None = None
    etag: str = ""
    swift_timestamp: str = ""
    storage_class: str = ""
    archived: bool = False
    retrieving: bool = False
    retrieved_until: float | None = None
    detail: str = ""


@dataclass(slots=True)
class MappingExplanation:
    """The object from the point of view of one mapping. Times in seconds since the epoch.

    ``excluded``: its name matches ``exclude_pattern``. ``condition``: the condition as text;
    ``meets_condition``: whether the object meets it, None if unknown. ``due``: when its ``copy_after`` ends.
    ``waiting``: it waits in the lane of large objects, or is being sent there. ``expires``: when the copy of
    the moved object is deleted. ``bytes_in``: one of the constants above.
    """

    mapping: str
    destination: str
    remote: RemoteStatus
    mode: str
    paused: bool = False
    excluded: bool = False
    condition: str = ""
    meets_condition: bool | None = True
    due: float | None = None
    rows: list[RowPosition] = field(default_factory=list)
    failure: Failure | None = None
    waiting: bool = False
    expires: float | None = None
    bytes_in: str = UNCERTAIN
    errors: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Explanation:
    """The result for all mappings. ``problems``: those of the mappings left out, one of which may cover the
    object."""

    account: str
    container: str
    name: str
    local: LocalStatus
    mappings: list[MappingExplanation]
    problems: list[str]
    migrations: list[MigrationExplanation] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether no failure is known."""
        failing = any(each.failure or each.errors for each in self.mappings)
        return not failing and not any(each.failure or each.errors for each in self.migrations)


def explain(node: NodeView, path: str, ask_store: bool = True) -> Explanation:
    """Explain ``account/container/object``. Raises UsageError, StateError, LocalError."""
    account, _, rest = path.lstrip("/").partition("/")
    container, _, name = rest.partition("/")
    if not (account and container and name):
        raise UsageError(f"{path}: expected account/container/object")
    with ExitStack() as stack:
        reader = ObjectReader(node.settings, node.client.real)
        stack.callback(reader.close)
        registry = Registry(connections=2)
        stack.callback(registry.close_all)
        local, headers = _local(reader, account, container, name)
        found: list[MappingExplanation] = []
        for mapping in Coverage(node.mappings).all_for(account, container):
            remote = _remote(registry, mapping, name) if ask_store else _unasked(mapping, name)
            each = _explain_mapping(node, mapping, name, remote)
            criteria = mapping.profile.criteria
            if criteria != MATCH_ALL:
                each.condition = str(criteria)
                each.meets_condition = None if headers is None else criteria.matches(headers)
            if local.state == "present" and mapping.profile.copy_after:
                each.due = float(local.timestamp.partition("_")[0]) + mapping.profile.copy_after
            each.bytes_in = _bytes_in(local, remote)
            found.append(each)
        migrations = list(explain_migrations(node, registry, (account, container, name), ask_store))
    problems = [str(each) for each in node.problems]
    return Explanation(account, container, name, local, found, problems, migrations)


def _explain_mapping(node: NodeView, mapping: Mapping, name: str, remote: RemoteStatus) -> MappingExplanation:
    profile = mapping.profile
    found = MappingExplanation(mapping.label, mapping.remote, remote, profile.mode)
    found.paused = node.controls.is_paused(mapping)
    found.excluded = profile.exclude is not None and profile.exclude.match(name) is not None
    found.failure = failure_of(node, mapping, name)
    entry = node.journal.entry(mapping.journal_key, name)
    found.waiting = entry is not None and entry.state == WAITING
    expiry = node.journal.expiry(mapping.journal_key, name)
    if expiry is not None and mapping.expires_copies:
        found.expires = expiry.expiry.delete_at + profile.propagate_expiration_offset
    found.rows, found.errors = node.backlog.positions(mapping, name)
    if remote.state == "absent":  # ranges of held deletes include deletes made before the budget was used up
        found.rows = [
            replace(row, position=HANDLED, until=None) if row.position == HELD else row for row in found.rows
        ]
    return found


def _local(
    reader: ObjectReader, account: str, container: str, name: str
) -> tuple[LocalStatus, dict[str, str] | None]:
    """Return the local state, and the headers to which conditions apply; None if they are unavailable."""
    try:
        state = NewestState(reader.rings, reader.servers).of(account, container, name)
    except SyncError as error:
        return LocalStatus("unavailable", detail=str(error)), None
    if isinstance(state, Unknown):
        return LocalStatus("unknown"), None
    if isinstance(state, Deleted):
        what = (
            "by a client, or expired" if state.by_client else "moved to the store, or by Swift's reconciler"
        )
        return LocalStatus("deleted", state.timestamp.internal, detail=what), None
    found = LocalStatus(
        "present",
        state.timestamp.internal,
        state.data_timestamp.internal,
        state.policy,
        expired=state.expired,
    )
    try:
        opened = reader.starting_at(state.node).open(
            account, container, name, state.policy, expect=state.data_timestamp
        )
        with opened as local:
            found.size, found.kind = local.info.size, local.kind
            return found, dict(local.headers)
    except SyncError as error:
        found.detail = str(error)
        return found, None


def _remote(registry: Registry, mapping: Mapping, name: str) -> RemoteStatus:
    found = _unasked(mapping, name)
    try:
        info = registry.open_bucket(mapping).head_object(name)
    except NotFound:
        found.state = "absent"
    except SyncError as error:
        found.state, found.detail = "unavailable", f"{error.reason}: {error}"
    else:
        marked = info.meta.swift_timestamp
        found.state, found.size, found.etag = "present", info.size, info.etag or ""
        found.swift_timestamp = marked.internal if marked else ""
        found.storage_class, found.archived = info.storage_class, info.archived
        found.retrieving, found.retrieved_until = info.retrieving, info.retrieved_until
    return found


def _unasked(mapping: Mapping, name: str) -> RemoteStatus:
    return RemoteStatus("not asked", mapping.namer.key(name))


def _bytes_in(local: LocalStatus, remote: RemoteStatus) -> str:
    if "unavailable" in (local.state, remote.state) or remote.state == "not asked":
        return UNCERTAIN
    here, there = local.state == "present", remote.state == "present"
    if here and there:
        return BOTH
    return SWIFT if here else STORE if there else NOWHERE
