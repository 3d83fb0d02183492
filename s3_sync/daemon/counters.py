"""Plain numbers about what the daemon does, made into metrics and reports only when somebody asks.

Counting is an addition, a sign of life a look at the clock: nothing here may cost what a row would notice.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from s3_sync.config.settings import Mapping
from s3_sync.model.outcomes import Kind
from s3_sync.runtime.concurrency import Pool

#: a turn without any sign of life for so long, in seconds, will not end any more: no time-out of ours,
#: repeated as often as it may be, lasts so long
WEDGED = 1800.0


class Pulse:
    """Signs of life of one crawl, in monotonic seconds.

    ``beat``: the last one: a turn began or ended, a row was handled, a chunk was read. ``progress``: when
    something was last settled, or nothing was left that could be done. ``turning``: it has a turn now.
    ``troubled``: its last turn did not get through. ``vain``: when the first turn began since ``progress``
    that has ended and brought none; None = there was no such turn, though one may be overdue.
    """

    __slots__ = ("_began", "_now", "beat", "mapping", "progress", "troubled", "turning", "turns", "vain")

    def __init__(self, mapping: Mapping, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.mapping = mapping
        self.beat = self.progress = self._began = now()
        self.turns = 0
        self.turning = False
        self.troubled = False
        self.vain: float | None = None

    def alive(self) -> None:
        self.beat = self._now()

    def progressed(self) -> None:
        self.beat = self.progress = self._now()
        self.vain = None

    def begin(self) -> None:
        self.turning = True
        self.alive()
        self._began = self.beat

    def end(self, idle: bool, troubled: bool) -> None:
        """``idle``: there is nothing left that can be done now."""
        self.turns += 1
        self.turning = False
        self.troubled = troubled
        self.alive()
        if idle and not troubled:
            self.progressed()
        elif self.vain is None and self.progress <= self._began:
            self.vain = self._began


@dataclass(slots=True)
class Counters:
    """Of one mapping of the configuration, since the process started.

    ``rows``: how often a row was looked at with which outcome, by kind and reason: a row that is tried again
    is counted again. ``bytes_read``: read from Swift for sending, repeated ones included.
    """

    mapping: Mapping
    rows: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    bytes_read: int = 0
    #: containers whose deletes are held
    held: set[str] = field(default_factory=set)
    #: of containers that have gone
    turns_before: int = 0
    #: by container: a mapping of every container has many
    pulses: dict[str, Pulse] = field(default_factory=dict)

    @property
    def scanned(self) -> int:
        return sum(self.rows.values())

    @property
    def turns(self) -> int:
        return self.turns_before + sum(pulse.turns for pulse in self.pulses.values())

    @property
    def beat(self) -> float:
        """Of the crawl whose turn is silent for longest; when there is none, the last sign of any."""
        turning = [pulse.beat for pulse in self.pulses.values() if pulse.turning]
        return min(turning) if turning else max((pulse.beat for pulse in self.pulses.values()), default=0.0)

    @property
    def progress(self) -> float:
        """The last one of any crawl, as an account may have so many that each waits for its turn for long; or
        since when the turns of one of them have been in vain."""
        vain = (pulse.vain for pulse in self.pulses.values() if pulse.vain is not None)
        return min(max((pulse.progress for pulse in self.pulses.values()), default=0.0), *vain, math.inf)

    @property
    def troubled(self) -> int:
        """How many crawls could not get through lately."""
        return sum(pulse.troubled for pulse in self.pulses.values())

    @property
    def turning(self) -> int:
        return sum(pulse.turning for pulse in self.pulses.values())


@dataclass(slots=True)
class Configuration:
    """What became of the file. ``loaded_at``: when it was last taken over, in monotonic seconds. ``refused``:
    it has changed since, and cannot be used. ``problems``: mappings that were left out."""

    now: Callable[[], float]
    problems: int = 0
    refused: bool = False
    loaded_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.loaded_at = self.now()

    def loaded(self) -> None:
        self.loaded_at, self.refused, self.problems = self.now(), False, 0


class LaneFacts(Protocol):
    """A lane, as far as it can be looked at. ``threads`` that should run, ``running`` that do."""

    store: str
    threads: int
    running: int
    workers: Pool
    parts: Pool

    @property
    def large_busy(self) -> int: ...


class Book:
    """The counters of all mappings of a process. A mapping of every container has one set of them, whatever
    the number of its containers: that bounds what a scrape returns."""

    def __init__(self, mappings: Iterable[Mapping] = (), now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        #: when the main loop last looked around
        self.heartbeat = now()
        #: what is done when it has
        self.on_beat: Callable[[], None] | None = None
        #: seconds between two turns of a mapping that has nothing to do
        self.poll_interval = 0.0
        self.configuration = Configuration(now)
        self.counters: dict[str, Counters] = {}
        self.lanes: list[LaneFacts] = []
        self.declare(mappings)

    def declare(self, mappings: Iterable[Mapping]) -> None:
        """What is configured from now on, each with counters and a pulse at once: it may be long until its
        first turn. The numbers of what stays go on."""
        configured = list(mappings)
        before, self.counters = self.counters, {}
        for mapping in configured:
            key = mapping.journal_key
            self.counters[key] = before.get(key) or Counters(mapping)
            self.counters[key].mapping = mapping
            self.pulse(mapping)

    def of(self, mapping: Mapping) -> Counters:
        """Of the mapping, or of the one of every container that it is made of."""
        key = mapping.control_key
        if key not in self.counters:
            self.counters[key] = Counters(mapping)
        return self.counters[key]

    def pulse(self, mapping: Mapping) -> Pulse:
        """Always the same one for the same container of a mapping, which may be another one by now."""
        pulses = self.of(mapping).pulses
        pulse = pulses.get(mapping.container)
        if pulse is None:
            pulse = pulses[mapping.container] = Pulse(mapping, self.now)
        pulse.mapping = mapping
        return pulse

    def beats(self) -> None:
        """The main loop is running."""
        self.heartbeat = self.now()
        if self.on_beat is not None:
            self.on_beat()

    def forget(self, mapping: Mapping) -> None:
        """A container that has gone, or is no longer this process's; what was counted stays."""
        if mapping.control_key not in self.counters:  # a mapping that was taken out
            return
        counters = self.of(mapping)
        counters.held.discard(mapping.container)
        if gone := counters.pulses.pop(mapping.container, None):
            counters.turns_before += gone.turns

    def is_alive(self) -> bool:
        """Whether turns are taken in every lane, and whether those that are taken show signs of life."""
        now = self.now()
        pulses = [pulse for counters in self.counters.values() for pulse in counters.pulses.values()]
        if any(pulse.turning and now - pulse.beat > WEDGED for pulse in pulses):
            return False
        if any(lane.running < lane.threads for lane in self.lanes):
            return False
        newest: dict[str, float] = {}
        for pulse in pulses:
            store = pulse.mapping.credentials.store
            newest[store] = max(pulse.beat, newest.get(store, pulse.beat))
        return all(now - beat <= WEDGED + self.poll_interval for beat in newest.values())
