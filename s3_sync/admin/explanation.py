"""Everything that is known of one object, and where its bytes are."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from math import isfinite

from s3_sync.admin.failures import Failure, failure_of
from s3_sync.admin.node import NodeView
from s3_sync.admin.status import destination
from s3_sync.cluster.brokers import LocalReplica
from s3_sync.cluster.newest import Deleted, NewestState, Unknown
from s3_sync.cluster.reader import ObjectReader
from s3_sync.config.coverage import Coverage
from s3_sync.config.criteria import EVERYTHING
from s3_sync.config.settings import Mapping
from s3_sync.errors import LocalError, LocalMissing, NotFound, SyncError, UsageError
from s3_sync.model.rows import Row, owner_ordinal
from s3_sync.providers.registry import Registry
from s3_sync.state.checkpoint import Checkpoint
from s3_sync.state.journal import HELD, HELD_VERIFY, PRIMARY, VERIFY, WAITING, DueRange

# where the bytes are
SWIFT, STORE, BOTH, NOWHERE, UNCERTAIN = "swift", "store", "both", "nowhere", "uncertain"


@dataclass(frozen=True, slots=True)
class RowPosition:
    """One row in one database on this node. ``own``: this replica is the first to act on it.

    ``position``: ``handled`` (a cursor has passed it), ``behind`` (it will be read), ``waits`` (for its
    ``copy_after``, or for other nodes' daemons), ``held`` (a delete that the delete budget keeps waiting),
    with ``until`` in seconds since the epoch where it is known.
    """

    database: str
    own: bool
    row: int
    cursor: int
    timestamp: str
    deleted: bool
    policy: int
    position: str
    until: float | None = None


@dataclass(slots=True)
class Local:
    """What the object servers say: ``present``, ``deleted``, ``unknown`` (never there, or long deleted), or
    ``unavailable``, with the reason in ``detail``."""

    state: str
    timestamp: str = ""
    data_timestamp: str = ""
    policy: int | None = None
    size: int | None = None
    kind: str = ""
    expired: bool = False
    detail: str = ""


@dataclass(slots=True)
class Remote:
    """What the store says under ``key``: ``present``, ``absent``, or ``unavailable``; ``not asked``."""

    state: str
    key: str
    size: int | None = None
    etag: str = ""
    swift_timestamp: str = ""
    detail: str = ""


@dataclass(slots=True)
class OfMapping:
    """What one mapping does about the object. ``excluded``: its name matches ``exclude_pattern``.

    ``condition``: the condition in words, and ``meets_condition`` whether the object does; None: it cannot
    be told. ``due``: when its ``copy_after`` has passed, in seconds since the epoch. ``waiting``: for a place
    among the large objects that are sent, or being sent there. ``expires``: when the copy of the moved object
    is deleted, in seconds since the epoch. ``bytes_in``: one of the words above.
    """

    mapping: str
    destination: str
    remote: Remote
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
    """``problems``: of mappings that are left out; it may be theirs."""

    account: str
    container: str
    name: str
    local: Local
    mappings: list[OfMapping]
    problems: list[str]

    @property
    def is_good(self) -> bool:
        """Whether nothing is known to have failed."""
        return not any(each.failure or each.errors for each in self.mappings)


def explain(site: NodeView, path: str, ask_store: bool = True) -> Explanation:
    """Of ``account/container/object``. Raises UsageError, StateError, LocalError."""
    account, _, rest = path.lstrip("/").partition("/")
    container, _, name = rest.partition("/")
    if not (account and container and name):
        raise UsageError(f"{path}: an object is named account/container/object")
    with ExitStack() as stack:
        reader = ObjectReader(site.settings, site.client.real)
        stack.callback(reader.close)
        registry = Registry(connections=2)
        stack.callback(registry.close_all)
        local, headers = _local(reader, account, container, name)
        found: list[OfMapping] = []
        for mapping in Coverage(site.mappings).of(account, container):
            remote = _remote(registry, mapping, name) if ask_store else _unasked(mapping, name)
            each = _of_mapping(site, mapping, name, remote)
            criteria = mapping.profile.criteria
            if criteria != EVERYTHING:
                each.condition = str(criteria)
                each.meets_condition = None if headers is None else criteria.matches(headers)
            if local.state == "present" and mapping.profile.copy_after:
                each.due = float(local.timestamp.partition("_")[0]) + mapping.profile.copy_after
            each.bytes_in = _bytes_in(local, remote)
            found.append(each)
    return Explanation(account, container, name, local, found, [str(each) for each in site.problems])


def _of_mapping(site: NodeView, mapping: Mapping, name: str, remote: Remote) -> OfMapping:
    profile = mapping.profile
    found = OfMapping(mapping.label, destination(mapping), remote, profile.mode)
    found.paused = site.controls.is_paused(mapping)
    found.excluded = profile.exclude is not None and profile.exclude.match(name) is not None
    found.failure = failure_of(site, mapping, name)
    entry = site.journal.entry(mapping.journal_key, name)
    found.waiting = entry is not None and entry.state == WAITING
    expiry = site.journal.expiry(mapping.journal_key, name)
    if expiry is not None and profile.expires_copies:
        found.expires = expiry.expiry.delete_at + profile.propagate_expiration_offset
    found.rows, found.errors = positions(site, mapping, name)
    if remote.state == "absent":  # those that went before the budget was used up are not told apart
        found.rows = [
            replace(row, position="handled", until=None) if row.position == HELD else row
            for row in found.rows
        ]
    return found


def positions(site: NodeView, mapping: Mapping, name: str) -> tuple[list[RowPosition], list[str]]:
    """Where the rows of a name are in the databases on this node; and why one cannot be read."""
    found: list[RowPosition] = []
    errors: list[str] = []
    for replica in site.replicas.replicas(mapping.account, mapping.container):
        try:
            with replica.open() as db:
                rows, database = db.rows_of(name), db.id
                checkpoint = site.statuses.load(mapping, database)
                if checkpoint is not None and not checkpoint.holds_for(replica.share, db):
                    checkpoint = None
        except LocalMissing:
            continue
        except LocalError as error:
            errors.append(str(error))
            continue
        found += [_position(site, mapping, replica, (database, checkpoint), row) for row in rows]
    return found, errors


def _position(
    site: NodeView, mapping: Mapping, replica: LocalReplica, seen: tuple[str, Checkpoint | None], row: Row
) -> RowPosition:
    """``seen``: the database's id, and the progress in it that can be used."""
    database, checkpoint = seen
    own = replica.ordinal is not None and owner_ordinal(row.name, replica.replicas) == replica.ordinal
    cursor = 0 if checkpoint is None else checkpoint.last_row if own else checkpoint.last_verified_row
    until: float | None = None
    if row.rowid > cursor:
        position = "behind"
        if not own and checkpoint is not None:
            slack = site.settings.verification_slack_seconds
            until = max(row.timestamp.seconds, checkpoint.begun) + slack
            position = "waits" if until > site.now() else position
    else:
        position = "handled"
        ranges = [
            each
            for each in site.journal.ranges(mapping.journal_key, database)
            if each.first_row <= row.rowid <= each.last_row
        ]
        position, until = _in_ranges(site, mapping, ranges, row, own)
    return RowPosition(
        replica.path, own, row.rowid, cursor, row.timestamp.internal, row.deleted, row.policy, position, until
    )


def _in_ranges(
    site: NodeView, mapping: Mapping, ranges: list[DueRange], row: Row, own: bool
) -> tuple[str, float | None]:
    """Of a row that a cursor has passed: whether it is looked at again, and when."""
    if row.deleted:
        held = [each.due for each in ranges if each.kind == (HELD if own else HELD_VERIFY)]
        count = site.journal.deletes(mapping.journal_key)
        if not held or not count.held or row.data_timestamp.seconds <= count.allowed_until:
            return "handled", None
        return HELD, min(held) if isfinite(min(held)) else None
    waiting = [each.due for each in ranges if each.kind == (PRIMARY if own else VERIFY)]
    due = row.timestamp.seconds + mapping.profile.copy_after
    if waiting and due >= min(waiting) - 60.0 - mapping.profile.copy_after / 10:
        return "waits", max(due, site.now())
    return "handled", None


def _local(
    reader: ObjectReader, account: str, container: str, name: str
) -> tuple[Local, dict[str, str] | None]:
    """And its headers, as conditions see them; None where they cannot be had."""
    try:
        state = NewestState(reader.rings, reader.servers).of(account, container, name)
    except SyncError as error:
        return Local("unavailable", detail=str(error)), None
    if isinstance(state, Unknown):
        return Local("unknown"), None
    if isinstance(state, Deleted):
        what = (
            "by a client, or expired" if state.by_client else "moved to the store, or by Swift's reconciler"
        )
        return Local("deleted", state.timestamp.internal, detail=what), None
    found = Local(
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


def _remote(registry: Registry, mapping: Mapping, name: str) -> Remote:
    found = _unasked(mapping, name)
    try:
        info = registry.open_bucket(mapping).head_object(name)
    except NotFound:
        found.state = "absent"
    except SyncError as error:
        found.state, found.detail = "unavailable", f"{error.reason}: {error}"
    else:
        marked = info.meta.swift_timestamp if info.meta is not None else None
        found.state, found.size, found.etag = "present", info.size, info.etag or ""
        found.swift_timestamp = marked.internal if marked else ""
    return found


def _unasked(mapping: Mapping, name: str) -> Remote:
    return Remote("not asked", mapping.namer.key(name))


def _bytes_in(local: Local, remote: Remote) -> str:
    if "unavailable" in (local.state, remote.state) or remote.state == "not asked":
        return UNCERTAIN
    here, there = local.state == "present", remote.state == "present"
    if here and there:
        return BOTH
    return SWIFT if here else STORE if there else NOWHERE
