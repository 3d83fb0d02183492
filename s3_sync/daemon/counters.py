"""Counters per mapping since the process started: plain numbers, which the metrics collectors read."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from s3_sync.config.settings import Mapping
from s3_sync.daemon.heartbeat import Heartbeat
from s3_sync.model.outcomes import NOT_DUE, Kind, Outcome
from s3_sync.runtime.stats import Stats


@dataclass(slots=True)
class Counters:
    """Counters of one configured mapping; the containers of an account's mapping share them.

    ``rows``: number of rows handled, by kind and reason of the outcome; a retried row counts again.
    ``bytes_read``: bytes read from Swift for uploads, repeated reads included.
    """

    mapping: Mapping
    rows: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    bytes_read: int = 0
    #: containers whose deletes are held back
    held: set[str] = field(default_factory=set)
    #: turns of containers that are gone
    turns_before: int = 0
    #: by container: an account's mapping has many
    heartbeats: dict[str, Heartbeat] = field(default_factory=dict)

    @property
    def scanned(self) -> int:
        return sum(self.rows.values())

    @property
    def turns(self) -> int:
        return self.turns_before + sum(each.turns for each in self.heartbeats.values())

    @property
    def last_seen(self) -> float:
        """The oldest last sign of life of all turns in progress; if there are none, the newest of all
        jobs."""
        running = [each.last_seen for each in self.heartbeats.values() if each.is_running]
        return min(running) if running else max((e.last_seen for e in self.heartbeats.values()), default=0.0)

    @property
    def progress(self) -> float:
        """When any job last made progress, since an account may have so many jobs that each waits long for
        its turn; but not later than the moment since which the turns of some job have made none."""
        stalled = (e.stalled_since for e in self.heartbeats.values() if e.stalled_since is not None)
        return min(max((e.progress for e in self.heartbeats.values()), default=0.0), *stalled, math.inf)

    @property
    def failing(self) -> int:
        """How many jobs failed in their last turn."""
        return sum(each.is_failing for each in self.heartbeats.values())

    @property
    def running(self) -> int:
        """How many turns are in progress."""
        return sum(each.is_running for each in self.heartbeats.values())


class MappingCounters:
    """Counts the outcomes of one mapping's rows, here and in statsd under the established names.

    ``scanned`` is always the sum of all kinds. The containers of an account's mapping share the counters,
    except in statsd, where each has its own name.
    """

    def __init__(self, mapping: Mapping, stats: Stats, counters: Counters, heartbeat: Heartbeat) -> None:
        self._counters = counters
        self._heartbeat = heartbeat
        self._stats = stats
        self._prefix = mapping.stats_prefix

    @property
    def scanned(self) -> int:
        return self._counters.scanned

    @property
    def kinds(self) -> Counter[Kind]:
        kinds: Counter[Kind] = Counter()
        for (kind, _), count in self._counters.rows.items():
            kinds[kind] += count
        return kinds

    def read(self, size: int) -> None:
        """Count bytes read from Swift for an upload, repeated reads included."""
        self._counters.bytes_read += size
        self._heartbeat.touch()
        self._stats.counter(self._prefix, "bytes", size)

    def handled(self) -> None:
        """Called when rows have been handled. Their outcomes are counted later, once they are recorded."""
        self._heartbeat.touch()

    def add(self, outcome: Outcome, count: int = 1) -> None:
        """Count ``count`` rows with this outcome."""
        self._counters.rows[outcome.kind, outcome.reason] += count
        if outcome.settled:
            self._heartbeat.made_progress()
        if outcome.kind is Kind.COPIED:
            self._stats.counter(self._prefix, "copied_objects", count)
        elif outcome.kind is Kind.DELETED:
            self._stats.counter(self._prefix, "deleted_objects", count)

    def summary(self) -> str:
        """``scanned 12: copied 10, skipped 2 (excluded 2)``"""
        counted = self.kinds
        kinds = ", ".join(f"{kind.value} {counted[kind]}" for kind in Kind if counted[kind])
        reasons: Counter[str] = Counter()
        for (_, reason), count in self._counters.rows.items():
            reasons[reason] += count
        details = ", ".join(
            f"{reason} {reasons[reason]}" for reason in sorted(reasons) if reason not in ("", NOT_DUE)
        )
        return f"scanned {self.scanned}: {kinds or 'nothing'}" + (f" ({details})" if details else "")
