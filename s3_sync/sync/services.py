"""What all mappings of a daemon share."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event

from s3_sync.cluster.databases import LocalDatabases
from s3_sync.cluster.services import LocalObjects
from s3_sync.config.settings import Mapping, Settings
from s3_sync.daemon.counters import Book
from s3_sync.daemon.process_shard import Share
from s3_sync.daemon.stop import Stop
from s3_sync.daemon.task_pool import LargeLane
from s3_sync.providers.registry import Registry
from s3_sync.providers.wrappers.instrument import Observers
from s3_sync.runtime.concurrency import Clock, Pool
from s3_sync.runtime.stats import Stats
from s3_sync.state.checkpoint import StatusFiles
from s3_sync.state.controls import Controls
from s3_sync.state.journal import Journal


@dataclass(frozen=True, slots=True)
class Context:
    """``workers`` handle rows, ``parts`` send the parts of large objects; ``large`` is for objects that would
    keep others waiting for too long. ``stop``: set once, when no further row may be begun. ``once``: retries
    do not wait for their time."""

    settings: Settings
    clock: Clock
    workers: Pool
    parts: Pool
    large: LargeLane
    brokers: LocalDatabases
    local: LocalObjects
    registry: Registry
    journal: Journal
    statuses: StatusFiles
    controls: Controls
    stats: Stats
    book: Book = field(default_factory=Book)
    observers: Observers = field(default_factory=Observers)
    share: Share = field(default_factory=Share)
    once: bool = False
    stop: Stop = field(default_factory=Event)

    def halted(self, mapping: Mapping) -> bool:
        """Whether nothing more may be begun for it: we are told to stop, or the operator has paused it."""
        return self.stop.is_set() or self.controls.is_paused(mapping)
