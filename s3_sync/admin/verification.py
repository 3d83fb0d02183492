"""``verify-data``: whether the remote holds what it should, for every container of a mapping.

Beside the comparison of names (``comparison``): manifests of large objects that belong to nothing, and
uploads in parts that nobody completes. How far it has come is in a file, so that it can be stopped and
resumed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from threading import Lock

from s3_sync.admin.comparison import MANIFEST, UNSURE, UPLOAD, Comparison, Depth, Finding, Sides
from s3_sync.admin.explanation import RowPosition, positions
from s3_sync.admin.node import NodeView
from s3_sync.admin.verification_state import Seen, VerificationState, digest_of
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
from s3_sync.sync.rows.upload_ledger import LIST_EVERY, SAFE_AGE

#: names that are looked at side by side
WORKERS = 16


@dataclass(slots=True)
class Summary:
    """Numbers by what was found; ``names``: looked at on either side. ``errors``: containers that could not
    be read to their ends; ``notes``: what could not be looked at, and is no data."""

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
    """Of one mapping. ``findings`` first, then ``summary``."""

    def __init__(self, site: NodeView, mapping: Mapping, state: VerificationState, depth: Depth) -> None:
        self._site = site
        self._mapping = mapping
        self._state = state
        self._depth = depth
        self._errors: list[str] = []
        self._notes: list[str] = []

    def findings(self) -> Iterator[tuple[Mapping, Finding]]:
        """With the mapping of the container that each is about. Raises LocalError, StateError."""
        with ExitStack() as stack:
            registry = Registry(connections=WORKERS)
            stack.callback(registry.close_all)
            local = _local_objects(self._site, stack)
            pool: Pool = GreenPool(WORKERS)
            kept = _Kept(self._mapping, local.accounts, self._site.now)
            for mapping in self._containers():
                if self._state.reached(mapping.container)[1]:
                    continue
                one = _Container(self._site, mapping, self._state, kept)
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
        if not mapping.is_whole:
            yield mapping
            return
        yield from self._site.shares(mapping, set(self._site.client.real.containers(mapping.account)))


class _Kept:
    """What a mapping that moves objects leaves where it is. Found out when it is first asked for, for that
    takes a walk through the whole container, or account."""

    def __init__(self, mapping: Mapping, accounts: Accounts, now: Callable[[], float]) -> None:
        self._moves = not mapping.profile.retain_local
        self._names = accounts.names(mapping.account, "" if mapping.is_whole else mapping.container)
        self._now = now
        self._lock = Lock()
        self._failed = ""

    def why(self, container: str, name: str) -> str:
        """Of an object that is here; empty: it is not left there. Raises LocalUnavailable: for all that it is
        asked, when the walk has failed once."""
        if not self._moves:
            return ""
        with self._lock:
            if self._failed:
                raise LocalUnavailable(self._failed)
            if self._names.seen_until == float("-inf"):
                self._walk()
        if container in self._names.versioned:
            return "nothing is moved out of a container that keeps versions"
        return "a large object here consists of it" if self._names.has(container, name) else ""

    def _walk(self) -> None:
        try:
            for _ in self._names.walk(self._now()):
                pass
        except LocalUnavailable as error:
            self._failed = str(error)
            raise


class _Container:
    """One container and what is stored for it."""

    def __init__(self, site: NodeView, mapping: Mapping, state: VerificationState, kept: _Kept) -> None:
        self._site = site
        self._mapping = mapping
        self._state = state
        self._kept = kept
        self.notes: list[str] = []

    def findings(
        self, registry: Registry, local: LocalObjects, pool: Pool, depth: Depth
    ) -> Iterator[Finding]:
        mapping, state = self._mapping, self._state
        bucket = registry.open_bucket(mapping)
        # manifests first: an object is stored before its manifest is, and goes before or with it
        manifests = registry.open_bucket(
            replace(mapping, namer=KeyNamer.literal(mapping.namer.manifest_prefix))
        )
        after, _ = state.reached(mapping.container)
        if not after:
            state.add_manifests(mapping.container, _manifests(manifests))
        sides = Sides(
            local,
            self._site.client.real,
            bucket,
            pool,
            self._pending,
            self._deleted_here,
            self._site.now,
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
        """Where the file names a container, and Swift has none, nobody can tell what ought to be stored. Of
        a whole account, containers come and go."""
        mapping = self._mapping
        if (
            not mapping.origin
            and self._site.client.real.container(mapping.account, mapping.container) is None
        ):
            yield Finding("", UNSURE, "Swift has no such container: only what is stored was looked at")

    def _orphans(self, manifests: Bucket) -> Iterator[Finding]:
        for key in self._state.manifests(self._mapping.container):
            try:
                manifests.head_object(key)
            except NotFound:
                continue  # it went together with its object
            name = self._mapping.namer.manifest_prefix + key
            yield Finding(name, MANIFEST, "no stored object has it")

    def _uploads(self, bucket: Bucket) -> Iterator[Finding]:
        """What is younger may be on its way, from whichever node; of an older one nobody knows any more.

        Not every store tells, nor everybody: then there is nothing that it would say about the data."""
        try:
            uploads = list(bucket.list_uploads())
        except RemoteError as error:
            if error.transient:
                raise
            self.notes.append(f"{self._mapping.label}: open uploads cannot be listed: {error}")
            return
        for upload in uploads:
            age = self._site.now() - upload.begun
            young = upload.begun and age < SAFE_AGE + LIST_EVERY
            reason = "it may be on its way, and is aborted when it is a week old"
            yield Finding(upload.name, UPLOAD, upload.upload_id, reason if young else "")

    def _pending(self, name: str, state: LocalState) -> str:
        entry = self._site.journal.entry(self._mapping.journal_key, name)
        if entry is not None and entry.state == QUARANTINE:
            return ""
        if entry is not None:
            return f"it failed ({entry.reason}) and is tried again"
        # a container that keeps versions has rows that wait for ever: so this comes before them
        if isinstance(state, Present) and (kept := self._kept.why(self._mapping.container, name)):
            return kept
        rows, errors = positions(self._site, self._mapping, name)
        waiting = [row for row in rows if row.position != "handled"]
        if waiting:
            return "another node's daemon is first" if not waiting[0].own else "its row has not been handled"
        if _knows(rows, state):
            return ""
        if errors:
            return f"a database cannot be read: {errors[0]}"
        if rows:
            return "the database here has not heard of it yet"
        young = self._age(state) < self._site.settings.verification_slack_seconds
        return "it is younger than verification_slack, and no database here has it" if young else ""

    def _age(self, state: LocalState) -> float:
        return float("inf") if isinstance(state, Unknown) else self._site.now() - state.timestamp.seconds

    def _deleted_here(self, names: Sequence[str]) -> set[str]:
        """A database that cannot be read knows of nothing; what it would say is not wrong before it does."""
        found: set[str] = set()
        for replica in self._site.replicas.replicas(self._mapping.account, self._mapping.container):
            with suppress(LocalError), replica.open() as db:
                found |= {
                    n for n in names for row in db.rows_of(n) if row.deleted and not row.data_timestamp.offset
                }
        return found


def _knows(rows: list[RowPosition], state: LocalState) -> bool:
    """Whether a row on this node is about this state, or a later one."""
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


def _local_objects(site: NodeView, stack: ExitStack) -> LocalObjects:
    client = site.client.real
    reader = ObjectReader(site.settings, client)
    stack.callback(reader.close)
    return LocalObjects.of(reader, client, NewestState(reader.rings, reader.servers))


def _counted(findings: Sequence[Finding]) -> Counter[tuple[str, bool]]:
    return Counter((found.what, bool(found.pending)) for found in findings)
