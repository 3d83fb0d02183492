"""Compares both sides of one mapped container name by name, and tells differences from pending changes.

Two sorted listings are merged a page at a time, so memory does not grow with the number of names. Where the
listings are not conclusive (different ETags, large and empty objects, a name missing on one side) the name is
handled as the daemon would handle its row, in a dry run: the write that the daemon would make is the
difference. Nothing is written on either side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import islice

from s3_sync.admin.content import Content
from s3_sync.cluster.client import LocalSwift
from s3_sync.cluster.newest import Deleted, LocalState, Present, Unknown
from s3_sync.cluster.services import LocalObjects
from s3_sync.config.settings import Mapping
from s3_sync.errors import SyncError
from s3_sync.listing.entry import Entry
from s3_sync.listing.merge import ListingMerger, Pair
from s3_sync.model.objects import ListedObject, is_md5
from s3_sync.model.outcomes import NOT_DUE, Kind, Outcome
from s3_sync.providers.base import Bucket, ListQuery
from s3_sync.providers.wrappers.dry_run import (
    WOULD_DELETE,
    WOULD_PUT,
    WOULD_UPDATE,
    WOULD_WRITE_MANIFEST,
)
from s3_sync.runtime.concurrency import Pool
from s3_sync.sync.inspection import DryRun

# kinds of findings
MISSING = "missing"  # not at the remote
DIFFERENT = "different"  # other bytes
METADATA = "metadata"  # other metadata
NO_MANIFEST = "no_manifest"  # a large object without its stored manifest
DELETED = "deleted"  # deleted by a client, and still at the remote
EXTRA = "extra"  # at the remote, and unknown to Swift
REFUSED = "refused"  # can never be copied as it is
MANIFEST = "orphaned_manifest"  # a stored manifest that belongs to no stored object
UPLOAD = "open_upload"  # an abandoned multipart upload
UNSURE = "unsure"  # could not be determined

_WOULD = {
    WOULD_UPDATE: METADATA,
    WOULD_DELETE: DELETED,
    WOULD_WRITE_MANIFEST: NO_MANIFEST,
}
#: names per page; smaller if every object is read, so that progress is saved more often
_PAGE_SIZE, _CONTENT_PAGE_SIZE = 1000, 64


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. ``what``: one of the kinds above. ``pending``: why it is not a fault (yet); empty if it
    is one."""

    name: str
    what: str
    detail: str = ""
    pending: str = ""


@dataclass(frozen=True, slots=True)
class Sides:
    """Access to both sides. ``pending``: returns why a different name may still be in progress, according to
    the databases and the journal of this node; empty if they have nothing. ``deleted_here``: returns those
    names for which a client's delete is recorded. ``pool``: runs the examinations."""

    local: LocalObjects
    client: LocalSwift
    bucket: Bucket
    pool: Pool
    pending: Callable[[str, LocalState], str]
    deleted_here: Callable[[Sequence[str]], Set[str]]
    now: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Page:
    """The findings for the next ``names`` names up to ``last``, and the names that the remote has."""

    last: str
    names: int
    findings: Sequence[Finding]
    stored: Sequence[str]


@dataclass(frozen=True, slots=True)
class Depth:
    """``metadata``: compare the metadata of every object, at the cost of a HEAD and a lookup of the newest
    local state for each. ``content``: also read every object on both sides."""

    metadata: bool = False
    content: bool = False


