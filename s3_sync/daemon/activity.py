"""The current state of a process, read by its metrics, its recon file and its watchdog."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from s3_sync.config.settings import Mapping
from s3_sync.daemon.counters import Counters, MappingCounters
from s3_sync.daemon.heartbeat import STALL_LIMIT, Heartbeat
from s3_sync.runtime.concurrency import Pool
from s3_sync.runtime.stats import Stats


@dataclass(slots=True)
class ConfigurationState:
    """``loaded_at``: when the file was last applied, in monotonic seconds. ``refused``: the file has changed
    since and is invalid. ``problems``: number of mappings that were left out."""

    now: Callable[[], float]
    problems: int = 0
    refused: bool = False
    loaded_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.loaded_at = self.now()

    def loaded(self) -> None:
        self.loaded_at, self.refused, self.problems = self.now(), False, 0


class LaneState(Protocol):
    """The part of a lane that metrics show. ``threads``: how many should run; ``running``: how many do."""

    store: str
    threads: int
    running: int
    workers: Pool
    parts: Pool

    @property
    def large_busy(self) -> int: ...


class Activity:
    """Counters and heartbeats of all mappings of a process. An account's mapping has one set of counters for
    all its containers, which bounds the size of a scrape.

    ``last_tick``: when the main loop last ran. ``on_tick``: called on each iteration. ``poll_interval``:
    seconds between two turns of an idle mapping.
    """

    def __init__(self, mappings: Iterable[Mapping] = (), now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self.last_tick = now()
        self.on_tick: Callable[[], None] | None = None
        self.poll_interval = 0.0
        self.configuration = ConfigurationState(now)
        #: by ``Mapping.control_key``
        self.by_mapping: dict[str, Counters] = {}
        self.lanes: list[LaneState] = []
        self.set_mappings(mappings)

    def set_mappings(self, mappings: Iterable[Mapping]) -> None:
        """Replace the configured mappings. Each gets counters and a heartbeat at once, as its first turn may
        be far away; mappings that stay keep their numbers."""
        configured = list(mappings)
        before, self.by_mapping = self.by_mapping, {}
        for mapping in configured:
            key = mapping.journal_key
            self.by_mapping[key] = before.get(key) or Counters(mapping)
            self.by_mapping[key].mapping = mapping
            self.heartbeat_for(mapping)

    def counters_for(self, mapping: Mapping) -> Counters:
        """The counters of a mapping; for a container of an account's mapping, those of the account."""
        key = mapping.control_key
        if key not in self.by_mapping:
            self.by_mapping[key] = Counters(mapping)
        return self.by_mapping[key]

    def heartbeat_for(self, mapping: Mapping) -> Heartbeat:
        """The heartbeat of a mapping's container: one object, which survives changes of the mapping."""
        heartbeats = self.counters_for(mapping).heartbeats
        heartbeat = heartbeats.get(mapping.container)
        if heartbeat is None:
            heartbeat = heartbeats[mapping.container] = Heartbeat(mapping, self.now)
        heartbeat.mapping = mapping
        return heartbeat

    def mapping_counters(self, mapping: Mapping, stats: Stats) -> MappingCounters:
        return MappingCounters(mapping, stats, self.counters_for(mapping), self.heartbeat_for(mapping))

    def tick(self) -> None:
        """Called on each iteration of the main loop."""
        self.last_tick = self.now()
        if self.on_tick is not None:
            self.on_tick()

    def drop(self, mapping: Mapping) -> None:
        """Forget a container that is gone or no longer belongs to this process; its counts remain."""
        if mapping.control_key not in self.by_mapping:  # a removed mapping
            return
        counters = self.counters_for(mapping)
        counters.held.discard(mapping.container)
        if gone := counters.heartbeats.pop(mapping.container, None):
            counters.turns_before += gone.turns

    def is_alive(self) -> bool:
        """Whether every lane runs turns, and no turn in progress has stalled."""
        now = self.now()
        heartbeats = [each for counters in self.by_mapping.values() for each in counters.heartbeats.values()]
        if any(each.is_running and now - each.last_seen > STALL_LIMIT for each in heartbeats):
            return False
        if any(lane.running < lane.threads for lane in self.lanes):
            return False
        newest: dict[str, float] = {}
        for each in heartbeats:
            store = each.mapping.credentials.store_id
            newest[store] = max(each.last_seen, newest.get(store, each.last_seen))
        return all(now - last_seen <= STALL_LIMIT + self.poll_interval for last_seen in newest.values())
