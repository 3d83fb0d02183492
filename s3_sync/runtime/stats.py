"""Counters for statsd, aggregated in memory and sent once a second.

Names on the wire: ``[<prefix>.]<mapping prefix>.<metric>``, as plain counters (``:n|c``).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable

from statsd import StatsClient

INTERVAL = 1.0
#: seconds between attempts to resolve the host name; counting continues meanwhile
RETRY_LOOKUP = 30.0
_CLOSE_TIMEOUT = 2.0

log = logging.getLogger("s3-sync.stats")


class Stats:
    """Counting never raises and never blocks on the network: a thread resolves the host and sends.

    Without a host it does nothing. Counts are kept while the host name cannot be resolved; the number of
    mappings and metrics bounds them. As UDP has no acknowledgements, an absent server goes unnoticed.
    """

    def __init__(
        self,
        host: str | None,
        port: int = 8125,
        prefix: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host = host
        self._port = port
        self._prefix = prefix or None
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._client: StatsClient | None = None
        self._next_lookup: float | None = None

    def counter(self, mapping_prefix: str, metric: str, n: int = 1) -> None:
        """Add ``n`` to a metric of the mapping with this ``stats_prefix``."""
        if not self._host or self._closing.is_set():
            return
        with self._lock:
            self._counts[f"{mapping_prefix}.{metric}"] += n
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="statsd", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Send the remaining counts; later ones are lost. Idempotent."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_TIMEOUT)

    def _run(self) -> None:
        while not self._closing.wait(INTERVAL):
            self._send()
        self._send()
        if self._client is not None:
            self._client.close()

    def _send(self) -> None:
        if not self._counts:
            return
        client = self._client = self._client or self._look_up()
        if client is None:
            return
        with self._lock:
            counts, self._counts = self._counts, defaultdict(int)
        pipeline = client.pipeline()  # several counters in one packet
        for name, count in counts.items():
            pipeline.incr(name, count)
        pipeline.send()

    def _look_up(self) -> StatsClient | None:
        now = self._clock()
        if self._next_lookup is not None and now < self._next_lookup:
            return None
        first = self._next_lookup is None
        self._next_lookup = now + RETRY_LOOKUP
        try:
            return StatsClient(self._host, self._port, prefix=self._prefix)
        except (OSError, UnicodeError):
            pass  # an IPv6 address, or a name that has only such
        try:
            return StatsClient(self._host, self._port, prefix=self._prefix, ipv6=True)
        except (OSError, UnicodeError) as error:
            if first:
                log.warning("Cannot resolve statsd host %s: %s; retrying", self._host, error)
            return None
