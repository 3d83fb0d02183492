"""What has failed and has not converged: listed, tried again, forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isfinite

from s3_sync.admin.node import NodeView
from s3_sync.config.settings import Mapping
from s3_sync.state.expiries import Entry
from s3_sync.state.journal import WAITING, Unsettled
from s3_sync.state.journal_edit import JournalEdit

#: an entry that is no row any more: the copy of a moved object that is to be deleted because it has expired
EXPIRY = "expiry"

#: its mapping's name in the journal, its own, and its timestamp
Version = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Failure:
    """One object. ``key``: its mapping's name in the journal. ``state``: ``retry``; ``quarantine``: it is
    tried again when it changes, on a reset, or on request; ``expiry``: the copy of a moved object has expired
    and could not be deleted.

    ``timestamp``: of the version that failed, in Swift's form. Times in seconds since the epoch; those of an
    expiry are 0 where the journal does not know them. ``next_try`` None: a delete that has to wait until the
    operator allows it. ``deleted``: what failed is a delete.
    """

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

    @property
    def version(self) -> Version:
        return self.key, self.name, self.timestamp


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of them: names in ``names`` if there are any, with this prefix, reason and state."""

    names: tuple[str, ...] = ()
    prefix: str = ""
    reason: str = ""
    state: str = ""

    def takes(self, failure: Failure) -> bool:
        return (
            (not self.names or failure.name in self.names)
            and failure.name.startswith(self.prefix)
            and self.reason in ("", failure.reason)
            and self.state in ("", failure.state)
        )


def failures(site: NodeView, mappings: Sequence[Mapping], wanted: Wanted) -> Iterator[Failure]:
    """By mapping, container and name. Raises StateError."""
    for mapping in mappings:
        for each in site.containers(mapping):
            for failure in _of_container(site, mapping.label, each):
                if wanted.takes(failure):
                    yield failure


def failure_of(site: NodeView, mapping: Mapping, name: str) -> Failure | None:
    """Of one object of a container; None where nothing failed. Raises StateError."""
    entry = site.journal.entry(mapping.journal_key, name)
    if entry is not None and entry.state != WAITING:
        return _of_entry(mapping.label, mapping, entry)
    expiry = site.journal.expiry(mapping.journal_key, name)
    return _of_expiry(mapping.label, mapping, expiry) if expiry is not None and expiry.attempts else None


def retry(site: NodeView, mappings: Sequence[Mapping], wanted: Wanted) -> int:
    """Try them again with the daemon's next turn; how many. Raises StateError."""
    edit, changed = JournalEdit(site.journal_path), 0
    found = ((one.key, one.name) for one in failures(site, mappings, wanted))
    for key, group in groupby(found, key=lambda each: each[0]):
        changed += edit.retry(key, [name for _, name in group], site.now())
    return changed


def forget(site: NodeView, chosen: Sequence[Version]) -> int:
    """They are not tried again until the object changes or the mapping is reset, and nothing will tell that
    they have not converged. How many; not for expiries. Raises StateError."""
    edit, changed = JournalEdit(site.journal_path), 0
    for key, group in groupby(chosen, key=lambda each: each[0]):
        changed += edit.forget(key, [(name, timestamp) for _, name, timestamp in group])
    return changed


def _of_container(site: NodeView, label: str, mapping: Mapping) -> Iterator[Failure]:
    after = ""
    while page := site.journal.unsettled(mapping.journal_key, 1000, after):
        for entry in page:
            if entry.state != WAITING:  # for its place in the lane of large objects
                yield _of_entry(label, mapping, entry)
        after = page[-1].name
    for expiry in site.journal.failed_expiries(mapping.journal_key):
        yield _of_expiry(label, mapping, expiry)


def _of_entry(label: str, mapping: Mapping, entry: Unsettled) -> Failure:
    return Failure(
        mapping.journal_key, label, mapping.container, entry.name, entry.state, entry.reason, entry.detail,
        entry.attempts, entry.first_failure, entry.last_failure,
        entry.next_try if isfinite(entry.next_try) else None, entry.deleted, entry.size, entry.timestamp,
    )  # fmt: skip


def _of_expiry(label: str, mapping: Mapping, entry: Entry) -> Failure:
    return Failure(
        mapping.journal_key, label, mapping.container, entry.expiry.name, EXPIRY, entry.reason, entry.detail,
        entry.attempts, 0.0, 0.0, entry.next_try, True, 0, entry.expiry.version,
    )  # fmt: skip
