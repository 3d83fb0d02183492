"""The running daemon: every mapping gets its turns, until somebody says stop."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from s3_sync.config.schema import Mapping
from s3_sync.runtime.concurrency import GreenPool
from s3_sync.sync.context import Context
from s3_sync.sync.crawler import MappingCrawl
from s3_sync.sync.schedule import Schedule

log = logging.getLogger("s3-sync")

#: seconds that rows in flight get to finish after SIGTERM
GRACE = 7.5
#: seconds that broken-off transfers get to clean up behind them, such as to abort an upload in parts
CLEAN_UP = 1.5
#: how often the main thread looks around, in seconds
TICK = 0.05


class Lane:
    """The mappings of one store, with threads of their own: a store that hangs keeps only its own waiting.

    ``enumerator_workers`` mappings have a turn at the same time; ``workers`` rows are in flight, and as many
    parts of large objects.
    """

    def __init__(self, context: Context, mappings: Sequence[Mapping]) -> None:
        settings = context.settings
        # a row waits for its parts: were they to share one pool, all places could be taken by waiting rows
        own = replace(context, workers=GreenPool(settings.workers), parts=GreenPool(settings.workers))
        self.store = mappings[0].credentials.store
        self.workers, self.parts = own.workers, own.parts
        self.crawls = [MappingCrawl(own, mapping) for mapping in mappings]
        self._context = own
        self._schedule: Schedule[MappingCrawl] = Schedule(context.clock)
        self._waiting = deque(self.crawls)
        self.threads = min(settings.enumerator_workers, len(self.crawls))
        self._enumerators = GreenPool(self.threads)
        self.running = 0
        context.book.lanes.append(self)

    def drain(self) -> None:
        """Every mapping, until nothing is left that can be done now."""
        self._start(self._drain_some)

    def poll(self) -> None:
        """Turns of one batch each, for ever."""
        for crawl in self.crawls:
            self._schedule.put(crawl, 0.0)
        self._start(self._take_turns)

    def close(self) -> None:
        """Begin no further turn."""
        self._schedule.close()

    def kill(self) -> None:
        self._context.parts.kill()
        self._context.workers.kill()

    def _start(self, loop: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                loop()
            finally:
                self.running -= 1

        for _ in range(self.threads):
            self.running += 1
            self._enumerators.spawn(guarded)

    def _take_turns(self) -> None:
        """The period between two polls of a mapping is from start to start; a pause begins at the end."""
        interval = self._context.settings.poll_interval
        while (crawl := self._schedule.take()) is not None:
            started = self._context.clock.now()
            step = crawl.step()
            rest = self._context.clock.now() + step.pause
            self._schedule.put(crawl, started if step.more else max(started + interval, rest))

    def _drain_some(self) -> None:
        while self._waiting and not self._context.stop.is_set():
            crawl = self._waiting.popleft()
            while crawl.step().more:
                pass


class Daemon:
    """All lanes, and the main thread's wait for the end."""

    def __init__(self, context: Context) -> None:
        self._context = context
        stores: dict[str, list[Mapping]] = {}
        for mapping in context.settings.mappings:
            stores.setdefault(mapping.credentials.store, []).append(mapping)
        self._lanes = [Lane(context, mappings) for mappings in stores.values()]
        self._stopping = False

    def request_stop(self) -> None:
        """From a signal handler: only notes it. The main loop, which is never long asleep, does the rest."""
        self._stopping = True

    def run_once(self) -> bool:
        """True when something has failed, or was not finished."""
        for lane in self._lanes:
            lane.drain()
        self._wait()
        failed = self._stopping
        for crawl in (crawl for lane in self._lanes for crawl in lane.crawls):
            left = crawl.outstanding
            failed = failed or crawl.troubled or bool(left.retrying or left.quarantined)
            log.info("%s: %s", crawl.mapping.label, crawl.summary())
        return failed

    def run_forever(self) -> None:
        if not self._lanes:
            log.warning("No mappings: nothing to do")
        for lane in self._lanes:
            lane.poll()
        self._wait()

    def _wait(self) -> None:
        """Until all lanes have ended, or until we are told to stop and the grace is over."""
        while self._running() and not self._stopping:
            self._context.book.beats()
            self._context.clock.sleep(TICK)
        self._context.stop.set()
        for lane in self._lanes:
            lane.close()
        if not self._ended_within(GRACE):
            log.warning("Stopping with transfers in flight; they are taken up again at the next start")
            for lane in self._lanes:
                lane.kill()
            self._ended_within(CLEAN_UP)

    def _ended_within(self, seconds: float) -> bool:
        deadline = self._context.clock.now() + seconds
        while self._running() and self._context.clock.now() < deadline:
            self._context.clock.sleep(TICK)
        return not self._running()

    def _running(self) -> int:
        return sum(lane.running for lane in self._lanes)
