"""``verify-data``: compares every container of a mapping with the remote.

In addition to the comparison of names (``comparison``) it finds orphaned manifests of large objects and
abandoned multipart uploads. Its progress is kept in a file, so that it can be interrupted and resumed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from threading import Lock

from s3_sync.admin.comparison import MANIFEST, UNSURE, UPLOAD, Comparison, Depth, Finding, Sides
from s3_sync.admin.node import NodeView
from s3_sync.cluster.accounts import Accounts
from s3_sync.cluster.newest import LocalState, NewestState, Present, Unknown
from s3_sync.cluster.reader import ObjectReader
from s3_sync.cluster.services import LocalObjects
from s3_sync.config.settings import Mapping
from s3_sync.errors import LocalError, LocalUnavailable, NotFound, RemoteError, SyncError
from s3_sync.model.keys import KeyNamer
from s3_sync.providers.base import Bucket, ListQuery
from s3_sync.providers.registry import Registry
from s3_sync.runtime.concurrency import GreenPool, Pool
from s3_sync.state.journal import QUARANTINE
from s3_sync.state.verification_state import Seen, VerificationState, digest_of
from s3_sync.sync.inspection import HANDLED, RowPosition, is_abandoned

#: names examined concurrently
WORKERS = 16


@dataclass(slots=True)
class Summary:
    """Numbers of findings by kind. ``names``: names compared. ``errors``: containers that could not be read
    completely. ``notes``: checks that were skipped and do not concern the data."""

    names: int = 0
    wrong: dict[str, int] = field(default_factory=dict)
    pending: dict[str, int] = field(default_factory=dict)
    unsure: int = 0
    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def could_tell(self) -> bool:
        return not self.errors and not self.unsure


class Verification:
    """Verification of one mapping. Exhaust ``findings`` before calling ``summary``."""

    def __init__(self, node: NodeView, mapping: Mapping, state: VerificationState, depth: Depth) -> None:
        self._node = node
        self._mapping = mapping
        self._state = state
        self._depth = depth
        self._errors: list[str] = []
        self._notes: list[str] = []

    def findings(self) -> Iterator[tuple[Mapping, Finding]]:
        """Iterate over findings, each with the mapping of its container. Raises LocalError, StateError."""
        with ExitStack() as stack:
            registry = Registry(connections=WORKERS)
            stack.callback(registry.close_all)
            local = _local_objects(self._node, stack)
            pool: Pool = GreenPool(WORKERS)
            kept = _KeptObjects(self._mapping, local.accounts, self._node.now)
            for mapping in self._containers():
                if self._state.reached(mapping.container).done:
                    continue
                one = _Container(self._node, mapping, self._state, kept)
                try:
                    for found in one.findings(registry, local, pool, self._depth):
                        yield mapping, found
                except SyncError as error:
                    self._errors.append(f"{mapping.label}: {error.reason}: {error}")
                self._notes += one.notes

    def summary(self) -> Summary:
        wrong, pending = self._state.counts()
        unsure = wrong.pop(UNSURE, 0)
        return Summary(self._state.looked_at(), dict(wrong), dict(pending), unsure, self._errors, self._notes)

    def _containers(self) -> Iterator[Mapping]:
        mapping = self._mapping
        if not mapping.is_account_wide:
            yield mapping
            return
        yield from self._node.shares(mapping, set(self._node.client.real.containers(mapping.account)))


class _KeptObjects:
    """Objects that a lifecycle mapping does not move. Determined on first use, since it requires a walk
    through the whole container or account."""

    def __init__(self, mapping: Mapping, accounts: Accounts, now: Callable[[], float]) -> None:
        self._moves = not mapping.profile.retain_local
        self._names = accounts.names(mapping.account, "" if mapping.is_account_wide else mapping.container)
        self._now = now
        self._lock = Lock()
        self._failed = ""

    def reason(self, container: str, name: str) -> str:
        """Return why a local object is not moved; empty if it is. Raises LocalUnavailable; once the walk has
        failed, for every object."""
        if not self._moves:
            return ""
        with self._lock:
            if self._failed:
                raise LocalUnavailable(self._failed)
            if self._names.seen_until == float("-inf"):
                self._walk()
        if container in self._names.versioned:
            return "objects are not moved out of a versioned container"
        return "it is a segment of a local large object" if self._names.has(container, name) else ""

    def _walk(self) -> None:
        try:
            for _ in self._names.walk(self._now()):
                pass
        except LocalUnavailable as error:
            self._failed = str(error)
            raise


class _Container:
    """Verification of one container."""

    def __init__(
        self, node: NodeView, mapping: Mapping, state: VerificationState, kept: _KeptObjects
    ) -> None:
        self._node = node
        self._mapping = mapping
        self._state = state
        self._kept = kept
        self.notes: list[str] = []

    def findings(
        self, registry: Registry, local: LocalObjects, pool: Pool, depth: Depth
    ) -> Iterator[Finding]:
        mapping, state = self._mapping, self._state
        bucket = registry.open_bucket(mapping)
        # manifests first: a manifest is stored after its object, and deleted after or with it
        manifests = registry.open_bucket(
            replace(mapping, namer=KeyNamer.literal(mapping.namer.manifest_prefix))
        )
        after = state.reached(mapping.container).name
        if not after:
            state.add_manifests(mapping.container, _manifests(manifests))
        sides = Sides(
            local,
            self._node.client.real,
            bucket,
            pool,
            self._pending,
            self._deleted_here,
            self._node.now,
        )
        comparison = Comparison(mapping, sides, depth)
        with_manifests = state.has_manifests(mapping.container)
        for page in comparison.pages(after):
            yield from page.findings
            keys = [self._manifest_key(name) for name in page.stored] if with_manifests else []
            state.reach(mapping.container, page.last, Seen(page.names, keys, _counted(page.findings)))
            after = page.last
        rest = [*self._absent(), *self._orphans(manifests), *self._uploads(bucket)]
        yield from rest
        state.reach(mapping.container, after, Seen(found=_counted(rest)), done=True)

    def _manifest_key(self, name: str) -> str:
        namer = self._mapping.namer
        return namer.manifest_key(name)[len(namer.manifest_prefix) :]

    def _absent(self) -> Iterator[Finding]:
        """Report a container that the file names and Swift does not have: it is unknown what should be
        stored. In an account-wide mapping, containers come and go."""
        mapping = self._mapping
        if (
            not mapping.parent_key
            and self._node.client.real.container(mapping.account, mapping.container) is None
        ):
            yield Finding("", UNSURE, "Swift has no such container: only the store was checked")

    def _orphans(self, manifests: Bucket) -> Iterator[Finding]:
        for key in self._state.manifests(self._mapping.container):
            try:
                manifests.head_object(key)
            except NotFound:
                continue  # deleted together with its object
            name = self._mapping.namer.manifest_prefix + key
            yield Finding(name, MANIFEST, "it belongs to no stored object")

    def _uploads(self, bucket: Bucket) -> Iterator[Finding]:
        """Report open uploads. A young one may be in progress on any node; an older one is abandoned.

        Not every store can list uploads, and not every account may; that is noted, but says nothing about the
        data."""
        try:
            uploads = list(bucket.list_uploads())
        except RemoteError as error:
            if error.transient:
                raise
            self.notes.append(f"{self._mapping.label}: cannot list open uploads: {error}")
            return
        for upload in uploads:
            young = not is_abandoned(upload.begun, self._node.now())
            reason = "it may be in progress, and is aborted when it is a week old"
            yield Finding(upload.name, UPLOAD, upload.upload_id, reason if young else "")

    def _pending(self, name: str, state: LocalState) -> str:
        entry = self._node.journal.entry(self._mapping.journal_key, name)
        if entry is not None and entry.state == QUARANTINE:
            return ""
        if entry is not None:
            return f"it failed ({entry.reason}) and will be retried"
        # before the rows: those of a versioned container wait forever
        if isinstance(state, Present) and (kept := self._kept.reason(self._mapping.container, name)):
            return kept
        rows, errors = self._node.backlog.positions(self._mapping, name)
        waiting = [row for row in rows if row.position != HANDLED]
        if waiting:
            return "another node's daemon sends it" if not waiting[0].own else "its row has not been handled"
        if _knows(rows, state):
            return ""
        if errors:
            return f"a database cannot be read: {errors[0]}"
        if rows:
            return "the databases on this node have no row of it yet"
        young = self._age(state) < self._node.settings.verification_slack_seconds
        return "it is younger than verification_slack, and no database on this node has it" if young else ""

    def _age(self, state: LocalState) -> float:
        return float("inf") if isinstance(state, Unknown) else self._node.now() - state.timestamp.seconds

    def _deleted_here(self, names: Sequence[str]) -> set[str]:
        """Return the names that a client's delete row in a local database is about. A database that cannot be
        read counts as empty: without a row, an object only in the store counts as moved."""
        found: set[str] = set()
        for replica in self._node.replicas.replicas(self._mapping.account, self._mapping.container):
            with suppress(LocalError), replica.open() as db:
                found |= {
                    n for n in names for row in db.rows_of(n) if row.deleted and not row.data_timestamp.offset
                }
        return found


def _knows(rows: list[RowPosition], state: LocalState) -> bool:
    """Returns whether a row on this node is about this state or a later one."""
    if isinstance(state, Unknown):
        return bool(rows)
    return any(row.timestamp >= state.timestamp.internal for row in rows)


def _manifests(bucket: Bucket) -> Iterator[str]:
    start: str | None = ""
    while start is not None:
        page = bucket.list_objects(ListQuery(start_after=start))
        for info in page.objects:
            if digest_of(info.name) is not None:
                yield info.name
        start = page.next_after


def _local_objects(node: NodeView, stack: ExitStack) -> LocalObjects:
    client = node.client.real
    reader = ObjectReader(node.settings, client)
    stack.callback(reader.close)
    return LocalObjects.of(reader, client, NewestState(reader.rings, reader.servers))


def _counted(findings: Sequence[Finding]) -> Counter[tuple[str, bool]]:
    return Counter((found.what, bool(found.pending)) for found in findings)
