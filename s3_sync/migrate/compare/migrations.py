"""Compares whole migrations: every container of each, with progress in a file, so that it can be resumed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

from s3_sync.cluster.client import LocalSwift, internal_client
from s3_sync.cluster.client_writer import ClientWriter
from s3_sync.cluster.delete_record import DeleteRecord
from s3_sync.cluster.newest import LocalState, NewestState
from s3_sync.cluster.reader import ObjectReader
from s3_sync.cluster.swiftdir import use_swift_dir
from s3_sync.config.coverage import Coverage
from s3_sync.config.settings import Mapping, Settings
from s3_sync.errors import LocalUnavailable, NotFound, SyncError
from s3_sync.migrate.compare.containers import ContainerComparison, Sides
from s3_sync.migrate.compare.findings import BY_CLIENTS, Finding
from s3_sync.model.migration import CONTAINER_STATE, ContainerState
from s3_sync.providers.base import Bucket
from s3_sync.providers.registry import Registry
from s3_sync.providers.wrappers.rate_limits import LimiterRegistry
from s3_sync.runtime.concurrency import GreenPool, Pool
from s3_sync.state.compare_record import CompareRecord, read_record, state_path, write_record
from s3_sync.state.migration_failures_view import MigrationFailuresView
from s3_sync.state.paths import migration_failures_path
from s3_sync.state.verification_state import Seen, VerificationState

#: objects asked for concurrently
WORKERS = 16


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """``every``: ask for every object, not only where the listings do not decide. ``strict``: what clients of
    the local cluster did counts as a difference. ``resume``: go on where a comparison was interrupted."""

    every: bool = False
    strict: bool = False
    resume: bool = False


@dataclass(slots=True)
class Summary:
    """Numbers of findings by kind. ``names``: that were compared. ``errors``: containers that could not be
    read completely, and why."""

    names: int = 0
    differences: dict[str, int] = field(default_factory=dict)
    by_clients: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        return not self.differences and not self.errors


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareServices:
    """``newest``: of an account, a container and a name; see ``NewestState.of``. ``pool``: runs the requests
    about single objects."""

    settings: Settings
    client: LocalSwift
    registry: Registry
    newest: Callable[[str, str, str], LocalState]
    failures: MigrationFailuresView
    pool: Pool
    now: Callable[[], float]


@contextmanager
def open_services(settings: Settings) -> Iterator[CompareServices]:
    """Raises LocalError."""
    use_swift_dir(settings.swift_dir)
    budgets = LimiterRegistry()
    budgets.update_mappings(settings.mappings)
    with ExitStack() as stack:
        registry = Registry(connections=WORKERS, budgets=budgets)
        stack.callback(registry.close_all)
        client = internal_client(settings.internal_client_path, settings.internal_client_logname)
        reader = ObjectReader(settings, client)
        stack.callback(reader.close)
        failures = MigrationFailuresView(migration_failures_path(settings.status_dir))
        stack.callback(failures.close)
        yield CompareServices(
            settings=settings,
            client=client,
            registry=registry,
            newest=NewestState(reader.rings, reader.servers).of,
            failures=failures,
            pool=GreenPool(WORKERS),
            now=time.time,
        )


class MigrationComparison:
    """Compares migrations, one after the other."""

    def __init__(self, services: CompareServices, options: CompareOptions) -> None:
        self._services = services
        self._client = services.client
        self._options = options

    def run(self, mapping: Mapping, summary: Summary) -> Iterator[tuple[Mapping, Finding]]:
        """Compare one migration: yield its findings, each with the migration of its container, and add up
        their numbers in ``summary``. The result is recorded once all are yielded. Raises StateError."""
        about = f"{mapping.journal_key}{' --every' if self._options.every else ''}"
        directory, errors = self._services.settings.status_dir, summary.errors
        before = read_record(directory, mapping) if self._options.resume else None
        begun = before.begun if before is not None and not before.ended else self._services.now()
        state = VerificationState(state_path(directory, mapping), about, self._options.resume)
        failed, ended = len(errors), False
        try:
            write_record(directory, mapping, CompareRecord(begun))
            for each in self._containers(mapping, errors):
                yield from self._container(each, state, errors)
            differences, by_clients = self._counts(state)
            names = state.looked_at()
            failed = len(errors) - failed
            record = CompareRecord(begun, self._services.now(), names, differences, by_clients, failed)
            write_record(directory, mapping, record)
            ended = not failed
        finally:
            state.close(remove=ended)
        summary.names += names
        for found, total in ((differences, summary.differences), (by_clients, summary.by_clients)):
            for what, number in found.items():
                total[what] = total.get(what, 0) + number

    def _counts(self, state: VerificationState) -> tuple[dict[str, int], dict[str, int]]:
        differences, by_clients = (dict(sorted(each.items())) for each in state.counts())
        return (by_clients | differences, {}) if self._options.strict else (differences, by_clients)

    def _container(
        self, mapping: Mapping, state: VerificationState, errors: list[str]
    ) -> Iterator[tuple[Mapping, Finding]]:
        reached = state.reached(mapping.container)
        if reached.done:
            return
        last = reached.name
        try:
            for page in self._comparison(mapping).pages(last):
                for finding in page.findings:
                    yield mapping, finding
                last = page.last
                state.reach(mapping.container, last, Seen(page.names, found=_counted(page.findings)))
            state.reach(mapping.container, last, Seen(), done=True)
        except SyncError as error:
            errors.append(f"{mapping.label}: {error.reason}: {error}")

    def _comparison(self, mapping: Mapping) -> ContainerComparison:
        """Raises NotFound if the source has no such bucket; one of an account-wide migration may be gone."""
        source: Bucket | None = self._services.registry.open_bucket(mapping)
        try:
            self._services.registry.provider(mapping.credentials).head_bucket(mapping.bucket)
        except NotFound:
            if not mapping.parent_key:
                raise
            source = None
        services, key = self._services, mapping.journal_key

        def failure(name: str) -> str:
            entry = services.failures.entry(key, name)
            return f"{entry.reason}: {entry.message}" if entry else ""

        sides = Sides(
            client=services.client,
            source=source,
            newest=partial(services.newest, mapping.account, mapping.container),
            recorded=DeleteRecord(ClientWriter(services.client, mapping.account), mapping.container).of,
            failure=failure,
            pool=services.pool,
            now=services.now,
        )
        return ContainerComparison(mapping, sides, self._options.every)

    def _containers(self, mapping: Mapping, errors: list[str]) -> Iterator[Mapping]:
        """Yield the migration itself or, if it is account-wide, those of all buckets, and of all containers
        that it has created for buckets that are gone."""
        if not mapping.is_account_wide:
            yield mapping
            return
        try:
            provider = self._services.registry.provider(mapping.credentials)
            buckets = {entry.name for entry in provider.list_buckets()}
            left = [
                name
                for name in self._client.containers(mapping.account)
                if name not in buckets and self._is_migrated(mapping.account, name)
            ]
            named = Coverage(self._services.settings.mappings).named_containers()
        except SyncError as error:
            errors.append(f"{mapping.label}: {error.reason}: {error}")
            return
        for name in sorted((*buckets, *left)):
            if (mapping.account, name) not in named and "/" not in name:
                yield mapping.of_container(name)

    def _is_migrated(self, account: str, container: str) -> bool:
        answer = self._client.request("HEAD", f"{account}/{container}", {})
        answer.close()
        if answer.status // 100 != 2 and answer.status != 404:
            raise LocalUnavailable(f"HEAD {account}/{container}: status {answer.status}")
        return ContainerState.parse(dict(answer.headers).get(CONTAINER_STATE)) is not None


def _counted(findings: Sequence[Finding]) -> Counter[tuple[str, bool]]:
    return Counter((each.what, each.what in BY_CLIENTS) for each in findings)