class Comparison:
    def __init__(self, mapping: Mapping, sides: Sides, depth: Depth) -> None:
        self._mapping = mapping
        self._profile = mapping.profile
        self._sides = sides
        self._every = depth.metadata or depth.content
        self._content = Content(mapping, sides.local, sides.bucket) if depth.content else None
        self._dry_run = DryRun(mapping, sides.bucket, sides.local, sides.now)

    def pages(self, after: str = "") -> Iterator[Page]:
        """Compare the names greater than ``after``, in order.

        Raises LocalError, RemoteError if a listing cannot be read.
        """
        pairs = ListingMerger(self._locals(after), self._remotes(after)).pairs()
        while chunk := list(islice(pairs, _PAGE_SIZE if self._content is None else _CONTENT_PAGE_SIZE)):
            suspects = self._suspects(chunk)
            found = self._sides.pool.map(self._examine, suspects)
            yield Page(
                last=_name(chunk[-1]),
                names=len(chunk),
                findings=[each for each in found if each is not None],
                stored=[remote.name for _, remote in chunk if remote is not None],
            )

    def _locals(self, after: str) -> Iterator[Entry]:
        mapping = self._mapping
        for record in self._sides.client.objects(mapping.account, mapping.container, "", after=after):
            yield Entry(record["name"], record)

    def _remotes(self, after: str) -> Iterator[Entry]:
        start: str | None = after
        while start is not None:
            page = self._sides.bucket.list_objects(ListQuery(start_after=start))
            for info in page.objects:
                yield Entry(info.name, {"info": info})
            start = page.next_after

    def _suspects(self, pairs: Sequence[Pair]) -> list[Pair]:
        """Drop the pairs that are correct according to the listings and the rows here."""
        exclude = self._profile.exclude
        pairs = [pair for pair in pairs if exclude is None or not exclude.match(_name(pair))]
        deleted: Set[str] = frozenset()
        if not self._profile.retain_local:  # an object only in the store was moved, unless deleted since
            deleted = self._sides.deleted_here([_name(pair) for pair in pairs if pair[0] is None])
        return [pair for pair in pairs if not self._is_conclusive(pair, deleted)]

    def _is_conclusive(self, pair: Pair, deleted: Set[str]) -> bool:
        """Returns whether the listings alone prove that the name is correct."""
        local, remote = pair
        if local is None:
            moved = not self._profile.retain_local and _name(pair) not in deleted
            return moved and self._content is None
        if remote is None or self._every:
            return False
        info: ListedObject = remote.record["info"]
        # an empty object may be a DLO or a symlink; the hash of an SLO is that of its manifest
        size, etag = local.record["bytes"], str(local.record["hash"])
        return info.size == size > 0 and info.etag == etag and is_md5(etag)

    def _examine(self, pair: Pair) -> Finding | None:
        """Never raises: the pool would return None for an exception, which means no finding."""
        try:
            return self._recheck(pair)
        except SyncError as error:
            return Finding(_name(pair), UNSURE, f"{error.reason}: {error}")
        except Exception as error:  # a bug, which would otherwise go unreported
            return Finding(_name(pair), UNSURE, f"internal_error: {error!r}")

    def _recheck(self, pair: Pair) -> Finding | None:
        """Query the current state of both sides, as listings may be stale. Raises SyncError."""
        local, remote = pair
        name, mapping = _name(pair), self._mapping
        state = self._sides.local.newest.of(mapping.account, mapping.container, name)
        if isinstance(state, Unknown):
            if local is not None:
                return Finding(name, UNSURE, "listed, but no object server has it")
            return self._extra_object(name) or self._read(name, None)
        if isinstance(state, Deleted) and not (state.by_client and self._profile.propagate_delete):
            return self._read(name, None) if remote is not None else None  # moved, or kept on purpose
        outcome = self._dry_run.handle(name, state)
        found = self._judge(name, state, outcome, remote is not None)
        if isinstance(state, Present) and (outcome.kind is Kind.PRESENT or outcome.reason == WOULD_UPDATE):
            return self._read(name, state) or found
        return found

    def _read(self, name: str, state: Present | None) -> Finding | None:
        """Compare the bytes of an object whose copy looks correct, or verify a copy that only the store has
        (``state`` None). Raises SyncError."""
        if self._content is None:
            return None
        wrong = self._content.prove(name) if state is None else self._content.compare(name, state)
        return Finding(name, DIFFERENT, wrong) if wrong else None

    def _extra_object(self, name: str) -> Finding | None:
        """Report an object unknown to Swift, unless it may have been moved, or deleted and kept."""
        if not self._profile.retain_local or not self._profile.propagate_delete:
            return None
        return Finding(name, EXTRA, "Swift has neither the object nor a tombstone of it")

    def _judge(self, name: str, state: Present | Deleted, outcome: Outcome, stored: bool) -> Finding | None:
        if outcome.settled:
            return None
        if outcome.reason == NOT_DUE:
            return None if stored else Finding(name, MISSING, "", "copy_after has not passed")
        if outcome.kind is Kind.FAILED:
            return Finding(name, REFUSED, f"{outcome.reason}: {outcome.detail}")
        what = _WOULD.get(outcome.reason, UNSURE)
        if outcome.reason == WOULD_PUT:
            what = DIFFERENT if stored else MISSING
        if what is UNSURE:
            return Finding(name, UNSURE, f"{outcome.reason}: {outcome.detail}")
        detail = f"newest state in Swift: {state.timestamp.internal}"
        return Finding(name, what, detail, self._sides.pending(name, state))


def _name(pair: Pair) -> str:
    entry = pair[0] or pair[1]
    assert entry is not None
    return entry.name
