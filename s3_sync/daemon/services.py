"""The services that all parts of a daemon share."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event

from s3_sync.config.settings import Mapping, Settings
from s3_sync.daemon.activity import Activity
from s3_sync.daemon.process_shard import ProcessShard
from s3_sync.daemon.stop import Stop
from s3_sync.providers.registry import Registry
from s3_sync.providers.wrappers.instrument import Observers
from s3_sync.runtime.concurrency import Clock
from s3_sync.runtime.stats import Stats
from s3_sync.state.controls import Controls


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """``stop``: set once, when no further work may begin. ``once``: the daemon exits after one pass over
    everything, and retries ignore their backoff."""

    settings: Settings
    clock: Clock
    registry: Registry
    controls: Controls
    stats: Stats
    activity: Activity = field(default_factory=Activity)
    observers: Observers = field(default_factory=Observers)
    share: ProcessShard = field(default_factory=ProcessShard)
    once: bool = False
    stop: Stop = field(default_factory=Event)

    def halted(self, mapping: Mapping) -> bool:
        """Whether no more work may begin for a mapping: the daemon is stopping, or the mapping is paused."""
        return self.stop.is_set() or self.controls.is_paused(mapping)
