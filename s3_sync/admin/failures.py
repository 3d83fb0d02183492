"""What has failed and has not converged: listed, tried again, forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from s3_sync.admin.site import Site
from s3_sync.config.schema import Mapping
from s3_sync.state.journal import WAITING
from s3_sync.state.journal_edit import JournalEdit

#: an entry that is no row any more: the copy of a moved object that is to be deleted because it has expired
EXPIRY = "expiry"


@dataclass(frozen=True, slots=True)
class Failure:
    """One object. ``state``: ``retry``; ``quarantine``: it is tried again when it changes, on a reset, or on
    request; ``expiry``: the copy of a moved object has expired and could not be deleted.

    ``timestamp``: of the version that failed, in Swift's form. Times in seconds since the epoch; those of an
    expiry are 0 where the journal does not know them. ``deleted``: what failed is a delete.
    """

    mapping: str
    container: str
    name: str
    state: str
    reason: str
    detail: str
    attempts: int
    first_failure: float
    last_failure: float
    next_try: float
    deleted: bool
    size: int
    timestamp: str


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


def failures(site: Site, mappings: Sequence[Mapping], wanted: Wanted) -> Iterator[Failure]:
    """By mapping, container and name. Raises StateError."""
    for mapping in mappings:
        for each in site.containers(mapping):
            for failure in _of_container(site, mapping.label, each):
                if wanted.takes(failure):
                    yield failure


def retry(site: Site, mappings: Sequence[Mapping], wanted: Wanted) -> int:
    """Try them again with the daemon's next turn; how many. Raises StateError."""
    edit, changed = JournalEdit(site.journal_path), 0
    for mapping in mappings:
        for each in site.containers(mapping):
            found = [one for one in _of_container(site, mapping.label, each) if wanted.takes(one)]
            changed += edit.retry(each.journal_key, [one.name for one in found], site.now())
    return changed


def forget(site: Site, mappings: Sequence[Mapping], wanted: Wanted) -> int:
    """They are not tried again until the object changes or the mapping is reset, and nothing will tell that
    they have not converged. How many; expiries never. Raises StateError."""
    edit, changed = JournalEdit(site.journal_path), 0
    for mapping in mappings:
        for each in site.containers(mapping):
            found = [
                (one.name, one.timestamp)
                for one in _of_container(site, mapping.label, each)
                if wanted.takes(one) and one.state != EXPIRY
            ]
            changed += edit.forget(each.journal_key, found)
    return changed


def _of_container(site: Site, label: str, mapping: Mapping) -> Iterator[Failure]:
    after = ""
    while page := site.journal.unsettled(mapping.journal_key, 1000, after):
        for entry in page:
            if entry.state == WAITING:  # for its place in the lane of large objects
                continue
            yield Failure(
                label, mapping.container, entry.name, entry.state, entry.reason, entry.detail, entry.attempts,
                entry.first_failure, entry.last_failure, entry.next_try, entry.deleted, entry.size,
                entry.timestamp,
            )  # fmt: skip
        after = page[-1].name
    for expiry in site.journal.failed_expiries(mapping.journal_key):
        yield Failure(
            label, mapping.container, expiry.expiry.name, EXPIRY, expiry.reason, expiry.detail,
            expiry.attempts, 0.0, 0.0, expiry.next_try, True, 0, expiry.expiry.version,
        )  # fmt: skip
