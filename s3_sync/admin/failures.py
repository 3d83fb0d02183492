"""Failures that have not converged: listing, retrying and dropping them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite
from typing import NamedTuple

from s3_sync.admin.node import NodeView
from s3_sync.config.settings import Mapping
from s3_sync.state.container_records import ContainerRecord
from s3_sync.state.expiries import Entry
from s3_sync.state.journal import RETRY, WAITING, Unsettled
from s3_sync.state.journal_edit import JournalEdit
from s3_sync.state.left_segments import Entry as SegmentEntry
from s3_sync.state.migration_failures import MigrationFailure

#: state of an expired copy of a moved object that must be deleted; it has no row any more
EXPIRY = "expiry"
#: state of a container's own metadata that cannot be sent
METADATA = "metadata"
#: state of a segment at another Swift that large objects have left behind and that cannot be deleted
SEGMENT = "segment"
#: states that an object's entry does not have, and that cannot be forgotten
LASTING = frozenset({EXPIRY, METADATA, SEGMENT})


class Version(NamedTuple):
    """One version of an object. ``key``: its mapping's journal key. ``timestamp``: in internal form."""

    key: str
    name: str
    timestamp: str
    migration: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """One object that failed. ``key``: its mapping's journal key. ``state``: ``retry``; ``quarantine``: it is
    retried when it changes, on a reset, or on request; ``expiry``: the copy of a moved object has expired and
    could not be deleted; ``metadata``: it is the container, whose own metadata could not be sent, and its
    ``name`` is empty; ``segment``: no large object at another Swift may name this segment there any more, and
    it could not be deleted; ``name`` is its container and name there.

    ``timestamp``: of the version that failed, in Swift's internal form; empty for a container or segment.
    Times in seconds since the epoch; 0 for an expiry or segment if the journal does not have them.
    ``next_try`` None: a delete that waits for the operator's permission. ``deleted``: the failed operation is
    a delete. ``migration``: it is one of a migration; an empty ``name`` is the container, or the source."""

    key: str
    mapping: str
    container: str
    name: str
    state: str
    reason: str
    detail: str
    attempts: int
    first_failure: float
    last_failure: float
    next_try: float | None
    deleted: bool
    size: int
    timestamp: str
    migration: bool = False

    @property
    def version(self) -> Version:
        return Version(self.key, self.name, self.timestamp, self.migration)


@dataclass(frozen=True, slots=True)
class FailureFilter:
    """Selects failures by ``names``, prefix, reason and state; an empty field matches everything."""

    names: tuple[str, ...] = ()
    prefix: str = ""
    reason: str = ""
    state: str = ""

    def matches(self, failure: Failure) -> bool:
        return (
            (not self.names or failure.name in self.names)
            and failure.name.startswith(self.prefix)
            and self.reason in ("", failure.reason)
            and self.state in ("", failure.state)
        )


def failures(node: NodeView, mappings: Sequence[Mapping], chosen: FailureFilter) -> Iterator[Failure]:
    """Iterate over failures by mapping, container and name. Raises StateError."""
    for mapping in mappings:
        if mapping.migration is not None:
            yield from filter(chosen.matches, _of_migration(node, mapping))
            continue
        for each in node.containers(mapping):
            for failure in _container_failures(node, mapping.label, each):
                if chosen.matches(failure):
                    yield failure


def failure_of(node: NodeView, mapping: Mapping, name: str) -> Failure | None:
    """Return the failure of one object of a container; None if there is none. Raises StateError."""
    entry = node.journal.entry(mapping.journal_key, name)
    if entry is not None and entry.state != WAITING:
        return _from_entry(mapping.label, mapping, entry)
    expiry = node.journal.expiry(mapping.journal_key, name)
    return _from_expiry(mapping.label, mapping, expiry) if expiry is not None and expiry.attempts else None


