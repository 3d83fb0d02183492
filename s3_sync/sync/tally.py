"""Counters of one mapping: what became of its rows since the process started."""

from __future__ import annotations

from collections import Counter

from s3_sync.config.schema import Mapping
from s3_sync.model.outcomes import NOT_DUE, Kind, Outcome
from s3_sync.runtime.stats import Stats


class Tally:
    """``scanned`` is always the sum of all kinds. Also feeds statsd, under its established names."""

    def __init__(self, mapping: Mapping, stats: Stats) -> None:
        self.kinds: Counter[Kind] = Counter()
        self.reasons: Counter[str] = Counter()
        self._stats = stats
        self._prefix = mapping.stats_prefix

    @property
    def scanned(self) -> int:
        return sum(self.kinds.values())

    def read(self, size: int) -> None:
        """Bytes read from Swift for sending, repeated ones included."""
        self._stats.counter(self._prefix, "bytes", size)

    def add(self, outcome: Outcome) -> None:
        self.kinds[outcome.kind] += 1
        if outcome.reason:
            self.reasons[outcome.reason] += 1
        if outcome.kind is Kind.COPIED:
            self._stats.counter(self._prefix, "copied_objects", 1)
        elif outcome.kind is Kind.DELETED:
            self._stats.counter(self._prefix, "deleted_objects", 1)

    def summary(self) -> str:
        """``scanned 12: copied 10, skipped 2 (excluded 2)``"""
        kinds = ", ".join(f"{kind.value} {self.kinds[kind]}" for kind in Kind if self.kinds[kind])
        reasons = ", ".join(
            f"{reason} {count}" for reason, count in sorted(self.reasons.items()) if reason != NOT_DUE
        )
        return f"scanned {self.scanned}: {kinds or 'nothing'}" + (f" ({reasons})" if reasons else "")
