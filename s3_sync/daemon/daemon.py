"""The running daemon: every mapping gets its turns, until somebody says stop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator

from s3_sync.config.coverage import Coverage
from s3_sync.config.settings import Mapping
from s3_sync.daemon.lane import TICK, Lane
from s3_sync.sync.container_crawl import MappingCrawl
from s3_sync.sync.services import Context

log = logging.getLogger("s3-sync")

#: seconds that rows in flight get to finish after SIGTERM
GRACE = 7.5
#: seconds that broken-off transfers get to clean up behind them, such as to abort an upload in parts
CLEAN_UP = 1.5


class Daemon:
    """All lanes, and the main thread's wait for the end."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lanes: dict[str, Lane] = {}
        #: by a mapping's name in the journal
        self._holders: dict[str, Lane] = {}
        self._polling = False
        self._stopping = False
        self.use(context.settings.mappings)

    def use(self, mappings: Iterable[Mapping]) -> None:
        """From now on these are the mappings of all processes: what is new begins, what is gone ends with the
        turn that it has just now, and what has changed is another one from its next turn on."""
        configured = tuple(mappings)
        coverage = Coverage(configured)
        self._context.statuses.use(coverage)
        share = self._context.share
        chosen = [each for each in configured if each.is_whole or share.has(each.account, each.container)]
        self._context.book.declare(chosen)
        lanes: dict[str, list[Mapping]] = {lane: [] for lane in self._lanes}
        for mapping in chosen:
            lanes.setdefault(mapping.lane, []).append(mapping)
        for lane, here in lanes.items():
            if lane not in self._lanes:
                self._lanes[lane] = Lane(self._context, lane, self._holders)
                if self._polling:
                    self._lanes[lane].poll()
            self._lanes[lane].use(here, coverage)

    def crawls(self) -> Iterator[MappingCrawl]:
        """Of every container that this process looks after, accounts expanded."""
        for lane in self._lanes.values():
            yield from lane.crawls()

    def request_stop(self) -> None:
        """From a signal handler: only notes it. The main loop, which is never long asleep, does the rest."""
        self._stopping = True

    def run_once(self) -> bool:
        """True when something has failed, or was not finished."""
        for lane in self._lanes.values():
            lane.drain()
        self._wait(lambda: bool(self._running()))
        failed = self._stopping or any(lane.troubled for lane in self._lanes.values())
        for crawl in self.crawls():
            left = crawl.outstanding
            failed = failed or bool(left.retrying or left.quarantined or left.waiting)
        self._sum_up(everything=True)
        return failed

    def run_forever(self, look: Callable[[], None] = lambda: None) -> None:
        """``look``: called often, by the thread that may call ``use``."""
        if not self._context.settings.mappings:
            log.warning("No mappings: nothing to do until the configuration names some")
        self._polling = True
        for lane in self._lanes.values():
            lane.poll()
        self._wait(lambda: True, look)
        self._sum_up(everything=False)

    def _sum_up(self, everything: bool) -> None:
        """A line for each mapping of the configuration; the containers of an account count together."""
        told: dict[str, tuple[str, str]] = {}
        for crawl in self.crawls():
            mapping = self._context.book.of(crawl.mapping).mapping
            if crawl.has_scanned or (everything and mapping.journal_key not in told):
                told[mapping.journal_key] = mapping.label, crawl.summary()
        for label, summary in told.values():
            log.info("%s: %s", label, summary)

    def _wait(self, going_on: Callable[[], bool], look: Callable[[], None] = lambda: None) -> None:
        """As long as it goes on, or until we are told to stop and the grace is over."""
        while going_on() and not self._stopping:
            self._context.book.beats()
            look()
            self._context.clock.sleep(TICK)
        self._context.stop.set()
        for lane in self._lanes.values():
            lane.close()
        if not self._ended_within(GRACE):
            log.warning("Stopping with transfers in flight; they are taken up again at the next start")
            for lane in self._lanes.values():
                lane.kill()
            self._ended_within(CLEAN_UP)

    def _ended_within(self, seconds: float) -> bool:
        deadline = self._context.clock.now() + seconds
        while self._running() and self._context.clock.now() < deadline:
            self._context.clock.sleep(TICK)
        return not self._running()

    def _running(self) -> int:
        return sum(lane.unfinished for lane in self._lanes.values())
