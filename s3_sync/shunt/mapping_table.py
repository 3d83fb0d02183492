"""The mappings in force: the last valid configuration, indexed by container."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from s3_sync.config.file_watch import FileWatch
from s3_sync.config.load import load_shunt_settings
from s3_sync.config.mapping_index import Index
from s3_sync.config.settings import Mapping, ShuntSettings
from s3_sync.errors import ConfigError, Problem, SyncError
from s3_sync.providers.base import Bucket
from s3_sync.providers.registry import Registry
from s3_sync.shunt.own_buckets import OwnBuckets
from s3_sync.shunt.source_bucket import SourceBucket
from s3_sync.shunt.telemetry import SwiftLogger

#: cached containers of ``/*`` mappings; clients can request any number of them
_MAX_CACHED = 10_000
_NOTHING = ShuntSettings((), 1, frozenset())


@dataclass(frozen=True, slots=True)
class MappedContainer:
    """One container's mapping and the remote bucket behind it."""

    mapping: Mapping
    bucket: Bucket

    def can_hold(self, name: str) -> bool:
        """Return whether the bucket could hold an object of this name: keys have a maximum length, and stored
        manifests are not objects. A migration is of names with a certain prefix."""
        namer, limits = self.bucket.namer, self.bucket.limits
        key = namer.key(name)
        migration = self.mapping.migration
        if migration is not None and not name.startswith(migration.prefix):
            return False
        return limits.key_length(key) <= limits.max_name and not namer.is_manifest(key)


#: suffix of the containers in which s3api keeps parts, and a marker for each open upload. A marker means that
#: the upload is open, and its parts are deleted when it is aborted: s3api must see the cluster alone
S3API_PARTS_SUFFIX = "+segments"


def is_served(mapping: Mapping) -> bool:
    """Return whether a container of an account-wide mapping, whose name clients choose, is one of its."""
    if not mapping.is_account:
        return True
    if mapping.migration is not None and mapping.credentials.check_bucket(mapping.bucket):
        return False  # no bucket has such a name, and to some clients of stores it means something else
    return not mapping.container.endswith(S3API_PARTS_SUFFIX)


class MappingTable:
    """Checks the file every ``interval`` seconds, on a lookup, and reads it again if it changed.

    An invalid file changes nothing. A mapping that has become invalid, but is still named in the file, keeps
    its previous configuration: archived objects must not disappear because of a typing error.
    """

    def __init__(
        self,
        path: str,
        interval: float,
        registry: Registry,
        log: SwiftLogger,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._interval = interval
        self._registry = registry
        self._own = OwnBuckets(registry)
        self._log = log
        self._now = now
        self._next_check = 0.0
        self._watch = FileWatch(path)
        self._served = _NOTHING
        self._index = Index(())
        self._targets: dict[tuple[str, str], MappedContainer] = {}

    @property
    def segment_size(self) -> int:
        return self._served.segment_size

    def find(self, account: str, container: str) -> MappedContainer | None:
        """Return the container's mapping and bucket, or None."""
        self._refresh_if_due()
        target = self._targets.get((account, container))
        if target is None:
            mapping = self._index.find(account, container)
            if mapping is None or not is_served(mapping):
                return None
            if len(self._targets) >= _MAX_CACHED:
                self._targets.clear()
            bucket = self._registry.open_bucket(mapping)
            if mapping.migration is not None:
                bucket = self._own.guarded(bucket, mapping)
                bucket = SourceBucket(bucket, mapping.migration.prefix, mapping.is_account)
            target = MappedContainer(mapping, bucket)
            self._targets[account, container] = target
        return target

    def migration_of(self, account: str) -> Mapping | None:
        """Return the migration of every bucket into the account, or None."""
        self._refresh_if_due()
        found = self._index.of_account(account)
        return found if found is not None and found.migration is not None else None

    def _refresh_if_due(self) -> None:
        now = self._now()
        if now >= self._next_check:
            self._next_check = now + self._interval
            self.refresh()

    def refresh(self) -> None:
        """Read the file if it has changed."""
        if not self._watch.changed():
            return
        try:
            served, problems = load_shunt_settings(self._path)
        except ConfigError as error:
            for problem in error.problems:
                self._log.error("%s: %s; the previous configuration stays in force", self._path, problem)
            return
        for problem in problems:
            self._log.error("%s: %s", self._path, problem)
        self._apply(served)

    def _apply(self, served: ShuntSettings) -> None:
        usable = [mapping for mapping in served.mappings if self._is_usable(mapping)]
        usable_keys = {(mapping.account, mapping.container) for mapping in usable}
        for mapping in self._served.mappings:
            key = (mapping.account, mapping.container)
            if key in served.named and key not in usable_keys:
                self._log.error("%s: mapping %s keeps its previous configuration", self._path, mapping.label)
                usable.append(mapping)
        self._served = replace(served, mappings=tuple(usable))
        self._watch.watch_also(served.secret_files)
        self._index = Index(usable)
        self._targets = {}
        self._registry.keep({mapping.credentials for mapping in usable})
        self._log.info("%s: loaded %d mappings", self._path, len(self._index))

    def _is_usable(self, mapping: Mapping) -> bool:
        """Return whether the mapping's client can be built. Clients are built at load time, because that
        takes a while."""
        try:
            self._registry.provider(mapping.credentials)
        except SyncError as error:
            problems = error.problems if isinstance(error, ConfigError) else [Problem("", str(error))]
            for problem in problems:
                self._log.error("%s: %s: %s", self._path, mapping.place, problem)
            return False
        return True
