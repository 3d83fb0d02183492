"""The content of the recon file: the state of a running daemon. docs/data-model.md explains it."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from s3_sync import __version__
from s3_sync.config.settings import Mapping
from s3_sync.daemon.activity import Activity
from s3_sync.daemon.counters import Counters
from s3_sync.model.outcomes import Kind
from s3_sync.providers.wrappers.instrument import Observer
from s3_sync.sync.backlog.poller import Pending

#: rates are averages over this many seconds
RATE_WINDOW = 60.0
_SETTLED = frozenset(Kind) - {Kind.PENDING, Kind.FAILED}


def destination(mapping: Mapping) -> str:
    """``store/bucket``, and the key prefix if the configuration names one."""
    written = "" if mapping.custom_prefix is None else f"/{mapping.custom_prefix}"
    return f"{mapping.credentials.store_id}/{mapping.bucket}{written}"


class Done(NamedTuple):
    """Objects and bytes that were handled; of a rate, per second."""

    objects: float = 0.0
    bytes: float = 0.0


class Rates:
    """Objects and bytes per second of each mapping, over the last RATE_WINDOW seconds, or since the first
    call of ``sample``."""

    def __init__(self, activity: Activity) -> None:
        self._activity = activity
        self._samples: deque[tuple[float, dict[str, Done]]] = deque()

    def sample(self) -> None:
        now = self._activity.now()
        self._samples.append((now, {key: _done(each) for key, each in self._activity.by_mapping.items()}))
        while len(self._samples) > 2 and self._samples[1][0] <= now - RATE_WINDOW:
            self._samples.popleft()

    def of(self, key: str) -> Done:
        if not self._samples:
            return Done()
        (began, before), (ended, after) = self._samples[0], self._samples[-1]
        seconds = ended - began
        if seconds <= 0 or key not in after:
            return Done()
        first, last = before.get(key, Done()), after[key]
        return Done((last.objects - first.objects) / seconds, (last.bytes - first.bytes) / seconds)


class ReconReport:
    """Builds the report; times in it are seconds since the epoch."""

    def __init__(
        self,
        activity: Activity,
        process: int,
        began: float,
        is_paused: Callable[[Mapping], bool],
    ) -> None:
        self._activity = activity
        self._is_paused = is_paused
        self._process = process
        self._began = began
        self.rates = Rates(activity)

    def build(
        self, now: float, found: dict[str, Pending], stores: Iterator[Observer], throttled: dict[str, float]
    ) -> dict[str, Any]:
        ago = self._activity.now() - now  # monotonic time minus time since the epoch
        return {
            "version": __version__,
            "process": self._process,
            "pid": os.getpid(),
            "began": self._began,
            "updated": now,
            "alive": self._activity.is_alive(),
            "mappings": [
                self._mapping(key, counters, ago, found.get(key))
                for key, counters in list(self._activity.by_mapping.items())
            ],
            "stores": [_store(each, throttled) for each in stores],
        }

    def _mapping(self, key: str, counters: Counters, ago: float, pending: Pending | None) -> dict[str, Any]:
        rate = self.rates.of(key)
        mapping = counters.mapping
        return {
            "account": mapping.account,
            "container": mapping.container,
            "destination": destination(mapping),
            "fingerprint": mapping.fingerprint,
            "containers": sum(
                not heartbeat.mapping.is_account_wide for heartbeat in list(counters.heartbeats.values())
            ),
            "paused": self._is_paused(mapping),
            "rows": _by_kind(counters),
            "read_bytes": counters.bytes_read,
            "objects_per_second": round(rate.objects, 3),
            "bytes_per_second": round(rate.bytes, 1),
            "turns": counters.turns,
            "turns_running": counters.running,
            "troubled": counters.failing,
            "last_alive": counters.last_seen - ago if counters.heartbeats else None,
            "last_progress": counters.progress - ago if counters.heartbeats else None,
            "pending": _pending(pending),
        }


def _done(counters: Counters) -> Done:
    settled = sum(count for (kind, _), count in list(counters.rows.items()) if kind in _SETTLED)
    return Done(settled, counters.bytes_read)


def _by_kind(counters: Counters) -> dict[str, int]:
    kinds: Counter[str] = Counter({kind.value: 0 for kind in Kind})
    for (kind, _), count in list(counters.rows.items()):
        kinds[kind.value] += count
    return {"scanned": sum(kinds.values()), **kinds}


def _pending(found: Pending | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "rows_behind": found.rows_behind,
        "objects": found.objects,
        "bytes": found.bytes,
        "oldest": found.oldest,
        "not_due": found.not_due,
        "unverified": found.unverified,
        "retrying": found.retrying,
        "quarantined": found.quarantined,
        "reasons": dict(found.reasons),
        "counted": found.counted_at,
    }


def _store(observer: Observer, throttled: dict[str, float]) -> dict[str, Any]:
    return {
        "store": observer.store,
        "in_flight": observer.in_flight,
        "oldest": round(observer.oldest, 3),
        "silent": round(observer.silent_for, 3),
        "request_limit": throttled.get(observer.store),
    }
