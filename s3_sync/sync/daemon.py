"""The running daemon: every mapping gets its turns, until somebody says stop."""

from __future__ import annotations

import logging
from collections.abc import Callable

from s3_sync.runtime.concurrency import GreenPool
from s3_sync.sync.context import Context
from s3_sync.sync.crawler import MappingCrawl
from s3_sync.sync.schedule import Schedule

log = logging.getLogger("s3-sync")

#: seconds that rows in flight get to finish after SIGTERM
GRACE = 8.0
#: how often the main thread looks around, in seconds
TICK = 0.2


class Daemon:
    """Gives every mapping its turns, on ``enumerator_workers`` threads."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._crawls = [MappingCrawl(context, mapping) for mapping in context.settings.mappings]
        self._schedule: Schedule[MappingCrawl] = Schedule(context.clock)
        self._enumerators = GreenPool(context.settings.enumerator_workers)
        self._waiting = list(self._crawls)
        self._running = 0
        self._stopping = False

    def request_stop(self) -> None:
        """From a signal handler: only notes it. The main loop, which is never long asleep, does the rest."""
        self._stopping = True

    def run_once(self) -> bool:
        """Every mapping until nothing is left that can be done now. True when something has failed."""
        self._start(self._drain)
        self._wait()
        failed = False
        for crawl in self._crawls:
            left = crawl.outstanding
            failed = failed or crawl.troubled or bool(left.retrying or left.quarantined)
            log.info("%s: %s", crawl.mapping.label, crawl.summary())
        return failed or self._stopping

    def run_forever(self) -> bool:
        for crawl in self._crawls:
            self._schedule.put(crawl, 0.0)
        if not self._crawls:
            log.warning("No mappings: nothing to do")
            return False
        self._start(self._poll)
        self._wait()
        return False

    def _start(self, loop: Callable[[], None]) -> None:
        for _ in range(self._context.settings.enumerator_workers):
            self._running += 1
            self._enumerators.spawn(lambda: self._guarded(loop))

    def _guarded(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        finally:
            self._running -= 1

    def _poll(self) -> None:
        """Turns of one batch each; the period between two polls is from start to start."""
        interval = self._context.settings.poll_interval
        while (crawl := self._schedule.take()) is not None:
            started = self._context.clock.now()
            step = crawl.step()
            self._schedule.put(crawl, started if step.more else max(started + interval, started + step.pause))

    def _drain(self) -> None:
        while self._waiting and not self._stopping:
            crawl = self._waiting.pop(0)
            while crawl.step().more:
                pass

    def _wait(self) -> None:
        """Until all loops have ended, or until we are told to stop and the grace is over."""
        while self._running and not self._stopping:
            self._context.clock.sleep(TICK)
        self._context.stop.set()
        self._schedule.close()
        deadline = self._context.clock.now() + GRACE
        while self._running and self._context.clock.now() < deadline:
            self._context.clock.sleep(TICK)
        if self._running:
            log.warning("Stopping with transfers in flight; they are taken up again at the next start")
            self._context.workers.kill()
