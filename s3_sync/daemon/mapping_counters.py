"""Counters of one mapping: what became of its rows since the process started."""

from __future__ import annotations

from collections import Counter

from s3_sync.config.settings import Mapping
from s3_sync.daemon.counters import Book
from s3_sync.model.outcomes import NOT_DUE, Kind, Outcome
from s3_sync.runtime.stats import Stats


class Tally:
    """``scanned`` is always the sum of all kinds. Also feeds statsd, under its established names.

    The containers of a mapping of all containers count together, but for statsd, where each has its name.
    """

    def __init__(self, mapping: Mapping, stats: Stats, book: Book | None = None) -> None:
        book = book or Book()
        self._counters = book.of(mapping)
        self._pulse = book.pulse(mapping)
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
        """Bytes read from Swift for sending, repeated ones included."""
        self._counters.bytes_read += size
        self._pulse.alive()
        self._stats.counter(self._prefix, "bytes", size)

    def handled(self) -> None:
        """A row has been handled; what became of it is counted when that has been written down."""
        self._pulse.alive()

    def add(self, outcome: Outcome) -> None:
        self._counters.rows[outcome.kind, outcome.reason] += 1
        if outcome.settled:
            self._pulse.progressed()
        if outcome.kind is Kind.COPIED:
            self._stats.counter(self._prefix, "copied_objects", 1)
        elif outcome.kind is Kind.DELETED:
            self._stats.counter(self._prefix, "deleted_objects", 1)

    def summary(self) -> str:
        """``scanned 12: copied 10, skipped 2 (excluded 2)``"""
        counted = self.kinds
        kinds = ", ".join(f"{kind.value} {counted[kind]}" for kind in Kind if counted[kind])
        reasons: Counter[str] = Counter()
        for (_, reason), count in self._counters.rows.items():
            reasons[reason] += count
        told = ", ".join(
            f"{reason} {reasons[reason]}" for reason in sorted(reasons) if reason not in ("", NOT_DUE)
        )
        return f"scanned {self.scanned}: {kinds or 'nothing'}" + (f" ({told})" if told else "")