def retry(node: NodeView, mappings: Sequence[Mapping], chosen: FailureFilter) -> int:
    """Make failures due at the daemon's next turn; returns their number. Raises StateError."""
    edit, changed = JournalEdit(node.journal_path), 0
    for (key, migration), group in groupby(
        failures(node, mappings, chosen), key=lambda each: (each.key, each.migration)
    ):
        names = [each.name for each in group]
        if migration and node.migrator is not None:
            changed += node.migrator.failures.retry(key, names)
        else:
            changed += edit.retry(key, names, node.now())
    return changed


def forget(node: NodeView, chosen: Sequence[Version]) -> int:
    """Drop failures: they are neither retried, until the object changes or the mapping is reset, nor reported
    any more. Not for LASTING ones. Returns their number. Raises StateError."""
    edit, changed = JournalEdit(node.journal_path), 0
    for (key, migration), group in groupby(chosen, key=lambda each: (each.key, each.migration)):
        if migration and node.migrator is not None:
            changed += node.migrator.failures.forget(key, [each.name for each in group])
        else:
            changed += edit.forget(key, [(each.name, each.timestamp) for each in group])
    return changed


def migration_failure_of(node: NodeView, mapping: Mapping, name: str) -> Failure | None:
    """Return the failure of one object of a migrated container; None if there is none. Raises StateError."""
    entry = node.migrator.failures.entry(mapping.journal_key, name) if node.migrator else None
    return None if entry is None else _from_migration(mapping.label, mapping, entry)


def _of_migration(node: NodeView, mapping: Mapping) -> Iterator[Failure]:
    if node.migrator is None:
        return
    containers = node.migrator.containers(mapping)
    for each in containers if mapping in containers else (mapping, *containers):
        for entry in node.migrator.failures.entries(each.journal_key):
            yield _from_migration(mapping.label, each, entry)


def _container_failures(node: NodeView, label: str, mapping: Mapping) -> Iterator[Failure]:
    record = node.journal.container(mapping.journal_key)
    if record.attempts:
        yield _from_record(label, mapping, record)
    after = ""
    while page := node.journal.unsettled(mapping.journal_key, 1000, after):
        for entry in page:
            if entry.state != WAITING:  # for a place in the lane of large objects
                yield _from_entry(label, mapping, entry)
        after = page[-1].name
    for expiry in node.journal.failed_expiries(mapping.journal_key):
        yield _from_expiry(label, mapping, expiry)
    for segment in node.journal.failed_segments(mapping.journal_key):
        yield _from_segment(label, mapping, segment)


def _from_entry(label: str, mapping: Mapping, entry: Unsettled) -> Failure:
    return Failure(
        mapping.journal_key, label, mapping.container, entry.name, entry.state, entry.reason, entry.detail,
        entry.attempts, entry.first_failure, entry.last_failure,
        entry.next_try if isfinite(entry.next_try) else None, entry.deleted, entry.size, entry.timestamp,
    )  # fmt: skip


def _from_migration(label: str, mapping: Mapping, entry: MigrationFailure) -> Failure:
    return Failure(
        mapping.journal_key, label, mapping.container, entry.name, RETRY, entry.reason, entry.message,
        entry.attempts, entry.first_failed, entry.last_failed, entry.next_try, False, 0, "", True,
    )  # fmt: skip


def _from_record(label: str, mapping: Mapping, record: ContainerRecord) -> Failure:
    return Failure(
        mapping.journal_key, label, mapping.container, "", METADATA, record.reason, record.detail,
        record.attempts, record.first_failure, record.last_failure, record.next_try, False, 0, "",
    )  # fmt: skip


def _from_expiry(label: str, mapping: Mapping, entry: Entry) -> Failure:
    return Failure(
        mapping.journal_key, label, mapping.container, entry.expiry.name, EXPIRY, entry.reason, entry.detail,
        entry.attempts, 0.0, 0.0, entry.next_try, True, 0, entry.expiry.version,
    )  # fmt: skip


def _from_segment(label: str, mapping: Mapping, entry: SegmentEntry) -> Failure:
    return Failure(
        mapping.journal_key, label, mapping.container, entry.segment.path, SEGMENT, entry.reason,
        entry.detail, entry.attempts, 0.0, 0.0, entry.due, True, 0, "",
    )  # fmt: skip
