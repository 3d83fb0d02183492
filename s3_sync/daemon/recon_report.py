"""The content of the recon file: the state of a running daemon. docs/data-model.md explains it."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, NamedTuple

from s3_sync import __version__
from s3_sync.daemon.activity import Activity
from s3_sync.daemon.counters import Counters
from s3_sync.daemon.metrics import MetricNames
from s3_sync.daemon.services import Services
from s3_sync.model.outcomes import Kind
from s3_sync.providers.wrappers.instrument import Observer

#: rates are averages over this many seconds
RATE_WINDOW = 60.0
_SETTLED = frozenset(Kind) - {Kind.PENDING, Kind.FAILED}


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
    """Builds the report; times in it are seconds since the epoch. ``own``: what only this daemon has to say
    about a mapping, by the key of its counters."""

    def __init__(self, services: Services, names: MetricNames, own: Callable[[str], dict[str, Any]]) -> None:
        self._services = services
        self._activity = services.activity
        self._names = names
        self._own = own
        self._began = services.clock.now()
        self.rates = Rates(services.activity)

    def build(self) -> dict[str, Any]:
        services = self._services
        now, throttled = services.clock.now(), services.registry.rates()
        ago = self._activity.now() - now  # monotonic time minus time since the epoch
        return {
            "version": __version__,
            "process": services.share.number,
            "pid": os.getpid(),
            "began": self._began,
            "updated": now,
            "alive": self._activity.is_alive(),
            "mappings": [
                self._mapping(key, counters, ago) for key, counters in list(self._activity.by_mapping.items())
            ],
            "stores": [_store(each, throttled) for each in services.observers],
        }

    def _mapping(self, key: str, counters: Counters, ago: float) -> dict[str, Any]:
        rate = self.rates.of(key)
        mapping = counters.mapping
        return {
            "account": mapping.account,
            "container": mapping.container,
            self._names.remote: mapping.remote,
            "fingerprint": mapping.fingerprint,
            "containers": sum(
                not heartbeat.mapping.is_account_wide for heartbeat in list(counters.heartbeats.values())
            ),
            "paused": self._services.controls.is_paused(mapping),
            self._names.handled: _by_kind(counters),
            "read_bytes": counters.bytes_read,
            "objects_per_second": round(rate.objects, 3),
            "bytes_per_second": round(rate.bytes, 1),
            "turns": counters.turns,
            "turns_running": counters.running,
            "troubled": counters.failing,
            "last_alive": counters.last_seen - ago if counters.heartbeats else None,
            "last_progress": counters.progress - ago if counters.heartbeats else None,
            **self._own(key),
        }


def _done(counters: Counters) -> Done:
    settled = sum(count for (kind, _), count in list(counters.rows.items()) if kind in _SETTLED)
    return Done(settled, counters.bytes_read)


def _by_kind(counters: Counters) -> dict[str, int]:
    kinds: Counter[str] = Counter({kind.value: 0 for kind in Kind})
    for (kind, _), count in list(counters.rows.items()):
        kinds[kind.value] += count
    return {"scanned": sum(kinds.values()), **kinds}


def _store(observer: Observer, throttled: dict[str, float]) -> dict[str, Any]:
    return {
        "store": observer.store,
        "in_flight": observer.in_flight,
        "oldest": round(observer.oldest, 3),
        "silent": round(observer.silent_for, 3),
        "request_limit": throttled.get(observer.store),
    }
