"""Counters for statsd, added up in memory and sent once a second.

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
#: how long an unknown host name is left alone; counting goes on meanwhile
RETRY_LOOKUP = 30.0
_CLOSING = 2.0

log = logging.getLogger("s3-sync.stats")


class Stats:
    """Counting never raises and never waits for the network: a thread looks up the host and sends.

    Without a host nothing happens at all. What is counted while the host name cannot be looked up is kept;
    the number of mappings and metrics bounds it. UDP tells nobody whether somebody listens.
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
        """Send what is left; what is counted later is lost. Calling it again does nothing."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(_CLOSING)

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
            pass  # an IPv6 address, or a name that has no other
        try:
            return StatsClient(self._host, self._port, prefix=self._prefix, ipv6=True)
        except (OSError, UnicodeError) as error:
            if first:
                log.warning("statsd host %s is unknown (%s); counting goes on", self._host, error)
            return None
