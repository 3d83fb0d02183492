"""Which mappings are in force: the last configuration that could be read, looked up in a dict."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from s3_sync.config.file_watch import FileWatch
from s3_sync.config.load import load_served
from s3_sync.config.mapping_index import Index
from s3_sync.config.settings import Mapping, ShuntSettings
from s3_sync.errors import ConfigError, Problem, SyncError
from s3_sync.providers.base import Bucket
from s3_sync.providers.registry import Registry

#: containers of ``/*`` mappings that are remembered; anybody can ask for any number of them
_MOST_REMEMBERED = 10_000
_NOTHING = ShuntSettings((), 1, frozenset())


@dataclass(frozen=True, slots=True)
class MappedContainer:
    """One container's mapping and the remote bucket behind it."""

    mapping: Mapping
    bucket: Bucket

    def can_hold(self, name: str) -> bool:
        """Whether an object of this name could be there: a key has a longest length, and stored manifests
        are no objects."""
        namer, longest = self.bucket.namer, self.bucket.limits.max_name
        key = namer.key(name)
        return len(key.encode("utf-8")) <= longest and not namer.is_manifest(key)


#: the end of the names of containers in which s3api keeps parts, and a marker for each open upload. A marker
#: that is there means an open upload, whose parts go when it is aborted: s3api must see the cluster alone
PARTS = "+segments"


class MappingTable:
    """Looks at the file every ``interval`` seconds, when somebody asks, and reads it if it changed.

    A file that cannot be used changes nothing. A mapping that cannot be used any more, but is still
    named in the file, stays as it was: what is archived must not vanish because of a typing error.
    """

    def __init__(
        self,
        path: str,
        interval: float,
        registry: Registry,
        log: Any,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._interval = interval
        self._registry = registry
        self._log = log
        self._now = now
        self._next_look = 0.0
        self._watch = FileWatch(path)
        self._served = _NOTHING
        self._index = Index(())
        self._targets: dict[tuple[str, str], MappedContainer] = {}

    @property
    def segment_size(self) -> int:
        return self._served.segment_size

    def find(self, account: str, container: str) -> MappedContainer | None:
        """What the container is mapped to, if anything."""
        now = self._now()
        if now >= self._next_look:
            self._next_look = now + self._interval
            self.look()
        target = self._targets.get((account, container))
        if target is None:
            mapping = self._index.find(account, container)
            if mapping is None or (mapping.is_account and container.endswith(PARTS)):
                return None
            if len(self._targets) >= _MOST_REMEMBERED:
                self._targets.clear()
            target = MappedContainer(mapping, self._registry.open_bucket(mapping))
            self._targets[account, container] = target
        return target

    def look(self) -> None:
        """Read the file if it is another one than last time."""
        if not self._watch.changed():
            return
        try:
            served, problems = load_served(self._path)
        except ConfigError as error:
            for problem in error.problems:
                self._log.error("%s: %s; nothing changes", self._path, problem)
            return
        for problem in problems:
            self._log.error("%s: %s", self._path, problem)
        self._use(served)

    def _use(self, served: ShuntSettings) -> None:
        usable = [mapping for mapping in served.mappings if self._can_be_used(mapping)]
        known = {(mapping.account, mapping.container) for mapping in usable}
        for mapping in self._served.mappings:
            key = (mapping.account, mapping.container)
            if key in served.named and key not in known:
                self._log.error("%s: %s stays as it was", self._path, mapping.label)
                usable.append(mapping)
        self._served = replace(served, mappings=tuple(usable))
        self._watch.also(served.secret_files)
        self._index = Index(usable)
        self._targets = {}
        self._registry.keep({mapping.credentials for mapping in usable})
        self._log.info("%s: %d mappings", self._path, len(self._index))

    def _can_be_used(self, mapping: Mapping) -> bool:
        """Clients are built here, at once, because that takes a while."""
        try:
            self._registry.provider(mapping.credentials)
        except SyncError as error:
            problems = error.problems if isinstance(error, ConfigError) else [Problem("", str(error))]
            for problem in problems:
                self._log.error("%s: %s: %s", self._path, mapping.place, problem)
            return False
        return True
